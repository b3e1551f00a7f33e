// Folds by a caller's function, whose body is emitted into the kernel.
//
// The function need not be associative: each result takes its elements one after the other. One
// invocation owns the results that share a word of the output and advances them together. Between
// dispatches of as many elements as an invocation may loop over, the accumulators wait in the
// output, which loses nothing: they are of its type.
#include "kernels/reduction/function_fold.h"

#include <algorithm>
#include <unordered_map>

#include "graph/scalar_function.h"
#include "graph/scalar_words.h"
#include "ir/ops/emit.h"
#include "kernels/common/divide_up.h"
#include "kernels/common/family.h"
#include "kernels/common/grid.h"
#include "kernels/common/kernel_arguments.h"
#include "kernels/common/memory_format.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Value;

// Loop iterations of one division of 64-bit integers where a device has none.
constexpr uint32_t kIterationsOfDivision = 64;

struct FoldLayout {
  uint32_t workgroup = 64;
  Choice<bool> continues = false;  // from the accumulators of the dispatch before
};

// Of rows, then of columns, the strides and the divisors follow, then the constants of the body.
struct FoldWords {
  uint32_t rows = 0;
  uint32_t first = 0, end = 0;  // columns of the dispatch
  uint32_t offset = 0;          // of the first element
};

// A linear index over a layout's shape becomes an offset: the words are a stride for each dimension
// and a Divisor for each but the first.
struct StridedWords {
  size_t at, rank;  // among the dispatch's words
  size_t end() const { return at + rank + (rank - 1) * kWordsOf<Divisor>; }

  static void append_to(std::vector<uint32_t>& words, const Layout& layout) {
    for (int64_t stride : layout.strides) words.push_back(static_cast<uint32_t>(stride));
    for (size_t d = 1; d < layout.shape.size(); ++d) {
      append(words, Divisor(static_cast<uint64_t>(layout.shape[d])));
    }
  }
};

class FoldKernel {
 public:
  FoldKernel(const Region& region, const Target& target, const FoldLayout& layout)
      : attr_(region.root->attribute<FoldAttr>()),
        body_(function_body(attr_.result, attr_.parameters)),
        region_(region),
        target_(target),
        layout_(layout),
        rows_{kWordsOf<FoldWords>, attr_.rows.shape.size()},
        columns_{rows_.end(), attr_.columns.shape.size()},
        type_(region.root->dtype),
        b_("fold", layout.workgroup),
        in_(b_, region, static_cast<uint32_t>(columns_.end()) + words_of_constants(), {}),
        words_(in_.words_as<FoldWords>()) {}

  ir::Kernel run() {
    const auto per_word = static_cast<uint32_t>(elements_per_word(type_));
    const Value unit = linear_group(b_) * layout_.workgroup + b_.builtin(ir::Builtin::local_index);
    const Value first = per_word == 1 ? unit : unit * per_word;
    b_.if_(first < words_[&FoldWords::rows], [&] { results(unit, first, per_word); });
    return b_.finish();
  }

 private:
  struct Result {
    Value row;   // repeats the last one where a word has more room than there are rows
    Value real;  // whether it is one
    Value base;  // of its elements
    std::vector<ir::Var> accumulator;
  };

  uint32_t words_of_constants() const {
    int words = 0;
    for (const Node* node : body_.nodes) {
      if (node->op == Op::constant) words += ir::scalar_words(node->dtype);
    }
    return static_cast<uint32_t>(words);
  }

  void results(Value unit, Value first, uint32_t per_word) {
    constants();
    for (uint32_t i = 0; i < per_word; ++i) {
      Result r;
      const Value row = i == 0 ? first : first + i;
      r.real = row < words_[&FoldWords::rows];
      r.row = i == 0 ? row : b_.binary(Opcode::min, row, words_[&FoldWords::rows] - 1u);
      r.base = words_[&FoldWords::offset] + offset(r.row, rows_);
      const Number start = layout_.continues ? load_element(in_.output(), r.row, type_)
                                             : load_element(in_.operand(1), b_.u32(0), type_);
      r.accumulator.push_back(b_.var(start.re));
      if (start.im) r.accumulator.push_back(b_.var(start.im));
      results_.push_back(std::move(r));
    }
    b_.for_range(words_[&FoldWords::first], words_[&FoldWords::end], b_.u32(1), [&](Value column) {
      const Value step = offset(column, columns_);
      for (const Result& r : results_) advance(r, r.base + step);
    });
    if (per_word == 1) {
      store_element(in_.output(), first, accumulator(results_[0]));
      return;
    }
    Value bits;
    for (uint32_t i = 0; i < per_word; ++i) {
      const Value part = stored_bits(accumulator(results_[i]));
      bits = i == 0 ? part : bits | (part << static_cast<int>(i * 32 / per_word));
    }
    b_.store(in_.output(), unit, bits);
  }

  Number accumulator(const Result& r) const {
    Number n{type_, r.accumulator[0].get(), {}};
    if (r.accumulator.size() > 1) n.im = r.accumulator[1].get();
    return n;
  }

