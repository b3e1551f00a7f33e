#include "spirv/translate.h"

#include <spirv/unified1/GLSL.std.450.h>
#include <bit>

#include "spirv/addressing.h"
#include "spirv/atomic_op.h"
#include "spirv/module_builder.h"
#include "spirv/recent.h"
#include "spirv/texels.h"

namespace nxv::spirv {
namespace {

using ir::Inst;
using ir::Opcode;
using ir::Scalar;
using ir::Type;
using spv::Op;
using spv::StorageClass;

constexpr uint32_t kRelaxed = word(spv::MemorySemanticsMask::MaskNone);

bool same_storage(Type a, Type b) {
  return a.lanes == b.lanes && is_bool(a) == is_bool(b) && ir::is_float(a) == ir::is_float(b) &&
         (is_bool(a) || ir::bytes(a) == ir::bytes(b));
}

// The three variants that most operations have.
Op by_type(Type t, Op of_float, Op of_signed, Op of_unsigned) {
  return ir::is_float(t) ? of_float : ir::is_signed(t) ? of_signed : of_unsigned;
}

class Emitter {
 public:
  Emitter(const ir::Kernel& kernel, const Options& options)
      : k_(kernel),
        options_(options),
        addressing_(m_, kernel, options),
        texels_(m_, kernel, addressing_, options),
        ids_(kernel.body.size()) {}

  Words run() {
    // Cooperative matrices exist in the Vulkan memory model alone.
    if (ir::requirements(k_).matrices) m_.use_vulkan_memory_model();
    m_.execution_mode(spv::ExecutionMode::LocalSize, {k_.local_size, 1, 1});
    for (uint32_t i = 0; i < k_.body.size(); ++i) ids_[i] = emit_inst(i);
    emit_float_controls();
    return m_.finish();
  }

 private:
  struct Scope {
    bool is_loop;
    Id merge;
    size_t false_target = 0;  // of an if: where its branch names the else label
    Id header = 0, next = 0;  // of a loop: its first block, and the block of its back edge
  };

  Id result(Type t, Op op, std::initializer_list<uint32_t> operands) {
    return result_of(m_.type(t), op, operands);
  }
  Id result_of(Id type, Op op, std::initializer_list<uint32_t> operands) {
    return m_.instruction(m_.code, type, op, operands);
  }
  Id glsl(Type t, GLSLstd450 which, std::initializer_list<uint32_t> operands) {
    const Id id = m_.new_id();
    const Id type = m_.type(t);
    m_.code.push_back(static_cast<uint32_t>((operands.size() + 5) << 16) | word(Op::OpExtInst));
    m_.code.push_back(type);
    m_.code.push_back(id);
    m_.code.push_back(m_.glsl());
    m_.code.push_back(which);
    m_.code.insert(m_.code.end(), operands);
    return id;
  }
  // No float result may be contracted or reassociated.
  Id exact(Type t, Id id) {
    if (ir::is_float(t)) m_.decorate(id, spv::Decoration::NoContraction);
    return id;
  }
  void label(Id id) { append(m_.code, Op::OpLabel, {id}); }
  void branch(Id target) { append(m_.code, Op::OpBranch, {target}); }

  // ---- Addressing

  Id load(const Inst& inst) {
    if (texels_.reads(inst)) return texels_.load(inst, ids_[inst.args[1]]);
    const Id pointer = addressing_.buffer_element(inst, ids_[inst.args[1]]);
    const Type moved = addressing_.access_type(inst.type);
    const Id loaded = result(moved, Op::OpLoad,
                             {pointer, word(spv::MemoryAccessMask::Aligned),
                              static_cast<uint32_t>(ir::bytes(inst.type))});
    return moved == storage_type(inst.type) ? loaded : result(inst.type, Op::OpBitcast, {loaded});
  }

