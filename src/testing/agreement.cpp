#include "testing/agreement.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "graph/build.h"
#include "testing/vectors.h"

namespace nxv {
namespace {

// Of an operation, in units of the last place of its result; 0: exact.
double allowed_ulp(const Node& node) {
  if (is_integer(node.dtype)) return 0;
  switch (node.op) {
    case Op::rsqrt:
    case Op::cbrt:
    case Op::exp:
    case Op::expm1:
    case Op::log:
    case Op::log1p:
    case Op::sigmoid:
    case Op::sin:
    case Op::cos:
    case Op::asin:
    case Op::acos:
    case Op::atan:
    case Op::sinh:
    case Op::cosh:
    case Op::tanh:
    case Op::asinh:
    case Op::acosh:
    case Op::atanh:
    case Op::erf:
    case Op::atan2:
      return 3;
    case Op::tan:
    case Op::pow:
    case Op::erfc:
    case Op::erf_inv:
      return 5;
    case Op::random_uniform:
    case Op::scatter_add:  // in f64, or in what is as exact
      return 1;
    default:
      return 0;
  }
}

bool is_nan(const Scalar& s) { return !is_integer(s.dtype) && std::isnan(to_double(s)); }

bool same(const Scalar& a, const Scalar& b) { return a == b || (is_nan(a) && is_nan(b)); }

bool has_subnormal(const HostTensor& t) {
  for (int64_t i = 0; i < t.count(); ++i) {
    if (is_subnormal(t.at(i))) return true;
  }
  return false;
}

NodeRef known(const GraveyardRef& owner, const HostTensor& t) {
  return host_value(owner, t.dtype, t.shape, t.bytes);
}

NodeRef magnitude(const NodeRef& x) { return elementwise(Op::abs, {cast(x, DType::f64)}); }

// The node over operands of other values, or of other types.
NodeRef over(const GraveyardRef& owner, const Node& node, DType type, std::vector<NodeRef> inputs) {
  return NodeRef::adopt(
      std::make_unique<Node>(owner, node.op, type, node.shape, std::move(inputs), node.attributes)
          .release());
}

// Sum of the absolute values of the terms of each element of a sum or dot.
HostTensor term_magnitudes(const GraveyardRef& owner, const Node& node,
                           const std::vector<NodeRef>& inputs) {
  std::vector<NodeRef> absolute;
  for (const NodeRef& input : inputs) absolute.push_back(magnitude(input));
  return reference_evaluate(*over(owner, node, DType::f64, absolute));
}

// Terms of each element of a reduction or dot.
double term_count(const Node& node, std::span<const HostTensor> inputs) {
  if (node.op == Op::dot) return static_cast<double>(inputs[0].shape.back());
  return static_cast<double>(inputs[0].count()) / static_cast<double>(node.count);
}

double half_ulp(DType type, double at) {
  const Scalar s = make_scalar(type, std::fabs(at));
  const Scalar next{type, s.lo + 1, 0};
  const double gap = to_double(next) - to_double(s);
  return std::isfinite(gap) ? gap / 2 : std::fabs(at) * 0x1p-7;
}

// Sums in any order: |error| of the exact sum's rounding and of `epsilon` a step.
std::optional<std::string> off_sum(const Node& node, const Scalar& got, const Scalar& want,
                                   double terms, double magnitudes, double epsilon) {
  const double g = to_double(got), w = to_double(want);
  const double slack = terms * epsilon * magnitudes;
  const double largest = to_double(make_scalar(node.dtype, std::numeric_limits<double>::max()));
  // Whether a sum this close to the largest number overflows depends on the order.
  const double edge = std::isfinite(largest) ? largest : 0x1.fffffep127;
  if (!std::isfinite(magnitudes) || magnitudes * 1.01 > (node.dtype == DType::f64 ? 1e308 : edge)) {
    return std::nullopt;
  }
  if (std::fabs(g - w) <= slack + 2.02 * half_ulp(node.dtype, w)) return std::nullopt;
  return "terms sum to " + std::to_string(magnitudes);
}

// Within a transform's own accuracy, which is that of its row's norm.
bool transforms_alike(const HostTensor& got, const HostTensor& want, int64_t element) {
  const int64_t n = want.shape.back(), first = element / n * n;
  double norm = 0;
  for (int64_t i = first; i < first + n; ++i) norm += std::norm(to_complex_double(want.at(i)));
  const double error =
      std::abs(to_complex_double(got.at(element)) - to_complex_double(want.at(element)));
  return error <= (want.dtype == DType::c64 ? 1e-6 : 1e-14) * std::sqrt(norm);
}

std::string describe(const Node& node, std::span<const HostTensor> inputs) {
  std::string text = std::string(name(node.op)) + " -> " + std::string(name(node.dtype)) +
                     to_string(node.shape) + " of";
  for (const HostTensor& t : inputs) {
    text += " " + std::string(name(t.dtype)) + to_string(t.shape);
  }
  return text;
}

// Backward stable solutions and factors of well-conditioned matrices: errors relative to the
// largest element of the matrix.
bool factors_alike(const HostTensor& got, const HostTensor& want, int64_t i) {
  const int64_t columns = want.shape.back(), rows = want.shape[want.shape.size() - 2];
  const int64_t first = i / (rows * columns) * rows * columns;
  double largest = 0;
  for (int64_t k = first; k < first + rows * columns; ++k) {
    largest = std::max(largest, std::fabs(to_double(want.at(k))));
  }
  const double epsilon = want.dtype == DType::f64 ? 0x1p-53 : 0x1p-24;
  return std::fabs(to_double(got.at(i)) - to_double(want.at(i))) <=
         4 * static_cast<double>(rows) * epsilon * largest;
}

}  // namespace

std::string difference(const HostTensor& a, const HostTensor& b) {
  if (a.dtype != b.dtype || a.shape != b.shape || a.bytes.size() != b.bytes.size()) {
    return "types, shapes or sizes differ";
  }
  for (int64_t i = 0; i < a.count(); ++i) {
    if (!same(a.at(i), b.at(i))) {
      return "element " + std::to_string(i) + " of " + std::string(name(a.dtype)) +
             to_string(a.shape) + ": " + to_string(a.at(i)) + " and " + to_string(b.at(i));
    }
  }
  return {};
}

std::string disagreement(const Node& node, std::span<const HostTensor> inputs,
                         const HostTensor& got, const AgreementOptions& options) {
  const auto owner = host_graveyard();
  // Integer arithmetic but shifts is on the operands as converted to the result's type: u64 beside
  // s64 wraps.
  const OpInfo& row = info(node.op);
  bool converts = row.fusion == Fusion::pointwise && is_integer(node.dtype) &&
                  (row.type_rule == TypeRule::merge || row.type_rule == TypeRule::merge_integer) &&
                  node.op != Op::left_shift && node.op != Op::right_shift;
  converts |= row.fusion == Fusion::pointwise && !options.exact_integers &&
              row.type_rule != TypeRule::predicate && !is_integer(node.dtype) &&
              node.op != Op::bitcast;
  std::vector<NodeRef> operands;
  for (const HostTensor& t : inputs) {
    const bool rounds = converts && (is_integer(t.dtype) || is_integer(node.dtype));
    operands.push_back(rounds && node.op != Op::select ? cast(known(owner, t), node.dtype)
                                                       : known(owner, t));
  }
  const HostTensor want = reference_evaluate(*over(owner, node, node.dtype, operands));
  if (got.dtype != want.dtype || got.shape != want.shape) return "wrong type or shape";
  const bool arithmetic = info(node.op).fusion != Fusion::view;
  if (!options.keeps_subnormals && arithmetic &&
      (has_subnormal(want) || std::any_of(inputs.begin(), inputs.end(), has_subnormal))) {
    return {};
  }
  const bool is_float = !is_integer(node.dtype);
  const bool sums = is_float && (node.op == Op::sum || node.op == Op::dot);
  HostTensor magnitudes;
  if (sums) magnitudes = term_magnitudes(owner, node, operands);
  const double ulp = allowed_ulp(node);
  for (int64_t i = 0; i < want.count(); ++i) {
    const Scalar g = got.at(i), w = want.at(i);
    if (same(g, w)) continue;
    std::string why = " (exact)";
    if (sums) {
      const bool wide = node.op == Op::dot ? options.wide_products : options.wide_sums;
      const double epsilon = node.dtype == DType::f64 ? 0x1p-52 : wide ? 0x1p-46 : 0x1p-23;
      const auto off =
          off_sum(node, g, w, term_count(node, inputs), to_double(magnitudes.at(i)), epsilon);
      if (!off) continue;
      why = " (" + *off + ")";
    } else if (is_float && node.op == Op::product) {
      // Where partial products leave the range, the order decides.
      const double a = to_double(g), b = to_double(w);
      const double terms = term_count(node, inputs);
      const double epsilon = node.dtype == DType::f64 ? 0x1p-52 : 0x1p-46;
      if (!std::isfinite(a) || !std::isfinite(b) || a == 0 || b == 0) {
        if (terms > 2) continue;
      }
      if (std::fabs(a - b) <= 2.02 * half_ulp(node.dtype, b) + terms * epsilon * std::fabs(b))
        continue;
    } else if (node.op == Op::fft) {
      if (transforms_alike(got, want, i)) continue;
      why = "";
    } else if (node.op == Op::triangular_solve || node.op == Op::cholesky) {
      if (factors_alike(got, want, i)) continue;
      why = "";
    } else if (node.op == Op::random_normal) {
      const auto& stream = node.attribute<RandomAttr>();
      const double scale = std::fabs(stream.low) + 8 * stream.high;
      const double epsilon = node.dtype == DType::f64 ? 0x1p-50 : 0x1p-22;
      if (std::fabs(to_double(g) - to_double(w)) <=
          scale * epsilon + 2.02 * half_ulp(node.dtype, to_double(w)))
        continue;
    } else if (ulp > 0) {
      const double distance = ulp_distance(g, w);
      const bool narrow = is_float && bits(node.dtype) < 32;
      if (distance <= (narrow ? 1 : ulp)) continue;
      why = " (" + std::to_string(distance) + " ULP)";
    }
    std::string text = describe(node, inputs) + ", element " + std::to_string(i) + ": got " +
                       to_string(g) + ", expected " + to_string(w) + why;
    if (info(node.op).fusion == Fusion::pointwise) {
      text += " for";
      for (const HostTensor& t : inputs) text += " " + to_string(t.at(i));
    }
    return text;
  }
  return {};
}

}  // namespace nxv
