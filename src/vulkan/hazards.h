// Which commands of a command buffer need a barrier between them, by byte range. Two independent
// answers: HazardTracker decides while recording, HazardChecker proves afterwards. Plain data, no
// Vulkan.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nxv::vulkan {

// Bytes [begin, end) of device address space.
struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Accesses since the last barrier, in flat arrays that keep their capacity.
class HazardTracker {
 public:
  bool reads_conflict(Range read) const { return overlaps(writes_, read); }
  bool writes_conflict(Range write) const {
    return overlaps(writes_, write) || overlaps(reads_, write);
  }
  void add_read(Range r) { reads_.push_back(r); }
  void add_write(Range w) { writes_.push_back(w); }
  void barrier() {
    reads_.clear();
    writes_.clear();
  }
  size_t size() const { return reads_.size() + writes_.size(); }

 private:
  static bool overlaps(const std::vector<Range>& ranges, Range r) {
    bool any = false;
    for (const Range& o : ranges) any |= o.begin < r.end && r.begin < o.end;
    return any;
  }

  std::vector<Range> reads_;
  std::vector<Range> writes_;
};

// Keeps every command and every barrier of a command buffer and compares all pairs.
class HazardChecker {
 public:
  void command(std::string name, std::span<const Range> reads, std::span<const Range> writes);
  void barrier();
  // Start of a command buffer, which begins with a full barrier.
  void reset();
  // The first pair of conflicting commands without a barrier between them, in words; empty if none.
  std::string find_violation() const;

 private:
  struct Command {
    std::string name;
    size_t barriers_before = 0;
    std::vector<Range> reads;
    std::vector<Range> writes;
  };
  std::vector<Command> commands_;
  size_t barriers_ = 0;
};

}  // namespace nxv::vulkan