  Id store(const Inst& inst) {
    const Id pointer = addressing_.buffer_element(inst, ids_[inst.args[1]]);
    const Type moved = addressing_.access_type(inst.type);
    Id value = ids_[inst.args[2]];
    if (moved != storage_type(inst.type)) value = result(moved, Op::OpBitcast, {value});
    append(m_.code, Op::OpStore,
           {pointer, value, word(spv::MemoryAccessMask::Aligned),
            static_cast<uint32_t>(ir::bytes(inst.type))});
    return 0;
  }

  Id atomic(const Inst& inst) {
    const Id pointer = addressing_.buffer_element(inst, ids_[inst.args[1]]);
    const Id device = m_.u32(word(spv::Scope::Device));
    return result(inst.type, atomic_op(inst),
                  {pointer, device, m_.u32(kRelaxed), ids_[inst.args[2]]});
  }

  Id atomic_load(const Inst& inst) {
    const Id pointer = addressing_.buffer_element(inst, ids_[inst.args[1]]);
    const Id device = m_.u32(word(spv::Scope::Device));
    return result(inst.type, Op::OpAtomicLoad, {pointer, device, m_.u32(kRelaxed)});
  }

  void atomic_store(const Inst& inst) {
    const Id pointer = addressing_.buffer_element(inst, ids_[inst.args[1]]);
    const Id device = m_.u32(word(spv::Scope::Device));
    append(m_.code, Op::OpAtomicStore, {pointer, device, m_.u32(kRelaxed), ids_[inst.args[2]]});
  }

  // In the Vulkan memory model only non-private accesses are ordered by a barrier.
  Id shared_load(const Inst& inst) {
    const Id pointer =
        addressing_.shared_element(static_cast<uint32_t>(inst.imm), ids_[inst.args[0]]);
    if (!m_.has_vulkan_memory_model()) return result(inst.type, Op::OpLoad, {pointer});
    return result(inst.type, Op::OpLoad, {pointer, word(spv::MemoryAccessMask::NonPrivatePointer)});
  }

  void shared_store(const Inst& inst) {
    const Id pointer =
        addressing_.shared_element(static_cast<uint32_t>(inst.imm), ids_[inst.args[0]]);
    const Id value = ids_[inst.args[1]];
    if (!m_.has_vulkan_memory_model()) return append(m_.code, Op::OpStore, {pointer, value});
    append(m_.code, Op::OpStore, {pointer, value, word(spv::MemoryAccessMask::NonPrivatePointer)});
  }

  Id shared_atomic(const Inst& inst) {
    const Id pointer =
        addressing_.shared_element(static_cast<uint32_t>(inst.imm), ids_[inst.args[0]]);
    const Id workgroup = m_.u32(word(spv::Scope::Workgroup));
    return result(inst.type, atomic_op(inst),
                  {pointer, workgroup, m_.u32(kRelaxed), ids_[inst.args[1]]});
  }

  void barrier() {
    auto semantics = word(spv::MemorySemanticsMask::AcquireRelease) |
                     word(spv::MemorySemanticsMask::WorkgroupMemory);
    if (m_.has_vulkan_memory_model()) {
      semantics |= word(spv::MemorySemanticsMask::MakeAvailable) |
                   word(spv::MemorySemanticsMask::MakeVisible);
    }
    const Id workgroup = m_.u32(word(spv::Scope::Workgroup));
    append(m_.code, Op::OpControlBarrier, {workgroup, workgroup, m_.u32(semantics)});
  }

  // ---- Cooperative matrices

  Id matrix_pointer(const Inst& inst) {
    return addressing_.shared_element(ir::matrix_shared(inst.imm), ids_[inst.args[0]]);
  }
  Id matrix_layout(const Inst& inst) {
    return m_.u32(word(ir::matrix_by_columns(inst.imm) ? recent::MatrixLayout::column_major
                                                       : recent::MatrixLayout::row_major));
  }

  Id matrix_load(const Inst& inst) {
    const Id pointer = matrix_pointer(inst);
    return result(inst.type, recent::kOpCooperativeMatrixLoad,
                  {pointer, matrix_layout(inst), ids_[inst.args[1]],
                   word(spv::MemoryAccessMask::NonPrivatePointer)});
  }

