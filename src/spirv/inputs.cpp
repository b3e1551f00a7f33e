#include "spirv/inputs.h"

namespace nxv::spirv {

using ir::Builtin;
using spv::Op;

Id Inputs::load(Id type, spv::BuiltIn which) {
  const auto storage = spv::StorageClass::Input;
  const Id variable = m_.global(storage, m_.pointer(storage, type));
  m_.decorate(variable, spv::Decoration::BuiltIn, {word(which)});
  return m_.instruction(m_.prologue, type, Op::OpLoad, {variable});
}

Id Inputs::scalar(spv::BuiltIn which) { return load(m_.type(ir::kU32), which); }

Id Inputs::of_subgroup(spv::BuiltIn which) {
  m_.capability(spv::Capability::GroupNonUniform);
  return scalar(which);
}

Id Inputs::component(Id& vector, spv::BuiltIn which, uint32_t i) {
  if (!vector) {
    if (!uvec3_) {
      const Id u32 = m_.type(ir::kU32);
      uvec3_ = m_.new_id();
      append(m_.declarations, Op::OpTypeVector, {uvec3_, u32, 3});
    }
    vector = load(uvec3_, which);
  }
  return m_.instruction(m_.prologue, m_.type(ir::kU32), Op::OpCompositeExtract, {vector, i});
}

Id Inputs::builtin(Builtin which) {
  Id& id = loaded_[static_cast<size_t>(which)];
  if (id) return id;
  switch (which) {
    case Builtin::local_index:
      return id = scalar(spv::BuiltIn::LocalInvocationIndex);
    case Builtin::group_x:
    case Builtin::group_y:
    case Builtin::group_z:
      return id = component(workgroup_id_, spv::BuiltIn::WorkgroupId,
                            word(which) - word(Builtin::group_x));
    case Builtin::groups_x:
    case Builtin::groups_y:
    case Builtin::groups_z:
      return id = component(workgroups_, spv::BuiltIn::NumWorkgroups,
                            word(which) - word(Builtin::groups_x));
    case Builtin::subgroup_lane:
      return id = of_subgroup(spv::BuiltIn::SubgroupLocalInvocationId);
    case Builtin::subgroup_index:
      return id = of_subgroup(spv::BuiltIn::SubgroupId);
    case Builtin::subgroup_size:
      return id = of_subgroup(spv::BuiltIn::SubgroupSize);
  }
  return 0;
}

}  // namespace nxv::spirv
