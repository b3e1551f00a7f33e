#include "testing/driver/assemble.h"

#include <spirv-tools/libspirv.hpp>
#include <stdexcept>

namespace nxv::testing {

std::vector<uint32_t> assemble(const std::string& text) {
  spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_2);
  std::string messages;
  tools.SetMessageConsumer(
      [&](spv_message_level_t, const char*, const spv_position_t& at, const char* message) {
        messages += "line " + std::to_string(at.line + 1) + ": " + message + "\n";
      });
  std::vector<uint32_t> words;
  if (!tools.Assemble(text, &words) || !tools.Validate(words)) throw std::runtime_error(messages);
  return words;
}

}  // namespace nxv::testing
