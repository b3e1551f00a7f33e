#include "runtime/session.h"

#include <chrono>
#include <future>

#include "base/error.h"

namespace nxv::runtime {
namespace {

EngineOptions options_for(const std::string& device) {
  EngineOptions options = EngineOptions::from_environment();
  if (!device.empty()) options.device.select = device;
  return options;
}

void raise(const Failure& failure) {
  if (failure) throw_failure(failure);
}

}  // namespace

Session::Session(const std::string& device) : engine_(Engine::open(options_for(device))) {}

void Session::evaluate(const NodeRef& node) {
  std::promise<Failure> done;
  engine_->evaluate(node, [&](const Failure& failure) { done.set_value(failure); });
  raise(done.get_future().get());
}

std::vector<std::byte> Session::read(const NodeRef& node) {
  std::vector<std::byte> bytes;
  std::promise<Failure> done;
  engine_->read(node, -1, [&](const Failure& failure, std::span<const std::byte> got) {
    bytes.assign(got.begin(), got.end());
    done.set_value(failure);
  });
  raise(done.get_future().get());
  return bytes;
}

std::vector<float> Session::floats(const NodeRef& node) {
  const std::vector<std::byte> bytes = read(node);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

NodeRef Session::uniform(Shape shape, double low, double high, DType type) {
  const bool rounds = is_integer(type);
  NodeRef node = random(owner(), Op::random_uniform, rounds ? DType::f32 : type, std::move(shape),
                        RandomAttr{++seed_, 0, low, high});
  if (rounds) node = cast(node, type);
  evaluate(node);
  return node;
}

NodeRef Session::normal(Shape shape) {
  NodeRef node = random(owner(), Op::random_normal, DType::f32, std::move(shape),
                        RandomAttr{++seed_, 0, 0, 1});
  evaluate(node);
  return node;
}

NodeRef Session::scalar(double v, DType type) {
  return constant(owner(), make_scalar(type, v), {});
}

Session::DeviceTime Session::timed(const NodeRef& node) {
  DeviceTime result;
  const bool has_clock = engine_->plan().has.timestamps;
  engine_->call([&](Executor& executor, vulkan::Device& device) {
    vulkan::Queue& queue = device.queue();
    raise(queue.wait(queue.submit()));
    if (has_clock) {
      queue.set_profiling(true);
      queue.take_profile();
    }
    const uint64_t dispatches = executor.stats().dispatches;
    const auto start = std::chrono::steady_clock::now();
    executor.evaluate(node);
    raise(queue.wait(queue.submit()));
    result.kernels = static_cast<int>(executor.stats().dispatches - dispatches);
    if (!has_clock) {
      result.seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      return;
    }
    result.each = queue.take_profile();
    for (const vulkan::KernelTime& t : result.each) result.seconds += t.nanoseconds * 1e-9;
    queue.set_profiling(false);
  });
  return result;
}

}  // namespace nxv::runtime
