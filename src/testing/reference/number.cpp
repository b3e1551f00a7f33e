#include "testing/reference/number.h"

#include <cmath>

namespace nxv::reference {
namespace {

std::strong_ordering compare_integers(Integer a, Integer b) {
  if (a.negative != b.negative) {
    return a.negative ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  return a.negative ? b.magnitude <=> a.magnitude : a.magnitude <=> b.magnitude;
}

std::partial_ordering compare_with_real(Integer n, double x) {
  if (std::isnan(x)) return std::partial_ordering::unordered;
  if (std::fabs(x) >= 0x1p64) {
    return x > 0 ? std::partial_ordering::less : std::partial_ordering::greater;
  }
  const double whole = std::trunc(x);
  const Integer truncated{whole < 0, static_cast<uint64_t>(std::fabs(whole))};
  const auto order = compare_integers(n, truncated);
  if (order != std::strong_ordering::equal) return order;
  return whole <=> x;
}

// The nearest double of an odd last digit when the value is not representable, so that rounding it
// again to a format of fewer digits gives what rounding the integer once would.
double round_to_odd(Integer n) {
  uint64_t m = n.magnitude;
  const uint64_t tail = m & 0x7ff;
  if (m >= uint64_t{1} << 53 && tail != 0) m = (m - tail) | 0x800;
  const auto value = static_cast<double>(m);
  return n.negative ? -value : value;
}

}  // namespace

Integer to_integer(const Scalar& s) {
  const int64_t value = to_int64(s);
  if (is_unsigned(s.dtype) || value >= 0) return {false, static_cast<uint64_t>(value)};
  return {true, ~static_cast<uint64_t>(value) + 1};
}

double to_double(Integer n) {
  const auto value = static_cast<double>(n.magnitude);
  return n.negative ? -value : value;
}

Scalar convert(const Scalar& s, DType to) {
  if (s.dtype == to) return s;
  if (is_complex(s.dtype)) return make_scalar(to, to_complex_double(s));
  if (!is_integer(s.dtype)) return make_scalar(to, nxv::to_double(s));
  const Integer n = to_integer(s);
  if (is_integer(to)) return make_scalar(to, n.low_bits());
  const bool has_64_bit_overload = to == DType::f32 || to == DType::c64;
  if (is_unsigned(s.dtype) && has_64_bit_overload) return make_scalar(to, n.magnitude);
  if (has_64_bit_overload) return make_scalar(to, to_int64(s));
  return make_scalar(to, bits(to) >= 64 ? to_double(n) : round_to_odd(n));
}

std::partial_ordering compare(const Scalar& a, const Scalar& b) {
  if (is_integer(a.dtype) && is_integer(b.dtype)) {
    return compare_integers(to_integer(a), to_integer(b));
  }
  if (is_integer(a.dtype)) return compare_with_real(to_integer(a), nxv::to_double(b));
  if (is_integer(b.dtype)) return 0 <=> compare_with_real(to_integer(b), nxv::to_double(a));
  return nxv::to_double(a) <=> nxv::to_double(b);
}

bool equal(const Scalar& a, const Scalar& b) {
  if (!is_complex(a.dtype) && !is_complex(b.dtype)) return compare(a, b) == 0;
  const auto part_type = [](const Scalar& s) { return is_complex(s.dtype) ? DType::f64 : s.dtype; };
  const auto real_part = [&](const Scalar& s) {
    return is_complex(s.dtype) ? make_scalar(part_type(s), to_complex_double(s).real()) : s;
  };
  return compare(real_part(a), real_part(b)) == 0 &&
         to_complex_double(a).imag() == to_complex_double(b).imag();
}

bool is_nan(const Scalar& s) {
  const std::complex<double> z = to_complex_double(s);
  return std::isnan(z.real()) || std::isnan(z.imag());
}

bool is_infinity(const Scalar& s) {
  const std::complex<double> z = to_complex_double(s);
  return std::isinf(z.real()) || std::isinf(z.imag());
}

bool is_true(const Scalar& s) {
  if (is_integer(s.dtype)) return s.lo != 0;
  const std::complex<double> z = to_complex_double(s);
  return z.real() != 0 || z.imag() != 0;
}

}  // namespace nxv::reference
