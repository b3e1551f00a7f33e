// Errors raised while a graph is built or a device is used.
//
// Inside the library a failure is an exception of type Error; at the C boundary (src/capi) it
// becomes a status code with the same message; on the engine's threads it is kept as a value
// (Failure) and raised at the next read.
#pragma once

#include <cstddef>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>

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

// A text that is copied without allocating: who is told of a failure may have no memory.
class Message {
 public:
  Message() noexcept = default;
  Message(const std::string& text) : text_(std::make_shared<const std::string>(text)) {}
  template <size_t N>
  Message(const char (&literal)[N]) noexcept : literal_(literal) {}

  const char* c_str() const noexcept { return text_ ? text_->c_str() : literal_; }
  operator std::string_view() const noexcept { return c_str(); }
  std::string str() const { return c_str(); }
  friend bool operator==(const Message& a, std::string_view b) { return std::string_view(a) == b; }
  friend std::ostream& operator<<(std::ostream& out, const Message& m) { return out << m.c_str(); }

 private:
  std::shared_ptr<const std::string> text_;
  const char* literal_ = "";
};

// An error kept as a value: what a failed node or a failed queue holds. Copying it does not throw.
struct Failure {
  Status status = Status::ok;
  Message message;
  explicit operator bool() const noexcept { return status != Status::ok; }
};

// Throws it.
[[noreturn]] void throw_failure(const Failure& failure);
// What an exception says. Without memory for its text it keeps the status.
Failure failure_of(const std::exception& e) noexcept;
// Of the exception that is being handled, whatever it is.
Failure current_failure() noexcept;

}  // namespace nxv
