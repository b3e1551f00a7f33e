// What a split product must know of its operands: the scale and substance of every line, and a
// verdict on each batch (see matmul_units.h).
#include <algorithm>
#include <functional>

#include "kernels/common/grid.h"
#include "kernels/matmul/matmul_units.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

const std::vector<std::string> kWorkspace = {"lines"};

// A workgroup measures neighbouring lines, each by several invocations: adjacent ones along k where
// elements are adjacent along k, else along the lines.
class Measure {
 public:
  Measure(const Region& region, const Target& target, uint32_t workgroup)
      : segments_(workgroup / kMeasuredLines),
        whole_groups_(MatmulSize(region).k % kGroup == 0),
        b_("matmul_measure", workgroup),
        kernel_(b_, region, target, kWorkspace, kMeasureWords),
        partial_(b_.shared("partial", ir::kU32, workgroup)),
        result_(b_.shared("result", ir::kU32, kMeasuredLines)) {}

  ir::Kernel run() {
    const Value group = linear_group(b_), rows = kernel_.extra(kMeasuredRows);
    b_.if_(group < kernel_.extra(kMeasured), [&] {
      b_.if_(
          group < rows,
          [&] {
            measure(kernel_.A, group, kernel_.extra(kRowGroups), kernel_.word(kM),
                    kernel_.extra(kRowStride), b_.u32(0));
          },
          [&] {
            measure(kernel_.B, group - rows, kernel_.extra(kColumnGroups), kernel_.word(kN),
                    kernel_.extra(kColumnStride), kernel_.extra(kColumnLines));
          });
    });
    return b_.finish();
  }

 private:
  using Visit = std::function<void(Value bits, Value inside)>;

  void measure(const MatmulKernel::Operand& operand, Value group, Value groups, Value extent,
               Value batch_stride, Value first_word) {
    const Value local = b_.builtin(ir::Builtin::local_index);
    const bool along_k = operand.access.unit == Access2D::Unit::depth;
    const Value line = along_k ? local / segments_ : local & (kMeasuredLines - 1);
    const Value segment = along_k ? local & (segments_ - 1) : local / kMeasuredLines;
    const Value batch = group / groups;
    const Value first = (group - batch * groups) * kMeasuredLines;
    const Value free = b_.binary(Opcode::min, first + line, extent - 1u);
    const Value at = operand.at(batch) + free * operand.free_stride;

    const ir::Var largest = b_.var(b_.u32(0));
    each_element(operand, at, segment, [&](Value bits, Value) {
      largest.set(b_.binary(Opcode::max, largest.get(), bits));
    });
    const Value of_line = combined(local, line, along_k, largest.get(), Opcode::max);

    // The exponent that brings the largest element into [2^14, 2^15), where its power is normal.
    const Value exponent =
        b_.u32(14 + 127) - b_.binary(Opcode::max, of_line >> 23, b_.u32(14 + 127 - 126));
    const Value empty = of_line == 0u, finite = of_line < 0x7f800000u;
    const Value shift = b_.select(empty | !finite, b_.u32(0), exponent);
    // 2^7 on that scale.
    const Value least = (b_.u32(127 + 7) - shift) << 23;
    const ir::Var count = b_.var(b_.u32(0));
    each_element(operand, at, segment, [&](Value bits, Value inside) {
      count.set(count.get() + b_.select(inside & (bits >= least), b_.u32(1), b_.u32(0)));
    });
    const Value counted = combined(local, line, along_k, count.get(), Opcode::add);
    const Value substance =
        b_.select(empty, kernel_.word(kK), b_.select(finite, counted, b_.u32(0)));
    b_.if_((segment == 0u) & (first + line < extent), [&] {
      const Value word = first_word + batch * batch_stride + free;
      b_.store(kernel_.workspaces[0], word, shift);
      b_.store(kernel_.workspaces[0], kernel_.extra(kSubstances) + word, substance);
    });
  }

