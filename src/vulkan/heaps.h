// Private to src/vulkan. Which heaps memory may be asked for.
#pragma once

#include <cstdint>
#include <vector>

#include "vulkan/context.h"

namespace nxv::vulkan {

// What a heap has refused is not asked for again, nor anything larger, until memory of it was given
// back. Only where there are several is any spared.
class Heaps {
 public:
  explicit Heaps(const Context& context);

  bool may_have(uint32_t heap, uint64_t bytes) const;
  void refused(uint32_t heap, uint64_t bytes);
  void taken(uint32_t heap, uint64_t bytes) { heaps_[heap].taken += bytes; }
  void given_back(uint32_t heap, uint64_t bytes);

 private:
  static constexpr uint64_t kAny = ~uint64_t{0};
  struct Heap {
    uint64_t taken = 0;
    uint64_t refused = kAny;  // the least that was
  };
  uint64_t left_by_driver(uint32_t heap) const;

  const Context& context_;
  std::vector<Heap> heaps_;
};

}  // namespace nxv::vulkan
