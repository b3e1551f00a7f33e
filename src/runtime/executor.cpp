#include "runtime/executor.h"

#include <algorithm>
#include <bit>
#include <unordered_set>

#include "graph/fault.h"
#include "runtime/module.h"
#include "schedule/scalars.h"

namespace nxv::runtime {
namespace {

// Steps of the programs that are kept; beyond that they are made anew.
constexpr size_t kKeptSteps = 1 << 14;

}  // namespace

Executor::Executor(vulkan::Device& device, const plan::DevicePlan& plan,
                   const ExecutorOptions& options)
    : device_(device), plan_(plan), target_(kernels::make_target(plan)), options_(options) {
  spirv_options_ = spirv_options(plan);
}

vulkan::Module Executor::compile(const ir::Kernel& kernel) const {
  const ir::Kernel legal = kernels::legalised(kernel, plan_.has);
  vulkan::Module module = make_module(legal, spirv_options_);
  if (options_.dump) options_.dump->write(legal, module);
  return module;
}

CompiledKernel& Executor::request(const kernels::Dispatch& dispatch, const Region& region) {
  if (options_.ledger) options_.ledger->check(dispatch.key, dispatch.generate(region));
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

size_t Executor::SignatureHash::operator()(const std::vector<uint64_t>& signature) const {
  uint64_t hash = signature.size();
  for (uint64_t v : signature) hash = (std::rotl(hash, 5) ^ v) * 0x9e3779b97f4a7c15u;
  return static_cast<size_t>(hash ^ hash >> 32);
}

Program Executor::schedule(const NodeRef& root) {
  ++stats_.schedules;
  std::vector<schedule::Step> steps = schedule::make_schedule(root, options_.schedule);
  Program program = make_program(graph_, steps, target_, options_.schedule.large_bytes);
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].is_alias) continue;
    Program::Step& step = program.steps[i];
    for (kernels::Dispatch& d : step.lowering.dispatches) {
      step.kernels.push_back(&request(d, steps[i].region));
      d.key.clear();
      d.generate = nullptr;
    }
  }
  return program;
}

Program& Executor::find_or_make_program(const NodeRef& root) {
  if (!graph_.read(*root)) return unkept_ = schedule(root);
  if (const auto known = programs_.find(graph_.signature); known != programs_.end()) {
    return known->second;
  }
  Program program = schedule(root);
  kept_steps_ += program.steps.size();
  if (kept_steps_ > kKeptSteps) {
    programs_.clear();
    kept_steps_ = program.steps.size();
  }
  return programs_.emplace(graph_.signature, std::move(program)).first->second;
}

void Executor::evaluate(const NodeRef& root) {
  root->throw_if_unreadable();
  if (!root->is_pending()) return;
  ++stats_.evaluations;
  if (root->op == Op::data) return upload(*root, *root->host_data);

  // All kernels are asked for before any is waited for, so that they compile in parallel.
  const Program& program = find_or_make_program(root);
  // Steps read nodes that only earlier roots may hold: inputs go last.
  try {
    run(program);
  } catch (...) {
    drop_inputs(program);
    throw;
  }
  drop_inputs(program);
}

void Executor::drop_inputs(const Program& program) {
  for (const Program::Step& step : program.steps) {
    Node& root = node(step.root);
    if (root.is_pending()) continue;
    root.inputs.clear();
    root.depth.store(0, std::memory_order_relaxed);
  }
}

// A node gives up its inputs when it is stored; one that only such nodes refer to dies with them.
void Executor::count_expiring(const Program& program) {
  const schedule::Positions positions(graph_.nodes);
  expiring_.assign(graph_.nodes.size(), 0);
  std::vector<bool> becomes_stored(graph_.nodes.size());
  for (const Program::Step& step : program.steps) becomes_stored[step.root] = true;
  for (size_t i = graph_.nodes.size(); i-- > 0;) {
    const Node& n = *graph_.nodes[i];
    if (!n.is_pending() || (!becomes_stored[i] && n.references() != expiring_[i])) continue;
    for (const NodeRef& input : n.inputs) ++expiring_[input->scratch];
  }
}

// Nothing else refers to the stored value, and nothing else (an alias, bytes on their way to the
// host) holds its storage. References that are all counted cannot become more meanwhile: nobody is
// left to copy one.
bool Executor::is_expiring(Position position) const {
  const Node& n = node(position);
  return n.state() == State::stored && n.references() == expiring_[position] &&
         n.storage().use_count() == 1 && device_storage(n).block.is_unique();
}

