#include "schedule/scalars.h"

namespace nxv::schedule {
namespace {

void append_u64(uint64_t v, std::vector<uint32_t>& words) {
  words.push_back(static_cast<uint32_t>(v));
  words.push_back(static_cast<uint32_t>(v >> 32));
}

// As the kernel's arithmetic sees it: integers extended to 32 bits, narrow floats as f32.
void append_scalar(const Scalar& value, std::vector<uint32_t>& words) {
  const DType t = value.dtype;
  if (t == DType::c128) {
    append_u64(value.lo, words);
    append_u64(value.hi, words);
  } else if (t == DType::c64 || bits(t) == 64) {
    append_u64(value.lo, words);
  } else if (is_integer(t)) {
    words.push_back(static_cast<uint32_t>(to_int64(value)));
  } else {
    words.push_back(static_cast<uint32_t>(make_scalar(DType::f32, to_double(value)).lo));
  }
}

}  // namespace

void append_scalars(const Node& node, std::vector<uint32_t>& words) {
  if (node.op == Op::constant) {
    return append_scalar(node.attribute<ConstantAttr>().value, words);
  }
  const auto& stream = node.attribute<RandomAttr>();
  append_u64(stream.seed, words);
  append_u64(stream.offset, words);
  const DType compute = node.dtype == DType::f64 ? DType::f64 : DType::f32;
  const bool normal = node.op == Op::random_normal;
  append_scalar(make_scalar(compute, stream.low), words);
  append_scalar(make_scalar(compute, normal ? stream.high : stream.high - stream.low), words);
}

}  // namespace nxv::schedule
