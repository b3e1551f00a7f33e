#include "runtime/program_maker.h"

#include <algorithm>

#include "runtime/module.h"
#include "schedule/scalars.h"

namespace nxv::runtime {
namespace {

std::vector<Node*> pointers(const std::vector<NodeRef>& nodes) {
  std::vector<Node*> out;
  for (const NodeRef& n : nodes) out.push_back(n.get());
  return out;
}

// Scalars of a Function's graph are the same in each call.
void fill_in_scalars(Program& program, const schedule::Structure& graph) {
  std::vector<uint32_t> scalars;
  for (Program::Step& step : program.steps) {
    for (const Program::Scalars& s : step.scalars) {
      schedule::write_scalars(*graph.nodes[s.node], s.words, step.words, scalars);
    }
    step.scalars.clear();
    for (Program::Output& output : step.outputs) {
      output.known = integer_constant(*graph.nodes[output.root]);
    }
  }
}

// Operands of loops and branches that the host knows when it knows parameters.
void follow_scalars(Program& program, const schedule::Structure& graph,
                    const std::vector<NodeRef>& parameters) {
  for (Program::Step& step : program.steps) {
    if (!step.control) continue;
    for (Position operand : step.operands) {
      const auto known = program.scalars.add(*graph.nodes[operand], parameters);
      step.known_operands.push_back(known.value_or(-1));
    }
  }
}

// That was made of it.
const Program& program_of(const Function& function) {
  return *static_cast<const Program*>(function.program.get());
}

void wait_for_kernels(const Program& program) {
  for (const Program::Step& step : program.steps) {
    for (const vulkan::Pipeline* kernel : step.kernels) kernel->get();
    if (!step.control) continue;
    for (const FunctionRef& f : step.control->functions) wait_for_kernels(program_of(*f));
  }
}

}  // namespace

ProgramMaker::ProgramMaker(vulkan::Device& device, const plan::DevicePlan& plan,
                           const ExecutorOptions& options)
    : device_(device), plan_(plan), target_(kernels::make_target(plan)), options_(options) {
  spirv_options_ = spirv_options(plan);
}

vulkan::ShaderModule ProgramMaker::compile(const ir::Kernel& kernel) const {
  const ir::Kernel legal = kernels::legalised(kernel, plan_.has);
  vulkan::ShaderModule module = make_module(legal, spirv_options_);
  if (options_.dump) options_.dump->write(legal, module);
  return module;
}

const vulkan::Pipeline& ProgramMaker::request(const kernels::Launch& dispatch,
                                              const Region& region) {
  if (options_.ledger) options_.ledger->check(dispatch.key, dispatch.generate(region));
  const vulkan::Pipeline*& kernel = kernels_[dispatch.key];
  if (kernel == nullptr) {
    // The other thread may be at work on its copy when this evaluation has failed.
    kernel = &device_.kernels().request(
        dispatch.key, [this, region = std::make_shared<const Region>(region),
                       generate = dispatch.generate] { return compile(generate(*region)); });
  }
  return *kernel;
}

const vulkan::Pipeline& ProgramMaker::request(const std::string& key, ir::Kernel (*generate)()) {
  return device_.kernels().request(key, [this, generate] { return compile(generate()); });
}

Program ProgramMaker::make(const schedule::Structure& graph, std::span<Node* const> roots,
                           std::span<const Position> kept) {
  ++schedules_;
  std::vector<schedule::Item> steps = schedule::make_schedule(roots, options_.schedule);
  Program program = make_program(graph, steps, target_, options_.schedule.large_bytes, kept);
  for (size_t i = 0; i < steps.size(); ++i) {
    Program::Step& step = program.steps[i];
    for (kernels::Launch& d : step.lowering.launches) {
      step.kernels.push_back(&request(d, steps[i].region));
      d.key.clear();
      d.generate = nullptr;
    }
  }
  return program;
}

std::shared_ptr<const Program> ProgramMaker::make(const Function& function) {
  const std::vector<Node*> roots = pointers(function.results);
  schedule::Structure graph;
  graph.read(roots);
  std::vector<Position> parameters(function.parameters.size(), -1), results;
  std::vector<std::pair<Position, NodeRef>> captures;
  {
    const schedule::Positions positions(graph.nodes);
    for (size_t i = 0; i < parameters.size(); ++i) {
      parameters[i] = function.parameters[i]->scratch;
    }
    for (const Node* n : roots) results.push_back(n->scratch);
    for (Node* n : graph.nodes) {
      const bool is_stored = n->op == Op::data || !n->is_pending();
      if (is_stored) captures.emplace_back(n->scratch, NodeRef::share(n));
    }
  }
  Program program = make(graph, roots, results);
  fill_in_scalars(program, graph);
  follow_scalars(program, graph, function.parameters);
  program.parameters = std::move(parameters);
  program.results = std::move(results);
  program.captures = std::move(captures);
  return std::make_shared<const Program>(std::move(program));
}

const Program& ProgramMaker::ask_for(const Function& function) {
  if (!function.program) {
    std::shared_ptr<const Program> program = make(function);
    for (const Program::Step& step : program->steps) {
      if (!step.control) continue;
      for (const FunctionRef& f : step.control->functions) ask_for(*f);
    }
    function.program = std::move(program);
  }
  return program_of(function);
}

const Program& ProgramMaker::of(const Function& function) {
  const bool is_new = !function.program;
  const Program& program = ask_for(function);
  // Regions that kernels are generated of refer to nodes whose inputs an evaluation may drop.
  if (is_new) wait_for_kernels(program);
  return program;
}

}  // namespace nxv::runtime
