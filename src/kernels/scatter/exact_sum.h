// Sums of floats that do not depend on the order of the terms: fixed-point numbers of 128 bits, in
// units that the largest exponent of the terms decides, added up with integer atomics.
//
// A term loses what lies 64 bits (f64: 40) below the last bit of the largest term; at most 2^31
// terms cannot overflow. The result is rounded once. The idea is that of the reproducible sums of
// Demmel and Nguyen (Fast Reproducible Floating-Point Summation, ARITH 2013), with one bin.
#pragma once

#include <array>

#include "ir/ops/number.h"

namespace nxv::kernels {

// Of the real numbers of one type; the parts of complex numbers are summed apart. A sum takes
// kWords words of a buffer, the first of them at `base`. Three passes over the terms, each a
// dispatch of its own: start with one of them, raise with the others, add all others, finish.
class ExactSum {
 public:
  static constexpr uint32_t kWords = 6;  // largest exponent field, kinds of terms, four limbs

  ExactSum(ir::Builder& builder, DType type);

  // Terms are numbers as kernels hold them: f64, or f32 for the other types.
  void start(ir::Value buffer, ir::Value base, ir::Value term) const;
  void raise(ir::Value buffer, ir::Value base, ir::Value term) const;
  void add(ir::Value buffer, ir::Value base, ir::Value term) const;
  // The rounded sum and the term that `start` had.
  ir::Value finish(ir::Value buffer, ir::Value base, ir::Value first) const;

 private:
  using Limbs = std::array<ir::Value, 4>;  // two's complement, the lowest first

  struct Term {
    ir::Value negative;
    ir::Value exponent;  // biased; that of subnormals is 1, of infinities and NaN 0
    ir::Value kinds;
    ir::Value low, high;  // significand; zero for infinities and NaN
  };
  Term decompose(ir::Value term) const;
  Limbs fixed(const Term& t, ir::Value largest) const;
  // The bits of the float: high word, and low word for f64.
  std::array<ir::Value, 2> rounded(const Limbs& magnitude, ir::Value largest) const;

  Limbs plus(const Limbs& a, const Limbs& b) const;
  Limbs negated_if(ir::Value condition, const Limbs& x) const;
  Limbs shifted_left(const Limbs& x, ir::Value by) const;
  Limbs shifted_right(const Limbs& x, ir::Value by) const;

  ir::Builder& b_;
  const DType type_;
  const bool wide_;  // f64
};

}  // namespace nxv::kernels
