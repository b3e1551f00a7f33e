#include "host_faults.h"

#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>

namespace nxv::faults {
namespace {

constexpr int kNever = 1 << 30;

std::array<std::atomic<int>, kWhoCount> allocations;
std::atomic<int> all_allocations{0}, thread_starts{0}, fired{0};
std::atomic<bool> is_armed{false};
// Set before is_armed.
AllocationFault fault;
int first_start = kNever, start_count = 0;

// Of this thread. A thread of the library is known by its name, which it gives itself first.
struct ThisThread {
  bool is_known = false;
  bool is_inside = false;
  Who who = Who::caller;
};
constinit thread_local ThisThread this_thread;

ThisThread& me() {
  ThisThread& t = this_thread;
  if (t.is_known) return t;
  t.is_known = true;
  char name[16] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  const auto is = [&](const char* wanted) { return std::strcmp(name, wanted) == 0; };
  if (is("nxv-engine")) t = {true, true, Who::engine};
  if (is("nxv-complete")) t = {true, true, Who::completion};
  if (is("nxv-compile")) t = {true, true, Who::compiler};
  return t;
}

bool allocation_fails() {
  if (!is_armed.load(std::memory_order_acquire)) return false;
  const ThisThread& t = me();
  if (!t.is_inside) return false;
  const int of_who = allocations[static_cast<size_t>(t.who)]++;
  const int of_all = all_allocations++;
  if (!fault.of_all && fault.who != t.who) return false;
  const int n = fault.of_all ? of_all : of_who;
  if (n < fault.first || n - fault.first >= fault.count) return false;
  ++fired;
  return true;
}

void restart() {
  is_armed = false;
  for (auto& n : allocations) n = 0;
  all_allocations = thread_starts = fired = 0;
  fault = {false, Who::caller, kNever, 0};
  first_start = kNever;
  start_count = 0;
}

}  // namespace

std::string_view name(Who who) {
  constexpr std::array<std::string_view, kWhoCount> kNames = {"caller", "engine", "completion",
                                                              "compiler"};
  return kNames[static_cast<size_t>(who)];
}

void arm(const AllocationFault& wanted) {
  restart();
  fault = wanted;
  is_armed.store(true, std::memory_order_release);
}

void arm_thread_starts(int first, int count) {
  restart();
  first_start = first;
  start_count = count;
  is_armed.store(true, std::memory_order_release);
}

void disarm() { is_armed = false; }

Counts counts() {
  Counts c;
  for (size_t i = 0; i < c.allocations.size(); ++i) c.allocations[i] = allocations[i];
  c.all_allocations = all_allocations;
  c.thread_starts = thread_starts;
  c.fired = fired;
  return c;
}

InLibrary::InLibrary() : before_(me().is_inside) { this_thread.is_inside = true; }
InLibrary::~InLibrary() { this_thread.is_inside = before_; }
OutOfLibrary::OutOfLibrary() : before_(me().is_inside) { this_thread.is_inside = false; }
OutOfLibrary::~OutOfLibrary() { this_thread.is_inside = before_; }

bool fails_to_start() {
  if (!is_armed.load(std::memory_order_acquire) || !me().is_inside) return false;
  const int n = thread_starts++;
  if (n < first_start || n - first_start >= start_count) return false;
  ++fired;
  return true;
}

bool fails_to_allocate() { return allocation_fails(); }

}  // namespace nxv::faults

// ---- What the linker calls in their place, by their names in the Itanium ABI ----

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" {

using Start = void* (*)(void*);
int __real_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, Start start,
                          void* argument);
int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, Start start,
                          void* argument) {
  if (nxv::faults::fails_to_start()) return EAGAIN;
  return __real_pthread_create(thread, attributes, start, argument);
}

void* __real__Znwm(size_t size);
void* __real__ZnwmSt11align_val_t(size_t size, std::align_val_t alignment);

void* __wrap__Znwm(size_t size) {
  if (nxv::faults::fails_to_allocate()) throw std::bad_alloc();
  return __real__Znwm(size);
}
void* __wrap__Znam(size_t size) { return __wrap__Znwm(size); }
void* __wrap__ZnwmRKSt9nothrow_t(size_t size, const std::nothrow_t&) {
  if (nxv::faults::fails_to_allocate()) return nullptr;
  try {
    return __real__Znwm(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* __wrap__ZnamRKSt9nothrow_t(size_t size, const std::nothrow_t& tag) {
  return __wrap__ZnwmRKSt9nothrow_t(size, tag);
}
void* __wrap__ZnwmSt11align_val_t(size_t size, std::align_val_t alignment) {
  if (nxv::faults::fails_to_allocate()) throw std::bad_alloc();
  return __real__ZnwmSt11align_val_t(size, alignment);
}
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
