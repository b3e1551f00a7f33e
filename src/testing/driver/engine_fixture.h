// What the tests of this folder share: engines on whatever driver is there, values in and out.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <future>
#include <memory>
#include <vector>

#include "graph/build.h"
#include "runtime/engine.h"
#include "testing/reference/reference.h"

namespace nxv::runtime {

inline EngineOptions test_options() {
  EngineOptions options = EngineOptions::from_environment();
  options.device.check_hazards = true;
  options.executor.ledger = std::make_shared<kernels::KernelLedger>();
  return options;
}

// Null where there is no device: the caller skips.
inline std::shared_ptr<Engine> open_or_null(const EngineOptions& options = test_options()) {
  try {
    return Engine::open(options);
  } catch (const Error& e) {
    if (e.status() == Status::no_device) return nullptr;
    throw;
  }
}

#define NXV_OPEN_OR_SKIP(engine, ...)            \
  const auto engine = open_or_null(__VA_ARGS__); \
  if (!engine) GTEST_SKIP() << "no Vulkan device here"

template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  if constexpr (std::is_same_v<T, double>) return DType::f64;
  if constexpr (std::is_same_v<T, int32_t>) return DType::s32;
  if constexpr (std::is_same_v<T, int64_t>) return DType::s64;
  if constexpr (std::is_same_v<T, uint8_t>) return DType::u8;
}

// Of any size; beyond Engine::kSmall the bytes are stored on the device.
template <typename T>
NodeRef tensor(Engine& engine, const Shape& shape, const std::vector<T>& elements) {
  auto kept = std::make_shared<std::vector<T>>(elements);
  const auto bytes = std::as_bytes(std::span(*kept));
  return engine.upload(dtype_of<T>(), shape, bytes, [kept] {});
}
template <typename T>
NodeRef vector(Engine& engine, const std::vector<T>& elements) {
  return tensor(engine, {static_cast<int64_t>(elements.size())}, elements);
}
inline NodeRef filled(Engine& engine, int64_t count, float value) {
  return vector(engine, std::vector<float>(static_cast<size_t>(count), value));
}

// Bytes in use once nothing that was released is counted any more.
inline uint64_t settled(Engine& engine) {
  engine.trim();
  return engine.memory().in_use;
}

struct Answer {
  Failure failure;
  std::vector<std::byte> bytes;
};

inline std::future<Answer> read_later(Engine& engine, const NodeRef& node) {
  auto promise = std::make_shared<std::promise<Answer>>();
  engine.read(node, -1, [promise](const Failure& failure, std::span<const std::byte> bytes) {
    promise->set_value({failure, {bytes.begin(), bytes.end()}});
  });
  return promise->get_future();
}

inline Answer read(Engine& engine, const NodeRef& node) { return read_later(engine, node).get(); }

// The whole value; throws the failure.
inline HostTensor tensor_of(const Node& node, Answer answer) {
  if (answer.failure) throw_failure(answer.failure);
  HostTensor t(node.dtype, node.shape);
  t.bytes = std::move(answer.bytes);
  return t;
}
inline HostTensor value(Engine& engine, const NodeRef& node) {
  return tensor_of(*node, read(engine, node));
}

template <typename T>
std::vector<T> elements(Engine& engine, const NodeRef& node) {
  EXPECT_EQ(node->dtype, dtype_of<T>());
  const HostTensor t = value(engine, node);
  std::vector<T> list(static_cast<size_t>(t.count()));
  std::memcpy(list.data(), t.bytes.data(), t.bytes.size());
  return list;
}

inline Status status_of(Engine& engine, const NodeRef& node) {
  return read(engine, node).failure.status;
}

}  // namespace nxv::runtime
