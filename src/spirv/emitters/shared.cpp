// Shared arrays, and the barrier that orders them.
#include "spirv/emitters/emitters.h"

namespace nxv::spirv::emitters {
namespace {

using ir::Inst;
using spv::Op;

// In the Vulkan memory model only non-private accesses are ordered by a barrier.
constexpr uint32_t kNonPrivate = word(spv::MemoryAccessMask::NonPrivatePointer);

Id element(Translation& t, const Inst& inst) {
  return t.addressing.shared_element(static_cast<uint32_t>(inst.imm), t.arg(inst, 0));
}

}  // namespace

Id shared_load(Translation& t, const Inst& inst) {
  const Id pointer = element(t, inst);
  if (!t.module.has_vulkan_memory_model()) return t.result(inst.type, Op::OpLoad, {pointer});
  return t.result(inst.type, Op::OpLoad, {pointer, kNonPrivate});
}

Id shared_store(Translation& t, const Inst& inst) {
  const Id pointer = element(t, inst);
  const Id value = t.arg(inst, 1);
  if (t.module.has_vulkan_memory_model()) {
    t.statement(Op::OpStore, {pointer, value, kNonPrivate});
  } else {
    t.statement(Op::OpStore, {pointer, value});
  }
  return 0;
}

namespace {

Id wait_within(Translation& t, spv::Scope scope) {
  auto semantics = word(spv::MemorySemanticsMask::AcquireRelease) |
                   word(spv::MemorySemanticsMask::WorkgroupMemory);
  if (t.module.has_vulkan_memory_model()) {
    semantics |=
        word(spv::MemorySemanticsMask::MakeAvailable) | word(spv::MemorySemanticsMask::MakeVisible);
  }
  const Id whole = t.module.u32(word(scope));
  t.statement(Op::OpControlBarrier, {whole, whole, t.module.u32(semantics)});
  return 0;
}

}  // namespace

Id barrier(Translation& t, const Inst&) { return wait_within(t, spv::Scope::Workgroup); }
Id subgroup_barrier(Translation& t, const Inst&) { return wait_within(t, spv::Scope::Subgroup); }

}  // namespace nxv::spirv::emitters
