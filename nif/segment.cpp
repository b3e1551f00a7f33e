#include "segment.h"

#include "term.h"

// Windows has shared memory of another kind: it lives as long as somebody has it open, so a name
// alone cannot be handed over.
#if !defined(_WIN32)

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
  const File file(
      ::shm_open(name_.c_str(), O_CREAT | O_EXCL | O_RDWR, static_cast<mode_t>(permissions)));
  if (file < 0) fail_with_errno(name_);
  try {
    Names::all().add(name_);
  } catch (...) {
    ::shm_unlink(name_.c_str());
    throw;
  }
  void* memory = MAP_FAILED;
  if (::ftruncate(file, static_cast<off_t>(size)) == 0) {
    memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  if (memory == MAP_FAILED) {
    const int error = errno;
    Names::all().unlink(name_);
    errno = error;
    fail_with_errno(name_);
  }
  std::memcpy(memory, bytes, size);
  ::munmap(memory, size);
}

Segment::~Segment() { Names::all().unlink(name_); }

MappedSegment::MappedSegment(const std::string& name, size_t size) : size_(size) {
  const File file(::shm_open(name.c_str(), O_RDONLY, 0));
  if (file < 0) fail_with_errno(name);
  struct stat status = {};
  if (::fstat(file, &status) != 0) fail_with_errno(name);
  if (status.st_size < 0 || static_cast<uint64_t>(status.st_size) < size) {
    fail(NXV_SIZE_MISMATCH, name, "it is smaller than the tensor");
  }
  data_ = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  if (data_ == MAP_FAILED) fail_with_errno(name);
}

MappedSegment::~MappedSegment() { ::munmap(data_, size_); }

}  // namespace nxv::nif

#else

namespace nxv::nif {

namespace {

[[noreturn]] void refuse() {
  throw Refusal{NXV_UNSUPPORTED,
                "pointers of mode :ipc need the shared memory of POSIX, which Windows lacks"};
}

}  // namespace

Segment::Segment(const void*, size_t, int) { refuse(); }
Segment::~Segment() = default;
MappedSegment::MappedSegment(const std::string&, size_t) : data_(nullptr), size_(0) { refuse(); }
MappedSegment::~MappedSegment() = default;

}  // namespace nxv::nif

#endif
