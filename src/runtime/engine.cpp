#include "runtime/engine.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <future>
#include <thread>
#include <utility>

#include "base/env.h"
#include "graph/fault.h"
#include "runtime/module.h"
#include "runtime/probes.h"

namespace nxv::runtime {
namespace {

// Of the pending graph below one node.
constexpr uint32_t kMaxDepth = 256;
// How often the engine looks for what can go; and how soon it looks again where so many nodes were
// released. To destroy ten thousand takes milliseconds, for which a caller may wait for a
// processor: little at a time is in nobody's way, and still in a cache.
constexpr std::chrono::milliseconds kCleanUp(50), kSoon(1);
constexpr size_t kManyNodes = 100;
// Of the budget: what values may take before views that hold on to larger ones are stored. Below,
// what is stored does not depend on when the engine looks.
constexpr uint64_t kPinnedShare = 8;
// Requests waiting beyond which callers are slowed.
constexpr size_t kMaxBacklog = 128;
// Pressure below this is not worth a collection.
constexpr int64_t kMinThreshold = int64_t{32} << 20;

// Elements in device layout, from the host layout.
std::vector<std::byte> unpack(DType type, int64_t count, std::span<const std::byte> packed) {
  std::vector<std::byte> stored(static_cast<size_t>(count * storage_bytes(type)));
  unpack_elements(type, packed.data(), count, stored.data());
  return stored;
}

// What is tried again soon where there was no memory for it. A queue that has failed keeps its
// failure and answers every later request with it.
template <typename Work>
void try_to(Work work) noexcept {
  try {
    work();
  } catch (const std::exception&) {
    // Nobody waits for this.
  }
}

}  // namespace

EngineOptions EngineOptions::from_environment() {
  EngineOptions options;
  options.executor.schedule.fuse = !env::flag("NXV_NO_FUSION");
  if (env::flag("NXV_CHECK_KERNELS")) {
    options.executor.ledger = std::make_shared<kernels::KernelLedger>();
  }
  if (const auto folder = env::get("NXV_DUMP")) {
    options.executor.dump = std::make_shared<const KernelDump>(*folder);
  }
  return options;
}

// One whose thread is left where it is outlives its last reference.
struct Engine::Delete {
  void operator()(Engine* engine) const {
    engine->close();
    if (!engine->thread_.joinable()) delete engine;
  }
};

std::shared_ptr<Engine> Engine::open(const EngineOptions& options) {
  return {new Engine(options), Delete()};
}

Engine::Engine(const EngineOptions& options)
    : callers_may_sleep_(options.callers_may_sleep), device_(vulkan::Device::open(options.device)) {
  snapshot_ = device_->snapshot();
  ProbeReport report = run_probes(*device_);
  snapshot_.probes = report.probes;
  probe_failures_ = std::move(report.failures);
  plan_ = plan::make_plan(snapshot_, options.device.plan);
  // What checks or shows kernels wants them generated.
  if (!options.executor.ledger && !options.executor.dump) {
    device_->kernels().keep_modules(module_identity(snapshot_, plan_));
  }
  executor_ = std::make_unique<Executor>(*device_, plan_, options.executor);
  threshold_ = std::min<int64_t>(kMinThreshold, static_cast<int64_t>(plan_.memory_budget / 4));
  thread_ = Thread("nxv-engine", [this] { loop(); });
  vulkan::gate::close_at_exit();  // probes have used all of the driver
}

void Engine::close() {
  if (is_inherited()) return;
  {
    const std::lock_guard lock(mutex_);
    if (stop_) return;
    stop_ = true;
  }
  wake_.notify_all();
  if (!vulkan::gate::is_closed()) thread_.join();
}

void Engine::require_own_process() const {
  if (is_inherited()) {
    throw Error(Status::device_lost,
                "the engine was opened by the process that this one was forked from");
  }
}

Failure Engine::closed_failure() noexcept {
  return {Status::device_lost, "the engine was closed; open another one"};
}

bool Engine::accept(Request& request) {
  if (is_inherited() || vulkan::gate::is_ending_process()) return false;
  Requests one(1);
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    if (stop_) return false;
    one.front() = std::move(request);
    is_first = requests_.empty();
    requests_.splice(requests_.end(), one);
    backlog_.store(requests_.size(), std::memory_order_relaxed);
  }
  // Without the lock, which the thread that wakes would wait for.
  if (is_first) wake_.notify_one();
  return true;
}

void Engine::post(Request request) {
  if (accept(request)) return;
  const Failure failure = closed_failure();
  if (request.release) request.release();
  for (const NodeRef& result : request.results) result->set_failed(failure);
  if (request.read) request.read(failure, {});
  if (request.evaluated) request.evaluated(failure);
}

