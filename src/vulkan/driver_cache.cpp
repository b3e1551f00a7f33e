#include "vulkan/driver_cache.h"

#include <array>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "base/digest.h"
#include "vulkan/cache_file.h"

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

Header header_for(const plan::Snapshot& s, std::string_view data) {
  Header h;
  h.cache_uuid = s.cache_uuid;
  h.device_uuid = s.uuid;
  h.bytes = data.size();
  h.checksum = fnv1a(data);
  return h;
}

std::string file_name(const plan::Snapshot& s) {
  return "pipelines-" + hex(s.uuid) + "-" + hex(s.cache_uuid) + ".bin";
}

// The driver's data, or nothing when the file is missing, cut, altered or of another driver.
std::string load(const std::string& path, const plan::Snapshot& s) {
  Header h;
  std::string all = read_or_warn(path);
  if (all.size() < sizeof h) return {};
  std::memcpy(&h, all.data(), sizeof h);
  all.erase(0, sizeof h);
  const Header expected = header_for(s, all);
  return std::memcmp(&h, &expected, sizeof h) == 0 ? all : std::string();
}

}  // namespace

DriverCache::DriverCache(const Context& context, const std::string& folder) : context_(context) {
  std::string data;
  if (!folder.empty()) {
    path_ = (fs::path(folder) / file_name(context.snapshot)).string();
    data = load(path_, context.snapshot);
  }
  VkPipelineCacheCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO;
  info.initialDataSize = data.size();
  info.pInitialData = data.data();
  create(context_.vk().CreatePipelineCache, cache_, context_.device, &info, nullptr);
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
  std::string data(sizeof(Header) + size, '\0');
  // Pipelines added meanwhile make it VK_INCOMPLETE: what fits is valid.
  if (get(context_.device, cache_, &size, data.data() + sizeof(Header)) < 0) return false;
  data.resize(sizeof(Header) + size);
  const Header h = header_for(context_.snapshot, std::string_view(data).substr(sizeof(Header)));
  std::memcpy(data.data(), &h, sizeof h);
  return write_cache_file(path_, data);
}

}  // namespace nxv::vulkan
