// What the nets of faults go through: twelve small pieces of a program's life.
#pragma once

#include <span>

#include "trial.h"

namespace nxv::faults {

struct Scenario {
  const char* name;
  // Whether an engine is opened before, and faults begin then.
  bool has_engine;
  // Whether engines keep their caches in a folder: then kernels are found there.
  bool has_cache;
  void (*run)(Trial& trial);
};

std::span<const Scenario> scenarios();

}  // namespace nxv::faults
