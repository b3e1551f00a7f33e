// SPIR-V as text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nxv::tools {

// Where there is no disassembler: an instruction a line, as words.
std::string disassembled(const std::vector<uint32_t>& words);

}  // namespace nxv::tools
