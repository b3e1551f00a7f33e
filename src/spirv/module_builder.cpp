#include "spirv/module_builder.h"

#include <algorithm>

#include "spirv/recent.h"

namespace nxv::spirv {
namespace {

constexpr uint32_t kVersion = 0x00010500;

// A literal string: bytes, a terminating zero, padding to words.
void append_string(Words& out, std::string_view text) {
  uint32_t w = 0;
  int at = 0;
  for (const char c : text) {
    w |= static_cast<uint32_t>(static_cast<unsigned char>(c)) << (8 * at);
    if (++at == 4) {
      out.push_back(w);
      w = 0;
      at = 0;
    }
  }
  out.push_back(w);
}

void append_instruction(Words& out, spv::Op op, const Words& operands) {
  out.push_back(static_cast<uint32_t>((operands.size() + 1) << 16) | word(op));
  out.insert(out.end(), operands.begin(), operands.end());
}

}  // namespace

ir::Type storage_type(ir::Type t) {
  if (ir::is_matrix(t)) return t;  // whose elements have a sign
  if (t.scalar == ir::Scalar::s32) t.scalar = ir::Scalar::u32;
  if (t.scalar == ir::Scalar::s64) t.scalar = ir::Scalar::u64;
  return t;
}

Id& ModuleBuilder::TypeTable::operator[](ir::Type t) {
  return ir::is_matrix(t) ? matrices_[ir::code(t)]
                          : numbers_[static_cast<size_t>(t.scalar)][t.lanes];
}

ModuleBuilder::ModuleBuilder() : main_(new_id()), constants_(64) {
  declarations.reserve(512);
  prologue.reserve(256);
  code.reserve(1024);
  annotations_.reserve(512);
  capability(spv::Capability::Shader);
  capability(spv::Capability::PhysicalStorageBufferAddresses);
}

void ModuleBuilder::capability(spv::Capability c) {
  if (std::find(capabilities_.begin(), capabilities_.end(), c) == capabilities_.end()) {
    capabilities_.push_back(c);
  }
}

void ModuleBuilder::extension(std::string_view name) {
  if (std::find(extensions_.begin(), extensions_.end(), name) == extensions_.end()) {
    extensions_.push_back(name);
  }
}

void ModuleBuilder::use_vulkan_memory_model() {
  capability(spv::Capability::VulkanMemoryModel);
  vulkan_memory_model_ = true;
}

void ModuleBuilder::execution_mode(spv::ExecutionMode mode,
                                   std::initializer_list<uint32_t> literals) {
  modes_.push_back(static_cast<uint32_t>((literals.size() + 3) << 16) |
                   word(spv::Op::OpExecutionMode));
  modes_.push_back(main_);
  modes_.push_back(word(mode));
  modes_.insert(modes_.end(), literals);
}

void ModuleBuilder::decorate(Id target, spv::Decoration d,
                             std::initializer_list<uint32_t> literals) {
  annotations_.push_back(static_cast<uint32_t>((literals.size() + 3) << 16) |
                         word(spv::Op::OpDecorate));
  annotations_.push_back(target);
  annotations_.push_back(word(d));
  annotations_.insert(annotations_.end(), literals);
}

void ModuleBuilder::decorate_member(Id target, uint32_t member, spv::Decoration d,
                                    std::initializer_list<uint32_t> literals) {
  annotations_.push_back(static_cast<uint32_t>((literals.size() + 4) << 16) |
                         word(spv::Op::OpMemberDecorate));
  annotations_.push_back(target);
  annotations_.push_back(member);
  annotations_.push_back(word(d));
  annotations_.insert(annotations_.end(), literals);
}

Id ModuleBuilder::instruction(Words& out, Id type, spv::Op op,
                              std::initializer_list<uint32_t> operands) {
  const Id id = new_id();
  out.push_back(static_cast<uint32_t>((operands.size() + 3) << 16) | word(op));
  out.push_back(type);
  out.push_back(id);
  out.insert(out.end(), operands);
  return id;
}

Id ModuleBuilder::struct_type(const std::vector<Id>& members) {
  const Id id = new_id();
  declarations.push_back(static_cast<uint32_t>((members.size() + 2) << 16) |
                         word(spv::Op::OpTypeStruct));
  declarations.push_back(id);
  declarations.insert(declarations.end(), members.begin(), members.end());
  return id;
}

Id ModuleBuilder::void_type() {
  if (!void_) append(declarations, spv::Op::OpTypeVoid, {void_ = new_id()});
  return void_;
}

Id ModuleBuilder::type(ir::Type t) {
  t = storage_type(t);
  Id& id = types_[t];
  if (id) return id;
  if (ir::is_matrix(t)) return id = matrix_type(t);
  if (t.lanes > 1) {
    const Id lane = type(ir::element(t));
    id = new_id();
    append(declarations, spv::Op::OpTypeVector, {id, lane, t.lanes});
    return id;
  }
  id = new_id();
  switch (t.scalar) {
    case ir::Scalar::boolean:
      append(declarations, spv::Op::OpTypeBool, {id});
      break;
    case ir::Scalar::u32:
    case ir::Scalar::s32:
      append(declarations, spv::Op::OpTypeInt, {id, 32, 0});
      break;
    case ir::Scalar::u64:
    case ir::Scalar::s64:
      capability(spv::Capability::Int64);
      append(declarations, spv::Op::OpTypeInt, {id, 64, 0});
      break;
    case ir::Scalar::s8:
    case ir::Scalar::u8:
      capability(spv::Capability::Int8);
      append(declarations, spv::Op::OpTypeInt, {id, 8, 0});
      break;
    case ir::Scalar::f16:
      capability(spv::Capability::Float16);
      append(declarations, spv::Op::OpTypeFloat, {id, 16});
      break;
    case ir::Scalar::bf16:
      capability(recent::kBFloat16Type);
      extension("SPV_KHR_bfloat16");
      append(declarations, spv::Op::OpTypeFloat, {id, 16, recent::kBFloat16Encoding});
      break;
    case ir::Scalar::f32:
      append(declarations, spv::Op::OpTypeFloat, {id, 32});
      break;
    case ir::Scalar::f64:
      capability(spv::Capability::Float64);
      append(declarations, spv::Op::OpTypeFloat, {id, 64});
      break;
  }
  return id;
}

Id ModuleBuilder::matrix_type(ir::Type t) {
  capability(recent::kCooperativeMatrix);
  extension("SPV_KHR_cooperative_matrix");
  if (t.scalar == ir::Scalar::bf16) capability(recent::kBFloat16CooperativeMatrix);
  const auto use = t.matrix == ir::Matrix::a   ? recent::MatrixUse::a
                   : t.matrix == ir::Matrix::b ? recent::MatrixUse::b
                                               : recent::MatrixUse::accumulator;
  const Id component = element_type(t);
  const Id scope = u32(word(spv::Scope::Subgroup));
  const Id rows = u32(ir::rows(t));
  const Id columns = u32(ir::columns(t));
  const Id use_id = u32(word(use));
  const Id id = new_id();
  append(declarations, recent::kOpTypeCooperativeMatrix,
         {id, component, scope, rows, columns, use_id});
  return id;
}

Id ModuleBuilder::element_type(ir::Type matrix) {
  if (ir::is_float(matrix) || !ir::is_signed(matrix)) return type({matrix.scalar});
  Id& id = signed_types_[matrix.scalar == ir::Scalar::s8];
  if (id) return id;
  if (matrix.scalar == ir::Scalar::s8) capability(spv::Capability::Int8);
  id = new_id();
  append(declarations, spv::Op::OpTypeInt, {id, static_cast<uint32_t>(8 * ir::bytes(matrix)), 1});
  return id;
}

Id ModuleBuilder::pointer(spv::StorageClass storage, Id pointee) {
  const Id id = new_id();
  append(declarations, spv::Op::OpTypePointer, {id, word(storage), pointee});
  return id;
}

Id ModuleBuilder::variable_pointer(spv::StorageClass storage, ir::Type t) {
  t = storage_type(t);
  const bool is_function = storage == spv::StorageClass::Function;
  Id& id = (is_function ? function_pointers_ : workgroup_pointers_)[t];
  if (!id) id = pointer(storage, type(t));
  return id;
}

Id ModuleBuilder::pair_type(ir::Type t) {
  t = storage_type(t);
  Id& id = pairs_[t];
  if (!id) {
    const Id member = type(t);
    id = struct_type({member, member});
  }
  return id;
}

ModuleBuilder::ConstantSlot& ModuleBuilder::constant_slot(Id type, uint64_t bits) {
  if (2 * ++constant_count_ > constants_.size()) {
    std::vector<ConstantSlot> old(2 * constants_.size());
    old.swap(constants_);
    for (const ConstantSlot& slot : old) {
      if (slot.id) constant_slot(slot.type, slot.bits) = slot;
    }
  }
  const size_t mask = constants_.size() - 1;
  size_t at = ((bits ^ (bits >> 29) ^ type) * 0x9e3779b97f4a7c15u) >> 32;
  for (;; ++at) {
    ConstantSlot& slot = constants_[at & mask];
    if (!slot.id || (slot.type == type && slot.bits == bits)) return slot;
  }
}

Id ModuleBuilder::scalar_constant(ir::Type t, uint64_t bits) {
  const Id type_id = type(t);
  ConstantSlot& slot = constant_slot(type_id, bits);
  if (slot.id) return slot.id;
  slot = {type_id, new_id(), bits};
  if (t.scalar == ir::Scalar::boolean) {
    append(declarations, bits ? spv::Op::OpConstantTrue : spv::Op::OpConstantFalse,
           {type_id, slot.id});
  } else if (ir::bytes(t) == 8) {
    append(declarations, spv::Op::OpConstant,
           {type_id, slot.id, static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)});
  } else {
    append(declarations, spv::Op::OpConstant, {type_id, slot.id, static_cast<uint32_t>(bits)});
  }
  return slot.id;
}