void Engine::take_requests() {
  due_.splice(due_.end(), requests_);
  backlog_.store(0, std::memory_order_relaxed);
}

void Engine::loop() {
  executor_->while_waiting([this](uint64_t epoch) { serve_others(epoch); });
  std::chrono::milliseconds patience = kCleanUp;
  while (true) {
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      // Released nodes do not wake this thread: it looks for them now and then.
      wake_.wait_for(lock, patience, [&] { return stop_ || !requests_.empty(); });
      take_requests();
      stopping = stop_;
    }
    while (!due_.empty()) {
      // What a request was the last to hold makes room for the next one.
      graveyard_->drain();
      Requests one;
      one.splice(one.end(), due_, due_.begin());
      passed_over_ = 0;
      executor_->forget_what_waits();
      process(one);
    }
    patience = graveyard_->drain() > kManyNodes ? kSoon : kCleanUp;
    try_to([this] {
      if (was_asked_to_release_ || std::chrono::steady_clock::now() - cleaned_up_ >= kCleanUp) {
        clean_up();
      }
    });
    try_to([this] {
      if (!device_->queue().failure()) executor_->keep_pace();
    });
    if (stopping) {
      const std::lock_guard lock(mutex_);
      if (requests_.empty()) break;
    }
  }
  {
    const std::lock_guard lock(counters_mutex_);
    closed_.store(true, std::memory_order_release);
  }
  drop_profiler();
  waiting_.clear();
  pins_.close();
  graveyard_->close();
  // The device waits for kernels that are being made, which use the executor.
  device_.reset();
  executor_.reset();
}

void Engine::process(Requests& one) {
  Request& request = one.front();
  try {
    if (request.task) return request.task(*executor_, *device_);
    if (request.release) return store(request);
    if (request.function) {
      if (!invoke(request)) waiting_.splice(waiting_.end(), one);
      return;
    }
    if (lost_) throw_failure(lost_);
    invoke_waiting();
    with_room([&] { executor_->evaluate(request.nodes, request.purpose); });
    answer(request);
  } catch (const std::exception& e) {
    fail(request, note(failure_of(e)));
  }
}

// Whose nodes are stored.
void Engine::answer(Request& request) {
  if (request.read) return begin_read(request);
  if (!request.evaluated) return;
  // Not the open epoch: when nothing was recorded, nobody submits that.
  uint64_t epoch = 0;
  for (const NodeRef& node : request.nodes) {
    epoch = std::max(epoch, device_storage(*node).block->last_use());
  }
  device_->queue().on_complete(epoch, std::move(request.evaluated));
}

void Engine::fail(Request& request, const Failure& failure) noexcept {
  for (const NodeRef& result : request.results) result->set_failed(failure);
  if (request.read) request.read(failure, {});
  if (request.evaluated) request.evaluated(failure);
}

// A lost device answers everything from then on, also if only one call noticed.
Failure Engine::note(Failure failure) noexcept {
  if (failure.status == Status::device_lost && !lost_) lost_ = failure;
  return failure;
}

bool Engine::are_readable(const std::vector<NodeRef>& nodes) {
  return std::all_of(nodes.begin(), nodes.end(),
                     [](const NodeRef& node) { return node->is_readable(); });
}

bool Engine::invoke(Request& request) {
  // Arguments that nothing else refers to may have been written over.
  const auto is_intact = [&] { return are_readable(request.nodes); };
  try {
    if (lost_) throw_failure(lost_);
    with_room([&] { executor_->call(*request.function, request.nodes, request.results); },
              is_intact);
  } catch (const std::exception& e) {
    const Failure failure = note(failure_of(e));
    // A queue that has failed never finds room again.
    const bool may_wait = failure.status == Status::alloc_failed && !device_->queue().failure();
    if (may_wait && is_intact()) return false;
    for (const NodeRef& result : request.results) result->set_failed(failure);
  }
  return true;
}

void Engine::invoke_waiting() {
  forget_unwanted();
  while (!waiting_.empty() && invoke(waiting_.front())) waiting_.pop_front();
}

// The last ones first: those before them may have what they were called with.
void Engine::forget_unwanted() {
  for (auto call = waiting_.end(); call != waiting_.begin();) {
    --call;
    const bool is_wanted =
        std::any_of(call->results.begin(), call->results.end(),
                    [](const NodeRef& result) { return result->references() > 1; });
    if (is_wanted) continue;
    call = waiting_.erase(call);
    graveyard_->drain();
  }
}

void Engine::store(Request& request) {
  try {
    if (lost_) throw_failure(lost_);
    with_room([&] { upload(request); });
  } catch (const std::exception& e) {
    request.nodes[0]->set_failed(note(failure_of(e)));
  }
  std::exchange(request.release, nullptr)();
}

