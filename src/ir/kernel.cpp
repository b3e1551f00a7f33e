#include "ir/kernel.h"

#include <iterator>

#include "base/error.h"

namespace nxv::ir {
namespace {

struct OpcodeInfo {
  std::string_view name;
  int operands;  // pack has as many as its result has lanes
  bool defines_value;
};

// In the order of Opcode.
constexpr OpcodeInfo kOpcodes[] = {
    {"constant", 0, true},
    {"param", 0, true},
    {"builtin", 0, true},
    {"neg", 1, true},
    {"abs", 1, true},
    {"sqrt", 1, true},
    {"floor", 1, true},
    {"ceil", 1, true},
    {"trunc", 1, true},
    {"round_even", 1, true},
    {"add", 2, true},
    {"sub", 2, true},
    {"mul", 2, true},
    {"div", 2, true},
    {"rem", 2, true},
    {"min", 2, true},
    {"max", 2, true},
    {"mul_hi", 2, true},
    {"fma", 3, true},
    {"bit_and", 2, true},
    {"bit_or", 2, true},
    {"bit_xor", 2, true},
    {"bit_not", 1, true},
    {"shl", 2, true},
    {"shr", 2, true},
    {"clz", 1, true},
    {"popcount", 1, true},
    {"eq", 2, true},
    {"ne", 2, true},
    {"lt", 2, true},
    {"le", 2, true},
    {"gt", 2, true},
    {"ge", 2, true},
    {"logical_and", 2, true},
    {"logical_or", 2, true},
    {"logical_not", 1, true},
    {"select", 3, true},
    {"convert", 1, true},
    {"bitcast", 1, true},
    {"pack_half", 1, true},
    {"pack", 0, true},
    {"extract", 1, true},
    {"var_decl", 0, false},
    {"var_load", 1, true},
    {"var_store", 2, false},
    {"load", 2, true},
    {"store", 3, false},
    {"atomic_load", 2, true},
    {"atomic_store", 3, false},
    {"atomic_add", 3, true},
    {"atomic_min", 3, true},
    {"atomic_max", 3, true},
    {"atomic_or", 3, true},
    {"atomic_exchange", 3, true},
    {"shared_load", 1, true},
    {"shared_store", 2, false},
    {"shared_atomic_add", 2, true},
    {"shared_atomic_min", 2, true},
    {"shared_atomic_max", 2, true},
    {"shared_atomic_or", 2, true},
    {"shared_atomic_exchange", 2, true},
    {"barrier", 0, false},
    {"subgroup_add", 1, true},
    {"subgroup_min", 1, true},
    {"subgroup_max", 1, true},
    {"subgroup_shuffle_xor", 1, true},
    {"subgroup_shuffle", 2, true},
    {"subgroup_broadcast_first", 1, true},
    {"subgroup_ballot", 1, true},
    {"matrix_fill", 1, true},
    {"matrix_load", 2, true},
    {"matrix_store", 3, false},
    {"matrix_multiply_add", 3, true},
    {"matrix_add", 2, true},
    {"if_begin", 1, false},
    {"if_else", 0, false},
    {"if_end", 0, false},
    {"loop_begin", 0, false},
    {"break_if", 1, false},
    {"loop_end", 0, false},
};
static_assert(std::size(kOpcodes) == static_cast<size_t>(Opcode::loop_end) + 1);

constexpr std::string_view kBuiltins[] = {
    "local_index", "group_x",  "group_y",       "group_z",        "groups_x",
    "groups_y",    "groups_z", "subgroup_lane", "subgroup_index", "subgroup_size",
};
static_assert(std::size(kBuiltins) == static_cast<size_t>(Builtin::subgroup_size) + 1);

const OpcodeInfo& info(Opcode op) { return kOpcodes[static_cast<size_t>(op)]; }

uint32_t align_up(uint32_t value, uint32_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace

int bytes(Type t) {
  switch (t.scalar) {
    case Scalar::boolean:
      break;
    case Scalar::f16:
    case Scalar::bf16:
      return 2 * t.lanes;
    case Scalar::u32:
    case Scalar::s32:
    case Scalar::f32:
      return 4 * t.lanes;
    case Scalar::u64:
    case Scalar::s64:
    case Scalar::f64:
      return 8 * t.lanes;
  }
  throw Error(Status::internal, "a boolean has no size in memory; convert it to u32");
}

bool is_float(Type t) {
  return t.scalar == Scalar::f32 || t.scalar == Scalar::f64 || t.scalar == Scalar::f16 ||
         t.scalar == Scalar::bf16;
}

bool is_integer(Type t) {
  return t.scalar == Scalar::u32 || t.scalar == Scalar::s32 || t.scalar == Scalar::u64 ||
         t.scalar == Scalar::s64;
}

bool is_signed(Type t) { return is_float(t) || t.scalar == Scalar::s32 || t.scalar == Scalar::s64; }

std::string_view name(Opcode op) { return info(op).name; }
std::string_view name(Builtin builtin) { return kBuiltins[static_cast<size_t>(builtin)]; }
bool defines_value(Opcode op) { return info(op).defines_value; }

int operand_count(const Inst& inst) {
  return inst.op == Opcode::pack ? inst.type.lanes : info(inst.op).operands;
}

std::vector<uint32_t> Kernel::param_offsets() const {
  std::vector<uint32_t> offsets;
  offsets.reserve(params.size());
  uint32_t at = 0;
  for (const Param& p : params) {
    const uint32_t size = static_cast<uint32_t>(bytes(p.type));
    at = align_up(at, size);
    offsets.push_back(at);
    at += size;
  }
  return offsets;
}

uint32_t Kernel::param_bytes() const {
  return params.empty() ? 0
                        : param_offsets().back() + static_cast<uint32_t>(bytes(params.back().type));
}

uint32_t Kernel::shared_bytes() const {
  uint32_t at = 0;
  for (const SharedArray& s : shared) {
    const uint32_t size = static_cast<uint32_t>(bytes(s.type));
    at = align_up(at, size) + size * s.count;
  }
  return at;
}

Requirements requirements(const Kernel& kernel) {
  Requirements r;
  const auto add_type = [&r](Type t) {
    r.int64 |= t.scalar == Scalar::u64 || t.scalar == Scalar::s64;
    r.f64 |= t.scalar == Scalar::f64;
    r.f16 |= t.scalar == Scalar::f16;
    r.bf16 |= t.scalar == Scalar::bf16;
    r.matrices |= is_matrix(t);
  };
  for (const Param& p : kernel.params) {
    if (!p.is_buffer) add_type(p.type);  // an address needs no 64-bit integers
  }
  for (const SharedArray& s : kernel.shared) add_type(s.type);
  for (const Inst& inst : kernel.body) {
    switch (inst.op) {
      case Opcode::param:
        continue;
      case Opcode::subgroup_add:
      case Opcode::subgroup_min:
      case Opcode::subgroup_max:
        r.subgroup_arithmetic = true;
        break;
      case Opcode::subgroup_shuffle:
      case Opcode::subgroup_shuffle_xor:
        r.subgroup_shuffle = true;
        break;
      case Opcode::subgroup_broadcast_first:
      case Opcode::subgroup_ballot:
        r.subgroup_ballot = true;
        break;
      default:
        break;
    }
    add_type(inst.type);
  }
  return r;
}

}  // namespace nxv::ir
