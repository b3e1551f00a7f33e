// Two engines on one device: one fuses and donates, the other evaluates one node at a time.
#pragma once

#include <gtest/gtest.h>

#include "testing/driver/engine_fixture.h"
#include "testing/random/graph_check.h"

namespace nxv::runtime {

class EnginePair {
 public:
  // `slowness`: of the device of the one that fuses.
  explicit EnginePair(const std::vector<std::string>& disabled = {}, double slowness = 1) {
    EngineOptions options = test_options();
    options.device.plan.slowness = slowness;
    options.executor.schedule.large_bytes = 0;
    for (const std::string& name : disabled) options.device.plan.disable.push_back(name);
    fused_ = open_or_null(options);
    if (!fused_) return;
    options.device.plan.slowness = 1;
    options.executor.schedule.fuse = options.executor.schedule.donate = false;
    apart_ = open_or_null(options);
    agreement_ = agreement_of(fused_->plan());
  }
  bool is_open() const { return fused_ != nullptr; }
  Engine& fused() { return *fused_; }
  Engine& apart() { return *apart_; }

  void check_graph(uint64_t seed, const RandomGraphOptions& options) {
    expect_nothing("seed " + std::to_string(seed), [&] {
      return check_random_graph(seed, options, evaluator(*fused_), evaluator(*apart_), agreement_);
    });
  }
  void check_rows(uint64_t seed) {
    expect_nothing("rows of seed " + std::to_string(seed), [&] {
      return check_random_rows(seed, evaluator(*fused_), evaluator(*apart_), agreement_);
    });
  }
  void check_products(uint64_t seed) {
    expect_nothing("products of seed " + std::to_string(seed), [&] {
      return check_random_products(seed, evaluator(*fused_), evaluator(*apart_), agreement_);
    });
  }
  void check_call(uint64_t seed) {
    expect_nothing("seed " + std::to_string(seed), [&] {
      return check_random_call(seed, evaluator(*fused_), evaluator(*apart_), agreement_);
    });
  }

 private:
  template <typename Check>
  static void expect_nothing(const std::string& label, Check check) {
    try {
      EXPECT_EQ(check(), "");
    } catch (const Error& e) {
      ADD_FAILURE() << label << ": " << e.what();
    }
  }

  static GraphEvaluator evaluator(Engine& engine) {
    return {engine.graveyard(), [&](std::span<const NodeRef> nodes) {
              engine.evaluate({nodes.begin(), nodes.end()});
              std::vector<std::future<Answer>> answers;
              for (const NodeRef& n : nodes) answers.push_back(read_later(engine, n));
              std::vector<HostTensor> values;
              for (size_t i = 0; i < nodes.size(); ++i) {
                values.push_back(tensor_of(*nodes[i], answers[i].get()));
              }
              return values;
            }};
  }

  std::shared_ptr<Engine> fused_, apart_;
  AgreementOptions agreement_;
};

}  // namespace nxv::runtime