  void matrix_store(const Inst& inst) {
    const Id pointer = matrix_pointer(inst);
    append(m_.code, recent::kOpCooperativeMatrixStore,
           {pointer, ids_[inst.args[2]], matrix_layout(inst), ids_[inst.args[1]],
            word(spv::MemoryAccessMask::NonPrivatePointer)});
  }

  // ---- Values

  Id builtin(ir::Builtin which) {
    using ir::Builtin;
    Id& id = builtins_[static_cast<size_t>(which)];
    if (id) return id;
    switch (which) {
      case Builtin::local_index:
        return id = input(spv::BuiltIn::LocalInvocationIndex);
      case Builtin::group_x:
      case Builtin::group_y:
      case Builtin::group_z:
        if (!workgroup_id_) workgroup_id_ = input3(spv::BuiltIn::WorkgroupId);
        return id = m_.instruction(m_.prologue, m_.type(ir::kU32), Op::OpCompositeExtract,
                                   {workgroup_id_, word(which) - word(Builtin::group_x)});
      case Builtin::groups_x:
      case Builtin::groups_y:
      case Builtin::groups_z:
        if (!workgroups_) workgroups_ = input3(spv::BuiltIn::NumWorkgroups);
        return id = m_.instruction(m_.prologue, m_.type(ir::kU32), Op::OpCompositeExtract,
                                   {workgroups_, word(which) - word(Builtin::groups_x)});
      case Builtin::subgroup_lane:
        m_.capability(spv::Capability::GroupNonUniform);
        return id = input(spv::BuiltIn::SubgroupLocalInvocationId);
      case Builtin::subgroup_index:
        m_.capability(spv::Capability::GroupNonUniform);
        return id = input(spv::BuiltIn::SubgroupId);
      case Builtin::subgroup_size:
        m_.capability(spv::Capability::GroupNonUniform);
        return id = input(spv::BuiltIn::SubgroupSize);
    }
    return 0;
  }

  Id input_of(Id type, spv::BuiltIn which) {
    const Id variable = m_.global(StorageClass::Input, m_.pointer(StorageClass::Input, type));
    m_.decorate(variable, spv::Decoration::BuiltIn, {word(which)});
    return m_.instruction(m_.prologue, type, Op::OpLoad, {variable});
  }
  Id input(spv::BuiltIn which) { return input_of(m_.type(ir::kU32), which); }
  Id input3(spv::BuiltIn which) {
    if (!uvec3_) {
      const Id u32 = m_.type(ir::kU32);
      uvec3_ = m_.new_id();
      append(m_.declarations, Op::OpTypeVector, {uvec3_, u32, 3});
    }
    return input_of(uvec3_, which);
  }

  Id unary(const Inst& inst, Op op) { return result(inst.type, op, {ids_[inst.args[0]]}); }
  Id binary(const Inst& inst, Op op) {
    return result(inst.type, op, {ids_[inst.args[0]], ids_[inst.args[1]]});
  }
  Id glsl_unary(const Inst& inst, GLSLstd450 op) {
    return glsl(inst.type, op, {ids_[inst.args[0]]});
  }
  Id min_max(const Inst& inst, GLSLstd450 f, GLSLstd450 s, GLSLstd450 u) {
    return glsl(inst.type,
                ir::is_float(inst.type)    ? f
                : ir::is_signed(inst.type) ? s
                                           : u,
                {ids_[inst.args[0]], ids_[inst.args[1]]});
  }

  Id compare(const Inst& inst, Op of_float, Op of_signed, Op of_unsigned) {
    return binary(inst, by_type(k_.body[inst.args[0]].type, of_float, of_signed, of_unsigned));
  }

