// Loads and stores of buffers. Nothing orders the accesses of two invocations to a buffer within
// one dispatch.
#include <algorithm>
#include <cstring>

#include "testing/interpreter/accesses.h"
#include "testing/interpreter/evaluations.h"

namespace nxv::testing::evaluations {
namespace {

// Those who wrote the words of an element last.
std::span<uint32_t> writers(Machine& m, const BufferElement& e) {
  std::vector<uint32_t>& all = m.writers[e.param];
  const size_t begin = std::min(e.offset / 4, all.size());
  const size_t end = std::min((e.offset + e.size) / 4, all.size());
  return std::span(all).subspan(begin, end - begin);
}

bool written_by_others(Machine& m, const BufferElement& e, uint32_t w) {
  const std::span<uint32_t> all = writers(m, e);
  return std::any_of(all.begin(), all.end(), [&](uint32_t writer) {
    return writer != kNobody && writer != m.first_invocation + w;
  });
}

}  // namespace

void load(Execution& s) {
  s.m.each_active([&](uint32_t w) {
    const BufferElement e = buffer_element(s, w);
    if (written_by_others(s.m, e, w)) {
      s.m.fail(Status::internal, w, "reads what another invocation writes");
    }
    const size_t lane_size = e.size / s.inst.type.lanes;
    for (uint32_t lane = 0; lane < s.inst.type.lanes; ++lane) {
      uint64_t bits = 0;
      std::memcpy(&bits, e.at + lane * lane_size, lane_size);
      s.out[lane * s.m.width + w] = bits;
    }
  });
}

void store(Execution& s) {
  const uint64_t* stored = s.arg(2);
  s.m.each_active([&](uint32_t w) {
    const BufferElement e = buffer_element(s, w);
    const bool is_shared = written_by_others(s.m, e, w);
    const size_t lane_size = e.size / s.inst.type.lanes;
    for (uint32_t lane = 0; lane < s.inst.type.lanes; ++lane) {
      const uint64_t* bits = &stored[lane * s.m.width + w];
      if (is_shared && std::memcmp(e.at + lane * lane_size, bits, lane_size) != 0) {
        s.m.fail(Status::internal, w, "writes another value than another invocation");
      }
      std::memcpy(e.at + lane * lane_size, bits, lane_size);
    }
    std::ranges::fill(writers(s.m, e), s.m.first_invocation + w);
  });
}

}  // namespace nxv::testing::evaluations