  Value offset(Value index, const StridedWords& words) {
    const std::span<const Value> all = in_.words();
    Value sum;
    const auto add = [&](Value coordinate, size_t d) {
      const Value part = coordinate * all[words.at + d];
      sum = sum ? sum + part : part;
    };
    for (size_t d = words.rank - 1; d > 0; --d) {
      const auto divisor = divisor_at(all, words.at + words.rank, d - 1);
      const Value quotient = divide(index, divisor);
      add(index - quotient * divisor[0], d);
      index = quotient;
    }
    add(index, 0);
    return sum;
  }

  // What is the same in every call.
  void constants() {
    size_t at = columns_.end();
    for (const Node* node : body_.nodes) {
      if (node->op != Op::constant) continue;
      const auto count = static_cast<size_t>(ir::scalar_words(node->dtype));
      values_[node] = ir::from_words(b_, node->dtype, in_.words().subspan(at, count));
      at += count;
    }
    for (size_t i = 0; i < body_.captured.size(); ++i) {
      const Node* node = body_.captured[i];
      values_[node] = load_element(in_.operand(static_cast<int>(i) + 2), b_.u32(0), node->dtype);
    }
  }

  void advance(const Result& r, Value at) {
    const Number x = load_element(in_.operand(0), at, region_.operands[0].node->dtype);
    for (const Node* node : body_.nodes) {
      if (node->op == Op::constant) continue;
      if (node == attr_.parameters[0].get()) {
        values_[node] = converted(x, node->dtype);
      } else if (node == attr_.parameters[1].get()) {
        values_[node] = accumulator(r);
      } else if (info(node->op).fusion == Fusion::pointwise) {
        values_[node] = compute(*node, r);
      } else {
        values_[node] = values_.at(node->inputs[0].get());
      }
    }
    const Number next = converted(values_.at(body_.result), type_);
    r.accumulator[0].set(next.re);
    if (next.im) r.accumulator[1].set(next.im);
  }

  Number compute(const Node& node, const Result& r) {
    std::vector<Number> arguments;
    for (const NodeRef& input : node.inputs) {
      const Number& n = values_.at(input.get());
      arguments.push_back(is_integer(node.dtype) ? n : in_.hidden(n));
    }
    const ir::EmitContext context{
        target_.math, [&](Value condition) { in_.fault(node.op, condition & r.real, r.row); }};
    return ir::emit(node.op, node.dtype, arguments, context);
  }

  Number converted(const Number& n, DType to) {
    if (n.dtype == to) return n;
    return ir::cast(is_integer(to) ? n : in_.hidden(n), to, target_.math);
  }

  const FoldAttr& attr_;
  const FunctionBody body_;
  const Region& region_;
  const Target target_;
  const FoldLayout layout_;
  const StridedWords rows_, columns_;
  const DType type_;
  Builder b_;
  const KernelArguments in_;
  const WordValues<FoldWords> words_;
  std::vector<Result> results_;
  std::unordered_map<const Node*, Number> values_;
};

ir::Kernel generate(const Region& region, const Target& target, const FoldLayout& layout) {
  return FoldKernel(region, target, layout).run();
}

constexpr Family<FoldLayout> kFold = {"fold", generate};

// Elements that a dispatch takes in.
uint32_t columns_of_dispatch(const FunctionBody& body, const plan::DevicePlan& plan) {
  uint32_t iterations = 1;
  for (const Node* node : body.nodes) {
    const bool divides = node->op == Op::quotient || node->op == Op::remainder;
    if (divides && bits(node->dtype) == 64 && !plan.has.int64) iterations += kIterationsOfDivision;
  }
  const auto together = static_cast<uint32_t>(4);  // results of an invocation, at most
  return std::max(1u, plan.max_loop_iterations / (iterations == 1 ? 1 : iterations * together));
}

}  // namespace

Lowering lower_fold(const Region& region, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  const Node& root = *region.root;
  const auto& attr = root.attribute<FoldAttr>();
  const FunctionBody body = function_body(attr.result, attr.parameters);
  const auto rows = static_cast<uint64_t>(root.count);
  const auto columns = static_cast<uint32_t>(attr.columns.count());
  FoldLayout layout;
  layout.workgroup = plan.tuning.lone_workgroup;
  const uint64_t units = divide_up(rows, static_cast<uint64_t>(elements_per_word(root.dtype)));

  FoldWords words;
  words.rows = static_cast<uint32_t>(rows);
  words.offset = static_cast<uint32_t>(attr.rows.offset + attr.columns.offset);
  std::vector<uint32_t> others;
  StridedWords::append_to(others, attr.rows);
  StridedWords::append_to(others, attr.columns);
  for (const Node* node : body.nodes) {
    if (node->op == Op::constant) append(others, node->attribute<ConstantAttr>().value);
  }

  Lowering lowering;
  const uint32_t step = columns_of_dispatch(body, plan);
  for (uint32_t first = 0; first < columns; first += step) {
    layout.continues = first > 0;
    words.first = first;
    words.end = std::min(columns, first + step);
    Launch& d = lowering.add(launch_of(kFold, region, target, layout, words));
    d.words.insert(d.words.end(), others.begin(), others.end());
    d.groups = fold_groups(divide_up(units, layout.workgroup), plan);
    d.reads_output = layout.continues;
    d.work = rows * (words.end - first) * std::max<uint64_t>(1, body.nodes.size());
  }
  return lowering;
}

}  // namespace nxv::kernels
