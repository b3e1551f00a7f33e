// Arithmetic on what callers say about shapes: extents, strides, paddings, dilations, products.
//
// What 64 bits do not hold is no number, and stays none through all that is computed from it, as a
// NaN does. Sizes that stand in a node need no care: its elements were counted (graph/node.h).
#pragma once

#include <cstdint>
#include <limits>

#include "base/error.h"

namespace nxv {

class Checked {
 public:
  constexpr Checked(int64_t value) : value_(value) {}  // NOLINT: mixes with integers

  constexpr bool fits() const { return fits_; }
  // Throws Error(size_mismatch) where there is none; who can name the shape asks `fits` before.
  int64_t value() const {
    if (!fits_) throw Error(Status::size_mismatch, "a size does not fit in 64 bits");
    return value_;
  }
  constexpr int64_t value_or(int64_t otherwise) const { return fits_ ? value_ : otherwise; }

  friend constexpr Checked operator+(Checked a, Checked b) {
    const bool above = b.value_ > 0 && a.value_ > kMost - b.value_;
    const bool below = b.value_ < 0 && a.value_ < kLeast - b.value_;
    return both(a, b) && !above && !below ? Checked(a.value_ + b.value_) : none();
  }
  friend constexpr Checked operator-(Checked a, Checked b) {
    const bool above = b.value_ < 0 && a.value_ > kMost + b.value_;
    const bool below = b.value_ > 0 && a.value_ < kLeast + b.value_;
    return both(a, b) && !above && !below ? Checked(a.value_ - b.value_) : none();
  }
  friend constexpr Checked operator*(Checked a, Checked b) {
    return both(a, b) && product_fits(a.value_, b.value_) ? Checked(a.value_ * b.value_) : none();
  }
  // No number equals none, not even none.
  friend constexpr bool operator==(Checked a, Checked b) {
    return both(a, b) && a.value_ == b.value_;
  }

 private:
  static constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  static constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

  static constexpr bool both(Checked a, Checked b) { return a.fits_ && b.fits_; }
  static constexpr Checked none() {
    Checked c(0);
    c.fits_ = false;
    return c;
  }
  static constexpr bool product_fits(int64_t a, int64_t b) {
    const auto is_short = [](int64_t v) { return v == static_cast<int32_t>(v); };
    if (is_short(a) && is_short(b)) return true;  // without a division
    if (a == 0 || b == 0) return true;
    if (a == -1) return b != kLeast;
    if (b == -1) return a != kLeast;
    const bool is_positive = (a > 0) == (b > 0);
    return b > 0         ? a <= kMost / b && a >= kLeast / b
           : is_positive ? a >= kMost / b
                         : a <= kLeast / b;
  }

  int64_t value_;
  bool fits_ = true;
};

}  // namespace nxv