  Id equality(const Inst& inst) {
    const bool eq = inst.op == Opcode::eq;
    if (is_bool(k_.body[inst.args[0]].type)) {
      return binary(inst, eq ? Op::OpLogicalEqual : Op::OpLogicalNotEqual);
    }
    const Op of_integer = eq ? Op::OpIEqual : Op::OpINotEqual;
    return compare(inst, eq ? Op::OpFOrdEqual : Op::OpFUnordNotEqual, of_integer, of_integer);
  }

  Id shift(const Inst& inst, Op op) {
    return result(inst.type, op,
                  {ids_[inst.args[0]],
                   splat(ids_[inst.args[1]], k_.body[inst.args[1]].type, inst.type.lanes)});
  }

  Id splat(Id value, Type t, uint8_t lanes) {
    if (t.lanes == lanes) return value;
    if (lanes == 2) return result(ir::vec(t, 2), Op::OpCompositeConstruct, {value, value});
    return result(ir::vec(t, 4), Op::OpCompositeConstruct, {value, value, value, value});
  }

  Id mul_hi(const Inst& inst) {
    const Op op = ir::is_signed(inst.type) ? Op::OpSMulExtended : Op::OpUMulExtended;
    const Id both =
        result_of(m_.pair_type(inst.type), op, {ids_[inst.args[0]], ids_[inst.args[1]]});
    return result(inst.type, Op::OpCompositeExtract, {both, 1});
  }

  // FindUMsb(0) is -1, which makes the count of an empty word 32.
  Id clz32(Type t, Id word32) {
    return result(t, Op::OpISub, {m_.constant(t, 31), glsl(t, GLSLstd450FindUMsb, {word32})});
  }
  struct Halves {
    Id low, high;
  };
  Halves halves(Type wide, Id value) {
    const Type narrow = with_scalar(wide, Scalar::u32);
    const Id amount = m_.constant(narrow, 32);
    const Id low = result(narrow, Op::OpUConvert, {value});
    const Id shifted = result(wide, Op::OpShiftRightLogical, {value, amount});
    return {low, result(narrow, Op::OpUConvert, {shifted})};
  }
  Id clz(const Inst& inst) {
    const Type from = k_.body[inst.args[0]].type;
    if (!is_64_bit(from)) return clz32(inst.type, ids_[inst.args[0]]);
    const Halves h = halves(from, ids_[inst.args[0]]);
    const Id of_high = clz32(inst.type, h.high);
    const Id of_low = clz32(inst.type, h.low);
    const Id through = result(inst.type, Op::OpIAdd, {of_low, m_.constant(inst.type, 32)});
    const Id empty = result(with_scalar(inst.type, Scalar::boolean), Op::OpIEqual,
                            {h.high, m_.constant(inst.type, 0)});
    return result(inst.type, Op::OpSelect, {empty, through, of_high});
  }
  Id popcount(const Inst& inst) {
    const Type from = k_.body[inst.args[0]].type;
    if (!is_64_bit(from)) return unary(inst, Op::OpBitCount);
    const Halves h = halves(from, ids_[inst.args[0]]);
    const Id low = result(inst.type, Op::OpBitCount, {h.low});
    const Id high = result(inst.type, Op::OpBitCount, {h.high});
    return result(inst.type, Op::OpIAdd, {low, high});
  }

  Id convert(const Inst& inst) {
    const Type to = inst.type;
    const Type from = k_.body[inst.args[0]].type;
    const Id value = ids_[inst.args[0]];
    if (from == to) return value;
    if (is_bool(from)) {
      const uint64_t one = to.scalar == Scalar::f32   ? std::bit_cast<uint32_t>(1.0f)
                           : to.scalar == Scalar::f64 ? std::bit_cast<uint64_t>(1.0)
                                                      : 1;
      return result(to, Op::OpSelect, {value, m_.constant(to, one), m_.constant(to, 0)});
    }
    if (is_bool(to)) return is_nonzero(from, value);
    const bool from_float = ir::is_float(from);
    const bool to_float = ir::is_float(to);
    if (from_float && to_float) return result(to, Op::OpFConvert, {value});
    if (from_float) {
      return result(to, ir::is_signed(to) ? Op::OpConvertFToS : Op::OpConvertFToU, {value});
    }
    if (to_float) {
      return result(to, ir::is_signed(from) ? Op::OpConvertSToF : Op::OpConvertUToF, {value});
    }
    if (is_64_bit(from) == is_64_bit(to)) return value;
    const bool widens_signed = is_64_bit(to) && ir::is_signed(from);
    if (widens_signed && to.lanes == 1) return sign_extend(value, from, to);
    return result(to, widens_signed ? Op::OpSConvert : Op::OpUConvert, {value});
  }

