#include "vulkan/hazards.h"

#include <utility>

namespace nxv::vulkan {
namespace {

bool meet(const std::vector<Range>& a, const std::vector<Range>& b) {
  for (const Range& x : a) {
    for (const Range& y : b) {
      if (x.begin < y.end && y.begin < x.end) return true;
    }
  }
  return false;
}

}  // namespace

void HazardChecker::command(std::string name, std::span<const Range> reads,
                            std::span<const Range> writes) {
  commands_.push_back(
      {std::move(name), barriers_, {reads.begin(), reads.end()}, {writes.begin(), writes.end()}});
}

void HazardChecker::barrier() { ++barriers_; }

void HazardChecker::reset() {
  commands_.clear();
  barriers_ = 0;
}

std::string HazardChecker::find_violation() const {
  for (size_t j = 0; j < commands_.size(); ++j) {
    for (size_t i = 0; i < j; ++i) {
      const Command& first = commands_[i];
      const Command& second = commands_[j];
      if (first.barriers_before != second.barriers_before) continue;
      const char* kind = meet(first.writes, second.reads)    ? "reads what was written by"
                         : meet(first.reads, second.writes)  ? "writes what is read by"
                         : meet(first.writes, second.writes) ? "writes what is written by"
                                                             : nullptr;
      if (kind == nullptr) continue;
      return "command " + std::to_string(j) + " (" + second.name + ") " + kind + " command " +
             std::to_string(i) + " (" + first.name + ") without a barrier between them";
    }
  }
  return {};
}

}  // namespace nxv::vulkan
