#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/private_file.h"

namespace nxv {
namespace {

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
const char* obstacle(const struct stat& found, uint64_t max_bytes) {
  if (!S_ISREG(found.st_mode)) return "it is no regular file";
  if (found.st_uid != geteuid()) return "it belongs to somebody else";
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) return "others may write it";
  if (static_cast<uint64_t>(found.st_size) > max_bytes) return "it is too large";
  return nullptr;
}

}  // namespace

FileBytes read_private_file(const std::filesystem::path& path, uint64_t max_bytes) {
  // A FIFO without a writer is opened at once, and a terminal does not become ours.
  const File file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    return {{}, errno == ELOOP ? "it is a link" : "it cannot be opened"};
  }
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) return {{}, "it cannot be looked at"};
  if (const char* why = obstacle(found, max_bytes)) return {{}, why};
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

bool write_new_private_file(const std::filesystem::path& path, std::string_view bytes) {
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

void make_private_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (folder.empty() || std::filesystem::exists(folder, error)) return;
  if (folder.has_parent_path() && folder.parent_path() != folder) {
    make_private_folder(folder.parent_path());
  }
  ::mkdir(folder.c_str(), S_IRWXU);
}

}  // namespace nxv