  // From words: lavapipe of Mesa 22.3 gets comparisons of OpSConvert with a constant wrong.
  Id sign_extend(Id value, Type from, Type to) {
    const Id high = result(from, Op::OpShiftRightArithmetic, {value, m_.constant(from, 31)});
    from.lanes = 2;
    const Id words = result(from, Op::OpCompositeConstruct, {value, high});
    return result(to, Op::OpBitcast, {words});
  }

  // Integer comparison for f32: a device that flushes subnormals would call them zero.
  Id is_nonzero(Type from, Id value) {
    const Type to = with_scalar(from, Scalar::boolean);
    if (from.scalar == Scalar::f64) {
      return result(to, Op::OpFUnordNotEqual, {value, m_.constant(from, 0)});
    }
    if (from.scalar == Scalar::f32) {
      from.scalar = Scalar::u32;
      value = result(from, Op::OpBitcast, {value});
      value = result(from, Op::OpShiftLeftLogical, {value, m_.constant(from, 1)});
    }
    return result(to, Op::OpINotEqual, {value, m_.constant(from, 0)});
  }

  Id bitcast(const Inst& inst) {
    if (same_storage(inst.type, k_.body[inst.args[0]].type)) return ids_[inst.args[0]];
    return unary(inst, Op::OpBitcast);
  }

  Id pack(const Inst& inst) {
    const auto& a = inst.args;
    if (inst.type.lanes == 2) {
      return result(inst.type, Op::OpCompositeConstruct, {ids_[a[0]], ids_[a[1]]});
    }
    return result(inst.type, Op::OpCompositeConstruct,
                  {ids_[a[0]], ids_[a[1]], ids_[a[2]], ids_[a[3]]});
  }

  // Vulkan 1.2 allows a scalar condition for vectors, but not every compiler of it does.
  Id select(const Inst& inst) {
    const Id condition = splat(ids_[inst.args[0]], k_.body[inst.args[0]].type, inst.type.lanes);
    return result(inst.type, Op::OpSelect, {condition, ids_[inst.args[1]], ids_[inst.args[2]]});
  }

  Id variable(Type t) {
    const Id pointer = m_.variable_pointer(StorageClass::Function, t);
    return m_.instruction(m_.variables, pointer, Op::OpVariable, {word(StorageClass::Function)});
  }

  Id subgroup(const Inst& inst, spv::Capability capability, Op op,
              std::initializer_list<uint32_t> operands) {
    m_.capability(spv::Capability::GroupNonUniform);
    m_.capability(capability);
    const Id scope = m_.u32(word(spv::Scope::Subgroup));
    const Id id = m_.new_id();
    const Id type = m_.type(inst.type);
    m_.code.push_back(static_cast<uint32_t>((operands.size() + 4) << 16) | word(op));
    m_.code.push_back(type);
    m_.code.push_back(id);
    m_.code.push_back(scope);
    m_.code.insert(m_.code.end(), operands);
    return id;
  }
  Id reduce(const Inst& inst, Op f, Op s, Op u) {
    return subgroup(inst, spv::Capability::GroupNonUniformArithmetic, by_type(inst.type, f, s, u),
                    {word(spv::GroupOperation::Reduce), ids_[inst.args[0]]});
  }

  // ---- Control flow

