#include "testing/interpreter/machine.h"

#include <algorithm>

#include "testing/interpreter/evaluations.h"

namespace nxv::testing {
namespace {

using ir::Inst;
using ir::Opcode;
using ir::Type;

using Evaluation = void (*)(Execution&);

// By opcode.
constexpr Evaluation kEvaluations[] = {
#define NXV_EVALUATION(name, ...) evaluations::name,
    NXV_OPCODES(NXV_EVALUATION)
#undef NXV_EVALUATION
};

uint32_t subgroup_size_of(const ir::Kernel& kernel, const InterpreterOptions& options) {
  if (options.subgroup_size) return options.subgroup_size;
  return kernel.subgroup_size ? kernel.subgroup_size : 32;
}

}  // namespace

Machine::Machine(const ir::Kernel& k, Groups g, std::span<const Argument> a,
                 const InterpreterOptions& o)
    : kernel(k),
      groups(g),
      arguments(a),
      options(o),
      width(k.local_size),
      subgroup_size(subgroup_size_of(k, o)),
      active(width),
      iterations(width) {
  check_arguments();
  decode();
}

void Machine::fail(Status status, uint32_t invocation, const std::string& what) const {
  throw Error(status, "kernel " + kernel.name + ", workgroup " + std::to_string(group[0]) + " " +
                          std::to_string(group[1]) + " " + std::to_string(group[2]) + ": `" +
                          to_string(kernel, at) + "` " + what + " (invocation " +
                          std::to_string(invocation) + ")");
}

void Machine::check_arguments() const {
  const auto refuse = [this](const std::string& what) {
    throw Error(Status::invalid_argument, "kernel " + kernel.name + ": " + what);
  };
  if (arguments.size() != kernel.params.size()) {
    refuse("takes " + std::to_string(kernel.params.size()) + " arguments, was given " +
           std::to_string(arguments.size()));
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    const ir::Param& p = kernel.params[i];
    if (!p.is_buffer && arguments[i].is_buffer()) refuse(p.name + " is no buffer");
    if (p.is_buffer && p.access != ir::Access::read && arguments[i].size() &&
        !arguments[i].is_writable()) {
      refuse(p.name + " is written but its argument is const");
    }
  }
  if (kernel.subgroup_size && kernel.subgroup_size != subgroup_size) {
    refuse("was generated for subgroups of " + std::to_string(kernel.subgroup_size));
  }
}

// ---- Preparation

size_t Machine::slot_size(Type t) const {
  if (!is_matrix(t)) return size_t{t.lanes} * width;
  return size_t{elements(t)} * ((width + subgroup_size - 1) / subgroup_size);
}

void Machine::decode() {
  ends_ = body_ends(kernel);
  slots_.reserve(kernel.body.size());
  size_t end = 0;
  for (const Inst& inst : kernel.body) {
    slots_.push_back(end);
    if (defines_value(inst.op) || inst.op == Opcode::var_decl) end += slot_size(inst.type);
  }
  values_.resize(end);
  for (uint32_t i = 0; i < kernel.body.size(); ++i) fill(i);
  shared.resize(kernel.shared.size());
  writers.resize(kernel.params.size());
  for (size_t i = 0; i < kernel.params.size(); ++i) {
    if (kernel.params[i].access != ir::Access::read) {
      writers[i].assign(arguments[i].size() / 4, kNobody);
    }
  }
}

// What all workgroups have in common: constants and numbers among the arguments.
void Machine::fill(uint32_t id) {
  const Inst& inst = kernel.body[id];
  const bool is_param = inst.op == Opcode::param;
  if (is_param ? kernel.params[inst.imm].is_buffer : inst.op != Opcode::constant) return;
  for (int lane = 0; lane < inst.type.lanes; ++lane) {
    const uint64_t bits = is_param ? arguments[inst.imm].lane(lane) : inst.imm;
    std::fill_n(value(id) + static_cast<uint32_t>(lane) * width, width, bits);
  }
}

// ---- Execution

void Machine::run() {
  uint32_t linear = 0;
  for (group[2] = 0; group[2] < groups.z; ++group[2]) {
    for (group[1] = 0; group[1] < groups.y; ++group[1]) {
      for (group[0] = 0; group[0] < groups.x; ++group[0]) {
        first_invocation = width * linear++;
        run_group();
      }
    }
  }
}

void Machine::run_group() {
  for (size_t i = 0; i < shared.size(); ++i) {
    shared[i].lanes.assign(size_t{kernel.shared[i].count} * kernel.shared[i].type.lanes, kPoison);
    shared[i].elements.assign(kernel.shared[i].count, {});
  }
  epoch = 1;
  steps.assign(subgroup_size > 0 ? (width + subgroup_size - 1) / subgroup_size : 1, 0);
  std::fill(active.begin(), active.end(), uint8_t{1});
  std::fill(iterations.begin(), iterations.end(), 0u);
  bodies.clear();
  next_ = 0;
  while (next_ < kernel.body.size()) {
    at = next_++;
    Execution step(*this, at);
    kEvaluations[static_cast<size_t>(step.inst.op)](step);
  }
}

bool Machine::any_active() const {
  return std::find(active.begin(), active.end(), 1) != active.end();
}

void Machine::narrow(uint32_t condition, uint64_t wanted) {
  const uint64_t* c = value(condition);
  for (uint32_t i = 0; i < width; ++i) active[i] &= c[i] == wanted;
}

void run(const ir::Kernel& kernel, Groups groups, std::span<const Argument> arguments,
         const InterpreterOptions& options) {
  Machine(kernel, groups, arguments, options).run();
}

}  // namespace nxv::testing
