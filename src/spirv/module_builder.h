// A SPIR-V module under construction: sections, ids, and types and constants declared once.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <spirv/unified1/spirv.hpp11>
#include <string_view>
#include <vector>

#include "ir/kernel.h"

namespace nxv::spirv {

using Id = uint32_t;
using Words = std::vector<uint32_t>;

inline void append(Words& out, spv::Op op, std::initializer_list<uint32_t> operands) {
  out.push_back(static_cast<uint32_t>((operands.size() + 1) << 16) | static_cast<uint32_t>(op));
  out.insert(out.end(), operands);
}

// Integers have no signedness in the module: it belongs to the instructions.
ir::Type storage_type(ir::Type t);

template <typename Enum>
constexpr uint32_t word(Enum e) {
  return static_cast<uint32_t>(e);
}

class ModuleBuilder {
 public:
  ModuleBuilder();

  Id new_id() { return next_id_++; }

  void capability(spv::Capability c);
  void extension(std::string_view name);  // a literal
  // The Vulkan memory model instead of GLSL450.
  void use_vulkan_memory_model();
  bool has_vulkan_memory_model() const { return vulkan_memory_model_; }
  void execution_mode(spv::ExecutionMode mode, std::initializer_list<uint32_t> literals);
  void decorate(Id target, spv::Decoration d, std::initializer_list<uint32_t> literals = {});
  void decorate_member(Id target, uint32_t member, spv::Decoration d,
                       std::initializer_list<uint32_t> literals = {});

  // Appends an instruction with a result, whose id it gives.
  Id instruction(Words& out, Id type, spv::Op op, std::initializer_list<uint32_t> operands);

  Id type(ir::Type t);
  Id element_type(ir::Type matrix);
  Id struct_type(const std::vector<Id>& members);  // one declaration a call
  Id void_type();
  Id pointer(spv::StorageClass storage, Id pointee);           // one declaration a call
  Id variable_pointer(spv::StorageClass storage, ir::Type t);  // deduplicated
  Id pair_type(ir::Type t);  // struct of two: result of extended multiplication and carry
  Id constant(ir::Type t, uint64_t lane_bits);
  Id u32(uint32_t v) { return constant(ir::kU32, v); }
  Id global(spv::StorageClass storage, Id pointer_type);  // part of the entry point's interface
  Id glsl();                                              // the GLSL.std.450 instruction set

  Words declarations;  // types, constants and global variables
  Words variables;     // of the function; they open its first block
  Words prologue;      // the rest of the first block before the body
  Words code;

  Id entry_point() const { return main_; }
  Words finish();

 private:
  struct ConstantSlot {
    Id type = 0;
    Id id = 0;
    uint64_t bits = 0;
  };

  // The id that belongs to a type, 0 at first.
  class TypeTable {
   public:
    Id& operator[](ir::Type t);

   private:
    std::array<std::array<Id, 5>, 11> numbers_{};  // by scalar and lanes
    std::map<uint64_t, Id> matrices_;              // by code
  };

  Id matrix_type(ir::Type t);
  Id scalar_constant(ir::Type t, uint64_t bits);
  ConstantSlot& constant_slot(Id type, uint64_t bits);

  Id next_id_ = 1;
  Id main_;
  Id glsl_ = 0;
  Id void_ = 0;
  bool vulkan_memory_model_ = false;
  TypeTable types_;
  std::array<Id, 2> signed_types_{};  // of elements of matrices: s32, s8
  TypeTable pairs_;
  TypeTable function_pointers_;
  TypeTable workgroup_pointers_;
  std::vector<ConstantSlot> constants_;  // open addressing, a power of two in size
  uint32_t constant_count_ = 0;
  std::vector<spv::Capability> capabilities_;
  std::vector<std::string_view> extensions_;
  std::vector<Id> interface_;
  Words modes_;
  Words annotations_;
};

}  // namespace nxv::spirv
