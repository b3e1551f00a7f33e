#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <set>
#include <system_error>

#include "segment.h"
#include "term.h"

namespace nxv::nif {

namespace {

[[noreturn]] void fail(nxv_status status, const std::string& name, const char* what) {
  throw Refusal{status, "shared memory " + name + ": " + what};
}

[[noreturn]] void fail_with_errno(const std::string& name) {
  const int error = errno;
  const bool full = error == ENOMEM || error == ENOSPC || error == EMFILE || error == ENFILE;
  fail(full ? NXV_ALLOC_FAILED : NXV_INVALID_ARGUMENT, name,
       std::generic_category().message(error).c_str());
}

class File {
 public:
  explicit File(int fd) noexcept : fd_(fd) {}
  File(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  operator int() const noexcept { return fd_; }

 private:
  int fd_;
};

// Names that are to disappear when the program exits: unlike memory, they would outlive it. The VM
// ends without the destructors of what terms refer to, so an exit handler unlinks them; hence this
// one exception to having no mutable state of the process. Never destroyed: other threads still run
// then.
class Names {
 public:
  static Names& all() {
    static Names* const names = [] {
      auto* made = new Names;
      std::atexit([] { Names::all().unlink_all(); });
      return made;
    }();
    return *names;
  }

  void add(const std::string& name) {
    std::lock_guard lock(mutex_);
    names_.insert(name);
  }
  void unlink(const std::string& name) noexcept {
    std::lock_guard lock(mutex_);
    if (names_.erase(name) != 0) ::shm_unlink(name.c_str());
  }

 private:
  void unlink_all() noexcept {
    std::lock_guard lock(mutex_);
    for (const std::string& name : names_) ::shm_unlink(name.c_str());
    names_.clear();
  }

  std::mutex mutex_;
  std::set<std::string> names_;
};

#if defined(__APPLE__)

// Its shared memory can only be mapped. It is no file, and takes no space of any file system.
constexpr int kNeverWaits = 0;

bool is_memory(const struct stat&) { return true; }

bool write_all(int file, const void* bytes, size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) return false;
  std::memcpy(memory, bytes, size);
  ::munmap(memory, size);
  return true;
}

// Whoever shortens the segment meanwhile breaks the reader: the memory is gone.
bool read_all(int file, std::vector<unsigned char>& bytes) {
  void* memory = ::mmap(nullptr, bytes.size(), PROT_READ, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) return false;
  std::memcpy(bytes.data(), memory, bytes.size());
  ::munmap(memory, bytes.size());
  return true;
}

#else

// Memory that is written or read through a mapping and is not there, since the file system is full
// or somebody has shortened the segment, ends the process. Calls answer an error.

#if defined(__linux__)
// A name may be that of any kind of file: one that is opened must not wait for a writer.
constexpr int kNeverWaits = O_NONBLOCK;
#else
constexpr int kNeverWaits = 0;
#endif

bool is_memory(const struct stat& status) { return S_ISREG(status.st_mode); }

bool write_all(int file, const void* bytes, size_t size) {
  const auto* from = static_cast<const unsigned char*>(bytes);
  for (size_t done = 0; done < size;) {
    const ssize_t n = ::pwrite(file, from + done, size - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = ENOSPC;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

bool read_all(int file, std::vector<unsigned char>& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n =
        ::pread(file, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

#endif

constexpr int kPermissions = 0777;

// macOS takes at most 31 characters.
std::string random_name() {
  std::random_device random;
  char name[32];
  std::snprintf(name, sizeof name, "/nxv-%08x%08x", static_cast<unsigned>(random()),
                static_cast<unsigned>(random()));
  return name;
}

}  // namespace

Segment::Segment(const void* bytes, size_t size, int permissions) : name_(random_name()) {
  const File file(::shm_open(name_.c_str(), O_CREAT | O_EXCL | O_RDWR,
                             static_cast<mode_t>(permissions & kPermissions)));
  if (file < 0) fail_with_errno(name_);
  try {
    Names::all().add(name_);
  } catch (...) {
    ::shm_unlink(name_.c_str());
    throw;
  }
  if (::ftruncate(file, static_cast<off_t>(size)) == 0 && write_all(file, bytes, size)) return;
  const int error = errno;
  Names::all().unlink(name_);
  errno = error;
  fail_with_errno(name_);
}

Segment::~Segment() { Names::all().unlink(name_); }

std::vector<unsigned char> read_segment(const std::string& name, size_t size) {
  const File file(::shm_open(name.c_str(), O_RDONLY | kNeverWaits, 0));
  if (file < 0) fail_with_errno(name);
  struct stat status = {};
  if (::fstat(file, &status) != 0) fail_with_errno(name);
  if (!is_memory(status)) fail(NXV_INVALID_ARGUMENT, name, "it is no shared memory");
  if (status.st_size < 0 || static_cast<uint64_t>(status.st_size) < size) {
    fail(NXV_SIZE_MISMATCH, name, "it is smaller than the tensor");
  }
  std::vector<unsigned char> bytes(size);
  if (!read_all(file, bytes)) fail(NXV_SIZE_MISMATCH, name, "it was shortened, or cannot be read");
  return bytes;
}

}  // namespace nxv::nif
