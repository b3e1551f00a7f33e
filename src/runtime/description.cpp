#include "runtime/description.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/digest.h"
#include "runtime/program_maker.h"
#include "runtime/region_text.h"

namespace nxv::runtime {
namespace {

using Source = ValueDescription::Source;

ValueDescription value_of(const Node& node, Source source, int index) {
  return {source, index, node.dtype, node.shape};
}

constexpr std::string_view kCounted = "counted on the host";

uint64_t workgroups(const std::array<uint32_t, 3>& groups) {
  return uint64_t{groups[0]} * groups[1] * groups[2];
}

// The dispatches of a step by their kernels, in the order of the first.
std::vector<KernelDescription> kernels_of(const Program::Step& step) {
  std::vector<KernelDescription> kernels;
  std::map<std::string_view, size_t> of_key;
  for (size_t i = 0; i < step.lowering.launches.size(); ++i) {
    const kernels::Launch& launch = step.lowering.launches[i];
    const vulkan::Pipeline* pipeline = step.kernels.empty() ? nullptr : step.kernels[i];
    const std::string& key = pipeline ? pipeline->key() : launch.key;
    const auto [at, is_new] = of_key.try_emplace(key, kernels.size());
    if (is_new) {
      KernelDescription& kernel = kernels.emplace_back();
      kernel.key = fnv1a(key);
      if (pipeline) {
        kernel.name = pipeline->name();
        kernel.local_size = pipeline->local_size();
      }
    }
    KernelDescription& kernel = kernels[at->second];
    if (workgroups(launch.groups) >= workgroups(kernel.groups)) kernel.groups = launch.groups;
    ++kernel.times;
  }
  return kernels;
}

// What a program keeps in memory besides arguments and results: each step's results until their
// last read, in the storage of an operand where they may take that over.
class Memory {
 public:
  explicit Memory(const Program& program) : live_(program.values), is_result_(program.values) {
    for (Position p : program.results) {
      if (p >= 0) is_result_[p] = true;
    }
  }

  void run(const Program::Step& step) {
    if (step.source >= 0) return share(step);
    uint64_t workspaces = 0;
    for (uint64_t bytes : step.lowering.workspaces) workspaces += bytes;
    sum_ += workspaces;
    block_ = std::max(block_, step.block_bytes);
    for (const Program::Output& output : step.outputs) {
      const auto donor = std::find_if(output.donors.begin(), output.donors.end(), [&](int i) {
        const Position p = step.operands[i];
        return live_[p] != 0 && !is_result_[p];
      });
      if (donor != output.donors.end()) release(step.operands[*donor]);
      if (is_result_[output.root]) continue;
      live_[output.root] = output.allocation;
      bytes_ += output.allocation;
      sum_ += output.allocation;
    }
    peak_ = std::max(peak_, bytes_ + workspaces);
    for (Position p : step.last_reads) release(p);
  }

  void tell(ProgramDescription& d) const {
    d.temporaries = peak_;
    d.all_temporaries = sum_;
    d.temporary_block = block_;
  }

 private:
  void release(Position p) { bytes_ -= std::exchange(live_[p], 0); }
  // With the last read of the source its storage is the alias's, else that is counted once.
  void share(const Program::Step& step) {
    if (step.last_reads.empty()) return;
    const Position alias = step.outputs[0].root;
    if (is_result_[alias]) return release(step.source);
    live_[alias] = std::exchange(live_[step.source], 0);
  }

  std::vector<uint64_t> live_;  // bytes of each value that is held
  std::vector<bool> is_result_;
  uint64_t bytes_ = 0, peak_ = 0;
  uint64_t sum_ = 0, block_ = 0;
};

class Describer {
 public:
  Describer(const Program& program, ProgramMaker& maker)
      : program_(program), maker_(maker), values_(program.values) {}

  void know(Position p, ValueDescription value) { values_[p] = std::move(value); }
  const ValueDescription& value(Position p) const { return values_[p]; }

