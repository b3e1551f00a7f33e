#include "vulkan/gate.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/platform.h"

namespace nxv::vulkan::gate {
namespace {

using namespace std::chrono_literals;

// For calls in progress, compilations above all, and for work in flight.
constexpr Clock::duration kGrace = 10s;
// For the handlers that run behind ours; then those at the gate are refused.
constexpr Clock::duration kHold = 2s;

// Threads inside. Several counters, so that threads seldom share a cache line.
struct alignas(128) Counter {
  std::atomic<int32_t> inside{0};
};
constexpr size_t kCounters = 64;
constinit std::array<Counter, kCounters> counters;
constinit std::atomic<uint32_t> next_counter{0};

struct ThisThread {
  Counter* counter = nullptr;
  int depth = 0;
  bool is_ending_process = false;
};
constinit thread_local ThisThread this_thread;

constinit std::atomic<bool> closed{false};
constinit std::atomic<Clock::rep> refused_from{0};  // time since the clock's epoch
constinit std::atomic<uint32_t> process_number{0};

struct Works {
  std::timed_mutex mutex;
  std::vector<InFlight*> all;
};
constinit std::atomic<Works*> works{nullptr};

Works& known_works() {
  Works* known = works.load();
  if (known != nullptr) return *known;
  auto made = std::make_unique<Works>();
  // Another thread may have been first.
  return works.compare_exchange_strong(known, made.get()) ? *made.release() : *known;
}

void hold_up() {
  const auto is_over = [] { return Clock::now().time_since_epoch().count() >= refused_from; };
  while (!this_thread.is_ending_process && !is_over()) std::this_thread::sleep_for(1ms);
}

int32_t inside() {
  int32_t sum = 0;
  for (const Counter& c : counters) sum += c.inside.load();
  return sum;
}

void close_gate() noexcept {
  if (closed) return;
  const Clock::time_point until = Clock::now() + kGrace;
  refused_from = (until + kHold).time_since_epoch().count();
  this_thread.is_ending_process = true;
  closed = true;
  const int32_t own = this_thread.depth > 0 ? 1 : 0;
  while (inside() > own && Clock::now() < until) std::this_thread::sleep_for(100us);
  if (Works* known = works) {
    const std::unique_lock lock(known->mutex, until);
    if (lock) {
      for (InFlight* work : known->all) work->finish(until);
    }
  }
  refused_from = (Clock::now() + kHold).time_since_epoch().count();
}

// A child of one thread: the others, what they did in drivers, and a lock that one of them may hold
// are its parent's.
void forget_parent() noexcept {
  ++process_number;
  for (Counter& c : counters) c.inside = 0;
  this_thread.depth = 0;
  works = nullptr;
}

}  // namespace

// The order of all atomics here is one: of a thread that counts itself and then looks at the gate,
// and the one that closes it and then looks at the counters, one sees the other.
Passage::Passage() noexcept {
  ThisThread& me = this_thread;
  if (me.depth > 0) {
    ++me.depth;
    return;
  }
  if (me.counter == nullptr) me.counter = &counters[next_counter++ % kCounters];
  ++me.counter->inside;
  if (!closed) {
    me.depth = 1;
    return;
  }
  --me.counter->inside;
  is_open_ = false;
  hold_up();
}

Passage::~Passage() {
  if (!is_open_) return;
  ThisThread& me = this_thread;
  if (--me.depth == 0) me.counter->inside.fetch_sub(1, std::memory_order_release);
}

void close_at_exit() noexcept {
  static const bool is_registered = (platform::in_forked_child(forget_parent), true);
  static_cast<void>(is_registered);
  platform::at_end_of_process(close_gate);
}

bool is_closed() noexcept { return closed; }
bool is_ending_process() noexcept { return this_thread.is_ending_process; }
uint32_t process() noexcept { return process_number; }

void add(InFlight& work) {
  Works& known = known_works();
  const std::lock_guard lock(known.mutex);
  known.all.push_back(&work);
}

void remove(InFlight& work) noexcept {
  Works* known = works;
  if (known == nullptr) return;  // nothing was ever added
  const std::lock_guard lock(known->mutex);
  std::erase(known->all, &work);
}

}  // namespace nxv::vulkan::gate
