// NXV_DUMP: what really runs, for people.
#pragma once

#include <filesystem>
#include <string>

#include "ir/kernel.h"
#include "vulkan/kernel_cache.h"

namespace nxv::runtime {

class KernelDump {
 public:
  // Throws Error(invalid_argument) when the folder cannot be made.
  explicit KernelDump(const std::string& folder);

  // Writes NAME-FINGERPRINT.txt, the KernelIR as it went to SPIR-V (legalised and simplified), and
  // NAME-FINGERPRINT.spv. Any thread; a file that cannot be written is left out.
  void write(const ir::Kernel& kernel, const vulkan::ShaderModule& module) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace nxv::runtime
