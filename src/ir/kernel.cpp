#include "ir/kernel.h"

#include <iterator>

namespace nxv::ir {
namespace {

constexpr std::string_view kBuiltins[] = {
    "local_index", "group_x",  "group_y",       "group_z",        "groups_x",
    "groups_y",    "groups_z", "subgroup_lane", "subgroup_index", "subgroup_size",
};
static_assert(std::size(kBuiltins) == kBuiltinCount);

uint32_t align_up(uint32_t value, uint32_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace

std::string_view name(Builtin builtin) { return kBuiltins[static_cast<size_t>(builtin)]; }

int operand_count(const Inst& inst) {
  const OperandRules& operands = info(inst.op).operands;
  const bool by_lanes = operands.count > 0 && operands.rules[0] == Operand::one_lane;
  return by_lanes ? inst.type.lanes : operands.count;
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
    r.int8 |= t.scalar == Scalar::s8 || t.scalar == Scalar::u8;
    r.matrices |= is_matrix(t);
  };
  for (const Param& p : kernel.params) {
    if (!p.is_buffer) add_type(p.type);  // an address needs no 64-bit integers
  }
  for (const SharedArray& s : kernel.shared) add_type(s.type);
  for (const Inst& inst : kernel.body) {
    if (inst.op == Opcode::param) continue;
    const Family family = info(inst.op).family;
    r.subgroup_arithmetic |= family == Family::subgroup_arithmetic;
    r.subgroup_shuffle |= family == Family::subgroup_shuffle;
    r.subgroup_ballot |= family == Family::subgroup_ballot;
    r.packed_dot |= family == Family::packed_dot;
    add_type(inst.type);
  }
  return r;
}

std::vector<uint32_t> body_ends(const Kernel& kernel) {
  std::vector<uint32_t> ends(kernel.body.size(), kNone);
  std::vector<uint32_t> open;
  for (uint32_t i = 0; i < kernel.body.size(); ++i) {
    if (closes_body(kernel.body[i].op)) {
      ends[open.back()] = i;
      open.pop_back();
    }
    if (opens_body(kernel.body[i].op)) open.push_back(i);
  }
  return ends;
}

}  // namespace nxv::ir
