// SPIR-V validation for Vulkan 1.2, as the drivers expect it.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace nxv::testing {

// Empty when the module is valid, else the validator's message with the module's text.
std::string validate_spirv(std::span<const uint32_t> words);

// The module as assembly.
std::string disassemble_spirv(std::span<const uint32_t> words);

}  // namespace nxv::testing
