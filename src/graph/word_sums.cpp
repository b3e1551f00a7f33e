#include "graph/word_sums.h"

#include "graph/node.h"

namespace nxv {
namespace {

// Largest sums that are exact in 32 bits, and in f32.
constexpr uint64_t kWordSums = (uint64_t{1} << 31) - 1, kFloatSums = uint64_t{1} << 24;

}  // namespace

bool has_word_sums(DType sum, DType a, DType b, uint64_t k) {
  if (!is_byte(a) || !is_byte(b) || is_complex(sum)) return false;
  if (is_integer(sum) && bits(sum) <= 32) return true;
  const auto most = [](DType t) { return is_unsigned(t) ? uint64_t{255} : uint64_t{128}; };
  return k <= (is_integer(sum) ? kWordSums : kFloatSums) / (most(a) * most(b));
}

bool widens_bytes(const Node& cast) {
  if (!cast.is_pending() || cast.op != Op::cast) return false;
  const DType from = cast.inputs[0]->dtype;
  return is_byte(from) && bits(cast.dtype) >= 16 && merge(from, cast.dtype) == cast.dtype;
}

}  // namespace nxv
