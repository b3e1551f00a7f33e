#include "testing/driver/interpreted.h"

#include <algorithm>
#include <cstring>

#include "graph/fault.h"
#include "schedule/schedule.h"
#include "spirv/translate.h"
#include "testing/driver/run_dispatch.h"
#include "testing/driver/spirv_validate.h"

namespace nxv::testing {
namespace {

using Bytes = std::vector<std::byte>;

struct HostStorage : Storage {
  explicit HostStorage(Bytes bytes) : bytes(std::move(bytes)) {}
  Bytes bytes;
};

Bytes& bytes_of(const Node& node) { return static_cast<HostStorage&>(*node.storage()).bytes; }

// Whole groups of four elements, and whole 16-byte words: what the runtime allocates. Padding and
// fresh memory hold anything.
size_t allocation(const Node& node) {
  const auto groups = static_cast<size_t>((node.count + 3) / 4 * 4 * storage_bytes(node.dtype));
  return (groups + 15) / 16 * 16;
}
constexpr std::byte kGarbage{0xcd};

InterpreterOptions interpreter_of(const plan::DevicePlan& plan, InterpreterOptions options) {
  options.max_iterations = std::min(options.max_iterations, plan.max_loop_iterations);
  return options;
}

void check_limits(const ir::Kernel& kernel, const kernels::Launch& d,
                  const plan::DevicePlan& plan) {
  const auto keep = [&](uint64_t value, uint64_t limit, const char* what) {
    if (value > limit) {
      throw Error(Status::internal, "kernel " + kernel.name + " has " + std::to_string(value) +
                                        " " + what + ", the device allows " +
                                        std::to_string(limit));
    }
  };
  if (kernel.subgroup_size != 0 && !plan.can_demand(kernel.subgroup_size)) {
    throw Error(Status::internal, "kernel " + kernel.name + " demands subgroups of " +
                                      std::to_string(kernel.subgroup_size) +
                                      ", which the device has not");
  }
  keep(kernel.local_size, plan.max_workgroup_invocations, "invocations a workgroup");
  keep(kernel.shared_bytes(), plan.shared_memory_bytes, "bytes of shared memory");
  for (uint32_t groups : d.groups) keep(groups, plan.max_group_count, "workgroups a dimension");
}

void upload(Node& node) {
  Bytes bytes = *node.host_data;
  bytes.resize(allocation(node), kGarbage);
  node.set_stored(std::make_shared<HostStorage>(std::move(bytes)));
}

}  // namespace

InterpretedDevice::InterpretedDevice(const plan::DevicePlan& plan,
                                     const InterpreterOptions& interpreter,
                                     const schedule::Options& schedule)
    : plan_(plan),
      interpreter_(interpreter_of(plan, interpreter)),
      schedule_(schedule),
      target_(kernels::make_target(plan_)) {
  schedule_.narrow_factors = plan.has.int8 || plan.has.packed_dot;
}

std::vector<HostTensor> InterpretedDevice::evaluate(std::span<const NodeRef> nodes) {
  std::vector<Node*> roots;
  for (const NodeRef& node : nodes) {
    if (node->op == Op::data && node->is_pending()) upload(*node);
    if (node->is_pending()) roots.push_back(node.get());
  }
  for (const schedule::Item& step : schedule::make_schedule(roots, schedule_)) {
    if (!step.is_alias) {
      run(step.region);
      continue;
    }
    if (step.alias.source->is_pending()) upload(*step.alias.source);
    step.alias.node->set_stored(step.alias.source->storage());
  }
  std::vector<HostTensor> values;
  for (const NodeRef& node : nodes) {
    HostTensor& t = values.emplace_back(node->dtype, node->shape);
    std::memcpy(t.bytes.data(), bytes_of(*node).data(), t.bytes.size());
  }
  return values;
}

void InterpretedDevice::run(const Region& region) {
  for (const Operand& operand : region.operands) {
    if (operand.node->is_pending()) upload(*operand.node);
  }
  std::vector<Bytes> values;
  for (const Root& root : region.roots) values.emplace_back(allocation(*root.node), kGarbage);
  std::vector<uint32_t> faults(region.faults.size(), kNoFault);
  const kernels::Lowering lowering =
      lower_ ? lower_(region, target_) : kernels::lower(region, target_);
  std::vector<Bytes> workspaces;
  for (uint64_t bytes : lowering.workspaces) {
    workspaces.emplace_back((bytes + 15) / 16 * 16, kGarbage);
  }
  if (lowering.target) values[0] = bytes_of(*region.operands[*lowering.target].node);
  std::vector<Argument> operands, outputs, work;
  for (const Operand& operand : region.operands) {
    operands.push_back(Argument::buffer(std::span<const std::byte>(bytes_of(*operand.node))));
  }
  for (Bytes& bytes : values) outputs.push_back(Argument::buffer(bytes));
  for (Bytes& bytes : workspaces) work.push_back(Argument::buffer(bytes));
  kernels::LaunchBuffers<Argument> buffers{operands, outputs, {}, work};
  if (region.can_fault()) buffers.fault = Argument::buffer(faults);
  for (const kernels::Launch& d : lowering.launches) {
    const ir::Kernel generated = d.generate(region);
    ledger_.check(d.key, generated);
    const ir::Kernel kernel = kernels::legalised(generated, plan_);
    check_limits(kernel, d, plan_);
    kernels_.insert(kernel.name);
    if (keys_.insert(d.key).second) {
      invalid_ += validate_spirv(spirv::translate(kernel, {}));
    }
    // Kernels that demand no size get the plan's, unless the caller knows better.
    InterpreterOptions options = interpreter_;
    if (options.subgroup_size == 0 && kernel.subgroup_size == 0) {
      options.subgroup_size = plan_.subgroup_size;
    }
    run_dispatch(d, kernel, buffers, region.words, options);
    ++dispatches_;
  }
  const Failure found = find_fault(region.faults, faults, region.root->shape);
  if (found) throw_failure(found);
  for (size_t r = 0; r < values.size(); ++r) {
    region.roots[r].node->set_stored(std::make_shared<HostStorage>(std::move(values[r])));
  }
}

}  // namespace nxv::testing
