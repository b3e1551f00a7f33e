#include <algorithm>
#include <array>

#include "testing/interpreter/arithmetic.h"
#include "testing/interpreter/evaluations.h"
#include "testing/interpreter/lanes.h"

namespace nxv::testing::evaluations {
namespace {

using ir::Opcode;

// Calls f(in, out, first, end) with the lanes of each vector component and active subgroup.
template <typename F>
void each_component(Execution& s, F f) {
  s.m.each_subgroup([&](uint32_t first, uint32_t end) {
    for (uint32_t lane = 0; lane < s.inst.type.lanes; ++lane) {
      f(s.arg(0) + lane * s.m.width, s.out + lane * s.m.width, first, end);
    }
  });
}

void reduce(Execution& s, Opcode op) {
  each_component(s, [&](const uint64_t* in, uint64_t* out, uint32_t first, uint32_t end) {
    uint64_t sum = in[first];
    for (uint32_t w = first + 1; w < end; ++w) {
      sum = combine(op, s.inst.type, sum, in[w], s.m.options);
    }
    std::fill(out + first, out + end, sum);
  });
}

// source(w, first): the invocation that w reads from; of those that do not exist comes poison.
template <typename F>
void shuffle(Execution& s, F source) {
  each_component(s, [&](const uint64_t* in, uint64_t* out, uint32_t first, uint32_t end) {
    for (uint32_t w = first; w < end; ++w) {
      const uint64_t from = source(w, first);
      out[w] = from < end ? in[from] : kPoison & lane_mask(s.inst.type);
    }
  });
}

}  // namespace

void subgroup_add(Execution& s) { reduce(s, Opcode::add); }
void subgroup_min(Execution& s) { reduce(s, Opcode::min); }
void subgroup_max(Execution& s) { reduce(s, Opcode::max); }

void subgroup_shuffle_xor(Execution& s) {
  shuffle(s, [&](uint32_t w, uint32_t first) { return first + ((w - first) ^ s.inst.imm); });
}
void subgroup_shuffle(Execution& s) {
  shuffle(s, [&](uint32_t w, uint32_t first) { return first + s.arg(1)[w]; });
}

void subgroup_broadcast_first(Execution& s) {
  each_component(s, [](const uint64_t* in, uint64_t* out, uint32_t first, uint32_t end) {
    std::fill(out + first, out + end, in[first]);
  });
}

void subgroup_ballot(Execution& s) {
  s.m.each_subgroup([&](uint32_t first, uint32_t end) {
    std::array<uint64_t, 4> mask{};
    const uint64_t* in = s.arg(0);
    for (uint32_t w = first; w < end; ++w) mask[(w - first) / 32] |= in[w] << (w - first) % 32;
    for (uint32_t lane = 0; lane < 4; ++lane) {
      uint64_t* out = s.out + lane * s.m.width;
      std::fill(out + first, out + end, mask[lane]);
    }
  });
}

}  // namespace nxv::testing::evaluations
