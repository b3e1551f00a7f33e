// Built-in inputs of a kernel: each is loaded once, at the start of the function.
#pragma once

#include <array>

#include "ir/kernel.h"
#include "spirv/module_builder.h"

namespace nxv::spirv {

class Inputs {
 public:
  explicit Inputs(ModuleBuilder& module) : m_(module) {}

  Id builtin(ir::Builtin which);

 private:
  Id load(Id type, spv::BuiltIn which);
  Id scalar(spv::BuiltIn which);
  Id of_subgroup(spv::BuiltIn which);
  Id component(Id& vector, spv::BuiltIn which, uint32_t i);

  ModuleBuilder& m_;
  std::array<Id, ir::kBuiltinCount> loaded_{};
  Id uvec3_ = 0;  // the type
  Id workgroup_id_ = 0;
  Id workgroups_ = 0;
};

}  // namespace nxv::spirv
