// Program: what evaluates the graphs of one structure, or the calls of one Function. Names values
// by their positions, so that it serves every graph of that structure and every call.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/function.h"
#include "graph/loop_counter.h"
#include "graph/scalar_program.h"
#include "kernels/lowering.h"
#include "runtime/step_summary.h"
#include "schedule/schedule.h"
#include "schedule/structure.h"
#include "vulkan/kernel_cache.h"

namespace nxv::runtime {

using Position = int32_t;  // in Structure::nodes

struct Program {
  // Words of a region that hold scalars of a node, which differ from run to run.
  struct Scalars {
    Position node;
    WordIndex words;
  };
  // Where in the block of its stretch (below) something is; without an offset in a block of its
  // own.
  using Place = std::optional<uint64_t>;
  // A value that a step stores.
  struct Output {
    Position root = 0;
    uint64_t allocation = 0;  // bytes
    uint64_t bytes = 0;
    Shape shape;  // of the elements that faults name
    // Operands, by their index, that it is computed from, and those whose storage it may take over
    // if nothing but this evaluation refers to them: no later step reads them, and the kernel reads
    // them in place.
    std::vector<int> operands, donors;
    std::optional<Scalar> known;  // the root is an integer constant
    Place place;                  // unless it takes over an operand's storage
  };
  // A loop (condition, body) or a branch.
  struct Control {
    Op op = Op::loop;
    std::vector<FunctionRef> functions;
    std::vector<DType> predicates;                  // of a branch, its first operands
    std::vector<std::pair<int, Position>> results;  // those that somebody reads, by their index
    std::optional<LoopCounter> counter;             // of a loop
    FunctionRef round;  // of a loop: the body's results, and the condition of them
  };
  struct Step {
    int number = 0;               // from 1 on, in the order in which they run
    uint32_t first_launch = 0;    // among those of the program
    std::vector<Output> outputs;  // of a control step none: its results are
    Position source = -1;         // the only root shares this node's storage, without a kernel
    std::shared_ptr<const Control> control;
    // Of a control step of a Function, for each operand: where Program::scalars has it (-1: it does
    // not follow), and its value if it is a constant. A number is in no storage.
    std::vector<int> known_operands;
    std::vector<std::optional<Scalar>> constants;
    std::vector<bool> numbers;
    bool is_counted = false;  // a loop: the host certainly knows what its counter starts from
    std::vector<Position> operands;
    uint64_t operand_bytes = 0;
    std::vector<uint32_t> words;
    std::vector<Scalars> scalars;
    std::vector<Place> workspaces;  // of the lowering's, where there is a plan
    // The first of a stretch of steps, which have one block for what nobody else sees
    // (runtime/temporaries.h); its bytes, or 0.
    bool begins_stretch = false;
    uint64_t block_bytes = 0;
    mutable int calls_without_block = 0;  // that follow; the engine's thread only
    std::vector<Position> last_reads;     // operands, or the source, that no later step reads
    std::vector<Op> faults;               // see Region::faults; all outputs depend on them
    kernels::Lowering lowering;
    std::shared_ptr<const StepSummary> summary;    // of a region
    std::vector<const vulkan::Pipeline*> kernels;  // of each dispatch

    // What a dispatch of it reads and writes, as operands and results declare.
    uint64_t bytes_read(const kernels::Launch& d) const {
      return d.reads_operands ? d.bytes_read.value_or(operand_bytes) : 0;
    }
    uint64_t bytes_written(const kernels::Launch& d) const {
      if (!d.writes_output || d.bytes_written) return d.writes_output ? *d.bytes_written : 0;
      uint64_t bytes = 0;
      for (const Output& output : outputs) bytes += output.bytes;
      return bytes;
    }
    // Calls visit(position) for each value that is stored afterwards.
    template <typename Visit>
    void each_stored(Visit&& visit) const {
      for (const Output& output : outputs) visit(output.root);
      if (!control) return;
      for (const auto& [index, result] : control->results) visit(result);
    }
  };
  std::vector<Step> steps;
  uint32_t launches = 0;
  size_t values = 0;  // positions
  bool has_donors = false;
  bool is_large = false;  // see schedule::Options::large_bytes

  // Of a Function: where its parameters (-1: nothing reads it) and results (-1: the host knows it)
  // are, and the values that it captured.
  std::vector<Position> parameters, results;
  std::vector<int> known_results;  // in `scalars`; -1: not known
  std::vector<std::pair<Position, NodeRef>> captures;
  ScalarProgram scalars;  // what follows from parameters on the host
  // All that it runs, also in the Functions that it calls; the engine's thread only.
  mutable bool has_kernels = false;
};

using Lower = std::function<kernels::Lowering(const Region&)>;

// Everything but kernels and what belongs to a Function. The graph is the one that the schedule was
// made of. What of `kept` is not overwritten.
Program make_program(const schedule::Structure& graph, const std::vector<schedule::Item>& schedule,
                     const Lower& lower, int64_t large_bytes, std::span<const Position> kept = {});

}  // namespace nxv::runtime
