// Races on an element of shared memory: who touched it since the last barrier, of the workgroup or
// of their subgroup.
#pragma once

#include <cstdint>

namespace nxv::testing {

// An access, or several of one kind.
struct Moment {
  static constexpr uint32_t kNobody = 0xffffffff, kMany = 0xfffffffe;
  uint32_t invocation = kNobody, subgroup = kNobody;
  uint32_t epoch = 0;  // barriers of the workgroup before it, from 1 on
  uint32_t step = 0;   // and of the subgroup
};

class SharedElement {
 public:
  // Each notes an access, and says what is wrong with it, or nullptr.
  const char* read(const Moment& now) {
    if (write_.invocation == Moment::kNobody) return "reads what nobody wrote";
    if (write_.is_of_others(now) || change_.is_of_others(now)) {
      return "reads what another invocation wrote without a barrier";
    }
    read_.note(now);
    return nullptr;
  }

  // Another invocation may write the same value: others_wrote() then.
  const char* write(const Moment& now) {
    if (read_.is_of_others(now)) {
      return "overwrites what another invocation read without a barrier";
    }
    if (change_.is_of_others(now)) {
      return "overwrites what another invocation changed without a barrier";
    }
    others_wrote_ = write_.is_of_others(now);
    write_.note(now);
    return nullptr;
  }
  // Whether there was a write of another invocation between the last write and the barrier.
  bool others_wrote() const { return others_wrote_; }

  // By an atomic. Atomics are no race with each other.
  const char* change(const Moment& now) {
    if (write_.invocation == Moment::kNobody) return "changes what nobody wrote";
    if (write_.is_of_others(now) || read_.is_of_others(now)) {
      return "changes what another invocation uses without a barrier";
    }
    change_.note(now);
    return nullptr;
  }

 private:
  struct Last : Moment {
    bool is_of_others(const Moment& now) const {
      const bool is_parted = subgroup == now.subgroup && step != now.step;
      return epoch == now.epoch && invocation != now.invocation && !is_parted;
    }
    void note(const Moment& now) {
      const bool are_many = is_of_others(now);
      const uint32_t all = are_many && subgroup != now.subgroup ? kMany : now.subgroup;
      static_cast<Moment&>(*this) = now;
      subgroup = all;
      if (are_many) invocation = kMany;
    }
  };
  Last read_, write_, change_;
  bool others_wrote_ = false;
};

}  // namespace nxv::testing
