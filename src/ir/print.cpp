#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstdio>

#include "ir/kernel.h"

namespace nxv::ir {
namespace {

template <typename... Args>
std::string format(const char* pattern, Args... args) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, args...);
  return text;
}

std::string literal(const Inst& inst) {
  switch (inst.type.scalar) {
    case Scalar::boolean:
      return inst.imm ? "true" : "false";
    case Scalar::f32:
      return format("%.9g", std::bit_cast<float>(static_cast<uint32_t>(inst.imm)));
    case Scalar::f64:
      return format("%.17g", std::bit_cast<double>(inst.imm));
    case Scalar::s32:
      return format("%" PRId32, static_cast<int32_t>(inst.imm));
    case Scalar::s64:
      return format("%" PRId64, static_cast<int64_t>(inst.imm));
    default:
      return format("%" PRIu64, inst.imm);
  }
}

// Values that appear as operands alone.
bool is_inline(Opcode op) { return info(op).family == Family::value; }

// An operand as it reads inside another instruction. Malformed ids print too: the verifier names
// the instruction it refuses with this text.
std::string operand(const Kernel& k, uint32_t id) {
  if (id == kNone) return "none";
  if (id < k.body.size()) {
    const Inst& inst = k.body[id];
    if (inst.op == Opcode::constant) return literal(inst);
    if (inst.op == Opcode::param && inst.imm < k.params.size()) return k.params[inst.imm].name;
    if (inst.op == Opcode::builtin && inst.imm < kBuiltinCount) {
      return std::string(name(static_cast<Builtin>(inst.imm)));
    }
  }
  return "%" + std::to_string(id);
}

std::string argument(const Kernel& k, const Inst& inst, int i) {
  return operand(k, inst.args[static_cast<size_t>(i)]);
}

// How many operands say where in a buffer or shared array an access is.
int place_operands(Opcode op) {
  switch (memory(op)) {
    case Memory::buffer:
      return 2;
    case Memory::shared:
      return info(op).immediate == Immediate::place ? 2 : 1;
    default:
      return 0;
  }
}

std::string place(const Kernel& k, const Inst& inst) {
  const std::string first = argument(k, inst, 0);
  if (memory(inst.op) == Memory::buffer) return first + "[" + argument(k, inst, 1) + "]";
  const uint32_t shared = matrix_shared(inst.imm);
  const std::string array = shared < k.shared.size() ? k.shared[shared].name : "shared?";
  if (info(inst.op).immediate == Immediate::shared) return array + "[" + first + "]";
  return array + "[" + first + " +" + argument(k, inst, 1) +
         (matrix_by_columns(inst.imm) ? " a column]" : " a row]");
}

std::string_view word_for(Opcode op) {
  switch (op) {
    case Opcode::if_begin:
      return "if";
    case Opcode::if_else:
      return "else";
    case Opcode::loop_begin:
      return "loop";
    case Opcode::if_end:
    case Opcode::loop_end:
      return "end";
    case Opcode::var_decl:
      return "var";
    default:
      return name(op);
  }
}

std::string_view access_text(Access access) {
  switch (access) {
    case Access::read:
      return "read";
    case Access::write:
      return "write";
    case Access::read_write:
      return "read_write";
  }
  return "";
}

}  // namespace

std::string to_string(const Kernel& k, uint32_t index) {
  const Inst& inst = k.body[index];
  const OpcodeInfo& row = info(inst.op);
  const bool is_defined = defines_value(inst.op) || row.effect == Effect::declares;
  std::string text;
  if (is_defined) text = "%" + std::to_string(index) + " = ";
  text += word_for(inst.op);
  if (is_defined) text += " " + to_string(inst.type);
  if (is_inline(inst.op)) return text + " " + operand(k, index);

  const int count = std::min(operand_count(inst), 4);  // of a malformed type, too
  const int placed = place_operands(inst.op);
  if (placed > 0) text += " " + place(k, inst);
  for (int i = placed; i < count; ++i) text += (i ? ", " : " ") + argument(k, inst, i);
  if (row.immediate == Immediate::lane || row.immediate == Immediate::mask ||
      row.immediate == Immediate::element) {
    text += ", " + std::to_string(inst.imm);
  }
  return text;
}

std::string to_string(const Kernel& k) {
  std::string text = "kernel " + k.name + ", local_size " + std::to_string(k.local_size);
  if (k.subgroup_size) text += ", subgroup_size " + std::to_string(k.subgroup_size);
  text += "\n";
  for (const Param& p : k.params) {
    text += "param " + p.name + ": ";
    if (p.is_buffer) {
      text += "buffer " + std::string(access_text(p.access)) + (p.is_restrict ? " restrict" : "");
    } else {
      text += to_string(p.type);
    }
    text += "\n";
  }
  for (const SharedArray& s : k.shared) {
    text += "shared " + s.name + ": " + to_string(s.type) + "[" + std::to_string(s.count) + "]\n";
  }
  size_t depth = 1;
  for (uint32_t i = 0; i < k.body.size(); ++i) {
    const Opcode op = k.body[i].op;
    if (is_inline(op)) continue;
    if (closes_body(op) && depth > 1) --depth;
    text += std::string(2 * depth, ' ') + to_string(k, i) + "\n";
    if (opens_body(op)) ++depth;
  }
  return text;
}

}  // namespace nxv::ir
