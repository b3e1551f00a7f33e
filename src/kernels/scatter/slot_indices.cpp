#include "kernels/scatter/slot_indices.h"

#include <algorithm>

namespace nxv::kernels {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Value;

Value SlotIndices::position(const Number& index) {
  Builder& b = index.re.builder();
  return b.bitcast(index.re, ir::bytes(index.re.type()) == 8 ? ir::kU64 : ir::kU32);
}

SlotIndices::Place SlotIndices::find(Value update) const {
  Builder& b = slots_.builder();
  const Value at = position(load_element(arguments_.operand(operand_), update, type_));
  const Value inside = at < b.convert(slots_, at.type());
  return {b.select(inside, b.convert(at, ir::kU32), slots_ - 1u), inside};
}

Value SlotIndices::slot(Value update) const { return find(update).slot; }

Value SlotIndices::checked_slot(Value update) const {
  const Place place = find(update);
  arguments_.fault(!place.inside, update);
  return place.slot;
}

void SlotIndices::at(Value update, const std::function<void(Value)>& use) const {
  const Place place = find(update);
  slots_.builder().if_(place.inside, [&] { use(place.slot); });
  arguments_.fault(!place.inside, update);
}

std::vector<SlotIndices::Update> SlotIndices::take(Value first, Value stride, uint32_t count,
                                                   Value updates, const Range& range) const {
  Builder& b = slots_.builder();
  std::vector<Update> found(count);
  std::vector<Value> at(count);
  for (size_t i = 0; i < count; ++i) {
    found[i].number = i == 0 ? first : found[i - 1].number + stride;
    const Value safe = b.binary(Opcode::min, found[i].number, updates - 1u);
    at[i] = position(load_element(arguments_.operand(operand_), safe, type_));
  }
  for (size_t i = 0; i < count; ++i) {
    const Value exists = found[i].number < updates;
    const auto below = [&](Value bound) { return at[i] < b.convert(bound, at[i].type()); };
    found[i].slot = b.convert(at[i], ir::kU32);
    found[i].is_taken = exists & below(range.end) & !below(range.begin);
    arguments_.fault(exists & !below(slots_), found[i].number);
  }
  return found;
}

void each_pass(uint64_t slots, const plan::DevicePlan& plan,
               const std::function<void(uint32_t, uint32_t)>& use) {
  const uint64_t pass = plan.tuning.scatter_slots == 0 ? slots : plan.tuning.scatter_slots;
  for (uint64_t begin = 0; begin < slots; begin += pass) {
    use(static_cast<uint32_t>(begin), static_cast<uint32_t>(std::min(begin + pass, slots)));
  }
}

}  // namespace nxv::kernels
