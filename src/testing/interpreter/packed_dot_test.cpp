#include <gtest/gtest.h>

#include "testing/interpreter/apply_test.h"

namespace nxv::testing {
namespace {

using ir::Opcode;

TEST(Interpreter, DotProductsOfPackedIntegers) {
  // Bytes 1, -128, 127, -1 and 2, -128, 3, 255.
  constexpr uint32_t x = 0xff7f8001, y = 0xff038002;
  EXPECT_EQ(apply<uint32_t>(Opcode::dot_signed, x, y), 2u + 128 * 128 + 3 * 127 + 1);
  EXPECT_EQ(apply<uint32_t>(Opcode::dot_unsigned, x, y), 2u + 128 * 128 + 3 * 127 + 255 * 255);
  EXPECT_EQ(apply<uint32_t>(Opcode::dot_mixed, x, y),
            static_cast<uint32_t>(2 - 128 * 128 + 3 * 127 - 255));
  EXPECT_EQ(apply<uint32_t>(Opcode::dot_mixed, y, x),
            static_cast<uint32_t>(2 - 128 * 128 + 3 * 127 - 255));
}

}  // namespace
}  // namespace nxv::testing
