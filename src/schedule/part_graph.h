// Which parts of a partition read which, while parts are joined.
#pragma once

#include <cstddef>
#include <vector>

namespace nxv::schedule {

class PartGraph {
 public:
  // inputs[i]: the parts that part i reads. Readers come before their inputs.
  explicit PartGraph(std::vector<std::vector<int>> inputs);

  // The part that it has been joined to, or itself.
  int find(int part) const;
  // The length of the longest path from it down to a part without inputs.
  int level(int part) const { return levels_[part]; }
  // Whether no path leads from one of the two to the other through a third: joined, they would
  // depend on themselves. Gives up, with false, where it takes too long to see.
  bool can_join(int a, int b);
  void join(int to, int from);
  // From now on `first` comes before `then`, unless it depends on that.
  void put_before(int first, int then);
  // The parts that are left, inputs before their readers.
  std::vector<int> order() const;
  struct Traits {
    bool is_free = false;  // takes no work
    bool is_small = true;  // may run earlier: its results may wait
  };
  // The same, but that small parts follow others that they do not depend on, up to `ahead` parts
  // before their time: a device then runs them at the same time.
  std::vector<int> concurrent_order(const std::vector<Traits>& traits, size_t ahead) const;

 private:
  bool leads_around(int from, int to);
  void raise(int part);

  // Of parts that are left; named as they were before any was joined.
  std::vector<std::vector<int>> inputs_, readers_;
  std::vector<int> joined_to_;
  std::vector<int> levels_;  // above those of all inputs
  std::vector<int> visited_;
  int visit_ = 0;
};

}  // namespace nxv::schedule
