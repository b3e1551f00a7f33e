// What the gradient of a softmax is made of.
//
// With e the powers of scores, s the sums of their rows, D the gradient of the weights e / s and R
// the sums of the rows of e D, values between the gradients of weights and of scores are sums of
// terms c e^a s^b X, X one of 1, D and R, some of which are 0 where a mask hides a score. That is a
// normal form: whatever order a gradient is written in, that of scores is D e / s - R e / s^2.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace nxv {

class SoftmaxTerms {
 public:
  enum class Of : uint8_t { one, gradient, row };  // 1, D, R
  struct Term {
    int powers = 0, sums = 0;  // exponents; that of powers is not negative
    Of of = Of::one;
    uint32_t masks = 0;  // a bit for each that hides it
    double factor = 1;
  };

  SoftmaxTerms() = default;  // 0
  explicit SoftmaxTerms(const Term& term);
  static SoftmaxTerms number(double v) { return SoftmaxTerms(Term{0, 0, Of::one, 0, v}); }

  bool is_zero() const { return terms_.empty(); }
  // c e / s
  std::optional<double> as_weights() const;
  // c times the gradient of scores, behind so many masks.
  std::optional<double> as_gradient(uint32_t masks) const;
  // The same along each row.
  bool is_of_rows() const;

  SoftmaxTerms plus(const SoftmaxTerms& other) const;
  SoftmaxTerms times(double factor) const;
  // Nothing where these would not be such sums.
  std::optional<SoftmaxTerms> times(const SoftmaxTerms& other) const;
  std::optional<SoftmaxTerms> over(const SoftmaxTerms& divisor) const;
  std::optional<SoftmaxTerms> row_sums(int64_t columns) const;
  SoftmaxTerms masked(int mask) const;

 private:
  void add(const Term& term);
  std::vector<Term> terms_;
};

}  // namespace nxv
