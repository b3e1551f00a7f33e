// Temporaries of a Function's program in one block.
#include "runtime/temporaries.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "runtime/describe.h"
#include "runtime/description.h"
#include "testing/driver/function_fixture.h"
#include "testing/random/random_function.h"

namespace nxv::runtime {
namespace {

// Bytes of a block, or a block of its own.
struct Storage {
  Program::Place place;
  uint64_t bytes = 0;
};

// Goes through a program as a run of it does, with all arguments expiring or none, and finds bytes
// that two storages have at the same time.
class Runs {
 public:
  Runs(const Program& program, bool arguments_expire, bool donates)
      : program_(program),
        arguments_expire_(arguments_expire),
        donates_(donates),
        slots_(program.values) {}

  std::string fault() {
    for (const Position p : program_.parameters) {
      if (p >= 0) slots_[p] = std::make_shared<Storage>();
    }
    for (const auto& [p, node] : program_.captures) slots_[p] = std::make_shared<Storage>();
    for (const Program::Step& step : program_.steps) {
      if (step.begins_stretch) {
        block_ = step.block_bytes;
        for (const auto& s : slots_) {
          if (s && s->place) return "a part outlives its stretch";
        }
      }
      if (step.source >= 0) {
        slots_[step.outputs[0].root] = slots_[step.source];
      } else if (step.control) {
        block_ = 0;
        for (const Position p : step.operands) {
          if (slots_[p] && slots_[p]->place) return "a loop or a branch is given a part";
        }
        for (const auto& [index, p] : step.control->results) {
          slots_[p] = std::make_shared<Storage>();
        }
      } else if (const std::string f = store(step); !f.empty()) {
        return "step " + std::to_string(step.number) + ": " + f;
      }
      for (const Position p : step.last_reads) slots_[p] = nullptr;
    }
    for (const Position p : program_.results) {
      if (p >= 0 && slots_[p]->place) return "a result is a part";
    }
    return "";
  }
  int placed() const { return placed_; }

 private:
  bool is_expiring(Position p, const std::set<Position>& taken) const {
    const bool is_argument =
        std::count(program_.parameters.begin(), program_.parameters.end(), p) > 0;
    const auto holders = std::count(slots_.begin(), slots_.end(), slots_[p]);
    return donates_ && slots_[p] && holders == 1 && taken.count(p) == 0 &&
           (!is_argument || arguments_expire_);
  }

  std::string store(const Program::Step& step) {
    std::vector<std::shared_ptr<Storage>> made;
    std::set<Position> taken;
    const auto make = [&](uint64_t bytes, const Program::Place& place) {
      made.push_back(std::make_shared<Storage>(Storage{place, bytes}));
      placed_ += place.has_value();
      return made.back();
    };
    std::vector<std::shared_ptr<Storage>> outputs;
    for (const Program::Output& output : step.outputs) {
      const auto donor = std::find_if(output.donors.begin(), output.donors.end(),
                                      [&](int i) { return is_expiring(step.operands[i], taken); });
      if (donor != output.donors.end()) {
        taken.insert(step.operands[*donor]);
        outputs.push_back(slots_[step.operands[*donor]]);
      } else {
        outputs.push_back(make(output.allocation, output.place));
      }
    }
    for (size_t w = 0; w < step.lowering.workspaces.size(); ++w) {
      make(step.lowering.workspaces[w], step.workspaces.at(w));
    }
    for (const auto& a : made) {
      if (!a->place) continue;
      if (*a->place % vulkan::kBlockAlignment != 0) return "not aligned";
      if (*a->place + vulkan::padded(a->bytes) > block_) return "beyond the block";
      const auto overlaps = [&](const std::shared_ptr<Storage>& b) {
        return b && b != a && b->place && *a->place < *b->place + vulkan::padded(b->bytes) &&
               *b->place < *a->place + vulkan::padded(a->bytes);
      };
      if (std::any_of(made.begin(), made.end(), overlaps)) return "overlaps another of the step";
      if (std::any_of(slots_.begin(), slots_.end(), overlaps)) return "overlaps what is alive";
    }
    for (const Position p : taken) slots_[p] = nullptr;
    for (size_t r = 0; r < outputs.size(); ++r) slots_[step.outputs[r].root] = outputs[r];
    return "";
  }

