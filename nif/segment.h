// Named host memory that other processes of this machine can open.
#pragma once

#include <cstddef>
#include <string>

namespace nxv::nif {

// A segment with a copy of some bytes. Its name disappears with the object, and with the program
// when that exits; who has opened it by then keeps the memory.
class Segment {
 public:
  // `permissions` as for a file, less the umask. Throws Refusal.
  Segment(const void* bytes, size_t size, int permissions);
  Segment(const Segment&) = delete;
  ~Segment();
  const std::string& name() const noexcept { return name_; }

 private:
  std::string name_;
};

// The bytes of a segment, whoever made it, mapped to be read. Whoever shortens the segment
// meanwhile breaks the reader: the memory is gone.
class MappedSegment {
 public:
  // Throws Refusal when there is none of that name, or when it has fewer than `size` bytes.
  MappedSegment(const std::string& name, size_t size);
  MappedSegment(const MappedSegment&) = delete;
  ~MappedSegment();
  const void* data() const noexcept { return data_; }

 private:
  void* data_;
  size_t size_;
};

}  // namespace nxv::nif
