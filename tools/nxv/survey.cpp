#include "survey.h"

#include <algorithm>
#include <ctime>
#include <string_view>

#include "base/error.h"
#include "runtime/matrix_probe.h"
#include "runtime/module.h"
#include "runtime/program_maker.h"
#include "schedule/schedule.h"
#include "testing/reference/reference.h"

namespace nxv::tools {
namespace {

// Kernels live as long as their device, and drivers without hardware have little memory for them.
constexpr int kKernelsPerDevice = 400;

// Tells modules apart that the driver would.
std::string identity_of(const vulkan::ShaderModule& m) {
  const auto* bytes = reinterpret_cast<const char*>(m.words.data());
  return std::string(bytes, m.words.size() * sizeof(uint32_t)) + '/' +
         std::to_string(m.required_subgroup_size);
}

// Of all threads of the process: a busy machine takes none, and drivers may have several.
double processor_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

}  // namespace

Survey::Survey(const vulkan::DeviceOptions& options, Report before, Report after)
    : options_(options), before_(std::move(before)), after_(std::move(after)) {
  options_.statistics = true;
  options_.cache_folder.clear();  // what was compiled before says nothing
  open();
  snapshot_ = device_->snapshot();
  plan_ = device_->plan();
  target_ = kernels::make_target(plan_);
  cuts_ = runtime::cuts_for(plan_);
}

Survey::~Survey() = default;

void Survey::open() {
  device_.reset();
  device_ = vulkan::Device::open(options_);
  compiled_ = 0;
}

bool Survey::is_asked_for(const std::string& kernel, const std::string& graph) const {
  return parts_.empty() || std::any_of(parts_.begin(), parts_.end(), [&](const std::string& part) {
           return kernel.find(part) != std::string::npos || graph.find(part) != std::string::npos;
         });
}

void Survey::compile(const std::vector<testing::CorpusGraph>& graphs,
                     const std::vector<std::string>& parts) {
  parts_ = parts;
  for (const runtime::MatrixCheck& check : runtime::matrix_checks(target_)) {
    for (const kernels::Lowering& way : check.ways) {
      compile("probe of matrix units", check.region, way.launches);
    }
  }
  for (const testing::CorpusGraph& graph : graphs) {
    const std::vector<NodeRef> nodes = graph.build(host_graveyard());
    std::vector<Node*> roots;
    for (const NodeRef& node : nodes) {
      if (node->is_pending() && node->op != Op::data) roots.push_back(node.get());
    }
    for (const auto& root : roots) compile(graph.name, std::span(&root, 1));
    if (roots.size() > 1) compile(graph.name, roots);  // kernels that roots have in common
  }
}

void Survey::compile(const std::string& graph, std::span<Node* const> roots) {
  try {
    for (const schedule::Item& step : schedule::make_schedule(roots, cuts_)) {
      if (step.is_alias || step.control) continue;
      compile(graph, step.region, kernels::lower(step.region, target_).launches);
    }
  } catch (const Error& e) {
    if (e.status() != Status::unsupported) throw;
    refused_.emplace(graph, e.what());
  }
}

void Survey::compile(const std::string& graph, const Region& region,
                     const std::vector<kernels::Launch>& launches) {
  for (const kernels::Launch& launch : launches) {
    if (!seen_.insert(launch.key).second) continue;
    const ir::Kernel kernel = kernels::legalised(launch.generate(region), plan_);
    if (!is_asked_for(kernel.name, graph)) continue;
    const vulkan::ShaderModule module = runtime::make_module(kernel, runtime::spirv_options(plan_));
    if (!seen_.insert(identity_of(module)).second) continue;
    CompiledKernel row;
    row.name = kernel.name;
    row.graph = graph;
    row.groups = launch.groups;
    row.invocations = kernel.local_size;
    row.subgroup_size = kernel.subgroup_size;
    row.shared_bytes = kernel.shared_bytes();
    row.instructions = kernel.body.size();
    compile(std::move(row), module);
  }
}

void Survey::compile(CompiledKernel row, const vulkan::ShaderModule& module) {
  if (compiled_++ == kKernelsPerDevice) open();
  before_(row);
  const double start = processor_seconds();
  const vulkan::Pipeline& made =
      device_->kernels().request(std::to_string(seen_.size()), [&module] { return module; });
  const Failure& failure = made.wait();
  row.seconds = processor_seconds() - start;
  if (failure) {
    row.error = failure.message.str();
  } else {
    row.executables = made.executables();
  }
  after_(row);
}

}  // namespace nxv::tools
