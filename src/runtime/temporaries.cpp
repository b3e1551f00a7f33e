#include "runtime/temporaries.h"

#include <algorithm>

#include "runtime/block_layout.h"

namespace nxv::runtime {
namespace {

constexpr int kNone = -1;

// What temporaries one after the other may have.
struct Item {
  int holders = 0;                  // values that are in it
  Program::Place* place = nullptr;  // of the first one
};

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

  void run() {
    for (size_t i = 0; i < program_.steps.size(); ++i) {
      Program::Step& step = program_.steps[i];
      step_ = static_cast<int>(i);
      if (step.source >= 0) {
        share(step);
      } else if (step.control) {
        for (const Position p : step.operands) {
          live(item_of(p));
          set_apart(item_of(p));
        }
        boundaries.push_back(step_ + 1);
      } else {
        read(step);
        store(step);
      }
      for (const Position p : step.last_reads) let_go(p);
    }
    for (size_t i = 0; i < items_.size(); ++i) {
      if (items_[i].holders == 0) continue;
      // A result, or what nothing reads: held until the end.
      lifetimes[i].is_apart = true;
      lifetimes[i].last = step_;
    }
  }
  void set_places() const {
    for (size_t i = 0; i < items_.size(); ++i) {
      if (!lifetimes[i].is_apart) *items_[i].place = lifetimes[i].offset;
    }
  }

  std::vector<Lifetime> lifetimes;  // of the items
  std::vector<int> boundaries{0};   // where stretches between loops and branches begin

 private:
  int& item_of(Position p) { return item_of_[static_cast<size_t>(p)]; }
  void set_apart(int item) {
    if (item != kNone) lifetimes[static_cast<size_t>(item)].is_apart = true;
  }
  void live(int item) {
    if (item != kNone) lifetimes[static_cast<size_t>(item)].last = step_;
  }
  int add(uint64_t bytes, Program::Place& place) {
    lifetimes.push_back({bytes, step_, step_, false, 0});
    items_.push_back({0, &place});
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
    live(item_of(step.source));
    hold(step.outputs[0].root, item_of(step.source));
  }

  void read(const Program::Step& step) {
    for (const Position p : step.operands) live(item_of(p));
  }

  void store(Program::Step& step) {
    for (Program::Output& output : step.outputs) {
      const int taken = choose_donor(step, output);
      if (taken == kNone) {
        hold(output.root, add(output.allocation, output.place));
        continue;
      }
      const Position donor = step.operands[static_cast<size_t>(taken)];
      const int item = item_of(donor);
      let_go(donor);
      hold(output.root, item);
    }
    const std::vector<uint64_t>& workspaces = step.lowering.workspaces;
    step.workspaces.resize(workspaces.size());
    for (size_t w = 0; w < workspaces.size(); ++w) add(workspaces[w], step.workspaces[w]);
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

}  // namespace

void plan_temporaries(Program& program, bool donates, uint64_t most) {
  Walk walk(program, donates);
  walk.run();
  const auto end = static_cast<int>(program.steps.size());
  // Nothing begins behind the last step.
  if (walk.boundaries.back() == end) walk.boundaries.pop_back();
  if (walk.boundaries.empty()) return;
  for (const PlannedBlock& block : lay_out(walk.lifetimes, walk.boundaries, end, most)) {
    Program::Step& first = program.steps[static_cast<size_t>(block.first)];
    first.begins_stretch = true;
    first.block_bytes = block.bytes;
  }
  walk.set_places();
}

}  // namespace nxv::runtime