  void begin_if(const Inst& inst) {
    const Id then = m_.new_id();
    const Id merge = m_.new_id();
    append(m_.code, Op::OpSelectionMerge, {merge, 0});
    append(m_.code, Op::OpBranchConditional, {ids_[inst.args[0]], then, merge});
    scopes_.push_back({false, merge, m_.code.size() - 1});
    label(then);
  }
  void begin_else() {
    const Id otherwise = m_.new_id();
    m_.code[scopes_.back().false_target] = otherwise;
    branch(scopes_.back().merge);
    label(otherwise);
  }
  void end_if() {
    branch(scopes_.back().merge);
    label(scopes_.back().merge);
    scopes_.pop_back();
  }
  void begin_loop(ir::Unrolling unrolling) {
    const Id header = m_.new_id();
    const Id next = m_.new_id();
    const Id merge = m_.new_id();
    const Id body = m_.new_id();
    branch(header);
    label(header);
    const auto control = unrolling == ir::Unrolling::never ? spv::LoopControlMask::DontUnroll
                                                           : spv::LoopControlMask::MaskNone;
    append(m_.code, Op::OpLoopMerge, {merge, next, word(control)});
    branch(body);
    label(body);
    scopes_.push_back({true, merge, 0, header, next});
  }
  void break_if(const Inst& inst) {
    const Id stay = m_.new_id();
    append(m_.code, Op::OpBranchConditional, {ids_[inst.args[0]], scopes_.back().merge, stay});
    label(stay);
  }
  void end_loop() {
    const Scope& loop = scopes_.back();
    branch(loop.next);
    label(loop.next);
    branch(loop.header);
    label(loop.merge);
    scopes_.pop_back();
  }