Id ModuleBuilder::constant(ir::Type t, uint64_t lane_bits) {
  if (t.lanes == 1) return scalar_constant(t, lane_bits);
  const Id type_id = type(t);
  const Id lane = scalar_constant(ir::element(t), lane_bits);
  ConstantSlot& slot = constant_slot(type_id, lane_bits);
  if (slot.id) return slot.id;
  slot = {type_id, new_id(), lane_bits};
  if (t.lanes == 2) {
    append(declarations, spv::Op::OpConstantComposite, {type_id, slot.id, lane, lane});
  } else {
    append(declarations, spv::Op::OpConstantComposite, {type_id, slot.id, lane, lane, lane, lane});
  }
  return slot.id;
}

Id ModuleBuilder::global(spv::StorageClass storage, Id pointer_type) {
  const Id id = new_id();
  append(declarations, spv::Op::OpVariable, {pointer_type, id, word(storage)});
  interface_.push_back(id);
  return id;
}

Id ModuleBuilder::glsl() {
  if (!glsl_) glsl_ = new_id();
  return glsl_;
}

Words ModuleBuilder::finish() {
  const Id function_type = new_id();
  append(declarations, spv::Op::OpTypeFunction, {function_type, void_type()});

  Words out;
  out.reserve(64 + 2 * capabilities_.size() + interface_.size() + modes_.size() +
              annotations_.size() + declarations.size() + variables.size() + prologue.size() +
              code.size());
  const Id first_label = new_id();
  out = {spv::MagicNumber, kVersion, 0, next_id_, 0};
  for (spv::Capability c : capabilities_) append(out, spv::Op::OpCapability, {word(c)});
  Words operands;
  for (std::string_view name : extensions_) {
    operands.clear();
    append_string(operands, name);
    append_instruction(out, spv::Op::OpExtension, operands);
  }
  if (glsl_) {
    operands = {glsl_};
    append_string(operands, "GLSL.std.450");
    append_instruction(out, spv::Op::OpExtInstImport, operands);
  }
  append(out, spv::Op::OpMemoryModel,
         {word(spv::AddressingModel::PhysicalStorageBuffer64),
          word(vulkan_memory_model_ ? spv::MemoryModel::Vulkan : spv::MemoryModel::GLSL450)});
  operands = {word(spv::ExecutionModel::GLCompute), main_};
  append_string(operands, "main");
  operands.insert(operands.end(), interface_.begin(), interface_.end());
  append_instruction(out, spv::Op::OpEntryPoint, operands);

  const auto section = [&out](const Words& words) {
    out.insert(out.end(), words.begin(), words.end());
  };
  section(modes_);
  section(annotations_);
  section(declarations);
  append(out, spv::Op::OpFunction,
         {void_type(), main_, word(spv::FunctionControlMask::MaskNone), function_type});
  append(out, spv::Op::OpLabel, {first_label});
  section(variables);
  section(prologue);
  section(code);
  append(out, spv::Op::OpReturn, {});
  append(out, spv::Op::OpFunctionEnd, {});
  return out;
}

}  // namespace nxv::spirv
