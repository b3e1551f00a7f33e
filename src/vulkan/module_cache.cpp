#include "vulkan/module_cache.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <type_traits>

#include "base/digest.h"
#include "vulkan/cache_file.h"

namespace nxv::vulkan {
namespace {

constexpr std::string_view kMagic = "nxvspv01";
// New entries beyond which saving is worth the while, and their least share of all.
constexpr size_t kMinNews = 8;
constexpr size_t kNewsShare = 8;

// Numbers as they lie in memory: the file does not leave the machine.
class Writer {
 public:
  template <typename T>
  void number(T v) {
    static_assert(std::is_trivially_copyable_v<T>);
    out.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  void text(std::string_view s) {
    number(static_cast<uint64_t>(s.size()));
    out.append(s);
  }
  std::string out;
};

// Reads what Writer wrote. Past the end everything is zero, and is_good is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  template <typename T>
  T number() {
    T v{};
    const std::string_view bytes = take(sizeof v);
    if (bytes.size() == sizeof v) std::memcpy(&v, bytes.data(), sizeof v);
    return v;
  }
  std::string_view text() { return take(number<uint64_t>()); }
  bool is_good() const { return good_; }
  bool is_at_end() const { return rest_.empty(); }

 private:
  std::string_view take(uint64_t n) {
    if (n > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }
  std::string_view rest_;
  bool good_ = true;
};

std::string bytes_of(const ShaderModule& m) {
  Writer w;
  w.text(m.name);
  w.text({reinterpret_cast<const char*>(m.words.data()), m.words.size() * sizeof(uint32_t)});
  w.number(m.push_bytes);
  w.number(m.parameter_bytes);
  for (const uint32_t n : m.local_size) w.number(n);
  w.number(m.required_subgroup_size);
  w.number(m.shared_bytes);
  w.number(static_cast<uint32_t>(m.texels.size()));
  for (const TexelBuffer& t : m.texels) w.number(t);
  return std::move(w.out);
}

std::optional<ShaderModule> module_of(std::string_view bytes) {
  Reader r(bytes);
  ShaderModule m;
  m.name = r.text();
  const std::string_view words = r.text();
  m.words.resize(words.size() / sizeof(uint32_t));
  if (!words.empty()) std::memcpy(m.words.data(), words.data(), m.words.size() * sizeof(uint32_t));
  m.push_bytes = r.number<uint32_t>();
  m.parameter_bytes = r.number<uint32_t>();
  for (uint32_t& n : m.local_size) n = r.number<uint32_t>();
  m.required_subgroup_size = r.number<uint32_t>();
  m.shared_bytes = r.number<uint32_t>();
  const auto texels = r.number<uint32_t>();
  for (uint32_t i = 0; i < texels && r.is_good(); ++i) m.texels.push_back(r.number<TexelBuffer>());
  if (!r.is_good() || !r.is_at_end() || words.size() % sizeof(uint32_t) != 0) return std::nullopt;
  return m;
}

std::string file_name(const std::string& identity) {
  std::array<uint8_t, 8> bytes;
  const uint64_t digest = fnv1a(identity);
  std::memcpy(bytes.data(), &digest, sizeof digest);
  return "modules-" + hex(bytes) + ".bin";
}

std::string path_in(const std::string& folder, const std::string& identity) {
  if (folder.empty() || identity.empty()) return {};
  return (std::filesystem::path(folder) / file_name(identity)).string();
}

}  // namespace

ModuleCache::ModuleCache(const std::string& folder, const std::string& identity, size_t max_bytes)
    : path_(path_in(folder, identity)), identity_(identity), max_bytes_(max_bytes) {
  if (!path_.empty()) entries_ = parse(read_or_warn(path_));
  for (const auto& [key, entry] : entries_) run_ = std::max(run_, entry.used + 1);
}

// Magic, identity, then key, run, module and checksum of each entry.
ModuleCache::Entries ModuleCache::parse(std::string_view all) const {
  Entries entries;
  Reader r(all);
  if (r.text() != kMagic || r.text() != identity_) return entries;
  while (!r.is_at_end()) {
    const std::string_view key = r.text();
    const auto used = r.number<uint64_t>();
    const std::string_view bytes = r.text();
    const auto checksum = r.number<uint64_t>();
    if (!r.is_good()) break;
    if (checksum != (fnv1a(key) ^ fnv1a(bytes))) continue;
    entries.insert_or_assign(std::string(key), Entry{std::string(bytes), used});
  }
  return entries;
}

std::optional<ShaderModule> ModuleCache::find(std::string_view key) {
  if (path_.empty()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(std::string(key));
  if (found == entries_.end()) return std::nullopt;
  found->second.used = run_;
  return module_of(found->second.bytes);
}

void ModuleCache::add(std::string_view key, const ShaderModule& module) {
  if (path_.empty()) return;
  const std::lock_guard lock(mutex_);
  entries_.insert_or_assign(std::string(key), Entry{bytes_of(module), run_});
  ++news_;
}

bool ModuleCache::has_news() const {
  const std::lock_guard lock(mutex_);
  return news_ >= kMinNews && news_ * kNewsShare >= entries_.size();
}

std::string ModuleCache::serialise(const Entries& entries) const {
  std::vector<const Entries::value_type*> order;
  for (const auto& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return a->second.used != b->second.used ? a->second.used > b->second.used : a->first < b->first;
  });
  Writer w;
  w.text(kMagic);
  w.text(identity_);
  for (const auto* entry : order) {
    const auto& [key, value] = *entry;
    if (w.out.size() + key.size() + value.bytes.size() + 32 > max_bytes_) break;
    w.text(key);
    w.number(value.used);
    w.text(value.bytes);
    w.number(fnv1a(key) ^ fnv1a(value.bytes));
  }
  return std::move(w.out);
}

bool ModuleCache::save() {
  if (path_.empty()) return false;
  const std::lock_guard one(saving_);
  {
    const std::lock_guard lock(mutex_);
    if (news_ == 0) return true;
  }
  Entries all = parse(read_cache_file(path_).bytes);
  size_t saved = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, entry] : entries_) all.insert_or_assign(key, entry);
    saved = news_;
  }
  if (!write_cache_file(path_, serialise(all))) return false;
  const std::lock_guard lock(mutex_);
  news_ -= saved;
  return true;
}

}  // namespace nxv::vulkan
