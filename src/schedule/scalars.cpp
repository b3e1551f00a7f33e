#include "schedule/scalars.h"

#include <algorithm>

#include "graph/region_words.h"
#include "graph/scalar_words.h"

namespace nxv::schedule {

void append_scalars(const Node& node, std::vector<uint32_t>& words) {
  if (node.op == Op::constant) {
    return append(words, node.attribute<ConstantAttr>().value);
  }
  if (node.op == Op::argument) return append(words, make_scalar(node.dtype, int64_t{0}));
  const auto& stream = node.attribute<RandomAttr>();
  RandomWords random;
  random.key_low = static_cast<uint32_t>(stream.seed);
  random.key_high = static_cast<uint32_t>(stream.seed >> 32);
  random.counter_low = static_cast<uint32_t>(stream.offset);
  random.counter_high = static_cast<uint32_t>(stream.offset >> 32);
  append(words, random);
  const DType compute = node.dtype == DType::f64 ? DType::f64 : DType::f32;
  const bool normal = node.op == Op::random_normal;
  append(words, make_scalar(compute, stream.low));
  append(words, make_scalar(compute, normal ? stream.high : stream.high - stream.low));
}

void write_scalar(const Scalar& value, WordIndex at, std::vector<uint32_t>& words,
                  std::vector<uint32_t>& scratch) {
  scratch.clear();
  append(scratch, value);
  std::copy(scratch.begin(), scratch.end(), words.begin() + at);
}

void write_scalars(const Node& node, WordIndex at, std::vector<uint32_t>& words,
                   std::vector<uint32_t>& scratch) {
  scratch.clear();
  append_scalars(node, scratch);
  std::copy(scratch.begin(), scratch.end(), words.begin() + at);
}

}  // namespace nxv::schedule
