// Commands, and parts of them, that need MPFR or SPIRV-Tools.
#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "commands.h"
#include "disassembly.h"

namespace nxv::tools {

int run_accuracy(const AccuracyOptions&) {
  throw Error(Status::unsupported,
              "built without MPFR (configure with NXV_TESTS=ON and NXV_TEST_LIBRARIES=ON)");
}

std::string disassembled(const std::vector<uint32_t>& words) {
  constexpr size_t kHeader = 5;
  std::string text;
  char word[16];
  for (size_t at = kHeader; at < words.size();) {
    const size_t length = std::max<size_t>(1, words[at] >> 16);
    for (size_t i = at; i < std::min(at + length, words.size()); ++i) {
      std::snprintf(word, sizeof word, "%08x ", words[i]);
      text += word;
    }
    text += '\n';
    at += length;
  }
  return text;
}

}  // namespace nxv::tools
