#include "runtime/published_speed.h"

namespace nxv::runtime {
namespace {

struct Row {
  std::string_view name;  // a part of the driver's; the first that fits counts
  PublishedSpeed speed;
};
constexpr Row kRows[] = {
    {"H200 NVL", {4800, 60}},
    {"H200", {4800, 67}},
    {"H100 PCIe", {2000, 51}},
    {"H100 NVL", {3900, 60}},
    {"H100", {3350, 67}},
    {"A100-SXM4-40GB", {1555, 19.5}},
    {"A100-PCIE-40GB", {1555, 19.5}},
    {"A100", {1935, 19.5}},
    {"RTX 4090", {1008, 82.6}},
    {"RTX 4080", {717, 48.7}},
    {"RTX 3090", {936, 35.6}},
    {"RTX 3080", {760, 29.8}},
    {"RTX 3060", {360, 12.7}},
    {"RTX 2080 Ti", {616, 13.4}},
    {"RX 7900 XTX", {960, 61.4}},
    {"RX 6800 XT", {512, 20.7}},
    {"RX 5700 XT", {448, 9.75}},
    {"RX 580", {256, 6.17}},
    {"Vega 64", {484, 12.7}},
    {"Arc(TM) A770", {560, 19.7}},
    {"Arc(TM) B580", {456, 13.7}},
    {"Apple M1", {68, 2.6}},
};

}  // namespace

PublishedSpeed published_speed(std::string_view device) {
  for (const Row& row : kRows) {
    if (device.find(row.name) != std::string_view::npos) return row.speed;
  }
  return {};
}

}  // namespace nxv::runtime
