// The steps that an operation of linear algebra consists of, each a dispatch. Sizes and the number
// of a step are words, so that a step is one kernel for all sizes.
//
// A step is a type without state:
//
//   struct Pivot {
//     static constexpr std::string_view kName = "pivot";  // no other family's
//     using Layout = ..., Words = ...;                    // see family.h
//     static StepOptions options(const Layout&);
//     static void emit(StepKernel<Pivot>&);  // the kernel's body
//   };
//
// and Steps::add<Pivot>(...) runs it for each of a number of items. Of small matrices a dispatch
// takes many steps, an invocation a matrix (Worker::lone): its words begin with those that it
// takes.
#pragma once

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/common/family.h"
#include "kernels/linear/linear_kernel.h"

namespace nxv::kernels {

template <typename Step>
class StepKernel : public LinearKernel {
 public:
  using Layout = typename Step::Layout;
  using Words = typename Step::Words;

  StepKernel(const Region& region, const Target& target, const Layout& layout)
      : LinearKernel(Step::options(layout), region, target, kWordsOf<Words>),
        layout(layout),
        words(arguments.words_as<Words>(kWordsOf<StepWords>)) {}

  // Each item as a part of its matrix, which has so many.
  using OfPart = std::function<void(ir::Value matrix, ir::Value part, ir::Value item)>;
  void each_part(Divisor Words::*parts, const OfPart& body) {
    each_item([&](ir::Value item) {
      const ir::Value matrix = words.divide(item, parts);
      body(matrix, item - matrix * words[parts], item);
    });
  }

  const Layout& layout;
  const WordValues<Words> words;
};

template <typename Step>
ir::Kernel generate_step(const Region& region, const Target& target,
                         const typename Step::Layout& layout) {
  StepKernel<Step> kernel(region, target, layout);
  Step::emit(kernel);
  return kernel.finish();
}

template <typename Step>
inline constexpr Family<typename Step::Layout> kStepFamily = {Step::kName, generate_step<Step>};

// A size as a word.
constexpr uint32_t word(uint64_t size) { return static_cast<uint32_t>(size); }

// The steps begin .. end - 1 that a lone invocation takes of its matrix.
struct StepRange {
  StepRange() = default;
  StepRange(uint64_t begin, uint64_t end) : begin(word(begin)), end(word(end)) {}
  uint32_t begin = 0, end = 0;
};
void each_step(LinearKernel& k, const WordValues<StepRange>& range,
               const std::function<void(ir::Value matrix, ir::Value step)>& body);

// Where an element of dense matrices lies: in which matrix, in which row and column of it.
struct ElementPlace {
  ir::Value matrix, row, column;
};
template <typename Words>
ElementPlace place_of(const WordValues<Words>& words, ir::Value index, Divisor Words::*rows,
                      Divisor Words::*columns) {
  const ir::Value row = words.divide(index, columns), column = index - row * words[columns];
  const ir::Value matrix = words.divide(row, rows);
  return {matrix, row - matrix * words[rows], column};
}

// What a step touches.
struct Touched {
  std::vector<Use> workspaces;
  bool reads_operands = false, writes_output = false;
};

// Collects the steps of an operation.
class Steps {
 public:
  Steps(const Region& region, const Target& target)
      : target(target), working(working_type(region.root->dtype, target)), region_(region) {}

  const Target target;
  const DType working;
  // Matrices of this size are left to an invocation each.
  bool are_lone(uint64_t rows, uint64_t columns) const {
    return std::max(rows, columns) <= target.plan->tuning.lone_matrix;
  }
  Rounding rounding(uint64_t rows, uint64_t columns) const {
    return are_lone(rows, columns) ? Rounding::of_operations : Rounding::of_results;
  }
  // The working type has more precision and range than the result.
  bool widens() const { return working != region_.root->dtype; }

  // Workspaces of `elements` numbers.
  int numbers(uint64_t elements) { return workspace(elements, working); }
  int reals(uint64_t elements) { return workspace(elements, to_real(working)); }
  int indices(uint64_t elements) { return workspace(elements, DType::u32); }

  // The step for each of so many items.
  template <typename Step>
  void add(uint64_t items, const typename Step::Words& words, Touched touched,
           const typename Step::Layout& layout = {}) {
    Launch d =
        launch_of(kStepFamily<Step>, region_, target, layout, StepWords{.items = word(items)});
    append(d.words, words);
    add(std::move(d), Step::options(layout), items, std::move(touched));
  }
  Lowering take() { return std::move(lowering_); }

 private:
  int workspace(uint64_t elements, DType type);
  void add(Launch d, const StepOptions& options, uint64_t items, Touched touched);

  const Region& region_;
  Lowering lowering_;
};

// How many matrices a tensor of this shape holds.
uint64_t batch_of(const Shape& shape);

}  // namespace nxv::kernels
