// What devices and their drivers report, and what the opening probes find there: for plans of
// devices that are not here.
#pragma once

#include <vector>

#include "plan/snapshot.h"

namespace nxv::testing {

// Nobody's: a GPU with all that kernels may use but matrix units, whose arithmetic is exact; and
// one with nothing that a device may lack.
plan::Snapshot common_gpu();
plan::Snapshot bare_gpu();

// NVIDIA's driver.
plan::Snapshot h100();
plan::Snapshot h200();

// AMD, by Mesa's RADV: Radeon RX 580, RX Vega 64, RX 5700 XT, RX 6800 XT, RX 7900 XTX, RX 9070 XT.
plan::Snapshot polaris();
plan::Snapshot vega();
plan::Snapshot rdna1();
plan::Snapshot rdna2();
plan::Snapshot rdna3();
plan::Snapshot rdna4();

// Intel, by Mesa's ANV: HD Graphics 530, Iris Xe, Arc A770, Arc 140V, Arc B580.
plan::Snapshot skylake();
plan::Snapshot tiger_lake();
plan::Snapshot dg2();
plan::Snapshot lunar_lake();
plan::Snapshot battlemage();

// Qualcomm, by Mesa's Turnip.
plan::Snapshot adreno_630();
plan::Snapshot adreno_660();
plan::Snapshot adreno_740();
plan::Snapshot adreno_750();

// Broadcom, by Mesa's V3DV: VideoCore VI of the Raspberry Pi 4, VII of the 5.
plan::Snapshot v3d_42();
plan::Snapshot v3d_71();

// Apple's M1, by MoltenVK on macOS and by Mesa's Honeykrisp on Linux.
plan::Snapshot apple_m1();
plan::Snapshot apple_m1_linux();

// CPUs: Mesa's lavapipe 22.3 and 25.0, SwiftShader.
plan::Snapshot lavapipe_22();
plan::Snapshot lavapipe_25();
plan::Snapshot swiftshader();

// All but the first two.
std::vector<plan::Snapshot> known_devices();

}  // namespace nxv::testing
