// Files of kept modules, as damage or another program may leave them: read, looked up, added to and
// written, they are ignored or right.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/digest.h"
#include "vulkan/cache_file.h"
#include "vulkan/module_cache.h"

namespace {

namespace fs = std::filesystem;
using nxv::vulkan::ModuleCache;
using nxv::vulkan::ShaderModule;

void demand(bool holds) {
  if (!holds) std::abort();
}

// Removed with the process.
class Folder {
 public:
  Folder()
      : path_(fs::temp_directory_path() / ("nxv-fuzz-" + std::to_string(std::random_device{}()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  std::string path() const { return path_.string(); }
  // The only file there is.
  std::string file() const { return fs::directory_iterator(path_)->path().string(); }

 private:
  fs::path path_;
};

constexpr const char* kIdentity = "identity";

ShaderModule example() {
  ShaderModule m;
  m.name = "kernel";
  m.words = {0x07230203, 1, 2, 3};
  m.local_size[0] = 64;
  m.texels.resize(1);
  return m;
}

void append_number(std::string& to, uint64_t n) {
  to.append(reinterpret_cast<const char*>(&n), sizeof n);
}
void append_text(std::string& to, std::string_view text) {
  append_number(to, text.size());
  to.append(text);
}

// Any bytes; or a whole file with right checksums of entries that hold anything.
std::string draw(FuzzedDataProvider& in) {
  if (in.ConsumeBool()) return in.ConsumeRemainingBytesAsString();
  std::string file;
  append_text(file, "nxvspv01");
  append_text(file, kIdentity);
  while (in.remaining_bytes() != 0) {
    const std::string key = in.ConsumeRandomLengthString(8);
    const auto used = in.ConsumeIntegral<uint64_t>();
    const std::string module = in.ConsumeRandomLengthString();
    append_text(file, key);
    append_number(file, used);
    append_text(file, module);
    append_number(file, nxv::fnv1a(key) ^ nxv::fnv1a(module));
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  static const std::string file = [] {
    ModuleCache cache(folder.path(), kIdentity);
    cache.add("key", example());
    demand(cache.save());
    return folder.file();
  }();
  FuzzedDataProvider in(data, size);
  demand(nxv::vulkan::write_cache_file(file, draw(in)));
  {
    ModuleCache cache(folder.path(), kIdentity);
    for (const char* key : {"", "a", "key", "\xff"}) static_cast<void>(cache.find(key));
    cache.add("key", example());
    demand(cache.save());
  }
  ModuleCache cache(folder.path(), kIdentity);
  const auto found = cache.find("key");
  demand(found && found->words == example().words && found->name == example().name);
  return 0;
}
