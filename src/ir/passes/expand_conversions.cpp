#include "ir/passes/expand_conversions.h"

#include <algorithm>

#include "ir/ops/half_floats.h"

namespace nxv::ir {
namespace {

bool is_expanded(Opcode op, const ExpandedTypes& types) {
  switch (op) {
    case Opcode::round_bf16:
      return types.bf16;
    case Opcode::round_f16:
    case Opcode::to_f16:
    case Opcode::from_f16:
      return types.f16;
    default:
      return false;
  }
}

class Expansion {
 public:
  Expansion(const Kernel& kernel, const ExpandedTypes& types)
      : kernel_(kernel), types_(types), b_(kernel.name, kernel.local_size) {}

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
    if (is_expanded(inst.op, types_)) {
      const Value word = b_.bitcast(values_[inst.args[0]], kU32);
      return b_.bitcast(convert_by_integers(inst.op, word), inst.type);
    }
    for (int i = 0; i < operand_count(inst); ++i) {
      inst.args[i] = values_[inst.args[i]].id();
    }
    return b_.append(inst);
  }

  const Kernel& kernel_;
  const ExpandedTypes types_;
  Builder b_;
  std::vector<Value> values_;  // by instruction
};

}  // namespace

Kernel expand_conversions(Kernel kernel, const ExpandedTypes& types) {
  const bool any = std::any_of(kernel.body.begin(), kernel.body.end(),
                               [&](const Inst& inst) { return is_expanded(inst.op, types); });
  return any ? Expansion(kernel, types).run() : std::move(kernel);
}

}  // namespace nxv::ir
