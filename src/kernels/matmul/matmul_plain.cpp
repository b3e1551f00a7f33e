// An invocation owns the elements of C that share a word of the narrowest result. Where those are
// few the blocks of an element are added up by different invocations: teams of a workgroup, whose
// sums meet in shared memory; or, where K is long, by all of the device, into a workspace
// [block][element], whose sums a second kernel adds in order.
#include "kernels/matmul/matmul_plain.h"

#include <algorithm>
#include <tuple>

#include "kernels/common/grid.h"
#include "kernels/matmul/matmul_kernel.h"
#include "kernels/matmul/split_lines.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Value;
using Words = PlainWords;

// Steps along k whose loads are in flight together, where fewer than a whole unrolled loop is left.
constexpr uint32_t kTailUnroll = 4;

class PlainMatmul {
 public:
  PlainMatmul(const Region& region, const Target& target, const PlainLayout& layout)
      : layout_(layout),
        b_("matmul_" + std::string(kNames[static_cast<int>(PlainStage(layout.stage))]),
           layout.workgroup * layout.teams),
        kernel_(b_, region, target, layout.sums,
                layout.judged ? kWordsOf<JudgedWords> : kWordsOf<PlainWords>, workspaces(layout)),
        words_(kernel_.arguments.words_as<PlainWords>()) {}

  ir::Kernel run() {
    if (layout_.teams > 1) return run_teams();
    const Value unit = linear_group(b_) * layout_.workgroup + b_.builtin(ir::Builtin::local_index);
    b_.if_(unit < words_[&Words::units], [&] {
      switch (layout_.stage) {
        case PlainStage::whole:
          return store_unit(unit, [&](Value element) { return whole(element); });
        case PlainStage::blocks:
          return store_block(unit);
        case PlainStage::totals:
          if (layout_.finishes) {
            store_unit(unit, [&](Value element) { return total(element); });
          } else {
            store_sum(kernel_.workspace(1), unit, total(unit));
          }
      }
    });
    return b_.finish();
  }

 private:
  static constexpr std::string_view kNames[] = {"plain", "blocks", "totals"};

  struct Start {
    Place a, b;  // of the elements at k = 0
  };

  static int workspaces(const PlainLayout& layout) {
    return (layout.stage != PlainStage::whole) + (layout.resumes || !layout.finishes) +
           layout.judged;
  }

  // All invocations of a workgroup pass its barriers, in vain where their unit is none.
  ir::Kernel run_teams() {
    const Value local = b_.builtin(ir::Builtin::local_index);
    const Value team = local / layout_.workgroup;
    const Value place = local - team * layout_.workgroup;
    const Value unit = linear_group(b_) * layout_.workgroup + place;
    const Value inside = b_.binary(ir::Opcode::min, unit, words_[&Words::units] - 1u);
    const ir::Shared sums = b_.shared("team_sums", kernel_.type, layout_.workgroup * layout_.teams);
    std::vector<Value> totals;
    for (const Value& element : elements_of(inside)) {
      totals.push_back(total_of_teams(sums, start(element), team, place));
    }
    b_.if_((team == 0u) & (unit < words_[&Words::units]), [&] {
      size_t next = 0;
      store_unit(unit, [&](Value) { return Sum{totals[next++]}; });
    });
    return b_.finish();
  }

  // Valid in the first team.
  Value total_of_teams(ir::Shared sums, const Start& at, Value team, Value place) {
    const uint32_t block = kernel_.sums.block;
    const ir::Var total = b_.var(kernel_.zero());
    b_.for_range(b_.u32(0), kernel_.k(), b_.u32(block * layout_.teams), [&](Value first) {
      const Value begin = b_.binary(ir::Opcode::min, first + team * block, kernel_.k());
      b_.shared_store(sums, team * layout_.workgroup + place, block_sum(at, begin)[0]);
      b_.barrier();
      // Blocks beyond the end of k are sums of nothing.
      b_.if_(team == 0u, [&] {
        Value all = total.get();
        for (uint32_t t = 0; t < layout_.teams; ++t) {
          all = all + b_.shared_load(sums, place + t * layout_.workgroup);
        }
        total.set(all);
      });
      b_.barrier();
    });
    return total.get();
  }

  // The elements that share a word of some result. Beyond the last one lies padding: its values are
  // those of the last element.
  template <typename F>
  void store_unit(Value unit, F&& value_of) {
    const std::vector<Value> elements = elements_of(unit);
    std::vector<std::vector<Number>> values(kernel_.results());  // of each root
    for (const Value& element : elements) {
      const auto finished = kernel_.finished({kernel_.number(value_of(element))}, element);
      for (size_t r = 0; r < values.size(); ++r) values[r].push_back(finished[r][0]);
    }
    for (size_t r = 0; r < values.size(); ++r) store(r, unit, elements, values[r]);
  }

  std::vector<Value> elements_of(Value unit) {
    uint32_t count = 1;
    for (size_t r = 0; r < kernel_.results(); ++r) count = std::max(count, per_word(r));
    std::vector<Value> elements;
    for (uint32_t i = 0; i < count; ++i) {
      elements.push_back(
          count == 1 ? unit
                     : b_.binary(ir::Opcode::min, unit * count + i, words_[&Words::count] - 1u));
    }
    return elements;
  }

