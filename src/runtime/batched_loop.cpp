// Loops whose condition the device alone knows.
#include <algorithm>
#include <utility>

#include "base/restored.h"
#include "graph/fault.h"
#include "runtime/executor.h"
#include "runtime/speculation.h"

namespace nxv::runtime {
namespace {

// Of a batch of rounds.
constexpr uint64_t kMostRounds = 256;
// Of the budget: bytes that a batch may keep.
constexpr uint64_t kKeptShare = 64;
// Of a batch of several rounds, which are recorded before the device has answered.
constexpr uint64_t kMostDispatches = 1 << 15;

StorageRef take_last(std::vector<StorageRef>& values) {
  StorageRef last = std::move(values.back());
  values.pop_back();
  return last;
}

// The states of a batch of rounds, of which a later one may take over the storage of those before.
class States {
 public:
  States() = default;
  States(const States&) = delete;
  States& operator=(const States&) = delete;
  ~States() { clear(); }

  void add(std::vector<StorageRef> state) {
    states_.push_back(std::move(state));
    for (const StorageRef& element : states_.back()) ++element->kept;
  }
  const std::vector<StorageRef>& operator[](size_t round) const { return states_[round]; }
  // That of a round after which none was run; keeps no other.
  std::vector<StorageRef> take(size_t round) {
    std::vector<StorageRef> state = states_[round];
    clear();
    for (const StorageRef& element : state) {
      // States of a batch around this one may hold it still.
      if (element->lent > 0) element->lent = element->block.references() - 1;
    }
    return state;
  }

 private:
  void clear() {
    for (const auto& state : states_) {
      for (const StorageRef& element : state) --element->kept;
    }
    states_.clear();
  }

  std::vector<std::vector<StorageRef>> states_;
};

// Bytes that a round adds to what its batch keeps.
uint64_t kept_bytes(const Program& round) {
  uint64_t bytes = 1;
  for (const Program::Step& step : round.steps) {
    for (const Program::Output& output : step.outputs) bytes += output.bytes;
    if (!step.control) continue;
    for (const auto& [index, position] : step.control->results) {
      const Function& last = *step.control->functions.back();
      bytes += static_cast<uint64_t>(last.results[static_cast<size_t>(index)]->storage_size());
    }
  }
  return bytes;
}

}  // namespace

void Executor::check_faults(DeviceStorage& storage) {
  if (!storage.faults) return;
  for (const FaultSlotRef& slot : storage.faults->slots) {
    if (slot->is_clear.load(std::memory_order_acquire)) continue;
    std::vector<std::byte> bytes(slot->bytes());
    device_.transfers().download(slot->block, 0, bytes);
    const Failure fault = slot->judge(bytes.data());
    if (fault) throw_failure(fault);
  }
  storage.faults = nullptr;
}

// The rounds of a batch are recorded ahead, each behind a gate, and one read at its end tells how
// many were run. What a round wrote is kept until then, so a batch is bounded by the bytes of the
// state: as if no round took over the storage of the one before.
std::vector<StorageRef> Executor::speculate(const Program& round, StorageRef holds,
                                            std::vector<StorageRef> state) {
  if (speculation_ && speculation_->is_over()) return state;  // nothing of this is run
  const uint64_t budget = device_.memory().stats().budget;
  uint64_t most = std::clamp<uint64_t>(budget / kKeptShare / kept_bytes(round), 1, kMostRounds);
  Speculation speculation(device_, maker_, recorder_, speculation_);
  std::vector<StorageRef> conditions{std::move(holds)};
  for (uint64_t batch = 1;; batch = std::min(2 * batch, most)) {
    speculation.begin_batch();
    States states;
    states.add(std::move(state));
    const uint64_t before = recorder_.stats().dispatches;
    uint64_t recorded = 0;
    {
      const Restored within(speculation_, &speculation);
      while (recorded < batch && !speculation.is_over()) {
        speculation.begin_round(*conditions.back(), round);
        std::vector<StorageRef> next = run(round, states[recorded]);
        conditions.push_back(take_last(next));
        states.add(std::move(next));
        if (++recorded % kRoundsASubmission == 0) pace_rounds();
      }
    }
    const uint64_t dispatches = (recorder_.stats().dispatches - before) / recorded;
    most = std::clamp<uint64_t>(kMostDispatches / std::max<uint64_t>(dispatches, 1), 1, most);
    const InPhase waiting(profiler_, Phase::wait);
    const vulkan::Readback question = speculation.question();
    wait(question.epoch);
    const Speculation::Answer answer = speculation.answer(question);
    if (answer.is_around_run) {
      // Conditions of rounds that were not run have not been computed, and report nothing.
      for (const StorageRef& c : conditions) check_faults(*c);
      for (const StorageRef& s : states[answer.rounds]) check_faults(*s);
    }
    conditions.erase(conditions.begin(), conditions.end() - 1);
    state = states.take(answer.rounds);
    if (answer.rounds < recorded) return state;
  }
}

}  // namespace nxv::runtime