  Id emit_inst(uint32_t i) {
    const Inst& inst = k_.body[i];
    const Type t = inst.type;
    const auto arg = [&](int n) { return ids_[inst.args[static_cast<size_t>(n)]]; };
    switch (inst.op) {
      case Opcode::constant:
        return m_.constant(t, inst.imm);
      case Opcode::param:
        return addressing_.param(inst.imm);
      case Opcode::builtin:
        return builtin(static_cast<ir::Builtin>(inst.imm));

      case Opcode::neg:
        return exact(t, unary(inst, by_type(t, Op::OpFNegate, Op::OpSNegate, Op::OpSNegate)));
      case Opcode::abs:
        if (!ir::is_signed(t)) return arg(0);
        return glsl_unary(inst, ir::is_float(t) ? GLSLstd450FAbs : GLSLstd450SAbs);
      case Opcode::sqrt:
        return exact(t, glsl_unary(inst, GLSLstd450Sqrt));
      case Opcode::floor:
        return glsl_unary(inst, GLSLstd450Floor);
      case Opcode::ceil:
        return glsl_unary(inst, GLSLstd450Ceil);
      case Opcode::trunc:
        return glsl_unary(inst, GLSLstd450Trunc);
      case Opcode::round_even:
        return glsl_unary(inst, GLSLstd450RoundEven);
      case Opcode::add:
        return exact(t, binary(inst, by_type(t, Op::OpFAdd, Op::OpIAdd, Op::OpIAdd)));
      case Opcode::sub:
        return exact(t, binary(inst, by_type(t, Op::OpFSub, Op::OpISub, Op::OpISub)));
      case Opcode::mul:
        return exact(t, binary(inst, by_type(t, Op::OpFMul, Op::OpIMul, Op::OpIMul)));
      case Opcode::div:
        return exact(t, binary(inst, by_type(t, Op::OpFDiv, Op::OpSDiv, Op::OpUDiv)));
      case Opcode::rem:
        return exact(t, binary(inst, by_type(t, Op::OpFRem, Op::OpSRem, Op::OpUMod)));
      case Opcode::min:
        return min_max(inst, GLSLstd450FMin, GLSLstd450SMin, GLSLstd450UMin);
      case Opcode::max:
        return min_max(inst, GLSLstd450FMax, GLSLstd450SMax, GLSLstd450UMax);
      case Opcode::mul_hi:
        return mul_hi(inst);
      case Opcode::fma:
        return exact(t, glsl(t, GLSLstd450Fma, {arg(0), arg(1), arg(2)}));

      case Opcode::bit_and:
        return binary(inst, Op::OpBitwiseAnd);
      case Opcode::bit_or:
        return binary(inst, Op::OpBitwiseOr);
      case Opcode::bit_xor:
        return binary(inst, Op::OpBitwiseXor);
      case Opcode::bit_not:
        return unary(inst, Op::OpNot);
      case Opcode::shl:
        return shift(inst, Op::OpShiftLeftLogical);
      case Opcode::shr:
        return shift(inst, ir::is_signed(t) ? Op::OpShiftRightArithmetic : Op::OpShiftRightLogical);
      case Opcode::clz:
        return clz(inst);
      case Opcode::popcount:
        return popcount(inst);

      case Opcode::eq:
      case Opcode::ne:
        return equality(inst);
      case Opcode::lt:
        return compare(inst, Op::OpFOrdLessThan, Op::OpSLessThan, Op::OpULessThan);
      case Opcode::le:
        return compare(inst, Op::OpFOrdLessThanEqual, Op::OpSLessThanEqual, Op::OpULessThanEqual);
      case Opcode::gt:
        return compare(inst, Op::OpFOrdGreaterThan, Op::OpSGreaterThan, Op::OpUGreaterThan);
      case Opcode::ge:
        return compare(inst, Op::OpFOrdGreaterThanEqual, Op::OpSGreaterThanEqual,
                       Op::OpUGreaterThanEqual);
      case Opcode::logical_and:
        return binary(inst, Op::OpLogicalAnd);
      case Opcode::logical_or:
        return binary(inst, Op::OpLogicalOr);
      case Opcode::logical_not:
        return unary(inst, Op::OpLogicalNot);
      case Opcode::select:
        return select(inst);
      case Opcode::convert:
        return convert(inst);
      case Opcode::bitcast:
        return bitcast(inst);
      case Opcode::pack_half:
        return glsl_unary(inst, GLSLstd450PackHalf2x16);
      case Opcode::pack:
        return pack(inst);
      case Opcode::extract:
        return result(t, Op::OpCompositeExtract, {arg(0), static_cast<uint32_t>(inst.imm)});

      case Opcode::var_decl:
        return variable(t);
      case Opcode::var_load:
        return unary(inst, Op::OpLoad);
      case Opcode::var_store:
        append(m_.code, Op::OpStore, {arg(0), arg(1)});
        return 0;

      case Opcode::load:
        return load(inst);
      case Opcode::store:
        return store(inst);
      case Opcode::atomic_load:
        return atomic_load(inst);
      case Opcode::atomic_store:
        atomic_store(inst);
        return 0;
      case Opcode::atomic_add:
      case Opcode::atomic_min:
      case Opcode::atomic_max:
      case Opcode::atomic_or:
      case Opcode::atomic_exchange:
        return atomic(inst);
      case Opcode::shared_load:
        return shared_load(inst);
      case Opcode::shared_store:
        shared_store(inst);
        return 0;
      case Opcode::shared_atomic_add:
      case Opcode::shared_atomic_min:
      case Opcode::shared_atomic_max:
      case Opcode::shared_atomic_or:
      case Opcode::shared_atomic_exchange:
        return shared_atomic(inst);
      case Opcode::barrier:
        barrier();
        return 0;

      case Opcode::subgroup_add:
        return reduce(inst, Op::OpGroupNonUniformFAdd, Op::OpGroupNonUniformIAdd,
                      Op::OpGroupNonUniformIAdd);
      case Opcode::subgroup_min:
        return reduce(inst, Op::OpGroupNonUniformFMin, Op::OpGroupNonUniformSMin,
                      Op::OpGroupNonUniformUMin);
      case Opcode::subgroup_max:
        return reduce(inst, Op::OpGroupNonUniformFMax, Op::OpGroupNonUniformSMax,
                      Op::OpGroupNonUniformUMax);
      case Opcode::subgroup_shuffle_xor:
        return subgroup(inst, spv::Capability::GroupNonUniformShuffle,
                        Op::OpGroupNonUniformShuffleXor,
                        {arg(0), m_.u32(static_cast<uint32_t>(inst.imm))});
      case Opcode::subgroup_shuffle:
        return subgroup(inst, spv::Capability::GroupNonUniformShuffle, Op::OpGroupNonUniformShuffle,
                        {arg(0), arg(1)});
      case Opcode::subgroup_broadcast_first:
        return subgroup(inst, spv::Capability::GroupNonUniformBallot,
                        Op::OpGroupNonUniformBroadcastFirst, {arg(0)});
      case Opcode::subgroup_ballot:
        return subgroup(inst, spv::Capability::GroupNonUniformBallot, Op::OpGroupNonUniformBallot,
                        {arg(0)});

      case Opcode::matrix_fill:
        return unary(inst, Op::OpCompositeConstruct);
      case Opcode::matrix_load:
        return matrix_load(inst);
      case Opcode::matrix_store:
        matrix_store(inst);
        return 0;
      case Opcode::matrix_multiply_add:
        return result(t, recent::kOpCooperativeMatrixMulAdd, {arg(0), arg(1), arg(2)});
      case Opcode::matrix_add:
        return exact(t, binary(inst, Op::OpFAdd));

      case Opcode::if_begin:
        begin_if(inst);
        return 0;
      case Opcode::if_else:
        begin_else();
        return 0;
      case Opcode::if_end:
        end_if();
        return 0;
      case Opcode::loop_begin:
        begin_loop(static_cast<ir::Unrolling>(inst.imm));
        return 0;
      case Opcode::break_if:
        break_if(inst);
        return 0;
      case Opcode::loop_end:
        end_loop();
        return 0;
    }
    return 0;
  }