  const Program& program_;
  const bool arguments_expire_, donates_;
  std::vector<std::shared_ptr<Storage>> slots_;
  uint64_t block_ = 0;
  int placed_ = 0;
};

// Calls visit(program) for that of the function and for those that it calls.
void each_program(ProgramMaker& maker, const Function& f, const Numbers& known,
                  const std::function<void(const Program&)>& visit) {
  const Program& program = maker.of(f, known);
  visit(program);
  for (const Program::Step& step : program.steps) {
    if (!step.control) continue;
    for (const auto& [called, numbers] : calls_of(step))
      each_program(maker, *called, numbers, visit);
  }
}

class Temporaries : public FunctionFixture {
 protected:
  // Running maxima of x and more and more copies of it, of which one and the one before it are
  // alive at a time.
  static FunctionRef chain(Engine& engine, int64_t n, int64_t steps) {
    const NodeRef x = parameter(engine.graveyard(), DType::f32, {n});
    NodeRef v = x;
    for (int64_t i = 1; i <= steps; ++i) {
      const NodeRef more = elementwise(
          Op::add, {x, constant(engine.graveyard(), make_scalar(DType::f32, double(i)), {})});
      const NodeRef all = concatenate(Nodes{v, more}, 0);
      v = make_node(engine.graveyard(), Op::scan, DType::f32, all->shape, {all},
                    ScanAttr{Op::max, 0, false});
    }
    return function({x}, {reduce(Op::sum, v, {}, false)});
  }
  static float run(Engine& engine, const FunctionRef& f, const NodeRef& x) {
    return elements<float>(engine, engine.invoke(f, {x})[0])[0];
  }
  static std::shared_ptr<Engine> open_apart() {
    EngineOptions options = test_options();
    options.executor.plans_temporaries = false;
    return open_or_null(options);
  }
  ProgramDescription described(const FunctionRef& f) {
    ProgramDescription d;
    engine_->call([&](Executor& e, vulkan::Device&) { d = describe(*f, e.programs()); });
    return d;
  }
};

TEST_F(Temporaries, NeverShareBytesWhileBothAreAlive) {
  const auto apart = open_apart();
  if (!apart->plan().has.f64) GTEST_SKIP() << "the device has no f64, which random functions have";
  std::map<uint64_t, int> placed;
  const auto check = [&](const Program& made, uint64_t seed) {
    for (const bool donates : {true, false}) {
      for (const uint64_t most : {~uint64_t{0}, uint64_t{512}, uint64_t{128}}) {
        Program program = made;
        plan_temporaries(program, donates, most);
        for (const bool expire : {false, true}) {
          Runs runs(program, donates && expire, donates);
          EXPECT_EQ(runs.fault(), "") << "seed " << seed << ", at most " << most;
          placed[most] += runs.placed();
        }
        for (const auto& step : program.steps) EXPECT_LE(step.block_bytes, most);
      }
    }
  };
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const auto drawn = random_function(apart->graveyard(), seed, random_function_options(seed));
    apart->call([&](Executor& executor, vulkan::Device&) {
      each_program(executor.programs(), *drawn.function, {},
                   [&](const Program& program) { check(program, seed); });
    });
  }
  EXPECT_GT(placed[~uint64_t{0}], 500);
  EXPECT_GT(placed[128], 100);
  EXPECT_LT(placed[128], placed[512]);
  EXPECT_LT(placed[512], placed[~uint64_t{0}]);
}

TEST_F(Temporaries, TakeLittleMoreThanTheyNeedAtOnce) {
  constexpr int64_t kCount = 100000, kSteps = 12;
  const FunctionRef f = chain(*engine_, kCount, kSteps);
  const ProgramDescription d = described(f);
  EXPECT_GE(d.temporary_block, d.temporaries);
  EXPECT_LE(d.temporary_block, d.temporaries + d.temporaries / 16);
  EXPECT_GT(d.all_temporaries, 3 * d.temporary_block);
  const std::string text = explain(*engine_, *f);
  EXPECT_NE(text.find(" altogether, in a block of " + std::to_string(d.temporary_block) + "\n"),
            std::string::npos)
      << text;

  // The most of a call, beside that of one without a plan.
  const auto apart = open_apart();
  const FunctionRef g = chain(*apart, kCount, kSteps);
  EXPECT_EQ(run(*engine_, f, filled(*engine_, kCount, 1)),
            run(*apart, g, filled(*apart, kCount, 1)));
  EXPECT_LE(engine_->memory().peak, apart->memory().peak + apart->memory().peak / 16);
}

TEST_F(Temporaries, OfCallsThatOverlapAreTheirOwn) {
  constexpr int64_t kCount = 20000, kSteps = 8;
  const FunctionRef f = chain(*engine_, kCount, kSteps);
  const auto apart = open_apart();
  const FunctionRef g = chain(*apart, kCount, kSteps);
  Nodes arguments, results;
  for (int i = 0; i < 10; ++i) {
    arguments.push_back(filled(*engine_, kCount, 0.5F * static_cast<float>(i)));
  }
  for (int round = 0; round < 3; ++round) {
    for (const NodeRef& x : arguments) results.push_back(engine_->invoke(f, {x})[0]);
  }
  for (size_t i = 0; i < results.size(); ++i) {
    const float x = 0.5F * static_cast<float>(i % arguments.size());
    EXPECT_EQ(elements<float>(*engine_, results[i])[0], run(*apart, g, filled(*apart, kCount, x)));
  }
}

TEST_F(Temporaries, LeaveNothingBehind) {
  const FunctionRef f = chain(*engine_, 5000, 6);
  const NodeRef x = filled(*engine_, 5000, 1);
  run(*engine_, f, x);
  const uint64_t before = settled(*engine_), blocks = engine_->memory().blocks;
  for (int i = 0; i < 20; ++i) run(*engine_, f, x);
  EXPECT_EQ(settled(*engine_), before);
  EXPECT_EQ(engine_->memory().blocks, blocks);
}

// Free memory in pieces, none of which is as large as all temporaries together.
TEST(TemporariesApart, FindRoomWhereThereIsNoneForAll) {
  constexpr int64_t kMega = int64_t{1} << 18;  // f32 elements of 1 MiB
  EngineOptions options = test_options();
  options.device.plan.memory_budget = 32 << 20;
  NXV_OPEN_OR_SKIP(engine, options);
  const NodeRef x = parameter(engine->graveyard(), DType::f32, {kMega});
  NodeRef v = x;
  Nodes kept;
  for (int i = 0; i < 4; ++i) {
    v = make_node(engine->graveyard(), Op::scan, DType::f32, v->shape, {v},
                  ScanAttr{i % 2 == 0 ? Op::add : Op::max, 0, i % 2 == 1});
    kept.push_back(v);
  }
  const NodeRef all = elementwise(Op::add, {elementwise(Op::add, {kept[0], kept[1]}),
                                            elementwise(Op::add, {kept[2], kept[3]})});
  const FunctionRef f = function({x}, {reduce(Op::sum, all, {}, false)});
  const auto run = [&](const NodeRef& value) {
    return elements<float>(*engine, engine->invoke(f, {value})[0])[0];
  };
  const NodeRef argument = filled(*engine, kMega, 1e-3F);
  const float expected = run(argument);
  uint64_t block = 0;
  engine->call([&](Executor& e, vulkan::Device& device) {
    block = describe(*f, e.programs()).temporary_block;
    device.memory().trim();
  });
  EXPECT_GE(block, 4U << 20);
  std::vector<vulkan::BlockRef> held;
  bool has_room = false;
  engine->call([&](Executor&, vulkan::Device& device) {
    while (vulkan::BlockRef b = device.memory().try_allocate(1 << 20)) held.push_back(std::move(b));
    for (size_t i = 0; i < held.size(); i += 2) held[i].reset();
    // Where the pool has each block from the driver by itself there is room for all.
    has_room = static_cast<bool>(device.memory().try_allocate(block));
    EXPECT_GE(held.size(), 16U);
  });
  EXPECT_EQ(run(argument), expected);
  if (has_room) GTEST_SKIP() << "memory of this device is not in pieces";
}

}  // namespace
}  // namespace nxv::runtime
