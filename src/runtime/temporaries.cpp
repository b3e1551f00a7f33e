#include "runtime/temporaries.h"

#include <algorithm>
#include <numeric>

#include "vulkan/memory.h"

namespace nxv::runtime {
namespace {

constexpr int kNone = -1;

// Bytes that one temporary after the other may have, by the steps between which they do.
struct Item {
  uint64_t bytes = 0;
  int first = 0, last = 0;
  int stretch = 0;
  int holders = 0;  // values that are in it
  bool is_apart = false;
  Program::Place* place = nullptr;  // of the first one
  uint64_t offset = 0;
};

uint64_t aligned(uint64_t bytes) {
  constexpr uint64_t a = vulkan::kBlockAlignment;
  return (vulkan::padded(bytes) + a - 1) / a * a;
}

// Goes through the steps as they will be run.
class Walk {
 public:
  Walk(Program& program, bool donates)
      : program_(program),
        donates_(donates),
        item_of_(program.values, kNone),
        is_result_(program.values) {
    for (const Position p : program.results) {
      if (p >= 0) is_result_[static_cast<size_t>(p)] = true;
    }
  }

  // Of each stretch those that do not stay apart.
  std::vector<std::vector<Item>> run() {
    int stretch = 0;
    for (size_t i = 0; i < program_.steps.size(); ++i) {
      Program::Step& step = program_.steps[i];
      step_ = static_cast<int>(i);
      if (step.source >= 0) {
        share(step);
      } else if (step.control) {
        for (const Position p : step.operands) set_apart(item_of(p));
        ++stretch;
      } else {
        read(step, stretch);
        store(step, stretch);
      }
      for (const Position p : step.last_reads) let_go(p);
    }
    std::vector<std::vector<Item>> stretches(static_cast<size_t>(stretch) + 1);
    for (const Item& item : items_) {
      // What nothing reads is held until the end.
      if (item.is_apart || item.holders > 0) continue;
      stretches[static_cast<size_t>(item.stretch)].push_back(item);
    }
    return stretches;
  }

 private:
  int& item_of(Position p) { return item_of_[static_cast<size_t>(p)]; }
  void set_apart(int item) {
    if (item != kNone) items_[static_cast<size_t>(item)].is_apart = true;
  }
  int add(uint64_t bytes, int stretch, Program::Place& place) {
    items_.push_back({bytes, step_, step_, stretch, 0, false, &place, 0});
    return static_cast<int>(items_.size()) - 1;
  }
  void hold(Position p, int item) {
    item_of(p) = item;
    if (item == kNone) return;
    ++items_[static_cast<size_t>(item)].holders;
    if (is_result_[static_cast<size_t>(p)]) set_apart(item);
  }
  void let_go(Position p) {
    if (item_of(p) != kNone) --items_[static_cast<size_t>(item_of(p))].holders;
    item_of(p) = kNone;
  }

  void share(const Program::Step& step) {
    const int item = item_of(step.source);
    if (item != kNone) items_[static_cast<size_t>(item)].last = step_;
    hold(step.outputs[0].root, item);
  }

  void read(const Program::Step& step, int stretch) {
    for (const Position p : step.operands) {
      if (item_of(p) == kNone) continue;
      Item& item = items_[static_cast<size_t>(item_of(p))];
      item.last = step_;
      item.is_apart |= item.stretch != stretch;
    }
  }

  void store(Program::Step& step, int stretch) {
    for (Program::Output& output : step.outputs) {
      const int taken = choose_donor(step, output);
      if (taken == kNone) {
        hold(output.root, add(output.allocation, stretch, output.place));
        continue;
      }
      const Position donor = step.operands[static_cast<size_t>(taken)];
      const int item = item_of(donor);
      let_go(donor);
      hold(output.root, item);
    }
    const std::vector<uint64_t>& workspaces = step.lowering.workspaces;
    step.workspaces.resize(workspaces.size());
    for (size_t w = 0; w < workspaces.size(); ++w) add(workspaces[w], stretch, step.workspaces[w]);
  }

  // The operand, by its index, whose item the output takes over. It alone remains of the
  // temporaries among the donors: the first of them, unless the output is a result, which rather
  // takes over what the program was given.
  int choose_donor(const Program::Step& step, Program::Output& output) {
    std::vector<int> others;
    int chosen = kNone;
    for (const int i : output.donors) {
      const int item = item_of(step.operands[static_cast<size_t>(i)]);
      if (item == kNone) {
        others.push_back(i);
      } else if (donates_ && chosen == kNone && items_[static_cast<size_t>(item)].holders == 1) {
        chosen = i;
      }
    }
    output.donors = std::move(others);
    if (chosen == kNone) return kNone;
    const bool is_last = is_result_[static_cast<size_t>(output.root)];
    output.donors.insert(is_last ? output.donors.end() : output.donors.begin(), chosen);
    return chosen;
  }

  Program& program_;
  const bool donates_;
  std::vector<int> item_of_;  // of values: the item that they are in
  std::vector<bool> is_result_;
  std::vector<Item> items_;
  int step_ = 0;
};

// Chooses places, as far as there are `most` bytes; how many they take.
uint64_t lay_out(std::vector<Item>& items, uint64_t most) {
  std::vector<size_t> by_size(items.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return items[a].bytes > items[b].bytes; });
  uint64_t total = 0;
  std::vector<Item*> placed;  // by their offsets
  for (const size_t i : by_size) {
    Item& item = items[i];
    const uint64_t bytes = aligned(item.bytes);
    uint64_t end = 0, best = 0;  // of those before a gap; where the smallest one begins
    uint64_t smallest = ~uint64_t{0};
    for (const Item* other : placed) {
      if (other->last < item.first || item.last < other->first) continue;
      const uint64_t gap = other->offset > end ? other->offset - end : 0;
      if (gap >= bytes && gap < smallest) {
        smallest = gap;
        best = end;
      }
      end = std::max(end, other->offset + aligned(other->bytes));
    }
    item.offset = smallest == ~uint64_t{0} ? end : best;
    if (bytes > most || item.offset > most - bytes) continue;
    *item.place = item.offset;
    total = std::max(total, item.offset + bytes);
    const auto after =
        std::upper_bound(placed.begin(), placed.end(), item.offset,
                         [](uint64_t offset, const Item* other) { return offset < other->offset; });
    placed.insert(after, &item);
  }
  return total;
}

}  // namespace

void plan_temporaries(Program& program, bool donates, uint64_t most) {
  std::vector<std::vector<Item>> stretches = Walk(program, donates).run();
  for (std::vector<Item>& items : stretches) {
    if (items.size() < 2) continue;
    const auto first = std::min_element(
        items.begin(), items.end(), [](const Item& a, const Item& b) { return a.first < b.first; });
    program.steps[static_cast<size_t>(first->first)].block_bytes = lay_out(items, most);
  }
}

}  // namespace nxv::runtime