// An operand whose storage the result may take over.
Node* Executor::find_donor(const Program::Step& step) const {
  for (int i : step.donors) {
    if (is_expiring(step.operands[i])) return &node(step.operands[i]);
  }
  return nullptr;
}

void Executor::drop_last_read(const Program::Step& step) {
  for (Position position : step.last_reads) {
    if (is_expiring(position)) node(position).set_consumed();
  }
}

void Executor::run(const Program& program) {
  const bool donates = options_.schedule.donate && program.has_donors;
  if (donates || program.is_large) {
    // Generators refer to operands until they are done.
    for (const Program::Step& step : program.steps) {
      for (const CompiledKernel* kernel : step.kernels) kernel->kernel->get();
    }
    count_expiring(program);
  }
  const auto stored = [&](Position position) -> Node& {
    Node& n = node(position);
    if (n.op == Op::data && n.is_pending()) upload(n, *n.host_data);
    return n;
  };
  for (const Program::Step& step : program.steps) {
    if (step.source >= 0) {
      node(step.root).set_stored(stored(step.source).storage());
    } else {
      for (Position operand : step.operands) stored(operand);
      run(step, donates ? find_donor(step) : nullptr);
      if (program.is_large) drop_last_read(step);
    }
  }
}

void Executor::run(const Program::Step& step, Node* donor) {
  Node& root = node(step.root);
  vulkan::BlockRef output = donor ? device_storage(*donor).block : allocate(allocation_bytes(root));
  std::vector<vulkan::BlockRef> workspaces;
  for (uint64_t bytes : step.lowering.workspaces) workspaces.push_back(allocate(bytes));

  // Operands share ancestors: each fault is kept once, or the list would double with every value
  // that is read twice.
  Faults faults;
  std::unordered_set<const FaultSlot*> known;
  for (Position operand : step.operands) {
    for (const auto& slot : device_storage(node(operand)).faults) {
      const bool is_clear = slot->is_clear.load(std::memory_order_acquire);
      if (!is_clear && known.insert(slot.get()).second) faults.push_back(slot);
    }
  }
  vulkan::BlockRef fault;
  if (!step.faults.empty()) {
    auto slot = std::make_shared<FaultSlot>();
    const uint64_t bytes = (step.faults.size() + 3) / 4 * 16;
    slot->block = fault = allocate(bytes);
    slot->ops = step.faults;
    slot->shape = root.shape;
    device_.queue().fill(*fault, 0, bytes, kNoFault);
    faults.push_back(std::move(slot));
  }

  operands_.clear();
  workspaces_.clear();
  uint64_t operand_bytes = 0;
  for (Position operand : step.operands) {
    operands_.push_back(device_storage(node(operand)).block.get());
    operand_bytes += static_cast<uint64_t>(node(operand).storage_size());
  }
  for (const vulkan::BlockRef& workspace : workspaces) workspaces_.push_back(workspace.get());
  words_ = step.words;
  for (const Program::Scalars& s : step.scalars) {
    scalars_.clear();
    schedule::append_scalars(node(s.node), scalars_);
    std::copy(scalars_.begin(), scalars_.end(), words_.begin() + s.words);
  }
  kernels::DispatchBuffers<vulkan::Block*> buffers{operands_, output.get(), {}, workspaces_};
  if (fault) buffers.fault = fault.get();

  for (size_t i = 0; i < step.lowering.dispatches.size(); ++i) {
    const kernels::Dispatch& d = step.lowering.dispatches[i];
    const vulkan::Kernel& kernel = *step.kernels[i]->kernel;
    if (!kernel.ready()) device_.queue().submit();  // the device need not wait for the compiler
    kernel.get();
    packed_.pack(d, kernel, *step.kernels[i]->param_bytes, buffers, words_);
    device_.queue().dispatch(packed_.get());
    ++stats_.dispatches;
    if (d.reads_operands) stats_.bytes_read += operand_bytes;
    if (d.writes_output) stats_.bytes_written += static_cast<uint64_t>(root.storage_size());
  }
  if (donor) {
    ++stats_.donations;
    donor->set_consumed();
  }
  root.set_stored(std::make_shared<DeviceStorage>(std::move(output), std::move(faults)));
}

}  // namespace nxv::runtime
