#include "ir/passes/expand_conversions.h"

#include <algorithm>

#include "ir/ops/half_floats.h"

namespace nxv::ir {
namespace {

// Whether an f32 may be subnormal on a device whose arithmetic flushes them.
bool may_be_subnormal(const Kernel& kernel, uint32_t id, int depth = 4) {
  const Inst& inst = kernel.body[id];
  switch (inst.op) {
    case Opcode::add:
    case Opcode::sub:
    case Opcode::mul:
    case Opcode::div:
    case Opcode::fma:
    case Opcode::sqrt:
    case Opcode::round_f16:
    case Opcode::from_f16:
      return false;
    case Opcode::round_bf16:
      return may_be_subnormal(kernel, inst.args[0], depth);
    case Opcode::convert:
      return is_float(kernel.body[inst.args[0]].type);
    case Opcode::constant:
      return inst.imm << 1 != 0 && (inst.imm & 0x7f800000) == 0;
    case Opcode::select:
      return depth == 0 || may_be_subnormal(kernel, inst.args[1], depth - 1) ||
             may_be_subnormal(kernel, inst.args[2], depth - 1);
    default:
      return true;
  }
}

bool is_expanded(const Kernel& kernel, const Inst& inst, const NativeConversions& native) {
  switch (inst.op) {
    case Opcode::round_bf16:
      return !native.bf16 || (native.flushes && may_be_subnormal(kernel, inst.args[0]));
    case Opcode::round_f16:
    case Opcode::to_f16:
    case Opcode::from_f16:
      return !native.f16;
    default:
      return false;
  }
}

class Expansion {
 public:
  Expansion(const Kernel& kernel, const NativeConversions& native)
      : kernel_(kernel), native_(native), b_(kernel.name, kernel.local_size) {}

  Kernel run() {
    b_.set_subgroup_size(kernel_.subgroup_size);
    std::vector<Value> params;
    for (const Param& p : kernel_.params) {
      params.push_back(p.is_buffer ? b_.buffer(p.name, p.access, p.is_restrict)
                                   : b_.param(p.name, p.type));
    }
    for (const SharedArray& s : kernel_.shared) b_.shared(s.name, s.type, s.count);
    for (const Inst& inst : kernel_.body) {
      values_.push_back(inst.op == Opcode::param ? params[inst.imm] : made(inst));
    }
    return b_.finish();
  }

 private:
  Value made(Inst inst) {
    if (is_expanded(kernel_, inst, native_)) {
      const Value word = b_.bitcast(values_[inst.args[0]], kU32);
      return b_.bitcast(convert_by_integers(inst.op, word), inst.type);
    }
    for (int i = 0; i < operand_count(inst); ++i) {
      inst.args[i] = values_[inst.args[i]].id();
    }
    return b_.append(inst);
  }

  const Kernel& kernel_;
  const NativeConversions native_;
  Builder b_;
  std::vector<Value> values_;  // by instruction
};

}  // namespace

Kernel expand_conversions(Kernel kernel, const NativeConversions& native) {
  const bool any = std::any_of(kernel.body.begin(), kernel.body.end(),
                               [&](const Inst& inst) { return is_expanded(kernel, inst, native); });
  return any ? Expansion(kernel, native).run() : std::move(kernel);
}

}  // namespace nxv::ir