  // `visit(step, description)` may add to what each step is.
  template <typename Visit>
  void steps(ProgramDescription& into, Visit&& visit) {
    Memory memory(program_);
    std::set<uint64_t> kernels;
    for (const Program::Step& step : program_.steps) {
      StepDescription& s = into.steps.emplace_back();
      s.number = step.number;
      describe_step(step, s);
      visit(step, s);
      memory.run(step);
      into.bytes_read += s.bytes_read;
      into.bytes_written += s.bytes_written;
      into.flops += s.summary.flops;
      into.is_flops_known &= s.summary.is_flops_known;
      for (const KernelDescription& k : s.kernels) {
        kernels.insert(k.key);
        into.dispatches += k.times;
      }
    }
    into.kernels = static_cast<int>(kernels.size());
    memory.tell(into);
  }

 private:
  void describe_step(const Program::Step& step, StepDescription& s) {
    for (Position p : step.operands) s.operands.push_back(values_[p]);
    if (step.control) return describe_control(step, s);
    if (step.source >= 0) {
      s.kind = StepDescription::Kind::alias;
      s.operands.push_back(values_[step.source]);
      const DType dtype = values_[step.source].dtype;
      return add_result(s, step.outputs[0].root, dtype, step.outputs[0].shape);
    }
    s.summary = *step.summary;
    for (size_t r = 0; r < step.outputs.size(); ++r) {
      add_result(s, step.outputs[r].root, s.summary.dtypes[r], s.summary.shapes[r]);
    }
    for (const kernels::Launch& launch : step.lowering.launches) {
      s.bytes_read += step.bytes_read(launch);
      s.bytes_written += step.bytes_written(launch);
    }
    describe_target(step, s);
    for (uint64_t bytes : step.lowering.workspaces) s.workspaces += bytes;
    s.kernels = kernels_of(step);
  }

  // What the result is a copy of where it is not in its storage.
  void describe_target(const Program::Step& step, StepDescription& s) {
    if (!step.lowering.target) return;
    const Program::Output& output = step.outputs[0];
    s.target = *step.lowering.target;
    s.is_target_kept = output.donors.empty();
    if (!s.is_target_kept) return;
    s.bytes_read += output.bytes;
    s.bytes_written += output.bytes;
  }

  void describe_control(const Program::Step& step, StepDescription& s) {
    const Program::Control& control = *step.control;
    const bool is_loop = control.op == Op::loop;
    s.kind = is_loop ? StepDescription::Kind::loop : StepDescription::Kind::branch;
    const Function& answers = *control.functions[is_loop ? 1 : 0];
    for (const auto& [index, position] : control.results) {
      const Node& node = *answers.results[static_cast<size_t>(index)];
      add_result(s, position, node.dtype, node.shape);
    }
    for (const auto& [function, known] : calls_of(step)) {
      const size_t i = s.parts.size();
      const std::string name = is_loop ? (function == &answers              ? "body"
                                          : function == control.round.get() ? "body, then condition"
                                                                            : "condition")
                               : i + 1 < control.functions.size()
                                   ? "if operand " + std::to_string(i) + " holds"
                                   : "else";
      s.parts.push_back({name, describe_function(*function, known)});
    }
    if (is_loop) s.rounds = rounds_of(step, s);
  }

  ProgramDescription describe_function(const Function& function, const Numbers& known);

  // Whether a predicate, or the condition of a loop, may have to be read.
  static bool may_read(const ProgramDescription& program) {
    return std::any_of(program.steps.begin(), program.steps.end(), [](const StepDescription& s) {
      if (s.kind == StepDescription::Kind::branch) return true;
      if (s.kind != StepDescription::Kind::loop) return false;
      return s.rounds != kCounted ||
             std::any_of(s.parts.begin(), s.parts.end(),
                         [](const auto& part) { return may_read(part.program); });
    });
  }

  static std::string rounds_of(const Program::Step& step, const StepDescription& s) {
    if (step.is_counted) return std::string(kCounted);
    const bool reads = std::any_of(s.parts.begin(), s.parts.end(),
                                   [](const auto& part) { return may_read(part.program); });
    const std::string read = reads ? "read in each round" : "read once a batch of rounds";
    return step.control->counter ? "counted on the host where it knows the start, else " + read
                                 : "the condition is " + read;
  }

