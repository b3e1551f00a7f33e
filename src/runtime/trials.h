// Trials of an open device: whether it computes rightly, keeps what it is given, and how fast.
#pragma once

#include <string>
#include <vector>

#include "runtime/session.h"

namespace nxv::runtime {

struct Trial {
  std::string name;
  bool is_right = false;
  std::string detail;  // what was tried, or what was wrong
};
// Arithmetic against the host's, products on whatever units there are, memory.
std::vector<Trial> run_trials(Session& session);

struct Speed {
  std::string name, unit;
  double measured = 0;
  double published = 0;  // what its maker says of the device; 0: not known here
  double expected = 0;   // share of that which is usual
  bool is_slow() const { return published > 0 && measured < expected * published; }
};
std::vector<Speed> measure_speeds(Session& session);

}  // namespace nxv::runtime
