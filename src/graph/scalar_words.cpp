#include "graph/scalar_words.h"

namespace nxv {
namespace {

void append_u64(std::vector<uint32_t>& words, uint64_t v) {
  words.push_back(static_cast<uint32_t>(v));
  words.push_back(static_cast<uint32_t>(v >> 32));
}

}  // namespace

void append(std::vector<uint32_t>& words, const Scalar& value) {
  const DType t = value.dtype;
  if (t == DType::c128) {
    append_u64(words, value.lo);
    append_u64(words, value.hi);
  } else if (t == DType::c64 || bits(t) == 64) {
    append_u64(words, value.lo);
  } else if (is_integer(t)) {
    words.push_back(static_cast<uint32_t>(to_int64(value)));
  } else {
    words.push_back(static_cast<uint32_t>(make_scalar(DType::f32, to_double(value)).lo));
  }
}

}  // namespace nxv
