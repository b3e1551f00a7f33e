// Speculation: rounds of a loop that are recorded before it is known whether they will be run.
//
// Each round begins with a gate (kernels/control/gate.h), and so does each program that starts in
// it, once: their dispatches take their groups from there and have none in rounds that are not run.
// A loop inside of a round has a speculation within that of the round. What the host must read in a
// round is read together with whether the round is run. The engine's thread only.
#pragma once

#include <unordered_map>

#include "runtime/program_maker.h"
#include "runtime/recorder.h"

namespace nxv::runtime {

class Speculation {
 public:
  // `around`: what the loop is part of, or null.
  Speculation(vulkan::Device& device, ProgramMaker& maker, Recorder& recorder, Speculation* around);
  Speculation(const Speculation&) = delete;
  Speculation& operator=(const Speculation&) = delete;

  // The rounds that follow are counted from 0.
  void begin_batch();
  // What is recorded from now on is of the next round, the given program first. It is run if the
  // one before it was and the condition holds.
  void begin_round(const DeviceStorage& condition, const Program& program);
  // Of a program that starts in this round.
  Gated gate_of(const Program& program);

  // Whether this round is run; waits, where that is not known.
  bool is_run();
  // Of loops that the host counts in this round: false where it turns out not to be run. Its
  // numbers may then make no sense, and the loop be endless.
  bool may_go_on();
  // A round is known not to be run, so that no more need be recorded.
  bool is_over() const { return is_over_; }

  struct Answer {
    bool is_around_run;  // whether the round that all of this is part of is run
    uint32_t rounds;     // of the batch that were run
  };
  // What tells, once the batch is done, for which `answer` waits.
  vulkan::Readback question();
  Answer answer(const vulkan::Readback& question);

 private:
  // Of a program.
  struct Gate {
    vulkan::BlockRef planned, groups;
    uint64_t round = 0;  // the last one that it was opened in
  };

  Gate& gate(const Program& program);
  void note(bool is_run);
  void dispatch(const vulkan::Pipeline& kernel, vulkan::Block* condition, const Gate& gate,
                uint32_t count);

  vulkan::Device& device_;
  ProgramMaker& maker_;
  Recorder& recorder_;
  Speculation* const around_;
  const vulkan::Pipeline *first_ = nullptr, *further_ = nullptr;  // gates, once they are needed
  vulkan::BlockRef state_;  // words: whether the loop goes on, rounds, whether `around` is run
  std::unordered_map<const Program*, Gate> gates_;
  FaultSlots slots_;
  uint64_t round_ = 0;  // from 1 on, of all batches
  uint64_t known_ = 0;  // the last one that is known to be run
  int ahead_ = 0;       // rounds of loops inside since this one began
  bool is_over_ = false;
};

}  // namespace nxv::runtime
