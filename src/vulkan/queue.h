// Queue: records commands, submits them in batches and tells when they have completed. The only
// class that touches VkQueue.
//
// Time is counted in epochs: the n-th submission completes epoch n. Commands are recorded and
// submitted by one thread (the engine's); waiting and asking is allowed on any.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "plan/device_plan.h"
#include "vulkan/kernel_cache.h"
#include "vulkan/memory.h"

namespace nxv::vulkan {

struct Context;

// Bytes [begin, end) of a block that a command reads or writes.
struct Access {
  Block* block = nullptr;
  uint64_t begin = 0;
  uint64_t end = 0;
  Access(Block& b) : block(&b), end(b.size()) {}
  Access(const BlockRef& b) : Access(*b) {}
  Access(Block& b, uint64_t from, uint64_t to) : block(&b), begin(from), end(to) {}
};

// A kernel that reads and writes the same bytes lists them under both.
struct Dispatch {
  const Pipeline* kernel = nullptr;  // waited for if it is still compiling
  std::span<const std::byte> parameters;
  std::array<uint32_t, 3> groups = {1, 1, 1};  // columns, rows, 1; each at most 65 535
  std::span<const Access> reads;
  std::span<const Access> writes;
  uint64_t work = 0;  // estimate, in element operations; decides when a batch is submitted
  // In the order of their parameters; at least those that the kernel reads through texel views.
  std::span<Block* const> buffers = {};
  // Where the device reads the groups from, if not null: three 32-bit numbers, none larger than
  // `groups`, at a multiple of 4 bytes. Listed under `reads`, too.
  Block* indirect = nullptr;
  uint64_t indirect_offset = 0;
};

struct KernelTime {
  std::string name;
  double nanoseconds = 0;
  double begin = 0;    // nanoseconds since the first command that was timed, by the device's clock
  uint32_t label = 0;  // see set_label
  uint64_t epoch = 0;
};
// The host's part of a submission.
struct SubmissionTime {
  uint64_t epoch = 0;
  std::chrono::steady_clock::time_point begin, end;
};

// Called once with the epoch's outcome: ok, or why its results are not there.
using Completion = std::function<void(const Failure&)>;

class Queue {
 public:
  Queue(Context& context, MemoryPool& memory, const plan::DevicePlan& plan, bool check_hazards);
  // Waits for what was submitted; calls every pending completion.
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // --- The engine's thread. After a failure these throw it. Where the host or the driver has no
  // memory, and none can be made, they throw that and can be called again; but commands that were
  // recorded and cannot be submitted are lost, and the failure is then Error(device_lost).

  // Each returns the epoch that will complete the command. Recording is not submitting: a batch
  // goes out on submit(), or by itself when it holds enough work. A dispatch that takes long goes
  // out in parts, of which the first is waited for: it tells how long others take.
  uint64_t dispatch(const Dispatch& d);
  uint64_t copy(Block& from, uint64_t from_offset, Block& to, uint64_t to_offset, uint64_t bytes);
  // Offset and bytes are multiples of 4.
  uint64_t fill(Block& to, uint64_t offset, uint64_t bytes, uint32_t value);
  // Submits what was recorded; the epoch that completes all of it.
  uint64_t submit();
  // Lets go of memory that is kept for the parameters of later commands.
  void trim();
  // Epoch that the next command will get.
  uint64_t open_epoch() const;
  // Times every command from now on, where the device has timestamps, and every submission.
  // Commands then still overlap where no barrier parts them.
  void set_profiling(bool on);
  // Goes with the times of commands from now on.
  void set_label(uint32_t label);
  // Times of commands whose epochs have completed, in order, since the last call.
  std::vector<KernelTime> take_profile();
  // Of submissions, in order, since the last call; and how long all of them took since profiling
  // began.
  std::vector<SubmissionTime> take_submissions();
  std::chrono::nanoseconds submitting() const;

  // --- Any thread.

  struct Stats {
    uint64_t submissions = 0;
    uint64_t commands = 0;
    uint64_t barriers = 0;  // between commands of one submission
    uint64_t parts = 0;     // of dispatches that took several submissions
  };
  Stats stats() const;

  // Last epoch known to have completed; asks the device.
  uint64_t completed();
  // Polls for the plan's poll_microseconds, then sleeps. Ok when the epoch has completed, also if
  // the queue failed later. An epoch not yet submitted is waited for: the recording thread submits
  // it first.
  Failure wait(uint64_t epoch);
  // Runs `done` on the completion thread, exactly once, also when the device is lost or the queue
  // is destroyed. It may call anything of "any thread" but wait().
  // Takes `done` unless it throws, for want of memory.
  void on_complete(uint64_t epoch, Completion&& done);
  // The first failure; it stays.
  Failure failure() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nxv::vulkan
