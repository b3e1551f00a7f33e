// Kernels of any instructions that the opcode table lets stand beside each other, and a few that it
// does not: what `verify` accepts is a valid module, as it is and as each device has it; what it
// does not accept it says so of.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "ir/passes/verify.h"
#include "ir/type_rules.h"
#include "kernels/lowering.h"
#include "runtime/module.h"
#include "spirv/translate.h"
#include "testing/corpus/opcode_samples.h"
#include "testing/driver/plans.h"
#include "testing/driver/spirv_validate.h"
#include "testing/random/dice.h"

namespace {

using namespace nxv;
using ir::Immediate;
using ir::Inst;
using ir::Kernel;
using ir::kNone;
using ir::Opcode;
using ir::Operand;
using ir::Type;

const std::vector<Type>& types() {
  static const std::vector<Type> all = nxv::testing::all_types();
  return all;
}

std::vector<Opcode> opcodes_where(bool (*holds)(Opcode)) {
  std::vector<Opcode> list;
  for (int i = 0; i < ir::kOpcodeCount; ++i) {
    if (holds(static_cast<Opcode>(i))) list.push_back(static_cast<Opcode>(i));
  }
  return list;
}

class KernelDrawer {
 public:
  explicit KernelDrawer(Dice dice) : dice_(dice) {}

  Kernel draw() {
    kernel_.name = "drawn";
    kernel_.local_size = dice_.pick<uint32_t>({1, 32, 64, 256});
    kernel_.subgroup_size = dice_.pick<uint32_t>({0, 32, 64});
    for (int64_t n = dice_.between(1, 4); n > 0; --n) add_buffer();
    for (int64_t n = dice_.below(12); n > 0; --n) add_number();
    for (int64_t n = dice_.below(3); n > 0; --n) add_array();
    for (uint32_t p = 0; p < kernel_.params.size(); ++p) {
      append({Opcode::param, kernel_.params[p].type, {kNone, kNone, kNone, kNone}, p});
    }
    for (int64_t n = dice_.between(1, 40); n > 0; --n) {
      dice_.chance(15) ? mark() : instruct();
    }
    while (!bodies_.empty()) close();
    if (dice_.chance(10)) damage();
    return std::move(kernel_);
  }

 private:
  struct Body {
    size_t visible;  // how many values were, before
    bool is_loop, has_else = false, has_break = false;
  };

  // ---- What instructions refer to ----

  void add_buffer() {
    ir::Param p{"buffer" + std::to_string(kernel_.params.size()), ir::kU64, true};
    p.access = static_cast<ir::Access>(dice_.below(3));
    p.is_restrict = dice_.chance(50);
    kernel_.params.push_back(p);
  }
  void add_number() {
    const Type t = number();
    kernel_.params.push_back({"number" + std::to_string(kernel_.params.size()), t});
  }
  void add_array() {
    const Type t = number();
    const auto count = static_cast<uint32_t>(dice_.between(1, 300));
    kernel_.shared.push_back({"array" + std::to_string(kernel_.shared.size()), t, count});
  }
  Type number() {
    Type t = dice_.pick(types());
    while (!is_number(t) || ir::is_matrix(t)) t = dice_.pick(types());
    return t;
  }

  // ---- Instructions ----

  uint32_t append(const Inst& inst) {
    kernel_.body.push_back(inst);
    const auto id = static_cast<uint32_t>(kernel_.body.size() - 1);
    if (defines_value(inst.op) || inst.op == Opcode::var_decl) visible_.push_back(id);
    return id;
  }

  bool is_buffer(uint32_t id) const {
    const Inst& i = kernel_.body[id];
    return i.op == Opcode::param && kernel_.params[i.imm].is_buffer;
  }

  bool may_access(Opcode op, const Inst& buffer) const {
    const ir::Access access = kernel_.params[buffer.imm].access;
    const bool takes_value = info(op).operands.count > 2;  // beside buffer and index
    return access == ir::Access::read_write || (access == ir::Access::write) == takes_value;
  }

