// Named host memory that other processes of this machine can open.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace nxv::nif {

// A segment with a copy of some bytes. Its name disappears with the object, and with the program
// when that exits; who has opened it by then keeps the memory.
class Segment {
 public:
  // `permissions` as for a file, less the umask and all beyond 0777. Throws Refusal, alloc_failed
  // where the system has no room for it.
  Segment(const void* bytes, size_t size, int permissions);
  Segment(const Segment&) = delete;
  ~Segment();
  const std::string& name() const noexcept { return name_; }

 private:
  std::string name_;
};

// The first `size` bytes of a segment, whoever made it. Throws Refusal when there is none of that
// name, when it is something else, and when it has fewer bytes, also if somebody shortens it
// meanwhile.
std::vector<unsigned char> read_segment(const std::string& name, size_t size);

}  // namespace nxv::nif