void Engine::upload(const Request& request) {
  Node& node = *request.nodes[0];
  if (!request.is_packed) return executor_->upload(node, request.bytes);
  executor_->upload(node, unpack(node.dtype, node.count, request.bytes));
}

template <typename Allocate, typename MayRepeat>
void Engine::with_room(Allocate allocate, MayRepeat may_repeat) {
  try {
    allocate();
  } catch (const Error& e) {
    if (e.status() != Status::alloc_failed || !may_repeat()) throw;
    // What has been released meanwhile, or need not be held on to, may be enough.
    if (clean_up(true) == 0) throw;
    allocate();
  }
}

size_t Engine::clean_up(bool is_short_of_memory) {
  pins_.forget();
  forget_unwanted();
  executor_->forget_unused();
  size_t destroyed = graveyard_->drain();
  const vulkan::MemoryStats memory = device_->memory().stats();
  const bool is_filling =
      memory.in_use > memory.budget / kPinnedShare || std::exchange(was_asked_to_release_, false);
  std::vector<NodeRef> due;
  if (is_short_of_memory) {
    due = pins_.take_all();
  } else if (is_filling) {
    due = pins_.take_due();
  }
  for (NodeRef& small : due) {
    try {
      if (!lost_) executor_->evaluate(small);
    } catch (const std::exception& e) {
      note(failure_of(e));  // it stays pending: whoever reads it learns of the failure
    }
    small = {};
    destroyed += graveyard_->drain();
  }
  cleaned_up_ = std::chrono::steady_clock::now();
  return destroyed;
}

void Engine::begin_read(Request& request) {
  const Node& node = *request.nodes[0];
  const DeviceStorage& storage = device_storage(node);
  vulkan::Transfers& transfers = device_->transfers();
  const int64_t count = request.count < 0 ? node.count : std::min(request.count, node.count);
  struct Pending {
    vulkan::Readback value;
    std::vector<std::pair<FaultSlotRef, vulkan::Readback>> faults;
    ReadDone done;
    uint64_t bytes = 0;

    Failure first_fault() const noexcept {
      for (const auto& [slot, read] : faults) {
        if (const Failure found = slot->judge(read.bytes)) return found;
      }
      return {};
    }
    void answer(const Failure& failure) const {
      const Failure found = failure ? failure : first_fault();
      done(found, found ? std::span<const std::byte>() : std::span(value.bytes, bytes));
    }
  };
  auto pending = std::make_shared<Pending>();
  pending->bytes = static_cast<uint64_t>(count * storage_bytes(node.dtype));
  pending->value = transfers.read(storage.block, 0, pending->bytes);
  uint64_t epoch = pending->value.epoch;
  if (storage.faults) {
    for (const FaultSlotRef& slot : storage.faults->slots) {
      if (slot->is_clear.load(std::memory_order_acquire)) continue;
      pending->faults.emplace_back(slot, transfers.read(slot->block, 0, slot->bytes()));
      epoch = std::max(epoch, pending->faults.back().second.epoch);
    }
  }
  vulkan::Completion answer = [pending](const Failure& failure) { pending->answer(failure); };
  pending->done = std::move(request.read);
  try {
    device_->queue().on_complete(epoch, std::move(answer));
  } catch (...) {
    request.read = std::move(pending->done);  // for whoever answers the failure
    throw;
  }
}

NodeRef Engine::upload(DType type, Shape shape, std::span<const std::byte> bytes, Release release,
                       bool is_packed) {
  check_shape("tensor", shape);
  if (bytes.size() <= kSmall || !release) {
    std::vector<std::byte> stored = is_packed ? unpack(type, element_count(shape), bytes)
                                              : std::vector<std::byte>(bytes.begin(), bytes.end());
    NodeRef node = host_value(graveyard_, type, std::move(shape), std::move(stored));
    if (release) release();
    return node;
  }
  NodeRef node = make_node(graveyard_, Op::data, type, std::move(shape));
  Request request;
  request.nodes = {node};
  request.bytes = bytes;
  request.is_packed = is_packed;
  request.release = std::move(release);
  post(std::move(request));
  return node;
}