  // Something in scope, or a new value that is made of nothing.
  uint32_t operand(Opcode op, Operand rule, Type result, Type first) {
    const auto fits = [&](Type t) {
      return (!ir::is_matrix(t) || takes_matrices(op)) && check(rule, t, result, first).is_kept;
    };
    const bool wants_variable = is_variable(rule), wants_buffer = rule == Operand::buffer;
    std::vector<uint32_t> fitting;
    for (const uint32_t id : visible_) {
      const Inst& i = kernel_.body[id];
      if ((i.op == Opcode::var_decl) != wants_variable || is_buffer(id) != wants_buffer) continue;
      if (wants_buffer && !may_access(op, i)) continue;
      if (fits(i.type)) fitting.push_back(id);
    }
    if (!fitting.empty() && (wants_buffer || !dice_.chance(5))) return dice_.pick(fitting);
    if (wants_buffer) return kNone;
    std::vector<Type> possible;
    for (const Type t : types()) {
      if (fits(t) && (wants_variable || !ir::is_matrix(t))) possible.push_back(t);
    }
    if (possible.empty()) return kNone;
    const Type type = dice_.pick(possible);
    if (wants_variable) return append({Opcode::var_decl, type});
    return append({Opcode::constant, type, {kNone, kNone, kNone, kNone}, literal(type)});
  }

  // Of vectors the same in all lanes.
  uint64_t literal(Type t) {
    if (is_bool(t)) return dice_.bits() & 1;
    const uint64_t bits =
        dice_.chance(50) ? static_cast<uint64_t>(dice_.between(1, 64)) : dice_.bits();
    return ir::is_64_bit(t) ? bits : bits & 0xffffffff;
  }

  bool set_immediate(Inst& inst) {
    const auto below = [&](size_t n) {
      return static_cast<uint64_t>(dice_.below(static_cast<int64_t>(n)));
    };
    switch (info(inst.op).immediate) {
      case Immediate::none:
        return true;
      case Immediate::literal:
        inst.imm = literal(inst.type);
        return true;
      case Immediate::param:
        inst.imm = below(kernel_.params.size());
        inst.type = kernel_.params[inst.imm].type;
        return true;
      case Immediate::builtin:
        inst.imm = below(ir::kBuiltinCount);
        return true;
      case Immediate::lane:
        inst.imm = below(4);
        return true;
      case Immediate::mask:
        inst.imm = below(64);
        return true;
      case Immediate::shared:
        if (kernel_.shared.empty()) return false;
        inst.imm = below(kernel_.shared.size());
        inst.type = kernel_.shared[inst.imm].type;
        return check(info(inst.op).result, inst.type).is_kept;
      case Immediate::place:
        if (kernel_.shared.empty()) return false;
        inst.imm =
            ir::matrix_place(static_cast<uint32_t>(below(kernel_.shared.size())), dice_.chance(50));
        return true;
      case Immediate::element:
        if (kernel_.subgroup_size == 0) return false;
        inst.imm = below(256 / kernel_.subgroup_size);
        return true;
      case Immediate::unrolling:
        inst.imm = below(2);
        return true;
    }
    return false;
  }

  Type result(Opcode op) {
    std::vector<Type> possible, at_hand;
    for (const Type t : types()) {
      if (check(info(op).result, t).is_kept && (!ir::is_matrix(t) || takes_matrices(op))) {
        possible.push_back(t);
      }
    }
    for (const uint32_t id : visible_) {
      const Type t = kernel_.body[id].type;
      if (std::find(possible.begin(), possible.end(), t) != possible.end()) at_hand.push_back(t);
    }
    return dice_.pick(at_hand.empty() || dice_.chance(30) ? possible : at_hand);
  }

  // None, where something that it needs is not there.
  void instruct() {
    static const std::vector<Opcode> kOps =
        opcodes_where([](Opcode op) { return info(op).family != ir::Family::control; });
    Inst inst;
    inst.op = dice_.pick(kOps);
    inst.type = result(inst.op);
    if (!set_immediate(inst) || !set_operands(inst)) return;
    if (info(inst.op).immediate == Immediate::lane) {
      inst.imm %= kernel_.body[inst.args[0]].type.lanes;
    }
    append(inst);
  }

