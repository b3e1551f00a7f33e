// What tests ask of a module's words.
#pragma once

#include <gtest/gtest.h>

#include "spirv/module_builder.h"
#include "spirv/translate.h"
#include "testing/driver/spirv_validate.h"

namespace nxv::spirv {

inline constexpr Options kAllControls{.signed_zero_inf_nan_f32 = true,
                                      .signed_zero_inf_nan_f64 = true,
                                      .denorm_preserve_f32 = true,
                                      .denorm_preserve_f64 = true,
                                      .round_to_even_f32 = true,
                                      .round_to_even_f64 = true};

// The kernel's words, which are valid.
inline Words check(const ir::Kernel& kernel, const Options& options = kAllControls) {
  Words words = translate(kernel, options);
  EXPECT_EQ(testing::validate_spirv(words), "") << to_string(kernel);
  return words;
}

// Calls see(opcode, first word of operands) for every instruction.
template <typename See>
void each_instruction(const Words& words, See see) {
  for (size_t at = 5; at < words.size(); at += words[at] >> 16) {
    see(static_cast<spv::Op>(words[at] & 0xffff), &words[at + 1]);
  }
}

inline int count(const Words& words, spv::Op wanted) {
  int n = 0;
  each_instruction(words, [&](spv::Op op, const uint32_t*) { n += op == wanted; });
  return n;
}

inline bool has_capability(const Words& words, spv::Capability c) {
  bool found = false;
  each_instruction(words, [&](spv::Op op, const uint32_t* operands) {
    found |= op == spv::Op::OpCapability && operands[0] == word(c);
  });
  return found;
}

}  // namespace nxv::spirv