  // The modes of a width are declared when the kernel computes with that width.
  void emit_float_controls() {
    bool f32 = false;
    bool f64 = false;
    for (const Inst& inst : k_.body) {
      f32 |= inst.type.scalar == Scalar::f32;
      f64 |= inst.type.scalar == Scalar::f64;
    }
    const auto declare = [&](bool wanted, spv::Capability c, spv::ExecutionMode mode,
                             uint32_t width) {
      if (!wanted) return;
      m_.capability(c);
      m_.execution_mode(mode, {width});
    };
    using spv::Capability;
    using spv::ExecutionMode;
    const Options& o = options_;
    declare(f32 && o.signed_zero_inf_nan_f32, Capability::SignedZeroInfNanPreserve,
            ExecutionMode::SignedZeroInfNanPreserve, 32);
    declare(f64 && o.signed_zero_inf_nan_f64, Capability::SignedZeroInfNanPreserve,
            ExecutionMode::SignedZeroInfNanPreserve, 64);
    declare(f32 && o.denorm_preserve_f32, Capability::DenormPreserve, ExecutionMode::DenormPreserve,
            32);
    declare(f64 && o.denorm_preserve_f64, Capability::DenormPreserve, ExecutionMode::DenormPreserve,
            64);
    declare(f32 && o.round_to_even_f32, Capability::RoundingModeRTE, ExecutionMode::RoundingModeRTE,
            32);
    declare(f64 && o.round_to_even_f64, Capability::RoundingModeRTE, ExecutionMode::RoundingModeRTE,
            64);
  }

  const ir::Kernel& k_;
  const Options& options_;
  ModuleBuilder m_;
  Addressing addressing_;
  Texels texels_;
  std::vector<Id> ids_;  // by instruction; 0 where nothing is defined
  std::vector<Scope> scopes_;
  std::array<Id, 10> builtins_{};
  Id workgroup_id_ = 0;
  Id workgroups_ = 0;
  Id uvec3_ = 0;
};

}  // namespace

std::vector<uint32_t> translate(const ir::Kernel& kernel, const Options& options) {
  return Emitter(kernel, options).run();
}

}  // namespace nxv::spirv
