// What the tests of this folder share: a device on whatever driver is there, and a small kernel.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "testing/driver/assemble.h"
#include "vulkan/device.h"

namespace nxv::vulkan {

inline DeviceOptions test_options() {
  DeviceOptions o;
  o.select = env::get("NXV_DEVICE").value_or("");
  o.check_hazards = true;
  return o;
}

// The device, or null where there is none: the caller skips. One more device stays open for good,
// so that the driver is not unloaded: leak checkers would count its static data as lost.
std::unique_ptr<Device> open_or_null(const DeviceOptions& options);

#define NXV_OPEN_OR_SKIP(device, options)    \
  const auto device = open_or_null(options); \
  if (!device) GTEST_SKIP() << "no Vulkan device"

struct AddParameters {
  uint64_t from;
  uint64_t to;
  uint32_t count;
  uint32_t addend;
};

// to[i] = from[i] + addend for i < count, on u32; 64 invocations a workgroup. With `indirect` the
// push constant is the address of the parameters. `padding` is shared memory to ask for.
ShaderModule add_module(bool indirect = false, uint32_t shared_bytes = 0);

inline constexpr uint32_t kAddWorkgroup = 64;

template <class T>
std::span<const std::byte> bytes_of(const T& t) {
  return std::as_bytes(std::span(&t, 1));
}

// Records to[0, count) = from[0, count) + addend.
inline uint64_t record_add(Queue& queue, const Pipeline& kernel, Block& from, Block& to,
                           uint32_t count, uint32_t addend) {
  const AddParameters p{from.address(), to.address(), count, addend};
  const Access reads[] = {{from, 0, uint64_t{count} * 4}};
  const Access writes[] = {{to, 0, uint64_t{count} * 4}};
  return queue.dispatch({.kernel = &kernel,
                         .parameters = bytes_of(p),
                         .groups = {(count + kAddWorkgroup - 1) / kAddWorkgroup, 1, 1},
                         .reads = reads,
                         .writes = writes,
                         .work = count});
}

inline std::vector<uint32_t> download_words(Device& device, const BlockRef& block, size_t count) {
  std::vector<uint32_t> words(count);
  device.transfers().download(block, 0, std::as_writable_bytes(std::span(words)));
  return words;
}

inline void upload_words(Device& device, const std::vector<uint32_t>& words, Block& to) {
  device.transfers().upload(std::as_bytes(std::span(words)), to);
}

}  // namespace nxv::vulkan
