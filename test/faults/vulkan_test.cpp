// Calls of the driver that fail, wherever they are made.
#include <array>

#include "hunt_fixture.h"
#include "testing/driver/fake_driver.h"

namespace nxv::faults {
namespace {

// How many polls are places of their own: there are as many as it takes.
constexpr int kPolls = 3;

bool is_poll(const std::string& call) {
  return call == "vkGetSemaphoreCounterValue" || call == "vkWaitSemaphores";
}

// One call, or everything from that call on, with each of four results, where the host sees device
// memory and where all is staged. Calls that fail leave garbage where they should have written.
class DriverNet : public Net {
 public:
  explicit DriverNet(std::string folder) : folder_(std::move(folder)) {}

  int kinds() const override { return 2 * 2 * static_cast<int>(kResults.size()); }
  std::string name(int kind) const override {
    return std::string(is_staged(kind) ? "staged, " : "") +
           (is_one(kind) ? "one " : "from then on ") + kResults[result(kind)].name;
  }
  std::shared_ptr<runtime::Engine> open(const Scenario& scenario, int kind) override {
    runtime::EngineOptions options = runtime::EngineOptions::from_environment();
    options.device.cache_folder = scenario.has_cache ? folder_ : "";
    options.device.inject = driver_.hook();
    if (is_staged(kind)) {
      options.device.plan.profile = plan::Profile::discrete;
      options.device.plan.disable.emplace_back("f64");  // whose speed would be measured each time
    }
    return runtime::Engine::open(options);
  }
  int family(int kind) const override { return is_staged(kind) ? 1 : 0; }
  void arm(int kind, int place) override {
    const auto& [call, n] = places_[static_cast<size_t>(place)];
    const int code = kResults[result(kind)].code;
    if (is_one(kind)) return driver_.fail_call(call, n, code);
    driver_.fail_from_call(call, n, code);
  }
  void arm_nothing() override {
    driver_.heal();
    is_learning_ = true;
  }
  void disarm() override {
    has_fired_ = driver_.has_failed();
    if (is_learning_) learn();
    driver_.heal();
  }
  int places(int) const override { return static_cast<int>(places_.size()); }
  std::string place_name(int, int place) const override {
    const auto& [call, n] = places_[static_cast<size_t>(place)];
    return call + ' ' + std::to_string(n);
  }
  int fired() const override { return has_fired_ ? 1 : 0; }
  bool may_answer(int kind, nxv_status status) const override {
    return status == NXV_DEVICE_LOST || status == kResults[result(kind)].status ||
           (kResults[result(kind)].code == testing::kInitializationFailed &&
            status == NXV_INTERNAL);
  }
  bool goes_on(int kind, const std::vector<Outcome>& outcomes) const override {
    if (!is_one(kind) || kResults[result(kind)].code == testing::kDeviceLost) return false;
    for (const Outcome& o : outcomes) {
      if (o.status == NXV_DEVICE_LOST) return false;
    }
    return true;
  }

 private:
  struct Result {
    int code;
    nxv_status status;  // beside device_lost
    const char* name;
  };
  static constexpr std::array<Result, 4> kResults = {{
      {testing::kOutOfHostMemory, NXV_ALLOC_FAILED, "out of host memory"},
      {testing::kOutOfDeviceMemory, NXV_ALLOC_FAILED, "out of device memory"},
      {testing::kInitializationFailed, NXV_NO_DEVICE, "initialization failed"},
      {testing::kDeviceLost, NXV_DEVICE_LOST, "device lost"},
  }};
  static size_t result(int kind) { return static_cast<size_t>(kind) % kResults.size(); }
  static bool is_one(int kind) { return kind / static_cast<int>(kResults.size()) % 2 == 0; }
  static bool is_staged(int kind) { return kind / static_cast<int>(kResults.size()) >= 2; }

  void learn() {
    is_learning_ = false;
    places_.clear();
    for (const auto& [call, count] : driver_.calls()) {
      for (int n = 0; n < (is_poll(call) ? kPolls : count); ++n) places_.emplace_back(call, n);
    }
  }

  const std::string folder_;
  testing::FakeDriver driver_;
  bool is_learning_ = false, has_fired_ = false;
  std::vector<std::pair<std::string, int>> places_;
};

class VulkanFaults : public HuntFixture {};

TEST_P(VulkanFaults, InSomePlaces) { hunt_with<DriverNet>("vulkan", 47); }
TEST_P(VulkanFaults, DISABLED_LongInEveryPlace) { hunt_with<DriverNet>("vulkan", 1); }

INSTANTIATE_TEST_SUITE_P(Scenarios, VulkanFaults, ::testing::Range(size_t{0}, scenarios().size()),
                         name_of_scenario);

}  // namespace
}  // namespace nxv::faults
