// Two kernels with the same fingerprint are the same kernel, whatever they and their arguments are
// called.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "ir/kernel.h"

namespace nxv::ir {

// 128 bits, not cryptographic: kernels that differ are told apart, not attackers.
struct Fingerprint {
  uint64_t low = 0, high = 0;
  auto operator<=>(const Fingerprint&) const = default;
};
Fingerprint fingerprint(const Kernel& kernel);
std::string to_string(const Fingerprint& f);  // 32 hexadecimal digits

}  // namespace nxv::ir
