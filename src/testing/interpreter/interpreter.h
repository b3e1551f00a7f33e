// Executes a KernelIR on the host, lock-step over a workgroup, one workgroup after the other.
//
// It is strict where devices are forgiving. These raise an Error naming the instruction, the
// workgroup and the invocation: an access outside of a buffer or shared array, a 32-bit index of
// 2^31 or more, a read of shared memory that nobody wrote, two invocations that meet in shared
// memory without a barrier or in a buffer at all, a barrier, subgroup operation or cooperative
// matrix in divergent control flow, more loop iterations than every driver executes. What the IR
// leaves undefined (integer division by zero, shifts by the width, NaN in min and max, conversions
// out of range, variables not yet set, shuffles from lanes that do not exist) yields kPoison.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "ir/kernel.h"

namespace nxv::testing {

inline constexpr uint64_t kPoison = 0xa5a5a5a5a5a5a5a5;

struct Groups {
  uint32_t x = 1, y = 1, z = 1;
};

// The value of one param: the bytes of a buffer, or the lanes of a number.
class Argument {
 public:
  template <typename T>
  static Argument buffer(std::span<T> elements) {
    Argument a;
    a.data_ = reinterpret_cast<std::byte*>(const_cast<std::remove_const_t<T>*>(elements.data()));
    a.size_ = elements.size_bytes();
    a.writable_ = !std::is_const_v<T>;
    return a;
  }
  template <typename Container>
  static Argument buffer(Container& elements) {
    return buffer(std::span(elements));
  }
  template <typename T>
  static Argument number(T lane0, T lane1 = {}, T lane2 = {}, T lane3 = {}) {
    Argument a;
    a.lanes_ = {bits(lane0), bits(lane1), bits(lane2), bits(lane3)};
    return a;
  }

  // A buffer from so many bytes on.
  Argument from(size_t offset) const {
    Argument a = *this;
    a.data_ += offset;
    a.size_ -= offset;
    return a;
  }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool is_buffer() const { return data_ != nullptr || size_ != 0; }
  bool is_writable() const { return writable_; }
  uint64_t lane(int i) const { return lanes_[static_cast<size_t>(i)]; }

 private:
  template <typename T>
  static uint64_t bits(T v) {
    if constexpr (std::is_same_v<T, float>) {
      return std::bit_cast<uint32_t>(v);
    } else if constexpr (std::is_same_v<T, double>) {
      return std::bit_cast<uint64_t>(v);
    } else {
      return static_cast<std::make_unsigned_t<T>>(v);
    }
  }

  std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool writable_ = false;
  std::array<uint64_t, 4> lanes_{};
};

struct InterpreterOptions {
  uint32_t subgroup_size = 0;     // 0: what the kernel was generated for, else 32
  bool flush_subnormals = false;  // f32 arithmetic flushes its operands and results
  bool fused_fma = false;
  // Units in the last place that f32 division and square root are off by at most, on either side.
  int f32_quotient_error = 0;
  uint32_t max_iterations = 65535;  // of one invocation, over all of its loops
};

// Arguments in the order of Kernel::params.
void run(const ir::Kernel& kernel, Groups groups, std::span<const Argument> arguments,
         const InterpreterOptions& options = {});

}  // namespace nxv::testing
