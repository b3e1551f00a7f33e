#include "graph/softmax_terms.h"

#include <algorithm>
#include <cmath>

namespace nxv {
namespace {

// Of numbers that are equal but for rounding.
constexpr double kRelative = 1e-9;

bool is_same(double a, double b) {
  return std::abs(a - b) <= kRelative * std::max(std::abs(a), std::abs(b));
}

bool is_alike(const SoftmaxTerms::Term& a, const SoftmaxTerms::Term& b) {
  return a.powers == b.powers && a.sums == b.sums && a.of == b.of && a.masks == b.masks;
}

}  // namespace

SoftmaxTerms::SoftmaxTerms(const Term& term) { add(term); }

void SoftmaxTerms::add(const Term& term) {
  if (term.factor == 0) return;
  const auto like =
      std::find_if(terms_.begin(), terms_.end(), [&](const Term& t) { return is_alike(t, term); });
  if (like == terms_.end()) {
    terms_.push_back(term);
  } else if (is_same(like->factor, -term.factor)) {
    terms_.erase(like);
  } else {
    like->factor += term.factor;
  }
}

std::optional<double> SoftmaxTerms::as_weights() const {
  if (terms_.size() != 1 || !is_alike(terms_[0], Term{1, -1})) return {};
  return terms_[0].factor;
}

std::optional<double> SoftmaxTerms::as_gradient(uint32_t masks) const {
  if (terms_.size() != 2) return {};
  const size_t first = terms_[0].of == Of::gradient ? 0 : 1;
  const Term &own = terms_[first], &row = terms_[1 - first];
  const bool fits = is_alike(own, {1, -1, Of::gradient, masks}) &&
                    is_alike(row, {1, -2, Of::row, masks}) && is_same(own.factor, -row.factor);
  return fits ? std::optional(own.factor) : std::nullopt;
}

bool SoftmaxTerms::is_of_rows() const {
  return std::all_of(terms_.begin(), terms_.end(), [](const Term& t) {
    return t.powers == 0 && t.of != Of::gradient && t.masks == 0;
  });
}

SoftmaxTerms SoftmaxTerms::plus(const SoftmaxTerms& other) const {
  SoftmaxTerms sum = *this;
  for (const Term& t : other.terms_) sum.add(t);
  return sum;
}

SoftmaxTerms SoftmaxTerms::times(double factor) const {
  SoftmaxTerms product;
  for (Term t : terms_) {
    t.factor *= factor;
    product.add(t);
  }
  return product;
}

std::optional<SoftmaxTerms> SoftmaxTerms::times(const SoftmaxTerms& other) const {
  SoftmaxTerms product;
  for (const Term& a : terms_) {
    for (const Term& b : other.terms_) {
      if (a.of != Of::one && b.of != Of::one) return {};
      product.add({a.powers + b.powers, a.sums + b.sums, a.of == Of::one ? b.of : a.of,
                   a.masks | b.masks, a.factor * b.factor});
    }
  }
  return product;
}

std::optional<SoftmaxTerms> SoftmaxTerms::over(const SoftmaxTerms& divisor) const {
  if (divisor.terms_.size() != 1) return {};
  const Term& d = divisor.terms_[0];
  // Powers may be 0.
  if (d.of != Of::one || d.masks != 0 || d.powers != 0) return {};
  return times(SoftmaxTerms(Term{0, -d.sums, Of::one, 0, 1 / d.factor}));
}

std::optional<SoftmaxTerms> SoftmaxTerms::row_sums(int64_t columns) const {
  SoftmaxTerms sums;
  for (Term t : terms_) {
    if (t.masks != 0 || t.powers > 1) return {};
    if (t.powers == 1 && t.of == Of::gradient) {
      t.of = Of::row;
    } else if (t.powers == 1) {
      ++t.sums;
    } else if (t.of == Of::gradient) {
      return {};
    } else {
      t.factor *= static_cast<double>(columns);
    }
    t.powers = 0;
    sums.add(t);
  }
  return sums;
}

SoftmaxTerms SoftmaxTerms::masked(int mask) const {
  SoftmaxTerms shown;
  for (Term t : terms_) {
    t.masks |= uint32_t{1} << mask;
    shown.add(t);
  }
  return shown;
}

}  // namespace nxv
