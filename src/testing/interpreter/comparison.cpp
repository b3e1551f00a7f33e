// Comparisons, booleans and the choice between two values.
#include <functional>

#include "testing/interpreter/evaluations.h"
#include "testing/interpreter/lanes.h"

namespace nxv::testing::evaluations {
namespace {

template <typename F>
void compare(Step& s, F holds) {
  const bool flushes = s.m.options.flush_subnormals;
  const uint64_t *a = s.arg(0), *b = s.arg(1);
  with_any(s.arg_type(0), [&](auto tag) {
    using T = decltype(tag);
    s.each([&](uint32_t i) {
      const T x = settle(from_bits<T>(a[i]), flushes);
      const T y = settle(from_bits<T>(b[i]), flushes);
      return uint64_t{holds(x, y)};
    });
  });
}

}  // namespace

void eq(Step& s) { compare(s, std::equal_to{}); }
void ne(Step& s) { compare(s, std::not_equal_to{}); }
void lt(Step& s) { compare(s, std::less{}); }
void le(Step& s) { compare(s, std::less_equal{}); }
void gt(Step& s) { compare(s, std::greater{}); }
void ge(Step& s) { compare(s, std::greater_equal{}); }

void logical_and(Step& s) {
  s.each([a = s.arg(0), b = s.arg(1)](uint32_t i) { return a[i] & b[i]; });
}
void logical_or(Step& s) {
  s.each([a = s.arg(0), b = s.arg(1)](uint32_t i) { return a[i] | b[i]; });
}
void logical_not(Step& s) {
  s.each([v = s.arg(0)](uint32_t i) { return v[i] ^ 1; });
}

void select(Step& s) {
  const uint64_t *condition = s.arg(0), *yes = s.arg(1), *no = s.arg(2);
  s.each([&](uint32_t i) { return condition[s.spread(0, i)] ? yes[i] : no[i]; });
}

}  // namespace nxv::testing::evaluations
