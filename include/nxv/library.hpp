// Operations by name: indexing, windows, sorts, transforms and linear algebra, named as in Nx.
// Part of nxv/nxv.hpp; what fails throws nxv::Exception while the value is built, or when it is
// read where only the data can show it.
#ifndef NXV_LIBRARY_HPP_
#define NXV_LIBRARY_HPP_

#include <array>

#include "nxv/operations.hpp"

namespace nxv {
inline namespace cpp {

// An option of `call`: integers (lengths, axes, flags, a DType or Precision) or a real.
struct Option {
  Option(const char* name, int64_t value) : name(name), integers{value} {}
  Option(const char* name, int value) : name(name), integers{value} {}
  Option(const char* name, bool value) : name(name), integers{value ? 1 : 0} {}
  Option(const char* name, DType value) : name(name), integers{static_cast<int64_t>(value)} {}
  Option(const char* name, Precision value) : name(name), integers{static_cast<int64_t>(value)} {}
  Option(const char* name, double value) : name(name), reals{value} {}
  Option(const char* name, std::vector<int64_t> values) : name(name), integers(std::move(values)) {}
  const char* name;
  std::vector<int64_t> integers;
  std::vector<double> reals;
};
using Options = std::vector<Option>;

// The results of operation `name` of docs/operations.md.
inline std::vector<Tensor> call(const char* name, const std::vector<Tensor>& tensors,
                                const Options& options = {}) {
  if (tensors.empty()) throw Exception(NXV_INVALID_ARGUMENT, "call: needs at least one tensor");
  const std::vector<nxv_tensor*> operands = detail::handles(tensors);
  std::vector<nxv_option> list;
  for (const Option& o : options) {
    const bool reals = !o.reals.empty();
    list.push_back({o.name, static_cast<int>(reals ? o.reals.size() : o.integers.size()),
                    reals ? nullptr : o.integers.data(), reals ? o.reals.data() : nullptr});
  }
  constexpr int kCapacity = 4;
  nxv_tensor* outs[kCapacity];
  int count = 0;
  detail::check(nxv_call(name, detail::size_of(operands), operands.data(), detail::size_of(list),
                         list.data(), kCapacity, outs, &count));
  return detail::adopted(tensors[0], outs, static_cast<size_t>(count));
}

namespace detail {

inline Tensor call_one(const char* name, const std::vector<Tensor>& tensors,
                       const Options& options = {}) {
  return std::move(call(name, tensors, options)[0]);
}

}  // namespace detail

// ---- Indexing ----

// The same bits as another type of the same width.
inline Tensor bitcast(const Tensor& x, DType type) {
  return detail::call_one("bitcast", {x}, {{"type", type}});
}
// indices [..., k] point along `axes` (ascending); the result has their leading shape, then the
// remaining axes of x. An index out of bounds is NXV_OUT_OF_BOUNDS.
inline Tensor gather(const Tensor& x, const Tensor& indices, const Axes& axes) {
  return detail::call_one("gather", {x, indices}, {{"axes", axes}});
}
inline Tensor take(const Tensor& x, const Tensor& indices, int axis = 0) {
  return detail::call_one("take", {x, indices}, {{"axis", axis}});
}
inline Tensor take_along_axis(const Tensor& x, const Tensor& indices, int axis) {
  return detail::call_one("take_along_axis", {x, indices}, {{"axis", axis}});
}
// indices [n, k], updates [n, ...]. Of several updates of an element all are added, in order.
inline Tensor indexed_add(const Tensor& x, const Tensor& indices, const Tensor& updates,
                          const Axes& axes) {
  return detail::call_one("indexed_add", {x, indices, updates}, {{"axes", axes}});
}
// Of several updates of an element the last one stays.
inline Tensor indexed_put(const Tensor& x, const Tensor& indices, const Tensor& updates,
                          const Axes& axes) {
  return detail::call_one("indexed_put", {x, indices, updates}, {{"axes", axes}});
}
// A slice at starts that the device computes: one scalar integer tensor for each axis, clamped so
// that the slice fits.
inline Tensor slice(const Tensor& x, const std::vector<Tensor>& starts, const Axes& lengths,
                    const Axes& strides = {}) {
  std::vector<Tensor> tensors{x};
  tensors.insert(tensors.end(), starts.begin(), starts.end());
  Options options{{"lengths", lengths}};
  if (!strides.empty()) options.emplace_back("strides", strides);
  return detail::call_one("slice_at", tensors, options);
}
inline Tensor put_slice(const Tensor& x, const std::vector<Tensor>& starts, const Tensor& part) {
  std::vector<Tensor> tensors{x, part};
  tensors.insert(tensors.end(), starts.begin(), starts.end());
  return detail::call_one("put_slice", tensors);
}

// ---- Extremes ----

struct ExtremeOptions {
  bool keep_axis = false;
  bool tie_high = false;  // of equal elements the last index instead of the first
  DType type = DType::s32;
};
// Index of the largest element along the axis; of NaNs the last one.
inline Tensor argmax(const Tensor& x, int axis, const ExtremeOptions& o = {}) {
  return detail::call_one(
      "argmax", {x},
      {{"axis", axis}, {"keep_axis", o.keep_axis}, {"tie_high", o.tie_high}, {"type", o.type}});
}
inline Tensor argmin(const Tensor& x, int axis, const ExtremeOptions& o = {}) {
  return detail::call_one(
      "argmin", {x},
      {{"axis", axis}, {"keep_axis", o.keep_axis}, {"tie_high", o.tie_high}, {"type", o.type}});
}

// ---- Windows ----

// One entry for each axis; what is left empty is 1 for strides and dilations, 0 for padding.
struct WindowOptions {
  Axes strides, low, high, dilations;
};

namespace detail {

inline Options window_options(const Axes& window, const WindowOptions& o) {
  Options options{{"window", window}};
  if (!o.strides.empty()) options.emplace_back("strides", o.strides);
  if (!o.low.empty()) options.emplace_back("low", o.low);
  if (!o.high.empty()) options.emplace_back("high", o.high);
  if (!o.dilations.empty()) options.emplace_back("dilations", o.dilations);
  return options;
}

}  // namespace detail

inline Tensor window_sum(const Tensor& x, const Axes& window, const WindowOptions& o = {}) {
  return detail::call_one("window_sum", {x}, detail::window_options(window, o));
}
inline Tensor window_product(const Tensor& x, const Axes& window, const WindowOptions& o = {}) {
  return detail::call_one("window_product", {x}, detail::window_options(window, o));
}
inline Tensor window_max(const Tensor& x, const Axes& window, const WindowOptions& o = {}) {
  return detail::call_one("window_max", {x}, detail::window_options(window, o));
}
inline Tensor window_min(const Tensor& x, const Axes& window, const WindowOptions& o = {}) {
  return detail::call_one("window_min", {x}, detail::window_options(window, o));
}

// Lists have an entry for each spatial axis, or are empty: 1 for strides and dilations, 0 for
// padding. Permutations are empty (as they are) or name every axis.
struct ConvOptions {
  Axes strides, low, high, input_dilation, kernel_dilation;
  int64_t feature_group_size = 1, batch_group_size = 1;
  Axes input_permutation, kernel_permutation, output_permutation;
  Precision precision = Precision::accurate;
};
// Cross-correlation of x [batch, channels, spatial...] with kernel [filters, channels, spatial...].
inline Tensor conv(const Tensor& x, const Tensor& kernel, const ConvOptions& o = {}) {
  Options options{{"feature_group_size", o.feature_group_size},
                  {"batch_group_size", o.batch_group_size},
                  {"precision", o.precision}};
  const auto add = [&](const char* name, const Axes& list) {
    if (!list.empty()) options.emplace_back(name, list);
  };
  add("strides", o.strides);
  add("low", o.low);
  add("high", o.high);
  add("input_dilation", o.input_dilation);
  add("kernel_dilation", o.kernel_dilation);
  add("input_permutation", o.input_permutation);
  add("kernel_permutation", o.kernel_permutation);
  add("output_permutation", o.output_permutation);
  return detail::call_one("conv", {x, kernel}, options);
}

// ---- Sorts and scans ----

// Stable; NaN is the largest.
inline Tensor sort(const Tensor& x, int axis = 0, bool descending = false) {
  return detail::call_one("sort", {x}, {{"axis", axis}, {"descending", descending}});
}
inline Tensor argsort(const Tensor& x, int axis = 0, bool descending = false,
                      DType type = DType::s32) {
  return detail::call_one("argsort", {x},
                          {{"axis", axis}, {"descending", descending}, {"type", type}});
}
// The k largest along the last axis, and their indices.
inline std::pair<Tensor, Tensor> top_k(const Tensor& x, int64_t k) {
  const std::vector<Tensor> results = call("top_k", {x}, {{"k", k}});
  return {results[0], results[1]};
}
inline Tensor cumulative_sum(const Tensor& x, int axis = 0, bool reverse = false) {
  return detail::call_one("cumulative_sum", {x}, {{"axis", axis}, {"reverse", reverse}});
}
inline Tensor cumulative_product(const Tensor& x, int axis = 0, bool reverse = false) {
  return detail::call_one("cumulative_product", {x}, {{"axis", axis}, {"reverse", reverse}});
}
inline Tensor cumulative_max(const Tensor& x, int axis = 0, bool reverse = false) {
  return detail::call_one("cumulative_max", {x}, {{"axis", axis}, {"reverse", reverse}});
}
inline Tensor cumulative_min(const Tensor& x, int axis = 0, bool reverse = false) {
  return detail::call_one("cumulative_min", {x}, {{"axis", axis}, {"reverse", reverse}});
}

// ---- Attention ----

// What `attention` takes beside queries, keys and values; operands that are null are left out.
struct AttentionOptions {
  const Tensor* mask = nullptr;     // broadcasts to {batch, heads, queries, keys}; 0: `masked`
  const Tensor* bias = nullptr;     // broadcasts to the same; added to scores
  const Tensor* lengths = nullptr;  // {batch}, integers: keys from there on are left out
  const Tensor* offsets = nullptr;  // {batch}, integers: where query 0 stands among the keys
  const Tensor* sinks = nullptr;    // {heads}: a score more of each row, without a value
  double scale = 0;                 // of scores; 0: 1 / sqrt(width)
  bool causal = false;              // no key after the query
  int64_t window = 0;   // keys at most, the query's own the last; 0: all. Both ways unless causal
  double soft_cap = 0;  // scores s become soft_cap * tanh(s / soft_cap); 0: they stay
  bool heads_inside = false;  // {batch, length, heads, width} instead of the below
};
namespace detail {

// What attention and its gradient take alike.
struct AttentionCall {
  std::vector<Tensor> operands;
  Options options;

  AttentionCall(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o)
      : operands{q, k, v} {
    const auto add = [&](const char* name, const Tensor* operand) {
      if (operand == nullptr) return;
      operands.push_back(*operand);
      options.emplace_back(name, true);
    };
    add("mask", o.mask);
    add("bias", o.bias);
    add("lengths", o.lengths);
    add("offsets", o.offsets);
    add("sinks", o.sinks);
    if (o.scale != 0) options.emplace_back("scale", o.scale);
    if (o.soft_cap != 0) options.emplace_back("soft_cap", o.soft_cap);
    if (o.causal) options.emplace_back("causal", true);
    if (o.window > 0) options.emplace_back("window", o.window);
    if (o.heads_inside) options.emplace_back("heads_axis", 2);
  }
};

}  // namespace detail

// softmax(scale * Q K^T) V of queries {batch, heads, queries, width}, keys {batch, kv_heads, keys,
// width} and values {batch, kv_heads, keys, value_width} of one type (f16, bf16, f32; up to 256
// wide); kv_heads divides heads. A row that sees no key is 0.
inline Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                        const AttentionOptions& o = {}) {
  const detail::AttentionCall c(q, k, v, o);
  return detail::call_one("attention", c.operands, c.options);
}
// The same, and f32 {batch, heads, queries}: the logarithms of the sums of e^score of each row.
inline std::pair<Tensor, Tensor> attention_with_statistics(const Tensor& q, const Tensor& k,
                                                           const Tensor& v,
                                                           const AttentionOptions& o = {}) {
  detail::AttentionCall c(q, k, v, o);
  c.options.emplace_back("statistics", true);
  const std::vector<Tensor> results = call("attention", c.operands, c.options);
  return {results[0], results[1]};
}
// Of queries, keys and values, from both results and the gradient of the first.
inline std::array<Tensor, 3> attention_gradient(const Tensor& q, const Tensor& k, const Tensor& v,
                                                const std::pair<Tensor, Tensor>& results,
                                                const Tensor& gradient,
                                                const AttentionOptions& o = {}) {
  detail::AttentionCall c(q, k, v, o);
  c.operands.insert(c.operands.end(), {results.first, results.second, gradient});
  const std::vector<Tensor> all = call("attention_gradient", c.operands, c.options);
  return {all[0], all[1], all[2]};
}

// ---- Fourier transforms ----

// Of any length; complex results (c128 for f64 and c128). length > 0 truncates or pads with zeros.
#define NXV_CPP_TRANSFORM(name)                                            \
  inline Tensor name(const Tensor& x, int axis = -1, int64_t length = 0) { \
    Options options{{"axis", axis}};                                       \
    if (length > 0) options.emplace_back("length", length);                \
    return detail::call_one(#name, {x}, options);                          \
  }
NXV_CPP_TRANSFORM(fft)
NXV_CPP_TRANSFORM(ifft)   // divided by the length
NXV_CPP_TRANSFORM(rfft)   // of reals: the first length / 2 + 1 elements of fft
NXV_CPP_TRANSFORM(irfft)  // of those, by default twice the axis less 2 reals
#undef NXV_CPP_TRANSFORM
// Along two axes.
inline Tensor fft2(const Tensor& x, const Axes& axes = {-2, -1}) {
  return detail::call_one("fft2", {x}, {{"axes", axes}});
}
inline Tensor ifft2(const Tensor& x, const Axes& axes = {-2, -1}) {
  return detail::call_one("ifft2", {x}, {{"axes", axes}});
}

// ---- Linear algebra: the last two axes are matrices, leading ones are batches ----

// Solves a x = b for a triangular a; the other triangle is not read. NXV_SINGULAR when singular.
inline Tensor triangular_solve(const Tensor& a, const Tensor& b, bool lower = true) {
  return detail::call_one("triangular_solve", {a, b}, {{"lower", lower}});
}
// The lower factor; NaN from the first column that is not positive definite on.
inline Tensor cholesky(const Tensor& x) { return detail::call_one("cholesky", {x}); }
// p, l, u with x = p l u.
inline std::vector<Tensor> lu(const Tensor& x) { return call("lu", {x}); }
// q, r with x = q r.
inline std::vector<Tensor> qr(const Tensor& x, bool complete = false) {
  return call("qr", {x}, {{"complete", complete}});
}
// Eigenvalues and eigenvectors (columns) of a Hermitian matrix.
inline std::vector<Tensor> eigh(const Tensor& x) { return call("eigh", {x}); }
// u, s, vt with x = u diag(s) vt.
inline std::vector<Tensor> svd(const Tensor& x, bool full_matrices = true) {
  return call("svd", {x}, {{"full_matrices", full_matrices}});
}
inline Tensor solve(const Tensor& a, const Tensor& b) { return detail::call_one("solve", {a, b}); }
inline Tensor determinant(const Tensor& x) { return detail::call_one("determinant", {x}); }
inline Tensor invert(const Tensor& x) { return detail::call_one("invert", {x}); }

}  // namespace cpp
}  // namespace nxv

#endif  // NXV_LIBRARY_HPP_
