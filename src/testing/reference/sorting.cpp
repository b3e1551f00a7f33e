#include "testing/reference/sorting.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "testing/reference/functions.h"
#include "testing/reference/number.h"
#include "testing/reference/structure.h"

namespace nxv::reference {
namespace {

// NaN is above everything and equal to itself; zeros are equal.
bool is_below(const Scalar& a, const Scalar& b) {
  if (is_nan(a) || is_nan(b)) return !is_nan(a);
  return compare(a, b) < 0;
}

// What has been combined so far, in the widest numbers of the type's kind.
class Running {
 public:
  Running(Op combine, DType type) : combine_(combine), type_(type) {}

  Scalar take(const Scalar& x) {
    if (combine_ == Op::max || combine_ == Op::min) {
      // NaN wins; of equal elements (both zeros), the first.
      const bool replaces =
          !started_ ||
          (!is_nan(extreme_) && (is_nan(x) || (combine_ == Op::max ? compare(x, extreme_) > 0
                                                                   : compare(x, extreme_) < 0)));
      if (replaces) extreme_ = x;
      started_ = true;
      return extreme_;
    }
    const bool adds = combine_ == Op::add;
    if (is_integer(type_)) {
      const uint64_t n = to_integer(x).low_bits();
      integer_ = !started_ ? n : adds ? integer_ + n : integer_ * n;
    } else if (is_complex(type_)) {
      const Complex z = to_complex_double(x);
      complex_ = !started_ ? z : adds ? complex_ + z : multiply(complex_, z);
    } else {
      const double v = nxv::to_double(x);
      real_ = !started_ ? v : adds ? real_ + v : real_ * v;
    }
    started_ = true;
    if (is_integer(type_)) return make_scalar(type_, integer_);
    return is_complex(type_) ? make_scalar(type_, complex_) : make_scalar(type_, real_);
  }

 private:
  const Op combine_;
  const DType type_;
  bool started_ = false;
  Scalar extreme_;
  uint64_t integer_ = 0;
  double real_ = 0;
  Complex complex_;
};

// The lines of a shape along an axis: calls f(first element, distance between elements).
template <typename F>
void each_line(const Shape& shape, int64_t axis, F f) {
  int64_t inner = 1, outer = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (static_cast<int64_t>(d) < axis) outer *= shape[d];
    if (static_cast<int64_t>(d) > axis) inner *= shape[d];
  }
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) f(o * shape[axis] * inner + i, inner);
  }
}

}  // namespace

HostTensor evaluate_scan(const Node& node, const HostTensor& x) {
  const auto& scan = node.attribute<ScanAttr>();
  const int64_t length = x.shape[scan.axis];
  HostTensor out(node.dtype, node.shape);
  each_line(x.shape, scan.axis, [&](int64_t first, int64_t step) {
    Running running(scan.combine, x.dtype);
    for (int64_t i = 0; i < length; ++i) {
      const int64_t at = first + (scan.reverse ? length - 1 - i : i) * step;
      out.set(at, convert(running.take(x.at(at)), node.dtype));
    }
  });
  return out;
}

HostTensor evaluate_sort(const Node& node, const HostTensor& x) {
  const auto& attributes = node.attribute<SortAttr>();
  const int64_t length = x.shape[attributes.axis];
  HostTensor out(node.dtype, node.shape);
  each_line(x.shape, attributes.axis, [&](int64_t first, int64_t step) {
    std::vector<int64_t> order(length);
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      const Scalar left = x.at(first + a * step), right = x.at(first + b * step);
      return attributes.descending ? is_below(right, left) : is_below(left, right);
    });
    for (int64_t i = 0; i < length; ++i) {
      const Scalar value = node.op == Op::argsort
                               ? make_scalar(node.dtype, order[i])
                               : convert(x.at(first + order[i] * step), node.dtype);
      out.set(first + i * step, value);
    }
  });
  return out;
}

}  // namespace nxv::reference
