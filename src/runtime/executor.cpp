#include "runtime/executor.h"

#include <cstring>

#include "ir/legalize_int64.h"
#include "runtime/emit_options.h"

namespace nxv::runtime {
namespace {

void check_requirements(const ir::Kernel& kernel, const plan::Capabilities& has) {
  const ir::Requirements needs = ir::requirements(kernel);
  const auto missing = [&](bool needed, bool there, const char* name) {
    if (needed && !there) {
      throw Error(Status::unsupported, "kernel '" + kernel.name + "' needs " + name +
                                           ", which the device lacks or which is disabled");
    }
  };
  missing(needs.f64, has.f64, "f64");
  missing(needs.int64, has.int64, "int64");
  missing(needs.subgroup_arithmetic, has.subgroup_arithmetic, "subgroup_arithmetic");
  missing(needs.subgroup_shuffle, has.subgroup_shuffle, "subgroup_shuffle");
  missing(needs.subgroup_ballot, has.subgroup_ballot, "subgroup_ballot");
}

// What a fault in the region means.
Failure fault_of(const Region& region) {
  const std::string of = " in a result of shape " + to_string(region.root->shape);
  if (region.root->op == Op::triangular_solve) {
    return {Status::arithmetic, "can't solve for singular matrix" + of};
  }
  std::string ops;
  for (const Expr& e : region.exprs) {
    if (e.kind == ExprKind::compute && e.op == Op::bounded_index) {
      return {Status::out_of_bounds, "index is out of bounds" + of};
    }
    const bool fails = e.op == Op::quotient || e.op == Op::remainder || e.op == Op::pow ||
                       e.op == Op::left_shift || e.op == Op::right_shift;
    if (e.kind == ExprKind::compute && fails && is_integer(e.dtype)) {
      ops += (ops.empty() ? "" : ", ") + std::string(name(e.op));
    }
  }
  return {Status::arithmetic,
          ops + ": integer division by zero, negative shift amount or negative exponent" + of};
}

}  // namespace

// A step of a schedule on its way to the queue.
struct Executor::Work {
  const Region* region = nullptr;
  kernels::Lowering lowering;
  std::vector<CompiledKernel*> kernels;
};

Executor::Executor(vulkan::Device& device, const plan::DevicePlan& plan,
                   const schedule::Options& options)
    : device_(device), plan_(plan), target_(kernels::make_target(plan)), options_(options) {
  emit_options_ = emit_options(plan);
}

vulkan::Module Executor::compile(const ir::Kernel& kernel) const {
  const ir::Kernel* final = &kernel;
  ir::Kernel legal;
  if (!plan_.has.int64 && ir::requirements(kernel).int64) {
    legal = ir::legalize_int64(kernel);
    final = &legal;
  }
  check_requirements(*final, plan_.has);
  vulkan::Module module;
  module.name = final->name;
  module.words = spirv::emit(*final, emit_options_);
  module.push_bytes = final->params_in_block() ? 8 : final->param_bytes();
  module.local_size[0] = final->local_size;
  module.required_subgroup_size = final->subgroup_size;
  module.shared_bytes = final->shared_bytes();
  return module;
}

Executor::CompiledKernel& Executor::request(const kernels::Dispatch& dispatch,
                                            const Region& region) {
  CompiledKernel& entry = kernels_[dispatch.key];
  if (entry.kernel == nullptr) {
    entry.param_bytes = std::make_shared<uint32_t>(0);
    // The other thread may be at work on its copy when this evaluation has failed.
    entry.kernel = &device_.kernels().request(
        dispatch.key, [this, region = std::make_shared<const Region>(region),
                       generate = dispatch.generate, bytes = entry.param_bytes] {
          const ir::Kernel kernel = generate(*region);
          *bytes = kernel.param_bytes();
          return compile(kernel);
        });
  }
  return entry;
}

vulkan::BlockRef Executor::allocate(uint64_t bytes) { return device_.memory().allocate(bytes); }

void Executor::upload(Node& node, std::span<const std::byte> stored) {
  vulkan::BlockRef block = device_.transfers().allocate_for_upload(allocation_bytes(node));
  device_.transfers().upload(stored, *block);
  node.set_stored(std::make_shared<DeviceStorage>(std::move(block), Faults{}));
}

void Executor::upload_operands(const Region& region) {
  for (const Operand& operand : region.operands) {
    Node& node = *operand.node;
    if (node.op == Op::data && node.is_pending()) upload(node, *node.host_data);
  }
}

void Executor::evaluate(const NodeRef& root) {
  if (root->state() == State::failed) throw Error(root->failure().status, root->failure().message);
  if (!root->is_pending()) return;
  ++stats_.evaluations;
  if (root->op == Op::data) return upload(*root, *root->host_data);

  // All kernels are asked for before any is waited for, so that they compile in parallel.
  std::vector<schedule::Step> steps = schedule::make_schedule(root, options_);
  std::vector<Work> works(steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].is_alias) continue;
    works[i].region = &steps[i].region;
    works[i].lowering = kernels::lower(steps[i].region, target_);
    for (const kernels::Dispatch& d : works[i].lowering.dispatches) {
      works[i].kernels.push_back(&request(d, steps[i].region));
    }
  }
  for (const Work& work : works) {
    for (const CompiledKernel* kernel : work.kernels) kernel->kernel->get();
  }
  // Expressions of later steps point at nodes that only earlier roots may hold: inputs go last.
  const auto drop_inputs = [&] {
    for (size_t i = 0; i < steps.size(); ++i) {
      Node& node = steps[i].is_alias ? *steps[i].alias.node : *steps[i].region.root;
      if (node.is_pending()) continue;
      node.inputs.clear();
      node.depth.store(0, std::memory_order_relaxed);
      node.pinned_bytes.store(node.storage_size(), std::memory_order_relaxed);
    }
  };
  try {
    for (size_t i = 0; i < steps.size(); ++i) {
      if (steps[i].is_alias) {
        Node& source = *steps[i].alias.source;
        if (source.op == Op::data && source.is_pending()) upload(source, *source.host_data);
        steps[i].alias.node->set_stored(source.storage());
      } else {
        run(works[i]);
      }
    }
  } catch (...) {
    drop_inputs();
    throw;
  }
  drop_inputs();
}

