// Stands in for device_target.cpp where the library is built without its C interface.
#include "base/error.h"
#include "target.h"

namespace nxv::conformance {

std::unique_ptr<Target> open_device(int) {
  throw Error(Status::no_device, "built without the C interface: run with --reference");
}

}  // namespace nxv::conformance
