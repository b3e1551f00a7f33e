#include "spirv/addressing.h"

#include <algorithm>
#include <bit>

namespace nxv::spirv {
namespace {

using ir::Inst;
using ir::Type;
using spv::Op;
using spv::StorageClass;

constexpr Type kAddress = ir::vec(ir::kU32, 2);

// How a param stands in the block.
Type param_type(const ir::Param& p) { return p.is_buffer ? kAddress : p.type; }

}  // namespace

Addressing::Addressing(ModuleBuilder& module, const ir::Kernel& kernel, const Options& options)
    : m_(module),
      k_(kernel),
      word_pairs_(options.word_pairs),
      params_(kernel.params.size()),
      restricted_(kernel.params.size()),
      shared_(kernel.shared.size()) {
  if (k_.params.empty()) return;
  load_params();
  find_restricted();
}

// The block of all params: struct type with offsets, in the order of Kernel::params.
Id Addressing::param_struct(bool read_only) {
  const std::vector<uint32_t> offsets = k_.param_offsets();
  std::vector<Id> members;
  members.reserve(k_.params.size());
  for (const ir::Param& p : k_.params) members.push_back(m_.type(param_type(p)));
  const Id block = m_.struct_type(members);
  m_.decorate(block, spv::Decoration::Block);
  for (uint32_t i = 0; i < members.size(); ++i) {
    m_.decorate_member(block, i, spv::Decoration::Offset, {offsets[i]});
    if (read_only) {
      m_.decorate_member(block, i, spv::Decoration::NonWritable);
      m_.decorate_member(block, i, spv::Decoration::Restrict);
    }
  }
  return block;
}

void Addressing::load_params() {
  const bool in_block = k_.params_in_block();
  StorageClass storage = StorageClass::PushConstant;
  const Id block = param_struct(in_block);
  Id base;
  if (in_block) {
    const Id address = m_.type(kAddress);
    const Id push = m_.struct_type(std::vector<Id>{address});
    m_.decorate(push, spv::Decoration::Block);
    m_.decorate_member(push, 0, spv::Decoration::Offset, {0});
    const Id variable = m_.global(storage, m_.pointer(storage, push));
    const Id member = m_.instruction(m_.prologue, m_.pointer(storage, address), Op::OpAccessChain,
                                     {variable, m_.u32(0)});
    const Id loaded = m_.instruction(m_.prologue, address, Op::OpLoad, {member});
    storage = StorageClass::PhysicalStorageBuffer;
    base = m_.instruction(m_.prologue, m_.pointer(storage, block), Op::OpBitcast, {loaded});
  } else {
    base = m_.global(storage, m_.pointer(storage, block));
  }
  for (const Inst& inst : k_.body) {
    if (inst.op != ir::Opcode::param || params_[inst.imm]) continue;
    const ir::Param& p = k_.params[inst.imm];
    const Id type = m_.type(param_type(p));
    const Id member = m_.instruction(m_.prologue, m_.pointer(storage, type), Op::OpAccessChain,
                                     {base, m_.u32(static_cast<uint32_t>(inst.imm))});
    if (in_block) {  // the block itself is aligned to 16 bytes
      const uint32_t aligned = std::min(16u, static_cast<uint32_t>(ir::bytes(p.type)));
      params_[inst.imm] = m_.instruction(m_.prologue, type, Op::OpLoad,
                                         {member, word(spv::MemoryAccessMask::Aligned), aligned});
    } else {
      params_[inst.imm] = m_.instruction(m_.prologue, type, Op::OpLoad, {member});
    }
  }
}

// A restrict buffer that is written keeps the decoration only when one pointer does all accesses:
// two access types, or an index of two halves, make several pointers to the same bytes.
void Addressing::find_restricted() {
  for (size_t i = 0; i < k_.params.size(); ++i) restricted_[i] = k_.params[i].is_restrict;
  std::vector<const Inst*> first(k_.params.size());
  for (const Inst& inst : k_.body) {
    if (ir::memory(inst.op) != ir::Memory::buffer) continue;
    const uint64_t param = k_.body[inst.args[0]].imm;
    if (k_.params[param].access == ir::Access::read) continue;
    if (!first[param]) first[param] = &inst;
    const bool moves_pointer = k_.body[inst.args[1]].type.lanes == 2;
    if (moves_pointer || first[param]->type != inst.type) restricted_[param] = false;
  }
}

Type Addressing::access_type(Type t) const {
  if (!word_pairs_ || t.lanes < 2 || ir::bytes({t.scalar, 1}) != 4) return storage_type(t);
  return ir::vec(ir::kU64, t.lanes / 2);
}

// Buffers of equal access share their types.
void Addressing::declare_types(View& made) {
  const ir::Access access = k_.params[made.param].access;
  const bool is_restricted = restricted_[made.param];
  const bool is_read_only = access == ir::Access::read;
  for (const View& v : views_) {
    const bool equal_access = (k_.params[v.param].access == ir::Access::read) == is_read_only;
    if (v.type == made.type && equal_access && restricted_[v.param] == is_restricted) {
      made.block_pointer_type = v.block_pointer_type;
      made.element_pointer_type = v.element_pointer_type;
      return;
    }
  }
  const Id element = m_.type(made.type);
  const Id array = m_.new_id();
  append(m_.declarations, Op::OpTypeRuntimeArray, {array, element});
  m_.decorate(array, spv::Decoration::ArrayStride, {static_cast<uint32_t>(ir::bytes(made.type))});
  const Id block = m_.struct_type(std::vector<Id>{array});
  m_.decorate(block, spv::Decoration::Block);
  m_.decorate_member(block, 0, spv::Decoration::Offset, {0});
  if (is_read_only) m_.decorate_member(block, 0, spv::Decoration::NonWritable);
  if (is_restricted) m_.decorate_member(block, 0, spv::Decoration::Restrict);
  made.block_pointer_type = m_.pointer(StorageClass::PhysicalStorageBuffer, block);
  made.element_pointer_type = m_.pointer(StorageClass::PhysicalStorageBuffer, element);
}

// Pointers are made at the start of the function, where they dominate every use.
Addressing::View Addressing::view(uint32_t param, Type t) {
  for (const View& v : views_) {
    if (v.param == param && v.type == t) return v;
  }
  View made{param, t, 0, 0, 0};
  declare_types(made);
  made.pointer =
      m_.instruction(m_.prologue, made.block_pointer_type, Op::OpBitcast, {params_[param]});
  views_.push_back(made);
  return made;
}

Id Addressing::buffer_element(const Inst& inst, Id index) {
  const auto param = static_cast<uint32_t>(k_.body[inst.args[0]].imm);
  const View v = view(param, access_type(inst.type));
  const bool is_pair = k_.body[inst.args[1]].type.lanes == 2;
  if (!is_pair) {
    return m_.instruction(m_.code, v.element_pointer_type, Op::OpAccessChain,
                          {v.pointer, m_.u32(0), index});
  }
  const Id address =
      add_to_address(params_[param], index, static_cast<uint32_t>(ir::bytes(inst.type)));
  const Id moved = m_.instruction(m_.code, v.block_pointer_type, Op::OpBitcast, {address});
  return m_.instruction(m_.code, v.element_pointer_type, Op::OpAccessChain,
                        {moved, m_.u32(0), m_.u32(0)});
}

// address + index * size on pairs of halves.
Id Addressing::add_to_address(Id address, Id index, uint32_t size) {
  const auto u32 = [this](Op op, std::initializer_list<uint32_t> operands) {
    return m_.instruction(m_.code, m_.type(ir::kU32), op, operands);
  };
  const auto shift = static_cast<uint32_t>(std::countr_zero(size));
  const Id low = u32(Op::OpCompositeExtract, {index, 0});
  const Id high = u32(Op::OpCompositeExtract, {index, 1});
  const Id low_bytes = u32(Op::OpShiftLeftLogical, {low, m_.u32(shift)});
  const Id spill = u32(Op::OpShiftRightLogical, {low, m_.u32(32 - shift)});
  const Id high_shifted = u32(Op::OpShiftLeftLogical, {high, m_.u32(shift)});
  const Id high_bytes = u32(Op::OpBitwiseOr, {high_shifted, spill});
  const Id base_low = u32(Op::OpCompositeExtract, {address, 0});
  const Id base_high = u32(Op::OpCompositeExtract, {address, 1});
  const Id sum =
      m_.instruction(m_.code, m_.pair_type(ir::kU32), Op::OpIAddCarry, {base_low, low_bytes});
  const Id sum_low = u32(Op::OpCompositeExtract, {sum, 0});
  const Id carry = u32(Op::OpCompositeExtract, {sum, 1});
  const Id high_sum = u32(Op::OpIAdd, {base_high, high_bytes});
  const Id sum_high = u32(Op::OpIAdd, {high_sum, carry});
  return m_.instruction(m_.code, m_.type(kAddress), Op::OpCompositeConstruct, {sum_low, sum_high});
}

namespace {

// Rows of matrices are where 16 bytes begin, as cooperative matrices need them, if arrays are: none
// has a length that would move the next one, which the driver lays behind it.
uint32_t padded_count(const ir::Kernel& k, const ir::SharedArray& s) {
  const bool has_matrices =
      std::any_of(k.body.begin(), k.body.end(), [](const Inst& i) { return is_matrix(i.type); });
  const uint32_t in_16 = std::max(1u, 16 / static_cast<uint32_t>(ir::bytes(s.type)));
  return has_matrices ? (s.count + in_16 - 1) / in_16 * in_16 : s.count;
}

}  // namespace

Id Addressing::shared_element(uint32_t array, Id index) {
  const ir::SharedArray& s = k_.shared[array];
  Id& variable = shared_[array];
  if (!variable) {
    const Id element = m_.type(s.type);
    const Id count = m_.u32(padded_count(k_, s));
    const Id type = m_.new_id();
    append(m_.declarations, Op::OpTypeArray, {type, element, count});
    variable = m_.global(StorageClass::Workgroup, m_.pointer(StorageClass::Workgroup, type));
  }
  return m_.instruction(m_.code, m_.variable_pointer(StorageClass::Workgroup, s.type),
                        Op::OpAccessChain, {variable, index});
}

}  // namespace nxv::spirv
