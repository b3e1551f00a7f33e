#include "kernels/matmul/line_walk.h"

#include "kernels/common/divide_up.h"

namespace nxv::kernels {

using ir::Opcode;
using ir::Value;

Value group_bits(const MatmulKernel& kernel, const MatmulKernel::Operand& operand, Value group) {
  ir::Builder& b = kernel.b;
  if (operand.dtype == DType::f32) return b.load(operand.buffer, group, ir::vec(ir::kU32, kGroup));
  std::vector<Value> bits;
  for (Value x : kernel.group(operand, group << 2)) bits.push_back(b.bitcast(x, ir::kU32));
  return b.pack(bits);
}

uint32_t kept_elements(uint64_t k, uint32_t sharers, uint32_t times) {
  constexpr uint64_t kMost = 40;  // beside what a workgroup of 1 024 has other registers for
  const uint64_t elements = divide_up(k, uint64_t{sharers} * kGroup) * kGroup;
  return elements * times <= kMost ? static_cast<uint32_t>(elements) : 0;
}

LineWalk::LineWalk(const MatmulKernel& kernel, const Share& share)
    : b_(kernel.b),
      kernel_(kernel),
      share_(share),
      segments_(share.workgroup / share.lines),
      partial_(b_.shared("partial", share.type, share.workgroup)),
      folded_(b_.shared("folded", share.type, share.lines * folded_segments())),
      result_(b_.shared("result", share.type, share.lines)),
      local_(b_.builtin(ir::Builtin::local_index)) {}

void LineWalk::locate(const MatmulKernel::Operand& operand, const FactorAccess& access, Value group,
                      Value groups, Value extent) {
  operand_ = &operand;
  by_groups_ = access.by_groups_along(FactorAccess::Unit::depth) && share_.whole_groups;
  along_k_ = access.unit == FactorAccess::Unit::depth;
  line_ = along_k_ ? local_ / segments_ : local_ & (share_.lines - 1);
  segment_ = along_k_ ? local_ & (segments_ - 1) : local_ / share_.lines;
  batch_ = group / groups;
  extent_ = extent;
  first_ = (group - batch_ * groups) * (share_.lines * share_.times);
  lines_.clear(), frees_.clear(), at_.clear();
  kept_ = {};
  for (uint32_t i = 0; i < share_.times; ++i) {
    lines_.push_back(first_ + (i == 0 ? line_ : line_ + i * share_.lines));
    frees_.push_back(b_.binary(Opcode::min, lines_[i], extent - 1u));
    at_.push_back(operand.of_batch(batch_) + operand.of_free(frees_[i]));
  }
}

void LineWalk::each_element(const Visit& visit) {
  const uint32_t width = by_groups_ ? kGroup : 1, stride = segments_ * width;
  const Value first = segment_ * width;
  if (share_.kept > 0) {
    if (kept_.values.empty()) kept_ = load_steps(first, share_.kept / width);
    return visit_each(kept_, visit);
  }
  const uint32_t unroll = at_.size() > 1 ? 2 : by_groups_ ? share_.loads : 2 * share_.loads;
  b_.for_range(first, kernel_.k(), b_.u32(unroll * stride),
               [&](Value begin) { visit_each(load_steps(begin, unroll), visit); });
}

LineWalk::Loaded LineWalk::load_steps(Value begin, uint32_t steps) const {
  const uint32_t width = by_groups_ ? kGroup : 1;
  const Value end = kernel_.k();
  Loaded loaded;
  for (uint32_t i = 0; i < steps; ++i) {
    const Value k = begin + i * (segments_ * width);
    loaded.inside.push_back(k < end);
    const Place depth = operand_->of_depth(b_.binary(Opcode::min, k, end - width));
    for (const Place& line : at_) loaded.values.push_back(load(line + depth));
  }
  return loaded;
}

void LineWalk::visit_each(const Loaded& loaded, const Visit& visit) const {
  for (size_t i = 0; i < loaded.inside.size(); ++i) {
    for (size_t line = 0; line < at_.size(); ++line) {
      const Value all = loaded.values[i * at_.size() + line];
      for (uint32_t j = 0; j < (by_groups_ ? kGroup : 1); ++j) {
        const Value bits = by_groups_ ? b_.extract(all, static_cast<int>(j)) : all;
        visit(line, bits & 0x7fffffffu, loaded.inside[i]);
      }
    }
  }
}

Value LineWalk::load(const Place& place) const {
  const Value index = operand_->index(place);
  if (by_groups_) return group_bits(kernel_, *operand_, index >> 2);
  if (operand_->dtype != DType::f32) {
    return b_.bitcast(kernel_.element(*operand_, place)[0], ir::kU32);
  }
  if (!operand_->is_checked()) return b_.load(operand_->buffer, index, ir::kU32);
  const Value inside = operand_->is_inside(place);
  const Value bits = b_.load(operand_->buffer, b_.select(inside, index, b_.u32(0)), ir::kU32);
  return b_.select(inside, bits, b_.u32(0));
}

// To result_, an element for each line.
void LineWalk::combine(Value part, Opcode op, bool along_k) const {
  b_.shared_store(partial_, local_, part);
  b_.barrier();
  if (folded_segments() == 1) return fold(partial_, segments_, result_, 1, op, along_k);
  fold(partial_, segments_, folded_, folded_segments(), op, along_k);
  fold(folded_, folded_segments(), result_, 1, op, along_k);
}

// What `segments` invocations of a line left there becomes what `fewer` of them leave.
void LineWalk::fold(ir::Shared from, uint32_t segments, ir::Shared to, uint32_t fewer, Opcode op,
                    bool along_k) const {
  b_.if_(local_ < share_.lines * fewer, [&] {
    const Value first = along_k ? local_ / fewer * segments + (local_ & (fewer - 1)) : local_;
    Value all;
    for (uint32_t s = 0; s < segments; s += fewer) {
      const Value next = b_.shared_load(from, first + (along_k ? s : s * share_.lines));
      all = s == 0 ? next : b_.binary(op, all, next);
    }
    b_.shared_store(to, local_, all);
  });
  b_.barrier();
}

// From the lane whose number differs in `mask`.
Value LineWalk::shuffled(Value v, uint32_t mask) const {
  const auto from = [&](Value x) { return b_.subgroup(Opcode::subgroup_shuffle_xor, x, mask); };
  if (share_.type.lanes == 1) return from(v);
  std::vector<Value> all;
  for (int i = 0; i < share_.type.lanes; ++i) all.push_back(from(b_.extract(v, i)));
  return b_.pack(all);
}

Value LineWalk::combined(Value part, Opcode op) const {
  if (along_k_ && share_.shuffles) {
    for (uint32_t mask = 1; mask < segments_; mask *= 2) {
      part = b_.binary(op, part, shuffled(part, mask));
    }
    return part;
  }
  combine(part, op, along_k_);
  return b_.shared_load(result_, line_);
}

Value LineWalk::combined_of_all(Value part, Opcode op) const {
  combine(part, op, false);
  Value all = b_.shared_load(result_, b_.u32(0));
  for (uint32_t i = 1; i < share_.lines; ++i) {
    all = b_.binary(op, all, b_.shared_load(result_, b_.u32(i)));
  }
  return all;
}

}  // namespace nxv::kernels
