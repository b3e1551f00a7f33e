// Philox 4x32-10 random numbers (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011) and what Nx.Vulkan makes of them.
#pragma once

#include <array>

#include "ir/ops/number.h"

namespace nxv::ir {

struct Philox {
  Value key_lo, key_hi;          // u32
  Value counter_lo, counter_hi;  // u32: of element group 0
};

// The four words at the 128-bit counter that is `group` after the stream's; group is u32.
std::array<Value, 4> philox_words(const Philox& stream, Value group);

// Element `index` (u32) of a uniform stream in [0, 1): of f32 (24 bits; index / 4 names the group)
// or f64 (53 bits; index / 2).
Value random_uniform(const Philox& stream, Value index, Type type);

// Element `index` of a standard normal stream by Box and Muller: elements 2p and 2p + 1 come from
// uniforms 2p and 2p + 1.
Value random_normal(const Philox& stream, Value index, Type type, const math::MathOptions& options);

// Elements 4 group .. 4 group + 3 of the same streams, which share counters and pairs. `in_turn`:
// the code of a pair is there once, in a loop.
std::array<Value, 4> random_uniforms(const Philox& stream, Value group, Type type);
inline constexpr uint32_t kIterationsInTurn = 2;
std::array<Value, 4> random_normals(const Philox& stream, Value group, Type type,
                                    const math::MathOptions& options, bool in_turn);

}  // namespace nxv::ir
