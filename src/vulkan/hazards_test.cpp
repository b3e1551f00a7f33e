#include "vulkan/hazards.h"

#include <gtest/gtest.h>

#include <random>

namespace nxv::vulkan {
namespace {

struct Command {
  std::vector<Range> reads;
  std::vector<Range> writes;
};

std::vector<Command> random_commands(std::mt19937& random, int count) {
  const auto number = [&](int below) { return static_cast<int>(random() % below); };
  const auto range = [&] {
    const uint64_t begin = static_cast<uint64_t>(number(40));
    return Range{begin, begin + 1 + static_cast<uint64_t>(number(6))};
  };
  std::vector<Command> all(static_cast<size_t>(count));
  for (Command& c : all) {
    for (int i = number(3); i > 0; --i) c.reads.push_back(range());
    for (int i = 1 + number(2); i > 0; --i) c.writes.push_back(range());
  }
  return all;
}

// Which of a command's conflicts the recorder notices; all of them, unless it is broken on purpose.
struct Notices {
  bool read_after_write = true;
  bool write_after_read = true;
  bool write_after_write = true;
};

// Records the commands as the queue does; the number of barriers.
int record(const std::vector<Command>& commands, HazardChecker& checker, Notices notices = {}) {
  HazardTracker raw, war, waw;  // kept apart so that each can be ignored
  int barriers = 0;
  for (const Command& c : commands) {
    bool hazard = false;
    for (const Range& r : c.reads) hazard |= notices.read_after_write && raw.reads_conflict(r);
    for (const Range& w : c.writes) {
      hazard |= notices.write_after_read && war.writes_conflict(w);
      hazard |= notices.write_after_write && waw.writes_conflict(w);
    }
    if (hazard) {
      for (HazardTracker* t : {&raw, &war, &waw}) t->barrier();
      checker.barrier();
      ++barriers;
    }
    for (const Range& r : c.reads) war.add_read(r);
    for (const Range& w : c.writes) {
      raw.add_write(w);
      waw.add_write(w);
    }
    checker.command("c", c.reads, c.writes);
  }
  return barriers;
}

TEST(Hazards, TouchingRangesDoNotConflict) {
  HazardTracker t;
  t.add_write({16, 32});
  EXPECT_FALSE(t.reads_conflict({0, 16}));
  EXPECT_FALSE(t.reads_conflict({32, 48}));
  EXPECT_TRUE(t.reads_conflict({31, 32}));
  EXPECT_TRUE(t.writes_conflict({0, 17}));
}

TEST(Hazards, ReadsDoNotConflictWithReads) {
  HazardTracker t;
  t.add_read({0, 16});
  EXPECT_FALSE(t.reads_conflict({0, 16}));
  EXPECT_TRUE(t.writes_conflict({8, 9}));
  t.barrier();
  EXPECT_FALSE(t.writes_conflict({8, 9}));
}

TEST(Hazards, RandomSequencesPassTheChecker) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    HazardChecker checker;
    record(random_commands(random, 30), checker);
    ASSERT_EQ(checker.find_violation(), "") << "round " << round;
  }
}

// No barrier could be left out: without it the command after it conflicts with one since the
// barrier before.
TEST(Hazards, EveryBarrierIsNeeded) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    const auto commands = random_commands(random, 12);
    HazardTracker tracker;
    HazardChecker since;  // the commands since the last barrier
    for (const Command& c : commands) {
      bool hazard = false;
      for (const Range& r : c.reads) hazard |= tracker.reads_conflict(r);
      for (const Range& w : c.writes) hazard |= tracker.writes_conflict(w);
      HazardChecker without = since;
      without.command("c", c.reads, c.writes);
      ASSERT_EQ(hazard, !without.find_violation().empty());
      if (hazard) {
        tracker.barrier();
        since.reset();
      }
      for (const Range& r : c.reads) tracker.add_read(r);
      for (const Range& w : c.writes) tracker.add_write(w);
      since.command("c", c.reads, c.writes);
    }
  }
}

TEST(Hazards, TheCheckerCatchesEachKindOfBrokenTracker) {
  const Notices broken[] = {{.read_after_write = false},
                            {.write_after_read = false, .write_after_write = true},
                            {.write_after_write = false}};
  for (const Notices& notices : broken) {
    std::mt19937 random(3);
    int caught = 0;
    for (int round = 0; round < 100; ++round) {
      HazardChecker checker;
      record(random_commands(random, 30), checker, notices);
      caught += !checker.find_violation().empty();
    }
    EXPECT_GT(caught, 50);
  }
}

TEST(Hazards, AViolationNamesBothCommands) {
  HazardChecker checker;
  const Range r{0, 4};
  checker.command("producer", {}, {&r, 1});
  checker.command("consumer", {&r, 1}, {});
  EXPECT_EQ(checker.find_violation(),
            "command 1 (consumer) reads what was written by command 0 (producer) without a barrier "
            "between them");
}

}  // namespace
}  // namespace nxv::vulkan
