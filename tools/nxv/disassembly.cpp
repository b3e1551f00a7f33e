#include "disassembly.h"

#include "testing/driver/spirv_validate.h"

namespace nxv::tools {

std::string disassembled(const std::vector<uint32_t>& words) {
  return testing::disassemble_spirv(words);
}

}  // namespace nxv::tools
