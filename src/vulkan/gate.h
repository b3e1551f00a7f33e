// The way into drivers, which closes when the process ends.
//
// A driver takes itself apart in an exit handler while other threads go on. A call that is in
// progress then, or that comes later, crashes the process, and its exit status is lost. So this
// library has an exit handler, too. It is registered once a device is open, hence runs before the
// driver's: it closes the gate, waits until nobody is inside, then for the work in flight. Who
// comes to a closed gate is held up until the process should have ended, and is then refused, as by
// a lost device: the program must not meet failures that come of its end alone, and a thread that
// it waits for must not wait for ever.
//
// The handler waits for what other threads do inside a driver, not for answers or locks: an answer
// that is blocked holds up nothing, and one that ends the process itself is no special case.
// Nothing here is ever destroyed. On Windows no thread is left when libraries hear of the end.
#pragma once

#include <chrono>
#include <cstdint>

namespace nxv::vulkan::gate {

using Clock = std::chrono::steady_clock;

// Around calls into a driver, on any thread. Nests.
class Passage {
 public:
  Passage() noexcept;
  ~Passage();
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;
  // Else nothing may be called.
  bool is_open() const noexcept { return is_open_; }

 private:
  bool is_open_ = true;
};

// Closes the gate when the process ends, before what drivers have registered up to now. To be
// called whenever a driver may just have registered something.
void close_at_exit() noexcept;
bool is_closed() noexcept;
// Whether this thread runs the exit handlers, after the gate was closed. It must wait for no other.
bool is_ending_process() noexcept;

// Differs in a child that was forked: threads of its parent are not there.
uint32_t process() noexcept;

// Work that may be in flight on a device.
class InFlight {
 public:
  virtual ~InFlight() = default;
  // Waits for it, not longer than that. The gate is closed, and nobody is inside.
  virtual void finish(Clock::time_point until) noexcept = 0;
};
void add(InFlight& work);
void remove(InFlight& work) noexcept;

}  // namespace nxv::vulkan::gate
