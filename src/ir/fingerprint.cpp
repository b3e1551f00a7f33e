#include "ir/fingerprint.h"

#include <bit>
#include <cinttypes>
#include <cstdio>

namespace nxv::ir {
namespace {

class Mixer {
 public:
  void add(uint64_t v) {
    state_.low = (std::rotl(state_.low, 5) ^ v) * 0x9e3779b97f4a7c15u;
    state_.high = (std::rotl(state_.high, 23) + v) * 0xc2b2ae3d27d4eb4fu;
    state_.high ^= state_.high >> 29;
  }
  void add(Type t) { add(code(t)); }
  Fingerprint state() const { return state_; }

 private:
  Fingerprint state_{1, 2};
};

}  // namespace

Fingerprint fingerprint(const Kernel& kernel) {
  Mixer m;
  m.add(kernel.local_size);
  m.add(kernel.subgroup_size);
  m.add(kernel.params.size());
  for (const Param& p : kernel.params) {
    m.add(p.type);
    m.add(static_cast<uint64_t>(p.is_buffer) | static_cast<uint64_t>(p.access) << 1 |
          static_cast<uint64_t>(p.is_restrict) << 3);
  }
  m.add(kernel.shared.size());
  for (const SharedArray& s : kernel.shared) {
    m.add(s.type);
    m.add(s.count);
  }
  for (const Inst& inst : kernel.body) {
    m.add(static_cast<uint64_t>(inst.op));
    m.add(inst.type);
    for (uint32_t arg : inst.args) m.add(arg);
    m.add(inst.imm);
  }
  return m.state();
}

std::string to_string(const Fingerprint& f) {
  char text[33];
  std::snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, f.high, f.low);
  return text;
}

}  // namespace nxv::ir