  bool set_operands(Inst& inst) {
    Type first = inst.type;
    for (int i = 0; i < operand_count(inst); ++i) {
      const auto n = static_cast<size_t>(i);
      inst.args[n] = operand(inst.op, info(inst.op).operands.rules[n], inst.type, first);
      if (inst.args[n] == kNone) return false;
      if (i == 0) first = kernel_.body[inst.args[0]].type;
    }
    return true;
  }

  // ---- Bodies ----

  void open(Opcode op) {
    Inst inst{op, ir::kBool};
    if (!set_immediate(inst) || !set_operands(inst)) return;
    append(inst);
    bodies_.push_back({visible_.size(), op == Opcode::loop_begin});
  }
  void leave() {
    Inst inst{Opcode::break_if, ir::kBool};
    if (!set_operands(inst)) return;
    append(inst);
    bodies_.back().has_break = true;
  }
  void close() {
    if (bodies_.back().is_loop && !bodies_.back().has_break) leave();
    append({bodies_.back().is_loop ? Opcode::loop_end : Opcode::if_end, ir::kBool});
    visible_.resize(bodies_.back().visible);
    bodies_.pop_back();
  }
  void mark() {
    if (bodies_.empty() || (bodies_.size() < 5 && dice_.chance(40))) {
      return open(dice_.chance(50) ? Opcode::if_begin : Opcode::loop_begin);
    }
    Body& body = bodies_.back();
    if (body.is_loop && dice_.chance(50)) return leave();
    if (body.is_loop || body.has_else || dice_.chance(50)) return close();
    append({Opcode::if_else, ir::kBool});
    visible_.resize(body.visible);
    body.has_else = true;
  }

  // ---- What is not a kernel any more, as a rule ----

  void damage() {
    Inst& inst =
        kernel_.body[static_cast<size_t>(dice_.below(static_cast<int64_t>(kernel_.body.size())))];
    switch (dice_.below(4)) {
      case 0:
        inst.op = static_cast<Opcode>(dice_.below(ir::kOpcodeCount));
        break;
      case 1:
        inst.type = dice_.pick(types());
        break;
      case 2:
        inst.args[static_cast<size_t>(dice_.below(4))] = static_cast<uint32_t>(dice_.below(64)) - 1;
        break;
      default:
        inst.imm = dice_.chance(50) ? static_cast<uint64_t>(dice_.below(64)) : dice_.bits();
    }
  }

  Dice dice_;
  Kernel kernel_;
  std::vector<uint32_t> visible_;  // what may be an operand
  std::vector<Body> bodies_;
};

[[noreturn]] void fail(const Kernel& kernel, const std::string& what, const std::string& device) {
  std::fprintf(stderr, "%s\n%s, for %s\n", to_string(kernel).c_str(), what.c_str(), device.c_str());
  std::abort();
}

void demand_valid(const Kernel& kernel, const spirv::Options& options, const std::string& device) {
  const std::string wrong = nxv::testing::validate_spirv(spirv::translate(kernel, options));
  if (!wrong.empty()) fail(kernel, wrong, device);
}

// Why it is not a kernel; empty if it is.
std::string refusal(const Kernel& kernel) {
  try {
    ir::verify(kernel);
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

// Nothing where the device lacks something, or an instruction has no form for it.
std::optional<Kernel> legalised(const Kernel& kernel, const plan::Capabilities& has) {
  try {
    return kernels::legalised(kernel, has);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<kernels::AbsentDevice> devices = kernels::absent_devices();
  Dice dice(std::span(data, size));
  const kernels::AbsentDevice& device =
      devices[static_cast<size_t>(dice.below(static_cast<int64_t>(devices.size())))];
  const Kernel kernel = KernelDrawer(dice).draw();
  if (!refusal(kernel).empty()) return 0;
  demand_valid(kernel, {}, "any device");
  if (const std::optional<Kernel> form = legalised(kernel, device.plan.has)) {
    if (const std::string why = refusal(*form); !why.empty()) fail(*form, why, device.name);
    demand_valid(*form, runtime::spirv_options(device.plan), device.name);
  }
  return 0;
}
