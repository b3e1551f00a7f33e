#include "testing/numbers/agreement.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "graph/attention.h"
#include "graph/build.h"
#include "testing/linear/factors.h"
#include "testing/numbers/vectors.h"

namespace nxv {
namespace {

// Of an operation, in units of the last place of its result; 0: exact.
double allowed_ulp(const Node& node, std::span<const HostTensor> inputs) {
  if (is_integer(node.dtype)) return 0;
  switch (node.op) {
    case Op::abs:
      return is_complex(inputs[0].dtype) ? 2 : 0;
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
      return 1;
    default:
      return 0;
  }
}

// Arithmetic of large integers whose f32 result is rounded from a pair of f32: to 0.51 units of the
// last place.
bool rounds_a_pair(const Node& node, std::span<const HostTensor> inputs) {
  switch (node.op) {
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
    case Op::sqrt:
      return is_real_float(node.dtype) && node.dtype != DType::f64 &&
             std::any_of(inputs.begin(), inputs.end(), [](const HostTensor& input) {
               return is_integer(input.dtype) && bits(input.dtype) >= 32;
             });
    default:
      return false;
  }
}

bool is_nan(const Scalar& s) { return !is_integer(s.dtype) && std::isnan(to_double(s)); }

bool same(const Scalar& a, const Scalar& b) {
  if (!is_complex(a.dtype)) return a == b || (is_nan(a) && is_nan(b));
  const auto alike = [](double x, double y) {
    return std::bit_cast<uint64_t>(x) == std::bit_cast<uint64_t>(y) ||
           (std::isnan(x) && std::isnan(y));
  };
  const auto x = to_complex_double(a), y = to_complex_double(b);
  return alike(x.real(), y.real()) && alike(x.imag(), y.imag());
}

bool has_subnormal(const HostTensor& t) {
  for (int64_t i = 0; i < t.count(); ++i) {
    if (is_subnormal(t.at(i))) return true;
  }
  return false;
}

NodeRef known(const GraveyardRef& owner, const HostTensor& t) {
  return host_value(owner, t.dtype, t.shape, t.bytes);
}

NodeRef magnitude(const NodeRef& x) {
  const bool complex = is_complex(x->dtype);
  return elementwise(Op::abs, {cast(x, complex ? DType::c128 : DType::f64)});
}

// The node over operands of other values, or of other types.
NodeRef over(const GraveyardRef& owner, const Node& node, DType type, std::vector<NodeRef> inputs) {
  return make_node(owner, node.op, type, node.shape, std::move(inputs), node.attributes);
}

// The node, or the operation that it is a result of, of other inputs.
NodeRef copy_over(const GraveyardRef& owner, const Node& node, std::vector<NodeRef> inputs) {
  if (node.op != Op::result) return over(owner, node, node.dtype, std::move(inputs));
  const Node& all = operation_of(node);
  return over(owner, node, node.dtype, {over(owner, all, all.dtype, std::move(inputs))});
}

// How the elements of a node come from many: as their sums or their products.
enum class Many { no, sums, products };

Many many_of(const Node& node) {
  if (is_integer(node.dtype)) return Many::no;
  switch (node.op) {
    case Op::sum:
    case Op::dot:
    case Op::scatter_add:
      return Many::sums;
    case Op::product:
      return Many::products;
    case Op::scan: {
      const Op combine = node.attribute<ScanAttr>().combine;
      return combine == Op::add ? Many::sums : combine == Op::multiply ? Many::products : Many::no;
    }
    default:
      return Many::no;
  }
}

// Sum of the absolute values of the terms of each element.
HostTensor term_magnitudes(const GraveyardRef& owner, const Node& node,
                           const std::vector<NodeRef>& inputs) {
  std::vector<NodeRef> absolute;
  for (const NodeRef& input : inputs) {
    const bool is_slot = node.op == Op::scatter_add && absolute.size() == 1;
    absolute.push_back(is_slot ? input : magnitude(input));
  }
  return reference_evaluate(*over(owner, node, DType::f64, absolute));
}

// Terms of each element, at most.
double term_count(const Node& node, std::span<const HostTensor> inputs) {
  switch (node.op) {
    case Op::dot:
      return static_cast<double>(inputs[0].shape.back());
    case Op::scan:
      return static_cast<double>(node.shape[static_cast<size_t>(node.attribute<ScanAttr>().axis)]);
    case Op::scatter_add:
      return static_cast<double>(inputs[1].count() + 1);
    default:
      return static_cast<double>(inputs[0].count()) / static_cast<double>(node.count);
  }
}

double half_ulp(DType type, double at) {
  const Scalar s = make_scalar(type, std::fabs(at));
  const Scalar next{type, s.lo + 1, 0};
  const double gap = to_double(next) - to_double(s);
  return std::isfinite(gap) ? gap / 2 : std::fabs(at) * 0x1p-7;
}

std::array<double, 2> parts_of(const Scalar& s) {
  const std::complex<double> z = to_complex_double(s);
  return {z.real(), z.imag()};
}

// Sums in any order: |error| of the exact sum's rounding and of `slack`, relative to the sum of the
// terms' magnitudes.
bool sums_alike(const Scalar& got, const Scalar& want, double slack, double magnitudes) {
  const DType part = to_real(want.dtype);
  const double largest = to_double(make_scalar(part, std::numeric_limits<double>::max()));
  // Whether a sum this close to the largest number overflows depends on the order.
  const double edge = std::isfinite(largest) ? largest : 0x1.fffffep127;
  if (!std::isfinite(magnitudes) || magnitudes * 1.01 > (part == DType::f64 ? 1e308 : edge)) {
    return true;
  }
  const auto g = parts_of(got), w = parts_of(want);
  for (size_t i = 0; i < 2; ++i) {
    if (!(std::fabs(g[i] - w[i]) <= slack * magnitudes + 2.02 * half_ulp(part, w[i]))) return false;
  }
  return true;
}

bool is_finite(std::complex<double> z) {
  return std::isfinite(z.real()) && std::isfinite(z.imag());
}

bool products_alike(const Scalar& got, const Scalar& want, double slack, double terms) {
  const auto g = to_complex_double(got), w = to_complex_double(want);
  // Where partial products leave the range, the order decides.
  const bool leaves = !is_finite(g) || !is_finite(w) || g == 0.0 || w == 0.0;
  if (leaves && terms > 2) return true;
  const double size = std::abs(w);
  return std::abs(g - w) <= slack * size + 2.02 * half_ulp(to_real(want.dtype), size);
}

// Complex functions are accurate normwise. Around infinities the parts are anybody's.
bool complex_alike(const Scalar& got, const Scalar& want, double epsilon) {
  const auto g = to_complex_double(got), w = to_complex_double(want);
  if (!is_finite(g) || !is_finite(w)) return is_finite(g) == is_finite(w);
  return std::abs(g - w) <= epsilon * std::abs(w) + half_ulp(to_real(want.dtype), 0);
}

// What the reference makes of c128 is no more exact than the device's; its errors grow with the
// exponent of a power.
double complex_epsilon(const Node& node, std::span<const HostTensor> inputs, int64_t i) {
  if (node.dtype == DType::c64) return 4 * 0x1p-23;
  double growth = 0;
  if (node.op == Op::pow) {
    const auto base = to_complex_double(inputs[0].at(i)),
               power = to_complex_double(inputs[1].at(i));
    if (base != 0.0) growth = std::abs(power * std::log(base));
  }
  return (64 + 4 * growth) * 0x1p-52;
}

// Of complex numbers: what is computed part by part, each rounded correctly, or only moved.
bool is_exact_by_parts(const Node& node) {
  switch (node.op) {
    case Op::add:
    case Op::subtract:
    case Op::negate:
    case Op::conjugate:
    case Op::sign:
    case Op::cast:
    case Op::select:
    case Op::bitcast:
      return true;
    default:
      return info(node.op).fusion != Fusion::pointwise;
  }
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
    largest = std::max(largest, std::abs(to_complex_double(want.at(k))));
  }
  const double epsilon = to_real(want.dtype) == DType::f64 ? 0x1p-53 : 0x1p-24;
  return std::abs(to_complex_double(got.at(i)) - to_complex_double(want.at(i))) <=
         4 * static_cast<double>(rows) * epsilon * largest;
}

double largest_of(const HostTensor& t) {
  double largest = 0;
  for (int64_t i = 0; i < t.count(); ++i) {
    largest = std::max(largest, std::abs(to_complex_double(t.at(i))));
  }
  return largest;
}

// By how much elements of an attention may be off beside their rounding: the errors of scores,
// which grow with them, change weights, matrix units round weights to the type of the values, and
// sums of weighted values are as large as the values.
double attention_slack(const Node& node, std::span<const HostTensor> inputs) {
  const Node& operation = operation_of(node);
  const auto& attr = operation.attribute<AttentionAttr>();
  const double score = largest_of(inputs[0]) * largest_of(inputs[1]) * std::fabs(attr.scale) *
                       std::sqrt(static_cast<double>(inputs[0].shape[3]));
  const DType type = inputs[2].dtype;
  const double rounding = type == DType::bf16 ? 0x1p-9 : type == DType::f16 ? 0x1p-12 : 0;
  const double of_weights = 0x1p-20 * (1 + score);
  const int64_t index = node.op == Op::result ? node.attribute<ResultAttr>().index : 0;
  if (operation.op == Op::attention) {
    return index == 1 ? of_weights : (of_weights + rounding) * largest_of(inputs[2]);
  }
  // Gradients: of queries, weighted sums over keys; else sums over all queries that see a key.
  const AttentionSizes sizes(operation);
  const HostTensor& gradient = inputs[static_cast<size_t>(AttentionOperands(attr).count)];
  const double change = 2 * largest_of(gradient) * largest_of(inputs[2]) *
                        static_cast<double>(sizes.value_width) * std::fabs(attr.scale);
  const auto rows = static_cast<double>(sizes.queries * sizes.heads / sizes.kv_heads);
  const double size = index == 0   ? change * largest_of(inputs[1])
                      : index == 1 ? change * largest_of(inputs[0]) * rows
                                   : largest_of(gradient) * rows;
  return (of_weights + rounding) * size;
}

}  // namespace

