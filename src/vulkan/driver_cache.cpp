#include "vulkan/driver_cache.h"

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

namespace nxv::vulkan {
namespace {

namespace fs = std::filesystem;

// Ours in front of the driver's data: drivers are known to crash on data that is cut or not theirs.
struct Header {
  std::array<char, 8> magic = {'n', 'x', 'v', 'p', 'c', '0', '0', '1'};
  std::array<uint8_t, 16> cache_uuid = {};
  std::array<uint8_t, 16> device_uuid = {};
  uint64_t bytes = 0;
  uint64_t checksum = 0;
};

uint64_t fnv1a(const char* data, size_t size) {
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; ++i) h = (h ^ static_cast<uint8_t>(data[i])) * 0x100000001b3u;
  return h;
}

Header header_for(const plan::Snapshot& s, const std::vector<char>& data) {
  Header h;
  h.cache_uuid = s.cache_uuid;
  h.device_uuid = s.uuid;
  h.bytes = data.size();
  h.checksum = fnv1a(data.data(), data.size());
  return h;
}

std::string file_name(const plan::Snapshot& s) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string name = "pipelines-";
  for (const auto* id : {&s.uuid, &s.cache_uuid}) {
    for (const uint8_t byte : *id) {
      name += kDigits[byte >> 4];
      name += kDigits[byte & 15];
    }
    name += id == &s.uuid ? "-" : ".bin";
  }
  return name;
}

// The driver's data, or nothing when the file is missing, cut, altered or of another driver.
std::vector<char> load(const std::string& path, const plan::Snapshot& s) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return {};
  Header h;
  std::vector<char> all((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (all.size() < sizeof h) return {};
  std::memcpy(&h, all.data(), sizeof h);
  all.erase(all.begin(), all.begin() + sizeof h);
  const Header expected = header_for(s, all);
  return std::memcmp(&h, &expected, sizeof h) == 0 ? all : std::vector<char>{};
}

}  // namespace

DriverCache::DriverCache(const Context& context, const std::string& folder) : context_(context) {
  std::vector<char> data;
  if (!folder.empty()) {
    path_ = (fs::path(folder) / file_name(context.snapshot)).string();
    data = load(path_, context.snapshot);
  }
  VkPipelineCacheCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO;
  info.initialDataSize = data.size();
  info.pInitialData = data.data();
  checked(context_.vk().CreatePipelineCache, context_.device, &info, nullptr, &cache_);
}

DriverCache::~DriverCache() {
  context_.vk().DestroyPipelineCache(context_.device, cache_, nullptr);
}

bool DriverCache::save() {
  if (path_.empty()) return false;
  const std::lock_guard lock(mutex_);
  const auto& get = context_.vk().GetPipelineCacheData;
  size_t size = 0;
  if (get(context_.device, cache_, &size, nullptr) < 0) return false;
  std::vector<char> data(size);
  // Pipelines added meanwhile make it VK_INCOMPLETE: what fits is valid.
  if (get(context_.device, cache_, &size, data.data()) < 0) return false;
  data.resize(size);
  const Header h = header_for(context_.snapshot, data);

  std::error_code error;
  const fs::path path(path_);
  fs::create_directories(path.parent_path(), error);
  const fs::path temporary = path_ + "." + std::to_string(std::random_device{}());
  {
    std::ofstream out(temporary, std::ios::binary);
    out.write(reinterpret_cast<const char*>(&h), sizeof h);
    out.write(data.data(), static_cast<std::streamsize>(data.size()));
    out.close();
    if (!out) {
      fs::remove(temporary, error);
      return false;
    }
  }
  fs::rename(temporary, path, error);
  if (!error) return true;
  fs::remove(temporary, error);
  return false;
}

}  // namespace nxv::vulkan
