#include "runtime/kernel_dump.h"

#include <fstream>
#include <system_error>

#include "base/error.h"
#include "ir/fingerprint.h"

namespace nxv::runtime {

KernelDump::KernelDump(const std::string& folder) : folder_(folder) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error || !std::filesystem::is_directory(folder_, error)) {
    throw Error(Status::invalid_argument,
                "NXV_DUMP=" + folder + " is not a folder that can be made");
  }
}

void KernelDump::write(const ir::Kernel& kernel, const vulkan::ShaderModule& module) const {
  const std::string name = kernel.name + "-" + ir::to_string(ir::fingerprint(kernel));
  std::ofstream(folder_ / (name + ".txt")) << ir::to_string(kernel);
  std::ofstream(folder_ / (name + ".spv"), std::ios::binary)
      .write(reinterpret_cast<const char*>(module.words.data()),
             static_cast<std::streamsize>(module.words.size() * sizeof(uint32_t)));
}

}  // namespace nxv::runtime
