// What the interpreter's evaluations share: a kernel, its arguments, and the state of a workgroup.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "ir/kernel.h"
#include "testing/interpreter/interpreter.h"
#include "testing/interpreter/shared_element.h"

namespace nxv::testing {

// A shared array: its lanes, element by element, and who touched each element.
struct SharedMemory {
  std::vector<uint64_t> lanes;
  std::vector<SharedElement> elements;
};

// A body that a marker has opened.
struct OpenBody {
  uint32_t begin;               // the marker of the if or loop
  std::vector<uint8_t> around;  // who is active outside of it
};

class Machine {
 public:
  Machine(const ir::Kernel& kernel, Groups groups, std::span<const Argument> arguments,
          const InterpreterOptions& options);
  void run();

  // The lanes of a value: lane l of invocation i stands at [l * width + i]. Of a matrix: its
  // elements by rows, one matrix for each subgroup.
  uint64_t* value(uint32_t id) { return values_.data() + slots_[id]; }

  // ---- Who runs
  bool any_active() const;
  // Keeps the active invocations whose condition has the value.
  void narrow(uint32_t condition, uint64_t wanted);
  void jump(uint32_t to) { next_ = to; }
  uint32_t body_end(uint32_t begin) const { return ends_[begin]; }

  // Calls f with each active invocation.
  template <typename F>
  void each_active(F f) {
    for (uint32_t w = 0; w < width; ++w) {
      if (active[w]) f(w);
    }
  }
  // Calls f with the first invocation and the end of each active subgroup.
  template <typename F>
  void each_subgroup(F f) {
    for (uint32_t first = 0; first < width; first += subgroup_size) {
      const uint32_t end = subgroup_end(first);
      for (uint32_t w = first; w < end; ++w) {
        if (active[w] != active[first]) {
          fail(Status::internal, w, "is not reached by every invocation of the subgroup");
        }
      }
      if (active[first]) f(first, end);
    }
  }
  // Of an access now.
  Moment moment(uint32_t invocation) const {
    const uint32_t subgroup = subgroup_size > 0 ? invocation / subgroup_size : 0;
    return {invocation, subgroup, epoch, steps[subgroup]};
  }
  uint32_t subgroup_end(uint32_t first) const { return std::min(first + subgroup_size, width); }

  // ---- What is wrong: names the instruction, the workgroup and the invocation
  [[noreturn]] void fail(Status status, uint32_t invocation, const std::string& what) const;
  void check(const char* wrong, uint32_t invocation) const {
    if (wrong) fail(Status::internal, invocation, wrong);
  }

  const ir::Kernel& kernel;
  const Groups groups;
  const std::span<const Argument> arguments;
  const InterpreterOptions& options;
  const uint32_t width;  // invocations of a workgroup
  const uint32_t subgroup_size;

  std::array<uint32_t, 3> group{};
  uint32_t first_invocation = 0;  // of the workgroup, in the dispatch
  uint32_t epoch = 0;             // barriers passed
  std::vector<uint32_t> steps;    // barriers that each subgroup passed
  uint32_t at = 0;                // instruction, for messages
  std::vector<uint8_t> active;
  std::vector<uint32_t> iterations;
  std::vector<OpenBody> bodies;
  std::vector<SharedMemory> shared;
  std::vector<std::vector<uint32_t>> writers;  // of buffers, by param and 32-bit word

 private:
  void check_arguments() const;
  size_t slot_size(ir::Type t) const;
  void decode();
  void fill(uint32_t id);
  void run_group();

  std::vector<size_t> slots_;   // where the values of an instruction start in values_
  std::vector<uint32_t> ends_;  // see ir::body_ends
  std::vector<uint64_t> values_;
  uint32_t next_ = 0;  // instruction
};

inline constexpr uint32_t kNobody = 0xffffffff;  // wrote

}  // namespace nxv::testing
