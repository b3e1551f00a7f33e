#include "runtime/doctor.h"

#include <iostream>

#include "commands.h"

namespace nxv::tools {

int run_doctor(const std::string& device) {
  const runtime::Findings found = runtime::examine(
      device, [](std::string_view section) { std::cout << section << std::flush; });
  return runtime::is_well(found) ? 0 : 1;
}

}  // namespace nxv::tools