void Executor::run(Work& work) {
  const Region& region = *work.region;
  Node& root = *region.root;
  upload_operands(region);
  vulkan::BlockRef output = allocate(allocation_bytes(root));
  std::vector<vulkan::BlockRef> workspaces;
  for (uint64_t bytes : work.lowering.workspaces) workspaces.push_back(allocate(bytes));

  Faults faults;
  for (const Operand& operand : region.operands) {
    for (const auto& slot : device_storage(*operand.node).faults) {
      if (!slot->is_clear.load(std::memory_order_acquire)) faults.push_back(slot);
    }
  }
  vulkan::BlockRef fault;
  if (region.can_fault) {
    auto slot = std::make_shared<FaultSlot>();
    slot->block = fault = allocate(16);
    slot->what = fault_of(region);
    device_.queue().fill(*fault, 0, 16, 0xffffffff);
    faults.push_back(std::move(slot));
  }

  for (size_t i = 0; i < work.lowering.dispatches.size(); ++i) {
    const kernels::Dispatch& d = work.lowering.dispatches[i];
    parameters_.clear();
    reads_.clear();
    writes_.clear();
    const auto append = [&](const void* bytes, size_t size) {
      const auto* from = static_cast<const std::byte*>(bytes);
      parameters_.insert(parameters_.end(), from, from + size);
    };
    const auto address = [&](const vulkan::BlockRef& block) {
      const uint64_t a = block->address();
      append(&a, sizeof a);
    };
    for (const Operand& operand : region.operands) {
      const vulkan::BlockRef& block = device_storage(*operand.node).block;
      address(block);
      if (d.reads_operands) reads_.emplace_back(block);
      stats_.bytes_read +=
          d.reads_operands ? static_cast<uint64_t>(operand.node->storage_size()) : 0;
    }
    address(output);
    if (d.writes_output) writes_.emplace_back(output);
    stats_.bytes_written += d.writes_output ? static_cast<uint64_t>(root.storage_size()) : 0;
    if (fault) {
      address(fault);
      reads_.emplace_back(fault);
      writes_.emplace_back(fault);
    }
    for (int w : d.workspaces) address(workspaces[w]);
    if (d.reads_output) reads_.emplace_back(output);
    for (int w : d.reads) reads_.emplace_back(workspaces[w]);
    for (int w : d.writes) writes_.emplace_back(workspaces[w]);
    append(region.words.data(), region.words.size() * sizeof(uint32_t));
    append(d.extra_words.data(), d.extra_words.size() * sizeof(uint32_t));
    parameters_.resize(*work.kernels[i]->param_bytes);

    vulkan::Dispatch dispatch;
    dispatch.kernel = work.kernels[i]->kernel;
    dispatch.parameters = parameters_;
    dispatch.groups = d.groups;
    dispatch.reads = reads_;
    dispatch.writes = writes_;
    dispatch.work = d.work;
    device_.queue().dispatch(dispatch);
    ++stats_.dispatches;
  }
  root.set_stored(std::make_shared<DeviceStorage>(std::move(output), std::move(faults)));
}

}  // namespace nxv::runtime
