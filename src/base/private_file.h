// Files that this library keeps for its user alone: private_file_posix.cpp or
// private_file_win32.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace nxv {

struct FileBytes {
  std::string bytes;
  const char* refusal = nullptr;  // why a file that is there is not read
};
// The bytes of a file; none when there is no file, and when it is refused: it is no regular file, a
// link, too large, not the user's own, or others may write it. Never waits for what is behind a
// name. On Windows access is that of the folder, which is in the user's profile.
FileBytes read_private_file(const std::filesystem::path& path, uint64_t max_bytes);

// The file is made here: nothing is followed or overwritten. False, and there is none, when it
// could not be written.
bool write_new_private_file(const std::filesystem::path& path, std::string_view bytes);

// With its parents, as far as they can be made.
void make_private_folder(const std::filesystem::path& folder);

}  // namespace nxv
