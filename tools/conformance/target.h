// What a case is run on.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "testing/numbers/vectors.h"

namespace nxv::conformance {

struct Result {
  enum class Kind { values, unsupported, failed };
  Kind kind = Kind::values;
  std::vector<HostTensor> outputs;  // when values
  std::string message;              // otherwise
};

class Target {
 public:
  virtual ~Target() = default;
  // Starts a case; several may be under way.
  virtual std::future<Result> start(const VectorCase& c) = 0;
  // Arithmetic on subnormal f32 numbers gives or reads zero, measured.
  virtual bool flushes_subnormals() = 0;
  virtual std::string description() = 0;
};

// What the reference evaluator gives.
Result evaluate_reference(const VectorCase& c);

std::unique_ptr<Target> open_reference();
// The C interface on a device; -1: the best there is. Throws Error.
std::unique_ptr<Target> open_device(int index);

}  // namespace nxv::conformance