  // The magnitudes, as bits, of this invocation's part of a line; those beyond the end are elements
  // that others visit too, and not `inside`.
  void each_element(const MatmulKernel::Operand& operand, Value at, Value segment,
                    const Visit& visit) {
    constexpr uint32_t kUnroll = 4;
    const bool by_groups =
        operand.access.unit == Access2D::Unit::depth && operand.access.aligned && whole_groups_;
    const uint32_t width = by_groups ? kGroup : 1, stride = segments_ * width;
    const Value end = kernel_.word(kK);
    b_.for_range(segment * width, end, b_.u32(kUnroll * stride), [&](Value begin) {
      std::vector<Value> loaded, inside;
      for (uint32_t i = 0; i < kUnroll; ++i) {
        const Value k = begin + i * stride;
        const Value index = at + b_.binary(Opcode::min, k, end - width) * operand.depth_stride;
        inside.push_back(k < end);
        loaded.push_back(by_groups ? b_.load(operand.buffer, index >> 2, ir::vec(ir::kU32, kGroup))
                                   : b_.load(operand.buffer, index, ir::kU32));
      }
      for (uint32_t i = 0; i < kUnroll; ++i) {
        for (uint32_t j = 0; j < width; ++j) {
          const Value bits = by_groups ? b_.extract(loaded[i], static_cast<int>(j)) : loaded[i];
          visit(bits & 0x7fffffffu, inside[i]);
        }
      }
    });
  }

  // Of all invocations of a line, for each of them.
  Value combined(Value local, Value line, bool along_k, Value part, Opcode op) {
    b_.shared_store(partial_, local, part);
    b_.barrier();
    b_.if_(local < kMeasuredLines, [&] {
      Value all;
      for (uint32_t s = 0; s < segments_; ++s) {
        const Value next =
            b_.shared_load(partial_, along_k ? local * segments_ + s : local + s * kMeasuredLines);
        all = s == 0 ? next : b_.binary(op, all, next);
      }
      b_.shared_store(result_, local, all);
    });
    b_.barrier();
    return b_.shared_load(result_, line);
  }

  const uint32_t segments_;  // invocations of a line, a power of two
  const bool whole_groups_;
  Builder b_;
  MatmulKernel kernel_;
  ir::Shared partial_, result_;
};

// A workgroup for each batch: 1 where the product may be split.
class Verdicts {
 public:
  Verdicts(const Region& region, const Target& target, uint32_t workgroup)
      : workgroup_(workgroup),
        b_("matmul_verdicts", workgroup),
        kernel_(b_, region, target, kWorkspace, kLineWords),
        least_(b_.shared("least", ir::vec(ir::kU32, 2), workgroup)) {}

  ir::Kernel run() {
    const Value batch = linear_group(b_);
    b_.if_(batch < kernel_.word(kBatchCount), [&] { judge(batch); });
    return b_.finish();
  }

 private:
  void judge(Value batch) {
    const Value local = b_.builtin(ir::Builtin::local_index);
    const Value rows = kernel_.extra(kSubstances) + batch * kernel_.extra(kRowStride);
    const Value columns = kernel_.extra(kSubstances) + kernel_.extra(kColumnLines) +
                          batch * kernel_.extra(kColumnStride);
    Value least = b_.pack({least_of(local, rows, kM), least_of(local, columns, kN)});
    for (uint32_t distance = workgroup_ / 2; distance > 0; distance /= 2) {
      b_.shared_store(least_, local, least);
      b_.barrier();
      const Value other = b_.shared_load(least_, local ^ distance);
      b_.barrier();
      least = b_.binary(Opcode::min, least, other);
    }
    const Value k = kernel_.word(kK);
    const Value enough = b_.extract(least, 0) + b_.extract(least, 1) >= k + (k >> 3);
    b_.if_(local == 0u, [&] {
      b_.store(kernel_.workspaces[0], kernel_.extra(kVerdicts) + batch,
               b_.convert(enough, ir::kU32));
    });
  }

  Value least_of(Value local, Value first, MatmulWord extent) {
    const ir::Var least = b_.var(b_.u32(0x7fffffff));
    b_.for_range(local, kernel_.word(extent), b_.u32(workgroup_), [&](Value i) {
      const Value next = b_.load(kernel_.workspaces[0], first + i, ir::kU32);
      least.set(b_.binary(Opcode::min, least.get(), next));
    });
    return least.get();
  }

  const uint32_t workgroup_;
  Builder b_;
  MatmulKernel kernel_;
  ir::Shared least_;
};

}  // namespace

ir::Kernel generate_line_measure(const Region& region, const Target& target, uint32_t workgroup) {
  return Measure(region, target, workgroup).run();
}

ir::Kernel generate_verdicts(const Region& region, const Target& target, uint32_t workgroup) {
  return Verdicts(region, target, workgroup).run();
}

}  // namespace nxv::kernels
