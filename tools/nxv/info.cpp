#include <iostream>

#include "base/error.h"
#include "commands.h"
#include "runtime/describe.h"
#include "session.h"
#include "snapshot_json.h"

namespace nxv::tools {

int run_info(const std::string& device, bool list) {
  const std::vector<plan::Snapshot> devices = vulkan::enumerate_devices();
  if (devices.empty()) throw Error(Status::no_device, "there is no Vulkan device");
  bool any = false;
  for (size_t i = 0; i < devices.size(); ++i) {
    const plan::Snapshot& d = devices[i];
    const std::vector<std::string> missing = plan::missing_requirements(d);
    if (list || !missing.empty()) {
      std::cout << i << ": " << d.name << " (" << d.driver_name << ' ' << d.driver_info << ")";
      for (size_t m = 0; m < missing.size(); ++m) {
        std::cout << (m == 0 ? ", not usable: lacks " : ", ") << missing[m];
      }
      std::cout << '\n';
    }
    any |= missing.empty();
  }
  if (list) return any ? 0 : 1;
  if (!device.empty()) {
    Session session(device);
    std::cout << runtime::describe(session.engine());
    return 0;
  }
  for (size_t i = 0; i < devices.size(); ++i) {
    if (!plan::missing_requirements(devices[i]).empty()) continue;
    Session session(std::to_string(i));
    std::cout << (devices.size() > 1 ? std::to_string(i) + ": " : "")
              << runtime::describe(session.engine()) << '\n';
  }
  return any ? 0 : 1;
}

int run_snapshot(const std::string& device) {
  Session session(device);
  std::cout << to_json(session.engine().snapshot()).dump(1) << '\n';
  return 0;
}

}  // namespace nxv::tools
