#include "runtime/program_maker.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "graph/build.h"
#include "graph/common_values.h"
#include "graph/joined_parts.h"
#include "graph/narrow_factors.h"
#include "graph/own_views.h"
#include "graph/recognised_attention.h"
#include "graph/substitute.h"
#include "kernels/attention/attention_choice.h"
#include "kernels/attention/attention_gradient.h"
#include "plan/plainer.h"
#include "runtime/module.h"
#include "runtime/temporaries.h"
#include "schedule/cost.h"
#include "schedule/scalars.h"

namespace nxv::runtime {
namespace {

// Before the keys of kernels that stand in for others.
constexpr std::string_view kPlainer = "plainer:";

// Scalars of a Function's graph are the same in each call, but for arguments.
void fill_in_scalars(Program& program, const schedule::Structure& graph) {
  std::vector<uint32_t> scalars;
  for (Program::Step& step : program.steps) {
    std::erase_if(step.scalars, [&](const Program::Scalars& s) {
      const Node& node = *graph.nodes[s.node];
      if (node.op == Op::argument) return false;
      schedule::write_scalars(node, s.words, step.words, scalars);
      return true;
    });
    for (Program::Output& output : step.outputs) {
      output.known = integer_constant(*graph.nodes[output.root]);
    }
  }
}

// Operands of loops and branches that the host knows when it knows parameters.
void follow_scalars(Program& program, const schedule::Structure& graph,
                    const std::vector<NodeRef>& parameters, const Numbers& known) {
  for (Program::Step& step : program.steps) {
    if (!step.control) continue;
    Numbers certain;
    for (Position operand : step.operands) {
      const Node& node = *graph.nodes[operand];
      const auto at = program.scalars.add(node, parameters);
      step.known_operands.push_back(at.value_or(-1));
      const bool is_number = node.count == 1 && schedule::is_number(node);
      step.numbers.push_back(is_number);
      step.constants.push_back(is_number && node.op == Op::constant
                                   ? std::optional(node.attribute<ConstantAttr>().value)
                                   : std::nullopt);
      certain.push_back(at && program.scalars.is_certain(*at, known));
    }
    if (!step.control->counter) continue;
    step.is_counted = true;
    step.control->counter->each_element(
        [&](size_t element) { step.is_counted = step.is_counted && certain[element]; });
  }
}

// The programs of a Function, by the parameters that are numbers.
using Programs = std::map<Numbers, std::shared_ptr<const Program>>;

Numbers canonical(const Numbers& known) {
  return std::find(known.begin(), known.end(), true) == known.end() ? Numbers() : known;
}

// That was made of it.
const Program& program_of(const Function& function, const Numbers& known) {
  return *static_cast<const Programs*>(function.program.get())->at(canonical(known));
}

template <typename Visit>
void each_kernel(const Program& program, const Visit& visit) {
  for (const Program::Step& step : program.steps) {
    for (const vulkan::Pipeline* kernel : step.kernels) visit(*kernel);
    if (!step.control) continue;
    for (const auto& [f, known] : calls_of(step)) each_kernel(program_of(*f, known), visit);
  }
}

}  // namespace

std::vector<FunctionCall> calls_of(const Program::Step& step) {
  const std::vector<FunctionRef>& functions = step.control->functions;
  std::vector<FunctionCall> calls;
  if (step.control->op == Op::branch && !step.numbers.empty()) {
    const auto first = step.numbers.begin() + static_cast<std::ptrdiff_t>(functions.size() - 1);
    for (const FunctionRef& f : functions) calls.push_back({f.get(), {first, step.numbers.end()}});
  } else if (step.is_counted) {
    Numbers followed(step.operands.size());
    step.control->counter->each_element([&](size_t element) { followed[element] = true; });
    calls.push_back({functions[1].get(), followed});
  } else if (step.control->op == Op::loop) {
    calls = {{functions[0].get(), step.numbers}, {step.control->round.get(), {}}};
  } else {
    for (const FunctionRef& f : functions) calls.push_back({f.get(), {}});
  }
  return calls;
}

schedule::Options cuts_for(const plan::DevicePlan& plan, schedule::Options options) {
  options.overlaps = plan.tuning.shares_cheaply;
  options.narrow_factors = plan.has.int8 || plan.has.packed_dot;
  return options;
}

ProgramMaker::ProgramMaker(vulkan::Device& device, const plan::DevicePlan& plan,
                           const ExecutorOptions& options)
    : device_(device),
      plan_(plan),
      target_(kernels::make_target(plan)),
      plainer_plan_(plan::plainer(plan)),
      plainer_target_(kernels::make_target(plainer_plan_)),
      options_(options) {
  options_.schedule = cuts_for(plan, options_.schedule);
  spirv_options_ = spirv_options(plan);
}

vulkan::ShaderModule ProgramMaker::compile(const ir::Kernel& kernel) const {
  const ir::Kernel legal = kernels::legalised(kernel, plan_);
  vulkan::ShaderModule module = make_module(legal, spirv_options_);
  if (options_.dump) options_.dump->write(legal, module);
  return module;
}

const vulkan::Pipeline& ProgramMaker::request(const kernels::Launch& dispatch,
                                              const Region& region) {
  if (options_.ledger) options_.ledger->check(dispatch.key, dispatch.generate(region));
  const vulkan::Pipeline*& kernel = kernels_[dispatch.key];
  if (kernel == nullptr || kernel->is_unmade()) {
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

kernels::Lowering ProgramMaker::lowered(const Region& region) const {
  kernels::Lowering first = kernels::lower(region, target_);
  const bool is_refused =
      !given_up_.empty() && std::any_of(first.launches.begin(), first.launches.end(),
                                        [&](const auto& l) { return given_up_.contains(l.key); });
  if (!is_refused) return first;
  kernels::Lowering plainer = kernels::lower(region, plainer_target_);
  for (kernels::Launch& launch : plainer.launches) launch.key.insert(0, kPlainer);
  return plainer;
}

bool ProgramMaker::gives_way() {
  const size_t before = given_up_.size();
  for (const auto& [key, kernel] : kernels_) {
    const bool is_refused = kernel != nullptr && kernel->ready() && kernel->is_refused();
    if (is_refused && !key.starts_with(kPlainer)) given_up_.insert(key);
  }
  return given_up_.size() > before;
}

void ProgramMaker::forget(const Function& function, const Numbers& known) {
  if (!function.program) return;
  auto& programs = *static_cast<Programs*>(function.program.get());
  const auto made = programs.find(canonical(known));
  if (made == programs.end() || made->second->has_kernels) return;
  const std::shared_ptr<const Program> program = made->second;
  programs.erase(made);
  for (const Program::Step& step : program->steps) {
    if (!step.control) continue;
    for (const auto& [f, numbers] : calls_of(step)) forget(*f, numbers);
  }
}

void ProgramMaker::make(Program& program, const schedule::Structure& graph,
                        std::span<Node* const> roots, const schedule::Options& cuts,
                        std::span<const Position> kept) {
  ++schedules_;
  std::vector<schedule::Item> steps = schedule::make_schedule(roots, cuts);
  program = make_program(
      graph, steps, [this](const Region& region) { return lowered(region); }, cuts.large_bytes,
      kept);
  for (Program::Step& step : program.steps) step.kernels.reserve(step.lowering.launches.size());
  try {
    for (size_t i = 0; i < steps.size(); ++i) {
      Program::Step& step = program.steps[i];
      for (kernels::Launch& d : step.lowering.launches) {
        step.kernels.push_back(&request(d, steps[i].region));
        d.key.clear();
        d.generate = nullptr;
      }
    }
  } catch (...) {
    give_up(program);
    throw;
  }
}

bool ProgramMaker::give_up(const Program& program) noexcept {
  bool is_unmade = false;
  for (const Program::Step& step : program.steps) {
    for (const vulkan::Pipeline* kernel : step.kernels) {
      kernel->give_up();
      is_unmade = is_unmade || kernel->is_unmade();
    }
  }
  return is_unmade;
}

std::vector<NodeRef> ProgramMaker::rewritten(std::span<const NodeRef> values) const {
  std::vector<NodeRef> common = common_values(values);
  if (!options_.schedule.fuse) return common;
  if (options_.recognises_attention) {
    const auto pays = [&](DType type, const AttentionSizes& sizes, const AttentionUse& use) {
      return use.with_gradients
                 ? kernels::attention_gradients_pay(plan_, type, sizes, use.is_causal)
                 : kernels::attention_pays(plan_, type, sizes);
    };
    common = common_values(recognised_attention(common, pays));
  }
  // Products that read the same views do so again; those that are an operation's own come last.
  return with_own_views(common_values(with_narrow_factors(with_joined_parts(common))));
}

void ProgramMaker::make(Program& program, const Function& function, const Numbers& known) {
  std::vector<NodeRef> parameters = function.parameters, values = function.results;
  for (size_t i = 0; i < known.size(); ++i) {
    const Node& p = *parameters[i];
    if (known[i]) parameters[i] = scalar_argument(p.shared_graveyard(), p.dtype, p.shape);
  }
  if (!known.empty()) values = substitute(function, parameters);
  values = rewritten(values);

  ScalarProgram scalars;
  std::vector<int> known_results;
  std::vector<Node*> roots;
  for (const NodeRef& value : values) {
    const auto at = scalars.add(*value, parameters);
    const bool is_known = !known.empty() && at && scalars.is_certain(*at, known);
    known_results.push_back(is_known ? *at : -1);
    if (!is_known) roots.push_back(value.get());
  }
  schedule::Structure graph;
  graph.read(roots);
  std::vector<Position> places, results;
  std::vector<std::pair<Position, NodeRef>> captures;
  {
    const schedule::Positions positions(graph.nodes);
    for (const NodeRef& p : parameters) places.push_back(p->scratch);
    for (size_t i = 0; i < values.size(); ++i) {
      results.push_back(known_results[i] < 0 ? values[i]->scratch : -1);
    }
    for (Node* n : graph.nodes) {
      const bool is_stored = n->op == Op::data || !n->is_pending();
      if (is_stored) captures.emplace_back(n->scratch, NodeRef::share(n));
    }
  }
  std::vector<Position> kept;
  std::copy_if(results.begin(), results.end(), std::back_inserter(kept),
               [](Position p) { return p >= 0; });
  make(program, graph, roots, options_.schedule, kept);
  program.scalars = std::move(scalars);
  program.parameters = std::move(places);
  program.results = std::move(results);
  program.known_results = std::move(known_results);
  program.captures = std::move(captures);
  try {
    fill_in_scalars(program, graph);
    follow_scalars(program, graph, parameters, known);
    if (options_.plans_temporaries) {
      plan_temporaries(program, options_.schedule.donate, plan_.max_allocation_bytes);
    }
  } catch (...) {
    give_up(program);
    throw;
  }
}

const Program& ProgramMaker::ask_for(const Function& function, const Numbers& known) {
  if (!function.program) function.program = std::make_shared<Programs>();
  auto& programs = *static_cast<Programs*>(function.program.get());
  if (const auto made = programs.find(known); made != programs.end()) return *made->second;
  const auto program = std::make_shared<Program>();
  make(*program, function, known);
  try {
    for (const Program::Step& step : program->steps) {
      if (!step.control) continue;
      for (const auto& [f, numbers] : calls_of(step)) ask_for(*f, canonical(numbers));
    }
    return *programs.emplace(known, program).first->second;
  } catch (...) {
    forget_called(*program);
    give_up(*program);
    throw;
  }
}

void ProgramMaker::forget_called(const Program& program) noexcept {
  for (const Program::Step& step : program.steps) {
    if (!step.control) continue;
    for (const FunctionRef& f : step.control->functions) forget_unmade(*f);
    if (step.control->round) forget_unmade(*step.control->round);
  }
}

void ProgramMaker::forget_unmade(const Function& function) noexcept {
  if (!function.program) return;
  auto& programs = *static_cast<Programs*>(function.program.get());
  std::erase_if(programs, [this](const auto& made) {
    forget_called(*made.second);
    return give_up(*made.second);
  });
}

const Program& ProgramMaker::of(const Function& function, const Numbers& known) {
  const Numbers key = canonical(known);
  if (function.program) {
    const auto& programs = *static_cast<const Programs*>(function.program.get());
    const auto made = programs.find(key);
    if (made != programs.end() && made->second->has_kernels) return *made->second;
  }
  const InPhase scheduling(profiler_, Phase::schedule);
  const Program& program = ask_for(function, key);
  const InPhase compiling(profiler_, Phase::compile);
  // Regions that kernels are generated of refer to nodes whose inputs an evaluation may drop: none
  // is under way any more when one kernel throws.
  each_kernel(program, [](const vulkan::Pipeline& kernel) { kernel.wait(); });
  try {
    each_kernel(program, [](const vulkan::Pipeline& kernel) { kernel.get(); });
  } catch (...) {
    if (gives_way()) {
      forget(function, key);
      return of(function, known);
    }
    forget_unmade(function);
    throw;
  }
  program.has_kernels = true;
  return program;
}

}  // namespace nxv::runtime