  void add_result(StepDescription& s, Position p, DType dtype, const Shape& shape) {
    values_[p] = {Source::step, s.number, dtype, shape};
    s.results.push_back(values_[p]);
  }

  const Program& program_;
  ProgramMaker& maker_;
  std::vector<ValueDescription> values_;
};

// Whether a step may take the storage of the argument.
bool is_donated(const Program& program, Position argument) {
  return std::any_of(program.steps.begin(), program.steps.end(), [&](const auto& step) {
    return std::any_of(step.outputs.begin(), step.outputs.end(), [&](const auto& output) {
      return std::any_of(output.donors.begin(), output.donors.end(),
                         [&](int i) { return step.operands[i] == argument; });
    });
  });
}

// In calls with these numbers among the arguments.
ProgramDescription describe(const Function& function, const Numbers& known, ProgramMaker& maker,
                            std::span<const int> numbers) {
  const Program& program = maker.of(function, known);
  ProgramDescription d;
  Describer describer(program, maker);
  for (size_t i = 0; i < program.captures.size(); ++i) {
    const auto& [position, node] = program.captures[i];
    d.captured.push_back(value_of(*node, Source::stored, static_cast<int>(i)));
    describer.know(position, d.captured.back());
  }
  const auto number = [&](size_t i) { return numbers.empty() ? static_cast<int>(i) : numbers[i]; };
  for (size_t i = 0; i < program.parameters.size(); ++i) {
    const bool is_used = program.parameters[i] >= 0;
    d.arguments.push_back(
        value_of(*function.parameters[i], is_used ? Source::argument : Source::none, number(i)));
    if (is_used) describer.know(program.parameters[i], d.arguments.back());
    if (is_used && is_donated(program, program.parameters[i])) d.donated.push_back(number(i));
  }
  describer.steps(d, [](const Program::Step&, StepDescription&) {});
  for (size_t i = 0; i < program.results.size(); ++i) {
    const Position p = program.results[i];
    d.results.push_back(p >= 0 ? describer.value(p)
                               : value_of(*function.results[i], Source::none, 0));
  }
  return d;
}

ProgramDescription Describer::describe_function(const Function& function, const Numbers& known) {
  return describe(function, known, maker_, {});
}

}  // namespace

ProgramDescription describe(const Function& function, ProgramMaker& maker,
                            std::span<const int> numbers) {
  return describe(function, {}, maker, numbers);
}

ProgramDescription describe(Node& root, ProgramMaker& maker, bool code) {
  ProgramDescription d;
  if (root.op == Op::data || !root.is_pending()) return d;
  Node* const roots[] = {&root};
  schedule::Structure graph;
  graph.read(roots, maker.target().plan->tuning.apart_elements);
  const auto items = schedule::make_schedule(graph.roots, maker.options_of_values());
  const Program program = make_program(
      graph, items, [&](const Region& region) { return maker.lowered(region); },
      maker.options().large_bytes);
  std::vector<bool> is_supplied(program.values);
  for (const Program::Step& step : program.steps) {
    for (Position p : step.operands) is_supplied[p] = graph.nodes[p]->op == Op::constant;
  }
  for (const Program::Step& step : program.steps) {
    step.each_stored([&](Position p) { is_supplied[p] = false; });
  }
  Describer describer(program, maker);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = *graph.nodes[i];
    if (node.is_pending() && node.op != Op::data && !is_supplied[i]) continue;
    d.captured.push_back(value_of(node, Source::stored, static_cast<int>(d.captured.size())));
    describer.know(static_cast<Position>(i), d.captured.back());
  }
  size_t next = 0;
  describer.steps(d, [&](const Program::Step& step, StepDescription& s) {
    const Region& region = items[next++].region;
    if (s.kind != StepDescription::Kind::region) return;
    s.expressions = expressions_text(region) + candidates_text(region, maker.target());
    for (KernelDescription& kernel : s.kernels) add_code(step, region, maker, code, kernel);
  });
  return d;
}

}  // namespace nxv::runtime
