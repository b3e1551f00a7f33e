// What makers publish of the speed of their devices.
#pragma once

#include <string_view>

namespace nxv::runtime {

struct PublishedSpeed {
  double gigabytes = 0;  // of memory, a second; 0: not known here
  double teraflops = 0;  // of f32 without matrix units
};
// By the name that the driver reports.
PublishedSpeed published_speed(std::string_view device);

}  // namespace nxv::runtime
