// Programs of graphs that were evaluated, by the structure of these, for the next time.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/digest.h"
#include "runtime/program.h"

namespace nxv::runtime {

// The engine's thread only.
class ProgramStore {
 public:
  using Key = std::vector<uint64_t>;

  // The program of a structure; null when none is kept.
  std::shared_ptr<const Program> find(const Key& key) const;
  // Keeps it. When there is too much, what was kept before goes.
  void keep(const Key& key, std::shared_ptr<const Program> program);
  // Gives up all of them.
  void clear() noexcept;
  // Gives up the programs of loops and branches that nobody can ask for again, since a function of
  // theirs belongs to nobody else; and with them what the functions captured.
  void forget_unused() noexcept;

 private:
  static constexpr size_t kMaxSteps = 1 << 14;

  using Programs = std::unordered_map<Key, std::shared_ptr<const Program>, WordsHash>;
  Programs plain_, controlling_;                       // without and with loops and branches
  std::unordered_map<const Function*, long> holders_;  // how often `controlling_` refers to each
  size_t steps_ = 0;
};

}  // namespace nxv::runtime
