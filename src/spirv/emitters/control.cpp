// Structured control flow.
#include "spirv/emitters/emitters.h"

namespace nxv::spirv::emitters {
namespace {

using ir::Inst;
using spv::Op;

void label(Translation& t, Id id) { t.statement(Op::OpLabel, {id}); }
void branch(Translation& t, Id target) { t.statement(Op::OpBranch, {target}); }

}  // namespace

Id if_begin(Translation& t, const Inst& inst) {
  const Id then = t.module.new_id();
  const Id merge = t.module.new_id();
  t.statement(Op::OpSelectionMerge, {merge, 0});
  t.statement(Op::OpBranchConditional, {t.arg(inst, 0), then, merge});
  t.bodies.push_back({merge, t.module.code.size() - 1});
  label(t, then);
  return 0;
}

Id if_else(Translation& t, const Inst&) {
  const OpenBody& body = t.bodies.back();
  const Id otherwise = t.module.new_id();
  t.module.code[body.false_target] = otherwise;
  branch(t, body.merge);
  label(t, otherwise);
  return 0;
}

Id if_end(Translation& t, const Inst&) {
  branch(t, t.bodies.back().merge);
  label(t, t.bodies.back().merge);
  t.bodies.pop_back();
  return 0;
}

Id loop_begin(Translation& t, const Inst& inst) {
  const Id header = t.module.new_id();
  const Id next = t.module.new_id();
  const Id merge = t.module.new_id();
  const Id body = t.module.new_id();
  branch(t, header);
  label(t, header);
  const bool is_kept = static_cast<ir::Unrolling>(inst.imm) == ir::Unrolling::never;
  const auto control = is_kept ? spv::LoopControlMask::DontUnroll : spv::LoopControlMask::MaskNone;
  t.statement(Op::OpLoopMerge, {merge, next, word(control)});
  branch(t, body);
  label(t, body);
  t.bodies.push_back({merge, 0, header, next});
  return 0;
}

Id break_if(Translation& t, const Inst& inst) {
  const Id stay = t.module.new_id();
  t.statement(Op::OpBranchConditional, {t.arg(inst, 0), t.bodies.back().merge, stay});
  label(t, stay);
  return 0;
}

Id loop_end(Translation& t, const Inst&) {
  const OpenBody& loop = t.bodies.back();
  branch(t, loop.next);
  label(t, loop.next);
  branch(t, loop.header);
  label(t, loop.merge);
  t.bodies.pop_back();
  return 0;
}

}  // namespace nxv::spirv::emitters
