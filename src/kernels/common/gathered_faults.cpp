#include "kernels/common/gathered_faults.h"

#include "graph/fault.h"

namespace nxv::kernels {

using ir::Opcode;
using ir::Value;

GatheredFaults::GatheredFaults(ir::Builder& builder, const Region& region, Value slot)
    : b_(builder), region_(region), slot_(slot) {
  for (size_t i = 0; i < region.faults.size(); ++i) first_.push_back(b_.var(b_.u32(kNoFault)));
  b_.at_end([this] { report(); });
}

void GatheredFaults::add(Op op, Value condition, Value position) const {
  const ir::Var& first = first_[region_.fault_word(op)];
  const Value lowest = b_.binary(Opcode::min, first.get(), position);
  first.set(b_.select(condition, lowest, first.get()));
}

void GatheredFaults::report() const {
  Value all = first_[0].get();
  for (size_t i = 1; i < first_.size(); ++i) all = all & first_[i].get();
  b_.if_(all != kNoFault, [&] {
    for (size_t i = 0; i < first_.size(); ++i) {
      b_.atomic(Opcode::atomic_min, slot_, b_.u32(static_cast<uint32_t>(i)), first_[i].get());
    }
  });
}

}  // namespace nxv::kernels