AgreementOptions agreement_of(const plan::DevicePlan& plan) {
  AgreementOptions options;
  options.f64 = plan.has.f64;
  options.wide_products = options.f64_integers = plan.has.fast_f64;
  options.keeps_subnormals = plan.has.f32_subnormals;
  return options;
}

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
  if (is_decomposition(node.op)) {
    const std::string wrong = factor_error(node, inputs[0], got);
    return wrong.empty() ? wrong : describe(node, inputs) + ": " + wrong;
  }
  const auto owner = host_graveyard();
  std::vector<NodeRef> operands;
  for (const HostTensor& t : inputs) operands.push_back(known(owner, t));
  const HostTensor want = reference_evaluate(*copy_over(owner, node, operands));
  if (got.dtype != want.dtype || got.shape != want.shape) return "wrong type or shape";
  const bool arithmetic = info(node.op).fusion != Fusion::view;
  if (!options.keeps_subnormals && arithmetic &&
      (has_subnormal(want) || std::any_of(inputs.begin(), inputs.end(), has_subnormal))) {
    return {};
  }
  const bool is_float = !is_integer(node.dtype);
  const Many many = many_of(node);
  HostTensor magnitudes;
  if (many == Many::sums) magnitudes = term_magnitudes(owner, node, operands);
  const double terms = many == Many::no ? 1 : term_count(node, inputs);
  const double step = to_real(node.dtype) == DType::f64                                  ? 0x1p-52
                      : (node.op == Op::dot ? options.wide_products : options.wide_sums) ? 0x1p-46
                                                                                         : 0x1p-23;
  const double slack = terms * step * (is_complex(node.dtype) ? 4 : 1);
  const double ulp = allowed_ulp(node, inputs);
  const bool is_attention = node.op == Op::attention || node.op == Op::result;
  const double slack_of_attention = is_attention ? attention_slack(node, inputs) : 0;
  HostTensor unrounded;
  if (!options.f64_integers && rounds_a_pair(node, inputs)) {
    unrounded = reference_evaluate(*over(owner, node, DType::f64, operands));
  }
  for (int64_t i = 0; i < want.count(); ++i) {
    const Scalar g = got.at(i), w = want.at(i);
    if (same(g, w)) continue;
    std::string why = " (exact)";
    if (!unrounded.bytes.empty()) {
      const double exact = to_double(unrounded.at(i));
      if (std::fabs(to_double(g) - exact) <= 1.02 * half_ulp(node.dtype, to_double(w))) continue;
    }
    if (many == Many::sums) {
      const double size = to_double(magnitudes.at(i));
      if (sums_alike(g, w, slack, size)) continue;
      why = " (terms sum to " + std::to_string(size) + ")";
    } else if (many == Many::products) {
      if (products_alike(g, w, slack, terms)) continue;
      why = "";
    } else if (is_complex(node.dtype) && !is_exact_by_parts(node)) {
      if (complex_alike(g, w, complex_epsilon(node, inputs, i))) continue;
      why = " (normwise)";
    } else if (is_attention) {
      const double exact = to_double(w),
                   bound = slack_of_attention + 2.02 * half_ulp(node.dtype, exact);
      if (std::fabs(to_double(g) - exact) <= bound) continue;
      why = " (within " + std::to_string(bound) + ")";
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
