// SPIR-V from its text form, for tests below the layers that generate it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nxv::testing {

// Assembles and validates for Vulkan 1.2; throws std::runtime_error with the assembler's messages.
std::vector<uint32_t> assemble(const std::string& text);

}  // namespace nxv::testing
