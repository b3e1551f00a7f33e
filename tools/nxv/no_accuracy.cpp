#include "base/error.h"
#include "commands.h"

namespace nxv::tools {

int run_accuracy(const AccuracyOptions&) {
  throw Error(Status::unsupported, "built without MPFR (configure with NXV_TESTS=ON)");
}

}  // namespace nxv::tools
