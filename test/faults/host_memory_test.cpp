// Memory of the host that ends at any allocation, and threads that do not start.
#include "hunt_fixture.h"

namespace nxv::faults {
namespace {

// One allocation or 40 in a row, of one thread each, 40 of all threads, and starts of threads.
class HostMemory : public Net {
 public:
  explicit HostMemory(std::string folder) : folder_(std::move(folder)) {}

  int kinds() const override { return 2 * kWhoCount + 2; }
  std::string name(int kind) const override {
    if (kind == kStarts) return "starts of threads";
    if (kind == kAll) return "40 allocations of all";
    return (is_one(kind) ? "one allocation of " : "40 allocations of ") +
           std::string(faults::name(who(kind)));
  }
  std::shared_ptr<runtime::Engine> open(const Scenario& scenario, int) override {
    runtime::EngineOptions options = runtime::EngineOptions::from_environment();
    options.device.cache_folder = scenario.has_cache ? folder_ : "";
    return runtime::Engine::open(options);
  }
  void arm(int kind, int place) override {
    if (kind == kStarts) return arm_thread_starts(place, 1);
    faults::arm(
        {kind == kAll, kind == kAll ? Who::caller : who(kind), place, is_one(kind) ? 1 : 40});
  }
  void arm_nothing() override { arm_thread_starts(0, 0); }
  void disarm() override { faults::disarm(); }
  int places(int kind) const override {
    if (kind == kStarts) return counts().thread_starts;
    if (kind == kAll) return counts().all_allocations;
    return counts().allocations[static_cast<size_t>(who(kind))];
  }
  std::string place_name(int, int place) const override { return std::to_string(place); }
  // Rows overlap.
  int stride(int kind) const override { return is_one(kind) || kind == kStarts ? 1 : 10; }
  int fired() const override { return counts().fired; }
  bool may_answer(int, nxv_status status) const override { return status == NXV_ALLOC_FAILED; }
  bool goes_on(int, const std::vector<Outcome>&) const override { return true; }

 private:
  static constexpr int kAll = 2 * kWhoCount, kStarts = kAll + 1;
  static bool is_one(int kind) { return kind < kWhoCount; }
  static Who who(int kind) { return static_cast<Who>(kind % kWhoCount); }

  const std::string folder_;
};

class HostMemoryFaults : public HuntFixture {};

TEST_P(HostMemoryFaults, InSomePlaces) { hunt_with<HostMemory>("host memory", 149); }
TEST_P(HostMemoryFaults, DISABLED_LongInEveryPlace) { hunt_with<HostMemory>("host memory", 1); }

INSTANTIATE_TEST_SUITE_P(Scenarios, HostMemoryFaults,
                         ::testing::Range(size_t{0}, scenarios().size()), name_of_scenario);

}  // namespace
}  // namespace nxv::faults
