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

bool is_inline(Opcode op) {
  return op == Opcode::constant || op == Opcode::param || op == Opcode::builtin;
}

// An operand as it reads inside another instruction. Malformed ids print too: the verifier names
// the instruction it refuses with this text.
std::string operand(const Kernel& k, uint32_t id) {
  if (id == kNone) return "none";
  if (id < k.body.size()) {
    const Inst& inst = k.body[id];
    if (inst.op == Opcode::constant) return literal(inst);
    if (inst.op == Opcode::param && inst.imm < k.params.size()) return k.params[inst.imm].name;
    if (inst.op == Opcode::builtin && inst.imm <= static_cast<uint64_t>(Builtin::subgroup_size)) {
      return std::string(name(static_cast<Builtin>(inst.imm)));
    }
  }
  return "%" + std::to_string(id);
}

std::string shared_name(const Kernel& k, const Inst& inst) {
  const uint32_t index = matrix_shared(inst.imm);
  return index < k.shared.size() ? k.shared[index].name : "shared?";
}

std::string_view marker_text(Opcode op) {
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

std::string to_string(Type t) {
  static constexpr std::string_view kNames[] = {"bool", "u32",  "s32", "u64", "s64",
                                                "f16",  "bf16", "f32", "f64"};
  std::string text(kNames[static_cast<size_t>(t.scalar)]);
  if (t.lanes != 1) text += "x" + std::to_string(t.lanes);
  static constexpr std::string_view kUses[] = {"", "_a", "_b", "_sum"};
  text += kUses[static_cast<size_t>(t.matrix)];
  return text;
}

std::string to_string(const Kernel& k, uint32_t index) {
  const Inst& inst = k.body[index];
  std::string text;
  if (defines_value(inst.op) || inst.op == Opcode::var_decl) {
    text = "%" + std::to_string(index) + " = ";
  }
  text += marker_text(inst.op);
  if (defines_value(inst.op) || inst.op == Opcode::var_decl) text += " " + to_string(inst.type);

  const auto arg = [&](int i) { return operand(k, inst.args[static_cast<size_t>(i)]); };
  int next = 0;
  switch (inst.op) {
    case Opcode::constant:
    case Opcode::param:
    case Opcode::builtin:
      return text + " " + operand(k, index);
    case Opcode::load:
    case Opcode::store:
    case Opcode::atomic_load:
    case Opcode::atomic_store:
    case Opcode::atomic_add:
    case Opcode::atomic_min:
    case Opcode::atomic_max:
    case Opcode::atomic_or:
    case Opcode::atomic_exchange:
      text += " " + arg(0) + "[" + arg(1) + "]";
      next = 2;
      break;
    case Opcode::shared_load:
    case Opcode::shared_store:
    case Opcode::shared_atomic_add:
    case Opcode::shared_atomic_min:
    case Opcode::shared_atomic_max:
    case Opcode::shared_atomic_or:
    case Opcode::shared_atomic_exchange:
      text += " " + shared_name(k, inst) + "[" + arg(0) + "]";
      next = 1;
      break;
    case Opcode::matrix_load:
    case Opcode::matrix_store:
      text += " " + shared_name(k, inst) + "[" + arg(0) + " +" + arg(1) +
              (matrix_by_columns(inst.imm) ? " a column]" : " a row]");
      next = 2;
      break;
    default:
      break;
  }
  const int count = operand_count(inst);
  for (int i = next; i < count && i < 4; ++i) text += (i ? ", " : " ") + arg(i);
  if (inst.op == Opcode::extract || inst.op == Opcode::subgroup_shuffle_xor) {
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
    const bool closes = op == Opcode::if_end || op == Opcode::loop_end || op == Opcode::if_else;
    const bool opens = op == Opcode::if_begin || op == Opcode::loop_begin || op == Opcode::if_else;
    if (closes && depth > 1) --depth;
    text += std::string(2 * depth, ' ') + to_string(k, i) + "\n";
    if (opens) ++depth;
  }
  return text;
}

}  // namespace nxv::ir