void Engine::admit(const NodeRef& node) {
  if (node->is_function) return;  // has no value
  pins_.add(node);
  if (node->depth.load(std::memory_order_relaxed) >= kMaxDepth) {
    node->depth.store(0, std::memory_order_relaxed);
    Request request;
    request.nodes = {node};
    request.purpose = Purpose::depth;
    post(std::move(request));
  }
  if (callers_may_sleep_ && is_behind()) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

bool Engine::is_behind() const { return backlog_.load(std::memory_order_relaxed) > kMaxBacklog; }

void Engine::read(const NodeRef& node, int64_t count, ReadDone done) {
  const bool is_open = !closed_.load(std::memory_order_acquire);
  const int64_t n = count < 0 ? node->count : std::min(count, node->count);
  if (node->op == Op::constant && is_open && node->is_readable() && n == 1) {
    std::array<std::byte, sizeof(Scalar)> bytes;
    store_scalar(node->attribute<ConstantAttr>().value, bytes.data(), 0);
    return done({}, std::span(bytes).first(static_cast<size_t>(storage_bytes(node->dtype))));
  }
  if (const auto host = node->host_data; host && is_open && node->is_readable()) {
    return done({}, std::span(*host).first(static_cast<size_t>(n * storage_bytes(node->dtype))));
  }
  node->depth.store(0, std::memory_order_relaxed);
  Request request;
  request.nodes = {node};
  request.count = count;
  request.read = std::move(done);
  post(std::move(request));
}

void Engine::evaluate(std::vector<NodeRef> nodes, std::function<void(const Failure&)> done) {
  for (const NodeRef& node : nodes) node->depth.store(0, std::memory_order_relaxed);
  Request request;
  request.nodes = std::move(nodes);
  request.evaluated = std::move(done);
  post(std::move(request));
}

std::vector<NodeRef> Engine::invoke(const FunctionRef& function, std::vector<NodeRef> arguments) {
  check_arguments(*function, arguments);
  std::vector<NodeRef> results;
  for (const NodeRef& r : function->results) {
    results.push_back(make_node(graveyard_, Op::data, r->dtype, r->shape));
  }
  Request request;
  request.nodes = std::move(arguments);
  request.function = function;
  request.results = results;
  post(std::move(request));
  return results;
}

void Engine::call(const std::function<void(Executor&, vulkan::Device&)>& task) {
  std::promise<std::exception_ptr> result;
  Request request;
  request.task = [&](Executor& executor, vulkan::Device& device) {
    try {
      task(executor, device);
      result.set_value(nullptr);
    } catch (...) {
      result.set_value(std::current_exception());
    }
  };
  if (!accept(request)) throw_failure(closed_failure());
  if (const std::exception_ptr error = result.get_future().get()) std::rethrow_exception(error);
}

void Engine::release(NodeRef node) {
  Request request;
  request.nodes = {std::move(node)};  // goes with the request
  request.task = [this](Executor&, vulkan::Device&) { was_asked_to_release_ = true; };
  if (!accept(request)) throw_failure(closed_failure());
}

void Engine::trim() {
  call([&](Executor& executor, vulkan::Device& device) {
    clean_up();
    executor.trim();
    const uint64_t epoch = device.queue().submit();
    device.queue().wait(epoch);
    // Answers hold what they read until their callbacks have returned, and run in order. Bounded:
    // this may have been called by one of them.
    auto answered = std::make_shared<std::promise<void>>();
    device.queue().on_complete(epoch, [answered](const Failure&) { answered->set_value(); });
    answered->get_future().wait_for(std::chrono::milliseconds(100));
    device.queue().trim();
    device.memory().trim();
  });
}

vulkan::MemoryStats Engine::memory() {
  const std::lock_guard lock(counters_mutex_);
  if (closed_) throw_failure(closed_failure());
  return device_->memory().stats();
}

Counters Engine::counters() {
  const std::lock_guard lock(counters_mutex_);
  if (closed_) throw_failure(closed_failure());
  const vulkan::Queue::Stats queue = device_->queue().stats();
  const vulkan::KernelStats kernels = device_->kernels().stats();
  const RecorderStats& recorded = executor_->stats();
  Counters c;
  c.submissions = queue.submissions;
  c.barriers = queue.barriers;
  c.parts = queue.parts;
  c.kernels_compiled = kernels.compiled;
  c.driver_cache_hits = kernels.driver_hits;
  c.module_cache_hits = kernels.module_hits;
  c.compile_milliseconds = kernels.milliseconds;
  c.dispatches = recorded.dispatches;
  c.evaluations = executor_->evaluations();
  c.bytes_read = recorded.bytes_read;
  c.bytes_written = recorded.bytes_written;
  c.validation_messages = device_->validation_messages();
  return c;
}

bool Engine::under_pressure() const {
  return held_.load(std::memory_order_relaxed) > threshold_.load(std::memory_order_relaxed);
}

void Engine::pressure_relieved() {
  const int64_t floor =
      std::min<int64_t>(kMinThreshold, static_cast<int64_t>(plan_.memory_budget / 4));
  const int64_t ceiling = static_cast<int64_t>(plan_.memory_budget / 4 * 3);
  const int64_t held = held_.load(std::memory_order_relaxed);
  threshold_.store(std::clamp(held + held / 2, floor, std::max(floor, ceiling)),
                   std::memory_order_relaxed);
}

}  // namespace nxv::runtime
