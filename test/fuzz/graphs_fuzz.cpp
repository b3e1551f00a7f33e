// Graphs that the input draws, as any device of a list would evaluate them: scheduled whole,
// lowered, legalised and run in the interpreter, they give the bits that one operation at a time
// gives, each of these what the reference makes of the same operands, and every kernel is a valid
// module.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/random/graph_check.h"
#include "testing/random/random_call.h"
#include "testing/random/random_products.h"
#include "testing/random/random_rows.h"

namespace {

using namespace nxv;
using nxv::kernels::AbsentDevice;
using nxv::testing::InterpretedDevice;

// What a device remembers of its kernels goes now and then.
constexpr int kInputsOfDevice = 200;

schedule::Options one_at_a_time() {
  schedule::Options options;
  options.fuse = false;
  return options;
}

class Device {
 public:
  explicit Device(const AbsentDevice& d)
      : fused_(d.plan, d.interpreter),
        apart_(d.plan, d.interpreter, one_at_a_time()),
        agreement_(agreement_of(d.plan)) {}

  // What is wrong.
  std::string check(const GraphBuilder& build) {
    const std::string wrong =
        check_graph("graph", build, evaluator(fused_), evaluator(apart_), agreement_);
    return wrong + fused_.invalid() + apart_.invalid();
  }

 private:
  static GraphEvaluator evaluator(InterpretedDevice& device) {
    return {host_graveyard(),
            [&](std::span<const NodeRef> nodes) { return device.evaluate(nodes); }};
  }

  InterpretedDevice fused_, apart_;
  AgreementOptions agreement_;
};

class Slot {
 public:
  explicit Slot(AbsentDevice device) : of_(std::move(device)) {}
  const std::string& name() const { return of_.name; }
  Device& device() {
    if (!device_ || inputs_++ == kInputsOfDevice) {
      device_.reset();
      device_ = std::make_unique<Device>(of_);
      inputs_ = 0;
    }
    return *device_;
  }

 private:
  const AbsentDevice of_;
  std::unique_ptr<Device> device_;
  int inputs_ = 0;
};

std::vector<Slot>& slots() {
  static std::vector<Slot> all = [] {
    std::vector<Slot> list;
    for (AbsentDevice& d : nxv::kernels::absent_devices()) list.emplace_back(std::move(d));
    return list;
  }();
  return all;
}

// Names of the library.
const std::vector<std::string>& calls() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list = random_call_names();
    std::erase_if(list, [](const std::string& name) { return name.starts_with("op "); });
    return list;
  }();
  return names;
}

GraphBuilder drawn(Dice dice) {
  const int64_t kind = dice.below(8);
  if (kind == 0) return [=](const GraveyardRef& owner) { return random_rows(owner, dice); };
  if (kind == 1) return [=](const GraveyardRef& owner) { return random_products(owner, dice); };
  if (kind == 2) {
    const std::string name = dice.pick(calls());
    return [=](const GraveyardRef& owner) { return random_call_of(owner, name, dice).results; };
  }
  RandomGraphOptions options = random_graph_options(static_cast<uint64_t>(dice.below(256)));
  options.size = static_cast<int>(dice.between(1, 16));
  options.max_elements = dice.chance(90) ? 60 : 600;
  return [=](const GraveyardRef& owner) { return random_graph(owner, dice, options); };
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Dice dice(std::span(data, size));
  Slot& slot = slots()[static_cast<size_t>(dice.below(static_cast<int64_t>(slots().size())))];
  std::string wrong;
  try {
    wrong = slot.device().check(drawn(dice));
  } catch (const Error& e) {
    wrong = e.what();
  }
  if (wrong.empty()) return 0;
  std::fprintf(stderr, "%s: %s\n", slot.name().c_str(), wrong.c_str());
  std::abort();
}
