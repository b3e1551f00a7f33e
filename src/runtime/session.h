// An open engine and blocking ways to use it, for tools and for what examines a device.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/engine.h"

namespace nxv::runtime {

class Session {
 public:
  explicit Session(const std::string& device);

  Engine& engine() { return *engine_; }
  const GraveyardRef& owner() const { return engine_->graveyard(); }

  // Stores the value and waits until its bytes are there.
  void evaluate(const NodeRef& node);
  std::vector<std::byte> read(const NodeRef& node);
  std::vector<float> floats(const NodeRef& node);  // of an f32 value

  // Stored values of random elements; each call gets others.
  NodeRef uniform(Shape shape, double low = 0, double high = 1, DType type = DType::f32);
  NodeRef normal(Shape shape);
  NodeRef scalar(double v, DType type = DType::f32);

  struct DeviceTime {
    double seconds = 0;  // of the kernels together
    int kernels = 0;
    std::vector<vulkan::KernelTime> each;  // empty without a clock
  };
  // Evaluates, with the device's own clock where it has one.
  DeviceTime timed(const NodeRef& node);

 private:
  std::shared_ptr<Engine> engine_;
  uint64_t seed_ = 0;
};

}  // namespace nxv::runtime
