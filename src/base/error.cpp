#include "base/error.h"

#include <new>

namespace nxv {

void throw_failure(const Failure& failure) { throw Error(failure.status, failure.message.str()); }

Failure failure_of(const std::exception& e) noexcept {
  if (dynamic_cast<const std::bad_alloc*>(&e)) {
    return {Status::alloc_failed, "host memory is exhausted"};
  }
  const auto* error = dynamic_cast<const Error*>(&e);
  const Status status = error ? error->status() : Status::internal;
  try {
    return {status, std::string(e.what())};
  } catch (const std::bad_alloc&) {
    return {status, "host memory is exhausted, and none is left to say what went wrong"};
  }
}

Failure current_failure() noexcept {
  try {
    throw;
  } catch (const std::exception& e) {
    return failure_of(e);
  } catch (...) {
    return {Status::internal, "an exception of unknown type"};
  }
}

}  // namespace nxv
