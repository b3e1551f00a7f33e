#include "runtime/program.h"

#include <algorithm>
#include <unordered_map>

#include "graph/substitute.h"
#include "runtime/storage.h"

namespace nxv::runtime {
namespace {

// Operands whose storage the root may take over: the target, or those that cover the root and that
// the kernel reads in place, and in no other way.
std::vector<int> donors(const Region& region, size_t root, const kernels::Lowering& lowering) {
  const auto is_in_place = [&](size_t i) {
    return lowering.target ? *lowering.target == static_cast<int>(i)
                           : lowering.in_place && is_read_in_place(region, i, root);
  };
  std::vector<int> found;
  for (size_t i = 0; i < region.operands.size(); ++i) {
    const Node* node = region.operands[i].node.get();
    bool is_donor = node->count == region.roots[root].node->count;
    for (size_t k = 0; k < region.operands.size(); ++k) {
      // The first operand of a value stands for all.
      if (region.operands[k].node.get() == node) is_donor = is_donor && k >= i && is_in_place(k);
    }
    if (is_donor) found.push_back(static_cast<int>(i));
  }
  return found;
}

// Finds the last reads. Values that a later step reads are no donors.
void find_last_reads(Program& program, const schedule::Structure& graph, int64_t large_bytes,
                     std::span<const Position> kept) {
  std::vector<bool> is_read(graph.nodes.size());
  for (Position p : kept) is_read[p] = true;
  int64_t bytes = 0;
  for (auto step = program.steps.rbegin(); step != program.steps.rend(); ++step) {
    for (Program::Output& output : step->outputs) {
      std::erase_if(output.donors, [&](int i) { return is_read[step->operands[i]]; });
      program.has_donors |= !output.donors.empty();
    }
    for (Position p : step->operands) {
      if (!is_read[p]) step->last_reads.push_back(p);
      is_read[p] = true;
    }
    if (step->source >= 0) {
      if (!is_read[step->source]) step->last_reads.push_back(step->source);
      is_read[step->source] = true;
      continue;
    }
    step->each_stored([&](Position p) { bytes += graph.nodes[p]->storage_size(); });
  }
  program.is_large = program.steps.size() > 1 && bytes >= large_bytes;
}

Program::Output make_output(const Region& region, size_t root, const kernels::Lowering& lowering) {
  const Node& node = *region.roots[root].node;
  Program::Output output;
  output.root = node.scratch;
  output.allocation = allocation_bytes(node);
  output.bytes = static_cast<uint64_t>(node.storage_size());
  // Of an overwrite, those that it stores.
  output.shape = node.op == Op::overwrite ? node.inputs[1]->shape : node.shape;
  const Dependencies needs = dependencies_of(region, region.roots[root]);
  for (size_t i = 0; i < region.operands.size(); ++i) {
    if (needs.operands[i]) output.operands.push_back(static_cast<int>(i));
  }
  output.donors = donors(region, root, lowering);
  return output;
}

Program::Step make_kernels(const Region& region, const Lower& lower) {
  Program::Step step;
  for (const Operand& o : region.operands) {
    step.operands.push_back(o.node->scratch);
    step.operand_bytes += static_cast<uint64_t>(o.node->storage_size());
  }
  step.words = region.words;
  for (const Expr& e : region.exprs) {
    if (e.kind != ExprKind::generate || e.node->scratch < 0) continue;
    // A scalar argument, too, is this to kernels.
    if (e.op == Op::constant) step.scalars.push_back({e.node->scratch, e.words});
    if (e.op == Op::random_uniform || e.op == Op::random_normal) {
      step.scalars.push_back({e.node->scratch, e.extra});
    }
  }
  step.lowering = lower(region);
  for (size_t r = 0; r < region.roots.size(); ++r) {
    step.outputs.push_back(make_output(region, r, step.lowering));
  }
  step.faults = region.faults;
  step.summary = std::make_shared<const StepSummary>(summary_of(region));
  return step;
}

// Of each loop and branch, the results that somebody reads.
using ControlResults = std::unordered_map<const Node*, std::vector<std::pair<int, Position>>>;

ControlResults control_results(const schedule::Structure& graph) {
  ControlResults results;
  for (const Node* n : graph.nodes) {
    if (n->op != Op::result || !n->is_pending()) continue;
    const int index = static_cast<int>(n->attribute<ResultAttr>().index);
    results[n->inputs[0].get()].emplace_back(index, n->scratch);
  }
  return results;
}

Program::Step make_control(const Node& node, const ControlResults& results) {
  Program::Step step;
  for (const NodeRef& input : node.inputs) step.operands.push_back(input->scratch);
  auto control = std::make_shared<Program::Control>();
  control->op = node.op;
  control->functions = node.attribute<ControlAttr>().functions;
  if (node.op == Op::branch) {
    for (size_t i = 0; i + 1 < control->functions.size(); ++i) {
      control->predicates.push_back(node.inputs[i]->dtype);
    }
  }
  if (const auto read = results.find(&node); read != results.end()) {
    control->results = read->second;
  }
  if (node.op == Op::loop) {
    const Function &condition = *control->functions[0], &body = *control->functions[1];
    control->counter = LoopCounter::of(condition, body);
    std::vector<NodeRef> results = body.results;
    results.push_back(substitute(condition, body.results)[0]);
    control->round = std::make_shared<const Function>(body.parameters, std::move(results));
  }
  step.control = std::move(control);
  return step;
}

Program::Step make_alias(const schedule::Alias& alias) {
  Program::Step step;
  step.outputs.emplace_back().root = alias.node->scratch;
  step.outputs[0].shape = alias.node->shape;
  step.source = alias.source->scratch;
  return step;
}

}  // namespace

Program make_program(const schedule::Structure& graph, const std::vector<schedule::Item>& schedule,
                     const Lower& lower, int64_t large_bytes, std::span<const Position> kept) {
  const schedule::Positions positions(graph.nodes);
  Program program;
  program.values = graph.nodes.size();
  program.steps.reserve(schedule.size());
  const ControlResults results = control_results(graph);
  for (const schedule::Item& s : schedule) {
    program.steps.push_back(s.is_alias  ? make_alias(s.alias)
                            : s.control ? make_control(*s.control, results)
                                        : make_kernels(s.region, lower));
    Program::Step& step = program.steps.back();
    step.number = static_cast<int>(program.steps.size());
    step.first_launch = program.launches;
    program.launches += static_cast<uint32_t>(step.lowering.launches.size());
  }
  find_last_reads(program, graph, large_bytes, kept);
  return program;
}

}  // namespace nxv::runtime
