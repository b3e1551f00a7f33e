#include "vulkan/cache_file.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace nxv::vulkan {
namespace {

namespace fs = std::filesystem;

#if defined(_WIN32)

// Access lists are those of the folder, which is in the user's profile.
CacheBytes read(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return {};
  if (!fs::is_regular_file(path, error)) return {{}, "it is no regular file"};
  if (fs::file_size(path, error) > kMaxCacheFileBytes) return {{}, "it is too large"};
  std::ifstream in(path, std::ios::binary);
  if (!in) return {{}, "it cannot be read"};
  return {{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()}, nullptr};
}

bool write_new(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (out) return true;
  std::error_code error;
  fs::remove(path, error);
  return false;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
}

#else

class File {
 public:
  explicit File(int fd) noexcept : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

// Of what was opened, not of what has the name by then.
const char* obstacle(const struct stat& found) {
  if (!S_ISREG(found.st_mode)) return "it is no regular file";
  if (found.st_uid != geteuid()) return "it belongs to somebody else";
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) return "others may write it";
  if (static_cast<uint64_t>(found.st_size) > kMaxCacheFileBytes) return "it is too large";
  return nullptr;
}

CacheBytes read(const std::string& path) {
  // A FIFO without a writer is opened at once, and a terminal does not become ours.
  const File file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    return {{}, errno == ELOOP ? "it is a link" : "it cannot be opened"};
  }
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) return {{}, "it cannot be looked at"};
  if (const char* why = obstacle(found)) return {{}, why};
  std::string bytes(static_cast<size_t>(found.st_size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return {{}, "it cannot be read"};
    done += static_cast<size_t>(n);
  }
  return {std::move(bytes), nullptr};
}

// The file is made here: nothing is followed or overwritten.
bool write_new(const fs::path& path, std::string_view bytes) {
  const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                         S_IRUSR | S_IWUSR));
  if (file.get() < 0) return false;
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      ::unlink(path.c_str());
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// With its parents, each for the user alone.
void make_folder(const fs::path& folder) {
  std::error_code error;
  if (folder.empty() || fs::exists(folder, error)) return;
  if (folder.has_parent_path() && folder.parent_path() != folder) make_folder(folder.parent_path());
  ::mkdir(folder.c_str(), S_IRWXU);
}

#endif

}  // namespace

std::string hex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string digits;
  for (const uint8_t byte : bytes) {
    digits += kDigits[byte >> 4];
    digits += kDigits[byte & 15];
  }
  return digits;
}

CacheBytes read_private_file(const std::string& path) { return read(path); }

std::string read_or_warn(const std::string& path) {
  CacheBytes found = read(path);
  if (found.refusal != nullptr) {
    std::fprintf(stderr, "nxv: warning: the cache file %s is ignored: %s\n", path.c_str(),
                 found.refusal);
  }
  return std::move(found.bytes);
}

bool write_private_file(const std::string& path, std::string_view bytes) {
  if (bytes.size() > kMaxCacheFileBytes) return false;
  make_folder(fs::path(path).parent_path());
  const fs::path temporary = path + "." + std::to_string(std::random_device{}());
  if (!write_new(temporary, bytes)) return false;
  std::error_code error;
  fs::rename(temporary, path, error);
  if (!error) return true;
  fs::remove(temporary, error);
  return false;
}

}  // namespace nxv::vulkan
