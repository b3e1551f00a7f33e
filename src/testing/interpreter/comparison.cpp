// Comparisons, booleans and the choice between two values.
#include <functional>

#include "testing/interpreter/evaluations.h"
#include "testing/interpreter/lanes.h"

namespace nxv::testing::evaluations {
namespace {

template <typename F>
void compare(Execution& s, F holds) {
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

void eq(Execution& s) { compare(s, std::equal_to{}); }
void ne(Execution& s) { compare(s, std::not_equal_to{}); }
void lt(Execution& s) { compare(s, std::less{}); }
void le(Execution& s) { compare(s, std::less_equal{}); }
void gt(Execution& s) { compare(s, std::greater{}); }
void ge(Execution& s) { compare(s, std::greater_equal{}); }

void logical_and(Execution& s) {
  s.each([a = s.arg(0), b = s.arg(1)](uint32_t i) { return a[i] & b[i]; });
}
void logical_or(Execution& s) {
  s.each([a = s.arg(0), b = s.arg(1)](uint32_t i) { return a[i] | b[i]; });
}
void logical_not(Execution& s) {
  s.each([v = s.arg(0)](uint32_t i) { return v[i] ^ 1; });
}

void select(Execution& s) {
  const uint64_t *condition = s.arg(0), *yes = s.arg(1), *no = s.arg(2);
  s.each([&](uint32_t i) { return condition[s.spread(0, i)] ? yes[i] : no[i]; });
}

}  // namespace nxv::testing::evaluations
