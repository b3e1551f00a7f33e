// Errors raised while a graph is built or a device is used.
//
// Inside the library a failure is an exception of type Error; at the C boundary (src/capi) it
// becomes a status code with the same message; on the engine's threads it is kept as a value
// (Failure) and raised at the next read.
#pragma once

#include <stdexcept>
#include <string>

namespace nxv {

// Mirrors nxv_status of include/nxv/nxv.h (checked by static_assert in src/capi).
enum class Status : int {
  ok = 0,
  invalid_argument = 1,  // shape, dtype, axis or option that the operation does not accept
  size_mismatch = 2,     // shapes or byte counts that do not belong together
  empty_tensor = 3,      // a dimension of zero
  alloc_failed = 4,      // device memory or budget exhausted
  device_lost = 5,       // the engine is dead; open another
  no_device = 6,         // no Vulkan loader, or no device above the floor
  unsupported = 7,       // the device lacks a capability, named in the message
  out_of_bounds = 8,     // a data-dependent index
  arithmetic = 9,        // integer division by zero, negative exponent of an integer
  deallocated = 10,      // the tensor was given up
  internal = 11,
  negative_shift = 12,  // a data-dependent amount
  singular = 13,        // a matrix of a system of equations
};

class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  Status status() const noexcept { return status_; }

 private:
  Status status_;
};

// An error kept as a value: what a failed node or a failed queue holds.
struct Failure {
  Status status = Status::ok;
  std::string message;
  explicit operator bool() const noexcept { return status != Status::ok; }
};

}  // namespace nxv
