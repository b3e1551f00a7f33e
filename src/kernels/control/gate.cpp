#include "kernels/control/gate.h"

#include "ir/builder.h"

namespace nxv::kernels {

ir::Kernel generate_gate() {
  constexpr uint32_t kWorkgroup = 32;
  ir::Builder b("gate", kWorkgroup);
  const ir::Value condition = b.buffer("condition", ir::Access::read);
  const ir::Value planned = b.buffer("planned", ir::Access::read);
  const ir::Value state = b.buffer("state", ir::Access::read_write);
  const ir::Value groups = b.buffer("groups", ir::Access::write);
  const ir::Value count = b.param("count", ir::kU32);

  const ir::Value local = b.builtin(ir::Builtin::local_index);
  const ir::Value goes_on =
      (b.load(state, b.u32(0), ir::kU32) != 0) & (b.load(condition, b.u32(0), ir::kU32) != 0);
  const ir::Value rounds = b.load(state, b.u32(1), ir::kU32);
  b.barrier();  // all have read the state
  b.for_range(local, count, b.u32(kWorkgroup), [&](ir::Value i) {
    b.store(groups, i, b.select(goes_on, b.load(planned, i, ir::kU32), b.u32(0)));
  });
  b.if_(local == 0, [&] {
    b.store(state, b.u32(0), b.select(goes_on, b.u32(1), b.u32(0)));
    b.store(state, b.u32(1), rounds + b.select(goes_on, b.u32(1), b.u32(0)));
  });
  return b.finish();
}

}  // namespace nxv::kernels