  uint32_t per_word(size_t root) const {
    return static_cast<uint32_t>(elements_per_word(kernel_.result_type(root)));
  }

  void store(size_t root, Value unit, const std::vector<Value>& elements,
             const std::vector<Number>& values) {
    const auto count = static_cast<uint32_t>(values.size());
    const uint32_t in_word = per_word(root), words = count / in_word;
    for (uint32_t w = 0; w < words; ++w) {
      if (in_word == 1) {
        store_element(kernel_.result(root), elements[w], values[w]);
        continue;
      }
      const Value bits = word_of(std::span(values).subspan(size_t{w} * in_word, in_word));
      b_.store(kernel_.result(root), words == 1 ? unit : unit * words + w, bits);
    }
  }

  Start start(Value element) {
    const Value row = words_.divide(element, &Words::columns);
    const Value column = element - row * words_[&Words::columns];
    const Value batch = words_.divide(row, &Words::rows);
    const Value m = row - batch * words_[&Words::rows];
    return {kernel_.A.of_batch(batch) + kernel_.A.of_free(m),
            kernel_.B.of_batch(batch) + kernel_.B.of_free(column)};
  }

  // The sum of the block that starts at k = begin.
  Sum block_sum(const Start& at, Value begin) {
    const auto sum = kernel_.variables(kernel_.zero_sum());
    const Value end = b_.binary(ir::Opcode::min, begin + kernel_.sums.block, kernel_.k());
    const auto steps = [&](Value k, uint32_t count) {
      std::vector<Sum> x, y;
      for (uint32_t i = 0; i < count; ++i) {
        const Value at_k = i == 0 ? k : k + i;
        x.push_back(kernel_.element(kernel_.A, at.a + kernel_.A.of_depth(at_k)));
        y.push_back(kernel_.element(kernel_.B, at.b + kernel_.B.of_depth(at_k)));
      }
      Sum s = MatmulKernel::read(sum);
      for (uint32_t i = 0; i < count; ++i) s = kernel_.multiply_add(x[i], y[i], s);
      MatmulKernel::write(sum, s);
    };
    unrolled(begin, end, steps);
    return MatmulKernel::read(sum);
  }

  // Calls steps(at, count) for `begin` and what follows before `end`, as many at once as the
  // layout unrolls: each pass takes what the longer ones before left over.
  template <typename F>
  void unrolled(Value begin, Value end, F&& steps) {
    Value from = begin;
    for (uint32_t count = layout_.unroll;; count = count > kTailUnroll ? kTailUnroll : 1) {
      const Value to = count == 1 ? end : end - ((end - begin) & (count - 1));
      b_.for_range(from, to, b_.u32(count), [&](Value at) { steps(at, count); });
      if (count == 1) break;
      from = to;
    }
  }

  Sum whole(Value element) {
    const Start at = start(element);
    const auto sum = kernel_.variables(kernel_.zero_sum());
    b_.for_range(b_.u32(0), kernel_.k(), b_.u32(kernel_.sums.block), [&](Value begin) {
      MatmulKernel::write(sum, MatmulKernel::add(MatmulKernel::read(sum), block_sum(at, begin)));
    });
    return MatmulKernel::read(sum);
  }

  void store_block(Value unit) {
    const Value block = words_.divide(unit, &Words::count);
    const Value element = unit - block * words_[&Words::count];
    store_sum(
        kernel_.workspace(0), unit,
        block_sum(start(element), (words_[&Words::first_block] + block) * kernel_.sums.block));
  }

  Sum total(Value element) {
    const auto sum = kernel_.variables(layout_.resumes ? load_sum(kernel_.workspace(1), element)
                                                       : kernel_.zero_sum());
    Value first = b_.u32(0), end = words_[&Words::blocks];
    if (layout_.judged) std::tie(first, end) = judged_parts(kernel_, element, end);
    unrolled(first, end, [&](Value block, uint32_t count) {
      std::vector<Sum> sums;
      for (uint32_t i = 0; i < count; ++i) {
        const Value at = (i == 0 ? block : block + i) * words_[&Words::count] + element;
        sums.push_back(load_sum(kernel_.workspace(layout_.judged), at));
      }
      Sum all = MatmulKernel::read(sum);
      for (const Sum& s : sums) all = MatmulKernel::add(all, s);
      MatmulKernel::write(sum, all);
    });
    return MatmulKernel::read(sum);
  }

  void store_sum(Value buffer, Value index, const Sum& sum) {
    store_element(buffer, index,
                  {kernel_.stored_sum(), sum[0], sum.size() == 2 ? sum[1] : Value()});
  }
  Sum load_sum(Value buffer, Value index) {
    // Sums of narrow integers are kept in whole words.
    const Number x = load_element(buffer, index, kernel_.stored_sum());
    return x.im ? Sum{x.re, x.im} : Sum{x.re};
  }

  const PlainLayout layout_;
  Builder b_;
  MatmulKernel kernel_;
  const WordValues<PlainWords> words_;
};

}  // namespace

ir::Kernel generate_plain_matmul(const Region& region, const Target& target,
                                 const PlainLayout& layout) {
  return PlainMatmul(region, target, layout).run();
}

}  // namespace nxv::kernels
