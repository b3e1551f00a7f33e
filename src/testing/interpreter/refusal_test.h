// What the interpreter says of kernels that it refuses.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "ir/builder.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::testing {

// Runs a workgroup of 8 with one buffer "memory" of 8 words and one shared array of 8.
inline std::string refusal(
    const std::function<void(ir::Builder&, ir::Value memory, ir::Shared)>& body,
    const InterpreterOptions& options = {.subgroup_size = 4}) {
  ir::Builder b("strict", 8);
  const ir::Value memory = b.buffer("memory", ir::Access::read_write);
  const ir::Shared shared = b.shared("shared", ir::kU32, 8);
  body(b, memory, shared);
  std::vector<uint32_t> words(8);
  try {
    run(b.finish(), {}, std::vector{Argument::buffer(words)}, options);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

}  // namespace nxv::testing
