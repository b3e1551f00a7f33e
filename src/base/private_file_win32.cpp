#include <algorithm>
#include <system_error>
#include <utility>

#include "base/private_file.h"
#include "base/win32_text.h"

namespace nxv {
namespace {

class File {
 public:
  explicit File(HANDLE handle) noexcept : handle_(handle) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (is_open()) CloseHandle(handle_);
  }
  bool is_open() const noexcept { return handle_ != INVALID_HANDLE_VALUE; }
  HANDLE get() const noexcept { return handle_; }

 private:
  HANDLE handle_;
};

// Of one call: a DWORD counts its bytes.
constexpr size_t kMostBytes = size_t{1} << 30;

}  // namespace

FileBytes read_private_file(const std::filesystem::path& path, uint64_t max_bytes) {
  const DWORD attributes = GetFileAttributesW(path.c_str());
  if (attributes == INVALID_FILE_ATTRIBUTES) return {};
  if ((attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) return {{}, "it is no regular file"};
  // Others may rename it meanwhile, as they do when they replace it. A link is opened itself.
  const File file(CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE,
                              nullptr, OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
  BY_HANDLE_FILE_INFORMATION found{};
  if (!file.is_open()) return {{}, "it cannot be opened"};
  if (GetFileType(file.get()) != FILE_TYPE_DISK) return {{}, "it is no regular file"};
  if (!GetFileInformationByHandle(file.get(), &found)) return {{}, "it cannot be looked at"};
  if ((found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0) return {{}, "it is a link"};
  const uint64_t size = (uint64_t{found.nFileSizeHigh} << 32) | found.nFileSizeLow;
  if (size > max_bytes) return {{}, "it is too large"};
  std::string bytes(static_cast<size_t>(size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const auto room = static_cast<DWORD>(std::min(bytes.size() - done, kMostBytes));
    DWORD n = 0;
    if (!ReadFile(file.get(), bytes.data() + done, room, &n, nullptr) || n == 0) {
      return {{}, "it cannot be read"};
    }
    done += n;
  }
  return {std::move(bytes), nullptr};
}

bool write_new_private_file(const std::filesystem::path& path, std::string_view bytes) {
  bool is_whole = false;
  {
    const File file(CreateFileW(path.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW,
                                FILE_ATTRIBUTE_NORMAL, nullptr));
    if (!file.is_open()) return false;
    DWORD n = 1;
    while (!bytes.empty() && n != 0) {
      const auto part = static_cast<DWORD>(std::min(bytes.size(), kMostBytes));
      if (!WriteFile(file.get(), bytes.data(), part, &n, nullptr)) break;
      bytes.remove_prefix(n);
    }
    is_whole = bytes.empty();
  }
  if (!is_whole) DeleteFileW(path.c_str());
  return is_whole;
}

void make_private_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
}

}  // namespace nxv
