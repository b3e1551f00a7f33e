// A Program as plain data for people: read by the text and the picture of it. Made by one walk.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "graph/function.h"
#include "runtime/step_summary.h"

namespace nxv::runtime {

struct Program;
class ProgramMaker;

// Where a value of a program comes from.
struct ValueDescription {
  enum class Source : uint8_t {
    none,      // nothing stores it: a number that the host knows, or an argument that is not read
    argument,  // by its index
    stored,    // before: captured by a function, or read by an evaluation
    step,      // by its number
  };
  Source source = Source::none;
  int index = 0;
  DType dtype = DType::f32;
  Shape shape;
};
// "argument 0", "step 3"
std::string name_of(const ValueDescription& value);
// "f32{2, 3}"
std::string type_of(const ValueDescription& value);

// The dispatches of one kernel in a step.
struct KernelDescription {
  std::string name;
  uint64_t key = 0;  // digest of the kernel's key: equal for the same kernel
  std::array<uint32_t, 3> groups = {1, 1, 1};  // of the largest dispatch
  uint32_t local_size = 0;                     // invocations of a workgroup
  int times = 0;                               // dispatches
  std::string size, code;                      // in detail: instructions, KernelIR
};

struct PartDescription;

struct StepDescription {
  enum class Kind : uint8_t { region, alias, loop, branch };
  Kind kind = Kind::region;
  int number = 0;       // from 1 on, in the order in which they run
  StepSummary summary;  // of a region
  std::vector<ValueDescription> operands, results;
  std::vector<KernelDescription> kernels;
  uint64_t bytes_read = 0, bytes_written = 0;  // by the kernels, as operands and results declare
  uint64_t workspaces = 0;                     // bytes
  // The operand whose other elements the result has: it is written over where nobody else holds it,
  // and copied otherwise. -1: there is none. Kept: it is always copied, which `bytes_` count.
  int target = -1;
  bool is_target_kept = false;
  std::string expressions;  // in detail, a line each
  // Of a loop: condition and body; of a branch: those that may be taken, in order.
  std::vector<PartDescription> parts;
  std::string rounds;  // of a loop: who knows how many there are
};

struct ProgramDescription {
  std::string name;
  std::vector<ValueDescription> arguments;  // by their index; source none: nothing reads it
  std::vector<int> donated;  // arguments that are written over when the call alone holds them
  std::vector<ValueDescription> captured;
  std::vector<ValueDescription> results;
  std::vector<StepDescription> steps;
  // Of the steps, without those of loops and branches, which run as often as they run.
  uint64_t bytes_read = 0, bytes_written = 0, flops = 0;
  bool is_flops_known = true;  // false where some are not counted
  int kernels = 0, dispatches = 0;
  // Bytes that values which are neither arguments nor results, and workspaces, take at most at
  // once.
  uint64_t temporaries = 0;
  // The sum of all of them; and of the block that they have (runtime/temporaries.h), the largest
  // one where there are several after each other. 0: each has a block of its own.
  uint64_t all_temporaries = 0, temporary_block = 0;
};

// A program that a loop or a branch calls.
struct PartDescription {
  std::string name;
  ProgramDescription program;
};

// What a call of the function runs. Makes its Program unless it is there, and waits for its
// kernels. Arguments are called by `numbers`, or from 0 on. The engine's thread only.
ProgramDescription describe(const Function& function, ProgramMaker& maker,
                            std::span<const int> numbers = {});

// What evaluating the value runs, with the expressions of regions and the size of kernels, if
// `code` with their KernelIR. Compiles nothing. The engine's thread only.
ProgramDescription describe(Node& root, ProgramMaker& maker, bool code);

// "reads 1.5 MiB, writes 12 bytes, 1.2 GFLOP"
std::string traffic_text(const ProgramDescription& program);
// The same with counts: "3 steps, 2 kernels, 5 dispatches; reads 1.5 MiB, writes 12 bytes, 1.2
// GFLOP"
std::string sums_text(const ProgramDescription& program);

// For people: "12 bytes", "1.5 MiB"; "1.2 GFLOP", or with `is_known` false "at least".
std::string bytes_text(uint64_t bytes);
std::string flops_text(uint64_t flops, bool is_known);

// Steps with their kernels, those of loops and branches indented below them.
std::string to_text(const ProgramDescription& program);

}  // namespace nxv::runtime
