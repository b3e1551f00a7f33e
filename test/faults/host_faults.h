// Makes allocations and starts of threads fail on purpose: those of this library, whichever thread
// makes them, and no others.
//
// The linker hands every `operator new` and `pthread_create` that objects of this program refer to
// to us (--wrap), those inside of the standard library that is linked into it included. A driver is
// a library of its own, which has other ones: what it allocates, on whatever thread, never fails.
#pragma once

#include <array>
#include <string_view>

namespace nxv::faults {

// Who allocates: a caller inside of a function of the library, or a thread of the library.
enum class Who { caller, engine, completion, compiler };
inline constexpr int kWhoCount = 4;
std::string_view name(Who who);

// Allocations that fail: `count` of them, from the first-th on, counted from 0, of those that are
// made by `who`, or by all threads together.
struct AllocationFault {
  bool of_all = false;
  Who who = Who::caller;
  int first = 0;
  int count = 1;
};

// From now on, until `disarm`.
void arm(const AllocationFault& fault);
// The n-th start of a thread from now on, counted from 0, and `count` in all.
void arm_thread_starts(int first, int count);
void disarm();

struct Counts {
  std::array<int, kWhoCount> allocations{};  // by who
  int all_allocations = 0;
  int thread_starts = 0;
  int fired = 0;
};
// Since the last `arm`.
Counts counts();

// While it lives, what this thread allocates is the library's: it is called from tests, whose own
// allocations never fail.
class InLibrary {
 public:
  InLibrary();
  ~InLibrary();
  InLibrary(const InLibrary&) = delete;
  InLibrary& operator=(const InLibrary&) = delete;

 private:
  const bool before_;
};
// The reverse, in callbacks.
class OutOfLibrary {
 public:
  OutOfLibrary();
  ~OutOfLibrary();
  OutOfLibrary(const OutOfLibrary&) = delete;
  OutOfLibrary& operator=(const OutOfLibrary&) = delete;

 private:
  const bool before_;
};

}  // namespace nxv::faults
