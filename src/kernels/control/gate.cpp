#include "kernels/control/gate.h"

#include "ir/builder.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Value;

constexpr uint32_t kWorkgroup = 32;

// The planned numbers, or none.
void choose_groups(Builder& b, Value planned, Value groups, Value count, Value goes_on) {
  const Value local = b.builtin(ir::Builtin::local_index);
  b.for_range(local, count, b.u32(kWorkgroup), [&](Value i) {
    b.store(groups, i, b.select(goes_on, b.load(planned, i, ir::kU32), b.u32(0)));
  });
}

}  // namespace

ir::Kernel generate_gate() {
  Builder b("gate", kWorkgroup);
  const Value condition = b.buffer("condition", ir::Access::read);
  const Value planned = b.buffer("planned", ir::Access::read);
  const Value state = b.buffer("state", ir::Access::read_write);
  const Value groups = b.buffer("groups", ir::Access::write);
  const Value count = b.param("count", ir::kU32);

  const Value goes_on =
      (b.load(state, b.u32(0), ir::kU32) != 0) & (b.load(condition, b.u32(0), ir::kU32) != 0);
  const Value rounds = b.load(state, b.u32(1), ir::kU32);
  b.barrier();  // all have read the state
  choose_groups(b, planned, groups, count, goes_on);
  b.if_(b.builtin(ir::Builtin::local_index) == 0, [&] {
    b.store(state, b.u32(0), b.select(goes_on, b.u32(1), b.u32(0)));
    b.store(state, b.u32(1), rounds + b.select(goes_on, b.u32(1), b.u32(0)));
  });
  return b.finish();
}

ir::Kernel generate_further_gate() {
  Builder b("further_gate", kWorkgroup);
  const Value planned = b.buffer("planned", ir::Access::read);
  const Value state = b.buffer("state", ir::Access::read);
  const Value groups = b.buffer("groups", ir::Access::write);
  const Value count = b.param("count", ir::kU32);
  choose_groups(b, planned, groups, count, b.load(state, b.u32(0), ir::kU32) != 0);
  return b.finish();
}

}  // namespace nxv::kernels
