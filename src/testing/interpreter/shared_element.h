// Races on an element of shared memory: who touched it since the last barrier.
#pragma once

#include <cstdint>

namespace nxv::testing {

class SharedElement {
 public:
  // Each notes an access of an invocation after so many barriers (from 1 on), and says what is
  // wrong with it, or nullptr.
  const char* read(uint32_t invocation, uint32_t epoch) {
    if (write_.by == kNobody) return "reads what nobody wrote";
    if (write_.is_of_others(invocation, epoch) || change_.is_of_others(invocation, epoch)) {
      return "reads what another invocation wrote without a barrier";
    }
    read_.note(invocation, epoch);
    return nullptr;
  }

  // Another invocation may write the same value: others_wrote() then.
  const char* write(uint32_t invocation, uint32_t epoch) {
    if (read_.is_of_others(invocation, epoch)) {
      return "overwrites what another invocation read without a barrier";
    }
    if (change_.is_of_others(invocation, epoch)) {
      return "overwrites what another invocation changed without a barrier";
    }
    others_wrote_ = write_.is_of_others(invocation, epoch);
    write_.note(invocation, epoch);
    return nullptr;
  }
  // Whether there was a write of another invocation between the last write and the barrier.
  bool others_wrote() const { return others_wrote_; }

  // By an atomic. Atomics are no race with each other.
  const char* change(uint32_t invocation, uint32_t epoch) {
    if (write_.by == kNobody) return "changes what nobody wrote";
    if (write_.is_of_others(invocation, epoch) || read_.is_of_others(invocation, epoch)) {
      return "changes what another invocation uses without a barrier";
    }
    change_.note(invocation, epoch);
    return nullptr;
  }

 private:
  static constexpr uint32_t kNobody = 0xffffffff, kMany = 0xfffffffe;

  struct Last {
    uint32_t by = kNobody, at = 0;
    bool is_of_others(uint32_t invocation, uint32_t epoch) const {
      return at == epoch && by != invocation;
    }
    void note(uint32_t invocation, uint32_t epoch) {
      by = is_of_others(invocation, epoch) ? kMany : invocation;
      at = epoch;
    }
  };
  Last read_, write_, change_;
  bool others_wrote_ = false;
};

}  // namespace nxv::testing
