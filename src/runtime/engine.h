// Engine: owns a device and evaluates lazy values on it.
//
// Callers on any thread build nodes and ask for values; nothing they call waits for the device.
// One thread of the engine schedules, records and submits whatever was asked for since it last
// looked, so that the requests of many callers share a submission. Answers come from the queue's
// completion thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/thread.h"
#include "graph/build.h"
#include "graph/function.h"
#include "runtime/executor.h"
#include "runtime/pin_watch.h"
#include "vulkan/gate.h"

namespace nxv::runtime {

struct EngineOptions {
  vulkan::DeviceOptions device = vulkan::DeviceOptions::from_environment();
  ExecutorOptions executor;
  // Whether admit() slows its callers when the engine is behind.
  bool callers_may_sleep = true;
  static EngineOptions from_environment();
};

// Called once with the elements in device layout, or with a failure and no bytes.
using ReadDone = std::function<void(const Failure&, std::span<const std::byte>)>;
using Release = std::function<void()>;

// What was done by the time that whoever asks has been told of: an answer to a read comes after all
// that was counted for it.
struct Counters {
  uint64_t dispatches = 0, submissions = 0, barriers = 0;
  uint64_t parts = 0;  // of dispatches that took several submissions
  uint64_t kernels_compiled = 0, driver_cache_hits = 0, module_cache_hits = 0;
  double compile_milliseconds = 0;
  uint64_t evaluations = 0, bytes_read = 0, bytes_written = 0;
  uint64_t validation_messages = 0;
};

class Engine {
 public:
  // Throws Error(no_device). The last reference closes the engine.
  static std::shared_ptr<Engine> open(
      const EngineOptions& options = EngineOptions::from_environment());
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const GraveyardRef& graveyard() const { return graveyard_; }
  const plan::Snapshot& snapshot() const { return snapshot_; }
  const plan::DevicePlan& plan() const { return plan_; }
  // Probes that could not be run, and why: the plan does without what they would have allowed.
  const std::vector<std::string>& probe_failures() const { return probe_failures_; }

  // Throws Error(device_lost) in a child that was forked: threads and locks are its parent's.
  void require_own_process() const;

  // A value of host bytes in device layout or, when `is_packed`, in the host layout, where elements
  // of 2 and 4 bits share bytes. Up to kSmall bytes are copied, more are read on the engine's
  // thread, which then calls `release`. It is not called when this throws.
  NodeRef upload(DType type, Shape shape, std::span<const std::byte> bytes, Release release,
                 bool is_packed = false);
  static constexpr size_t kSmall = 64 << 10;

  // To be called with every node built, at once: when the graph below it passes a bound (depth,
  // bytes held), evaluates it in the background; slows the caller when the engine is behind, if it
  // may.
  void admit(const NodeRef& node);
  // Whether so many requests wait that those who make more should wait a little.
  bool is_behind() const;

  // The first `count` elements. `done` is called exactly once, perhaps before this returns; not
  // when this throws, for want of memory.
  void read(const NodeRef& node, int64_t count, ReadDone done);
  // Stores the values; `done`, if any, once their bytes are there. What they share is computed
  // once.
  void evaluate(std::vector<NodeRef> nodes, std::function<void(const Failure&)> done = nullptr);
  void evaluate(const NodeRef& node, std::function<void(const Failure&)> done = nullptr) {
    evaluate(std::vector<NodeRef>{node}, std::move(done));
  }
  // The results of a call, which starts at once. Arguments are computed first where they are
  // pending. Throws Error(invalid_argument) where they do not fit; whatever goes wrong later is the
  // failure of each result. Where memory is short the call waits until somebody reads, and fails
  // only if an argument was written over meanwhile.
  std::vector<NodeRef> invoke(const FunctionRef& function, std::vector<NodeRef> arguments);
  // Drops a reference on the engine's thread, at once and not when that next looks for what can go.
  // Throws Error(device_lost) when the engine was closed.
  void release(NodeRef node);

  // Run on the engine's thread after what was asked for before; wait for it.
  void call(const std::function<void(Executor&, vulkan::Device&)>& task);
  // Destroys what nobody references, frees cached memory.
  void trim();

  // Of this moment, without waiting for the engine's thread. Throw Error(device_lost) once it has
  // closed the device. Memory of values that were released is in use until that thread has noticed:
  // with its next request, or within 50 ms.
  vulkan::MemoryStats memory();
  Counters counters();

