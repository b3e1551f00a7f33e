#include "testing/driver/spirv_validate.h"

#include <spirv-tools/libspirv.h>
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

namespace nxv::testing {
namespace {

using Context = std::unique_ptr<spv_context_t, decltype(&spvContextDestroy)>;
using Options = std::unique_ptr<spv_validator_options_t, decltype(&spvValidatorOptionsDestroy)>;

// SPIRV-Tools before 2023.4 know no cooperative matrices, those before 2025.2 no bfloat16. Modules
// that use them count as valid there.
bool is_newer_than_validator(spv_diagnostic diagnostic) {
  if (!diagnostic) return false;
  const std::string_view text = diagnostic->error;
  const std::string_view newer[] = {"6022", "5116", "5118"};
  return std::any_of(std::begin(newer), std::end(newer), [&](std::string_view capability) {
    return text == "Invalid capability operand: " + std::string(capability);
  });
}

Context make_context() { return {spvContextCreate(SPV_ENV_VULKAN_1_2), &spvContextDestroy}; }

}  // namespace

std::string validate_spirv(std::span<const uint32_t> words) {
  const Context context = make_context();
  const Options options(spvValidatorOptionsCreate(), &spvValidatorOptionsDestroy);
  spv_const_binary_t binary{words.data(), words.size()};
  spv_diagnostic diagnostic = nullptr;
  const spv_result_t result =
      spvValidateWithOptions(context.get(), options.get(), &binary, &diagnostic);
  std::string message;
  if (result != SPV_SUCCESS && !is_newer_than_validator(diagnostic)) {
    message = diagnostic ? diagnostic->error : "invalid SPIR-V";
    message += "\n" + disassemble_spirv(words);
  }
  spvDiagnosticDestroy(diagnostic);
  return message;
}

std::string disassemble_spirv(std::span<const uint32_t> words) {
  const Context context = make_context();
  spv_text text = nullptr;
  const uint32_t options = SPV_BINARY_TO_TEXT_OPTION_INDENT;
  std::string out;
  if (spvBinaryToText(context.get(), words.data(), words.size(), options, &text, nullptr) ==
      SPV_SUCCESS) {
    out.assign(text->str, text->length);
  }
  spvTextDestroy(text);
  return out;
}

}  // namespace nxv::testing
