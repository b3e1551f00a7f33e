// Params, buffers and shared arrays of a kernel in its SPIR-V module.
#pragma once

#include <vector>

#include "ir/kernel.h"
#include "spirv/module_builder.h"
#include "spirv/translate.h"

namespace nxv::spirv {

class Addressing {
 public:
  // Declares the parameter block and loads every param that the body names.
  Addressing(ModuleBuilder& module, const ir::Kernel& kernel, const Options& options);

  Id param(uint64_t index) const { return params_[index]; }

  // The type as which a buffer's element of type t is moved.
  ir::Type access_type(ir::Type t) const;

  // Pointer to the element that a load, store or atomic accesses; index is the id of its index.
  Id buffer_element(const ir::Inst& inst, Id index);
  Id shared_element(uint32_t array, Id index);

 private:
  // A buffer seen as an array of one access type.
  struct View {
    uint32_t param = 0;
    ir::Type type;
    Id block_pointer_type = 0;
    Id element_pointer_type = 0;
    Id pointer = 0;
  };

  Id param_struct(bool read_only);
  void load_params();
  void find_restricted();
  View view(uint32_t param, ir::Type t);
  void declare_types(View& view);
  Id add_to_address(Id address, Id index, uint32_t size);

  ModuleBuilder& m_;
  const ir::Kernel& k_;
  bool word_pairs_;
  std::vector<Id> params_;
  std::vector<uint8_t> restricted_;  // by param
  std::vector<View> views_;
  std::vector<Id> shared_;
};

}  // namespace nxv::spirv