  // Measures what is done from now on, until end_profile, for which there is one at a time: throws
  // Error(invalid_argument) otherwise. The profile has what the device finished between them. What
  // ends it waits for what was asked for before.
  void begin_profile();
  Profile end_profile();
  // What the caller does from now on; nothing without a profile.
  void mark_phase(const std::string& name);

  // Answers what was asked for and closes the device; later requests answer device_lost. At the end
  // of the process, and in a child that was forked, it waits for nothing and leaves everything as
  // it is.
  void close();

  // Bytes that callers hold through handles, for languages that collect garbage.
  void hold(int64_t bytes) { held_.fetch_add(bytes, std::memory_order_relaxed); }
  bool under_pressure() const;
  void pressure_relieved();

 private:
  struct Delete;

  explicit Engine(const EngineOptions& options);
  ~Engine() = default;
  struct Request {
    std::vector<NodeRef> nodes;
    FunctionRef function;  // call it with the nodes
    std::vector<NodeRef> results;
    int64_t count = -1;  // elements to read
    ReadDone read;
    std::function<void(const Failure&)> evaluated;
    Purpose purpose = Purpose::answer;
    std::span<const std::byte> bytes;  // upload
    bool is_packed = false;
    Release release;
    std::function<void(Executor&, vulkan::Device&)> task;
  };

  // Those that have been accepted move from list to list, which takes no memory.
  using Requests = std::list<Request>;

  // Throws only without memory for the request, of which nothing is called then.
  void post(Request request);
  // False when the engine was closed, or when nobody would answer.
  bool accept(Request& request);
  // Whether its threads are those of the parent of this process.
  bool is_inherited() const { return process_ != vulkan::gate::process(); }
  void loop();
  // Moves what was asked for to what is due.
  void take_requests();
  void process(Requests& one);
  void answer(Request& request);
  void fail(Request& request, const Failure& failure) noexcept;
  // What else is due and need not wait for the request at hand, until an epoch has completed.
  void serve_others(uint64_t epoch);
  // False when the request has to wait.
  bool process_aside(Request& request);
  static bool are_readable(const std::vector<NodeRef>& nodes);
  void store(Request& request);
  void upload(const Request& request);
  // False when memory was short and the call can be made again.
  bool invoke(Request& request);
  // Calls for which there was no memory, as far as there is now.
  void invoke_waiting();
  // Drops those of them whose results nobody refers to any more.
  void forget_unwanted();
  // Once more when memory was short, something could go, and `may_repeat` says so.
  template <typename Allocate, typename MayRepeat = bool (*)()>
  void with_room(
      Allocate allocate, MayRepeat may_repeat = [] { return true; });
  // Destroys what nobody references, and stores views that alone hold on to larger values; where
  // memory is short, all small values that are pending. Returns how many nodes went.
  size_t clean_up(bool is_short_of_memory = false);
  void begin_read(Request& request);
  std::unique_ptr<Profiler> drop_profiler();
  Failure note(Failure failure) noexcept;
  static Failure closed_failure() noexcept;

  const uint32_t process_ = vulkan::gate::process();
  const bool callers_may_sleep_;
  GraveyardRef graveyard_ = std::make_shared<Graveyard>();
  std::unique_ptr<vulkan::Device> device_;
  plan::Snapshot snapshot_;
  plan::DevicePlan plan_;
  std::vector<std::string> probe_failures_;
  std::unique_ptr<Executor> executor_;
  PinWatch pins_;
  std::chrono::steady_clock::time_point cleaned_up_;
  Requests due_;                       // the engine's thread: taken, in order
  size_t passed_over_ = 0;             // first ones of those, which wait for the request at hand
  Requests waiting_;                   // the engine's thread: calls that found no memory, in order
  Failure lost_;                       // the engine's thread: why the device is gone
  bool was_asked_to_release_ = false;  // the engine's thread: since it cleaned up

  std::mutex mutex_;
  std::condition_variable wake_;
  Requests requests_;
  std::atomic<size_t> backlog_{0};
  bool stop_ = false;
  std::atomic<bool> closed_{false};
  // Held to set closed_, behind which device and executor go, and to read their counters. Never
  // over a Vulkan call or a wait.
  std::mutex counters_mutex_;
  std::mutex profile_mutex_;  // of the pointer, for mark_phase; the engine's thread sets it
  std::unique_ptr<Profiler> profiler_;
  Thread thread_;

  std::atomic<int64_t> held_{0};
  std::atomic<int64_t> threshold_;
};

}  // namespace nxv::runtime
