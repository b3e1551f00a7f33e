// Commands that need what only tests bring along.
#include "base/error.h"
#include "commands.h"

namespace nxv::tools {

int run_kernels(const KernelsOptions&) {
  throw Error(Status::unsupported, "built without the corpus (configure with NXV_TESTS=ON)");
}

int run_corpus(const std::string&, const std::string&) {
  throw Error(Status::unsupported, "built without the corpus (configure with NXV_TESTS=ON)");
}

}  // namespace nxv::tools
