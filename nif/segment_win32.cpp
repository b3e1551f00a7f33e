// Windows has shared memory of another kind: it lives as long as somebody has it open, so a name
// alone cannot be handed over.
#include "segment.h"
#include "term.h"

namespace nxv::nif {

namespace {

[[noreturn]] void refuse() {
  throw Refusal{NXV_UNSUPPORTED,
                "pointers of mode :ipc need the shared memory of POSIX, which Windows lacks"};
}

}  // namespace

Segment::Segment(const void*, size_t, int) { refuse(); }
Segment::~Segment() = default;
std::vector<unsigned char> read_segment(const std::string&, size_t) { refuse(); }

}  // namespace nxv::nif
