// Elementwise operations, views, reductions and products as functions of tensors, and the
// operators. Part of nxv/nxv.hpp.
#ifndef NXV_OPERATIONS_HPP_
#define NXV_OPERATIONS_HPP_

#include "nxv/tensor.hpp"

namespace nxv {
inline namespace cpp {

namespace detail {

inline Tensor apply(int op, std::initializer_list<const Tensor*> operands) {
  nxv_tensor* handles[3] = {};
  int count = 0;
  for (const Tensor* t : operands) handles[count++] = t->get();
  return Tensor::make(**operands.begin(),
                      [&](nxv_tensor** out) { return nxv_apply(op, count, handles, out); });
}

inline Tensor reduce(int op, const Tensor& x, const Axes* axes, bool keep_axes) {
  return Tensor::make(x, [&](nxv_tensor** out) {
    return nxv_reduce(op, x.get(), axes == nullptr ? -1 : size_of(*axes),
                      axes == nullptr ? nullptr : axes->data(), keep_axes ? 1 : 0, out);
  });
}

template <typename T>
using Number = std::enable_if_t<std::is_arithmetic_v<T>, int>;

template <typename T>
Tensor beside(const Tensor& x, T value) {
  return x.constant(static_cast<double>(value), std::is_integral_v<T>);
}

}  // namespace detail

// ---- Elementwise; types as in Nx ----

#define NXV_CPP_UNARY(name)                   \
  inline Tensor name(const Tensor& x) {       \
    static const int op = nxv_op_find(#name); \
    return detail::apply(op, {&x});           \
  }
#define NXV_CPP_BINARY(name)                             \
  inline Tensor name(const Tensor& a, const Tensor& b) { \
    static const int op = nxv_op_find(#name);            \
    return detail::apply(op, {&a, &b});                  \
  }                                                      \
  template <typename T, detail::Number<T> = 0>           \
  Tensor name(const Tensor& a, T b) {                    \
    return name(a, detail::beside(a, b));                \
  }                                                      \
  template <typename T, detail::Number<T> = 0>           \
  Tensor name(T a, const Tensor& b) {                    \
    return name(detail::beside(b, a), b);                \
  }

NXV_CPP_UNARY(abs)
NXV_CPP_UNARY(negate)
NXV_CPP_UNARY(sign)
NXV_CPP_UNARY(ceil)
NXV_CPP_UNARY(floor)
NXV_CPP_UNARY(round)  // halves away from zero
NXV_CPP_UNARY(sqrt)
NXV_CPP_UNARY(rsqrt)
NXV_CPP_UNARY(cbrt)
NXV_CPP_UNARY(exp)
NXV_CPP_UNARY(expm1)
NXV_CPP_UNARY(log)
NXV_CPP_UNARY(log1p)
NXV_CPP_UNARY(sigmoid)
NXV_CPP_UNARY(sin)
NXV_CPP_UNARY(cos)
NXV_CPP_UNARY(tan)
NXV_CPP_UNARY(asin)
NXV_CPP_UNARY(acos)
NXV_CPP_UNARY(atan)
NXV_CPP_UNARY(sinh)
NXV_CPP_UNARY(cosh)
NXV_CPP_UNARY(tanh)
NXV_CPP_UNARY(asinh)
NXV_CPP_UNARY(acosh)
NXV_CPP_UNARY(atanh)
NXV_CPP_UNARY(erf)
NXV_CPP_UNARY(erfc)
NXV_CPP_UNARY(erf_inv)
NXV_CPP_UNARY(is_nan)
NXV_CPP_UNARY(is_infinity)
NXV_CPP_UNARY(logical_not)
NXV_CPP_UNARY(bitwise_not)
NXV_CPP_UNARY(population_count)
NXV_CPP_UNARY(count_leading_zeros)
NXV_CPP_BINARY(add)
NXV_CPP_BINARY(subtract)
NXV_CPP_BINARY(multiply)
NXV_CPP_BINARY(divide)     // floating
NXV_CPP_BINARY(quotient)   // of integers, towards zero; division by zero: NXV_ARITHMETIC when read
NXV_CPP_BINARY(remainder)  // with the sign of the dividend
NXV_CPP_BINARY(pow)
NXV_CPP_BINARY(atan2)
NXV_CPP_BINARY(min)
NXV_CPP_BINARY(max)
NXV_CPP_BINARY(equal)  // comparisons and logical operations give u8
NXV_CPP_BINARY(not_equal)
NXV_CPP_BINARY(less)
NXV_CPP_BINARY(less_equal)
NXV_CPP_BINARY(greater)
NXV_CPP_BINARY(greater_equal)
NXV_CPP_BINARY(logical_and)
NXV_CPP_BINARY(logical_or)
NXV_CPP_BINARY(logical_xor)
NXV_CPP_BINARY(bitwise_and)
NXV_CPP_BINARY(bitwise_or)
NXV_CPP_BINARY(bitwise_xor)
NXV_CPP_BINARY(left_shift)
NXV_CPP_BINARY(right_shift)
#undef NXV_CPP_UNARY
#undef NXV_CPP_BINARY

// condition ? yes : no; anything but zero is true.
inline Tensor select(const Tensor& condition, const Tensor& yes, const Tensor& no) {
  static const int op = nxv_op_find("select");
  return detail::apply(op, {&condition, &yes, &no});
}
inline Tensor clip(const Tensor& x, const Tensor& low, const Tensor& high) {
  static const int op = nxv_op_find("clip");
  return detail::apply(op, {&x, &low, &high});
}
template <typename T, detail::Number<T> = 0>
Tensor clip(const Tensor& x, T low, T high) {
  return clip(x, detail::beside(x, low), detail::beside(x, high));
}

inline Tensor operator-(const Tensor& x) { return negate(x); }
#define NXV_CPP_OPERATOR(symbol, name)                                                   \
  inline Tensor operator symbol(const Tensor& a, const Tensor& b) { return name(a, b); } \
  template <typename T, detail::Number<T> = 0>                                           \
  Tensor operator symbol(const Tensor& a, T b) {                                         \
    return name(a, b);                                                                   \
  }                                                                                      \
  template <typename T, detail::Number<T> = 0>                                           \
  Tensor operator symbol(T a, const Tensor& b) {                                         \
    return name(a, b);                                                                   \
  }
NXV_CPP_OPERATOR(+, add)
NXV_CPP_OPERATOR(-, subtract)
NXV_CPP_OPERATOR(*, multiply)
NXV_CPP_OPERATOR(/, divide)
NXV_CPP_OPERATOR(<, less)
NXV_CPP_OPERATOR(<=, less_equal)
NXV_CPP_OPERATOR(>, greater)
NXV_CPP_OPERATOR(>=, greater_equal)
#undef NXV_CPP_OPERATOR

// Reals truncate and wrap into integers.
inline Tensor as_type(const Tensor& x, DType type) {
  return Tensor::make(x,
                      [&](nxv_tensor** out) { return nxv_cast(x.get(), detail::raw(type), out); });
}

// ---- Views: no memory moves until a kernel reads through them ----

inline Tensor reshape(const Tensor& x, const Shape& shape) {
  return Tensor::make(x, [&](nxv_tensor** out) {
    return nxv_reshape(x.get(), detail::size_of(shape), shape.data(), out);
  });
}
// Against the last axes, as numpy does.
inline Tensor broadcast(const Tensor& x, const Shape& shape) {
  return Tensor::make(x, [&](nxv_tensor** out) {
    return nxv_broadcast(x.get(), detail::size_of(shape), shape.data(), nullptr, out);
  });
}
// Input axis i becomes output axis axes[i].
inline Tensor broadcast(const Tensor& x, const Shape& shape, const Axes& axes) {
  if (detail::size_of(axes) != x.rank()) {
    throw Exception(NXV_INVALID_ARGUMENT, "broadcast: one axis for each of the tensor is needed");
  }
  return Tensor::make(x, [&](nxv_tensor** out) {
    return nxv_broadcast(x.get(), detail::size_of(shape), shape.data(), axes.data(), out);
  });
}
// Reverses the axes.
inline Tensor transpose(const Tensor& x) {
  return Tensor::make(x, [&](nxv_tensor** out) { return nxv_transpose(x.get(), nullptr, out); });
}
// Output axis i is input axis axes[i].
inline Tensor transpose(const Tensor& x, const Axes& axes) {
  if (detail::size_of(axes) != x.rank()) {
    throw Exception(NXV_INVALID_ARGUMENT, "transpose: one axis for each of the tensor is needed");
  }
  return Tensor::make(x,
                      [&](nxv_tensor** out) { return nxv_transpose(x.get(), axes.data(), out); });
}
// starts[i] .. starts[i] + lengths[i] in steps of strides[i] (1 when empty); starts are clamped.
inline Tensor slice(const Tensor& x, const Axes& starts, const Axes& lengths,
                    const Axes& strides = {}) {
  const int rank = x.rank();
  if (detail::size_of(starts) != rank || detail::size_of(lengths) != rank ||
      (!strides.empty() && detail::size_of(strides) != rank)) {
    throw Exception(NXV_INVALID_ARGUMENT, "slice: starts, lengths and strides for each axis");
  }
  return Tensor::make(x, [&](nxv_tensor** out) {
    return nxv_slice(x.get(), starts.data(), lengths.data(),
                     strides.empty() ? nullptr : strides.data(), out);
  });
}
inline Tensor reverse(const Tensor& x, const Axes& axes) {
  return Tensor::make(x, [&](nxv_tensor** out) {
    return nxv_reverse(x.get(), detail::size_of(axes), axes.data(), out);
  });
}
// Removes every axis of length 1, or those named.
inline Tensor squeeze(const Tensor& x) {
  return Tensor::make(x, [&](nxv_tensor** out) { return nxv_squeeze(x.get(), -1, nullptr, out); });
}
inline Tensor squeeze(const Tensor& x, const Axes& axes) {
  return Tensor::make(x, [&](nxv_tensor** out) {
    return nxv_squeeze(x.get(), detail::size_of(axes), axes.data(), out);
  });
}
// interior[i] values between elements, then low[i] before and high[i] after; negative ones crop.
inline Tensor pad(const Tensor& x, const Tensor& value, const Axes& low, const Axes& high,
                  const Axes& interior) {
  const int rank = x.rank();
  if (detail::size_of(low) != rank || detail::size_of(high) != rank ||
      detail::size_of(interior) != rank) {
    throw Exception(NXV_INVALID_ARGUMENT, "pad: low, high and interior amounts for each axis");
  }
  return Tensor::make(x, [&](nxv_tensor** out) {
    return nxv_pad(x.get(), value.get(), low.data(), high.data(), interior.data(), out);
  });
}
template <typename T, detail::Number<T> = 0>
Tensor pad(const Tensor& x, T value, const Axes& low, const Axes& high, const Axes& interior) {
  return pad(x, detail::beside(x, value), low, high, interior);
}
inline Tensor concatenate(const std::vector<Tensor>& parts, int axis = 0) {
  if (parts.empty()) throw Exception(NXV_INVALID_ARGUMENT, "concatenate: needs a tensor");
  const std::vector<nxv_tensor*> handles = detail::handles(parts);
  return Tensor::make(parts[0], [&](nxv_tensor** out) {
    return nxv_concatenate(static_cast<int>(handles.size()), handles.data(), axis, out);
  });
}

// ---- Reductions, over all axes or those named; kept ones have length 1 ----

#define NXV_CPP_REDUCTION(name, op_name)                                          \
  inline Tensor name(const Tensor& x) {                                           \
    static const int op = nxv_op_find(op_name);                                   \
    return detail::reduce(op, x, nullptr, false);                                 \
  }                                                                               \
  inline Tensor name(const Tensor& x, const Axes& axes, bool keep_axes = false) { \
    static const int op = nxv_op_find(op_name);                                   \
    return detail::reduce(op, x, &axes, keep_axes);                               \
  }
NXV_CPP_REDUCTION(sum, "sum")  // u8 to u32 give u32, s8 to s32 give s32
NXV_CPP_REDUCTION(product, "product")
NXV_CPP_REDUCTION(reduce_max, "reduce_max")
NXV_CPP_REDUCTION(reduce_min, "reduce_min")
NXV_CPP_REDUCTION(all, "all")
NXV_CPP_REDUCTION(any, "any")
#undef NXV_CPP_REDUCTION

inline Tensor mean(const Tensor& x) { return divide(sum(x), static_cast<double>(x.count())); }
inline Tensor mean(const Tensor& x, const Axes& axes, bool keep_axes = false) {
  const Tensor total = sum(x, axes, keep_axes);
  return divide(total, static_cast<double>(x.count()) / static_cast<double>(total.count()));
}

// ---- Products ----

struct ProductOptions {
  Precision precision = Precision::accurate;
};

namespace detail {

inline Tensor product(const char* name, const Tensor& a, const Tensor& b, const ProductOptions& o,
                      std::vector<nxv_option> options = {}) {
  const auto precision = static_cast<int64_t>(o.precision);
  options.push_back({"precision", 1, &precision, nullptr});
  nxv_tensor* const operands[] = {a.get(), b.get()};
  int count = 0;
  return Tensor::make(a, [&](nxv_tensor** out) {
    return nxv_call(name, 2, operands, size_of(options), options.data(), 1, out, &count);
  });
}

}  // namespace detail

// Contracts contract_a[i] of a with contract_b[i] of b; batch axes pair up and come first.
inline Tensor dot(const Tensor& a, const Axes& contract_a, const Tensor& b, const Axes& contract_b,
                  const Axes& batch_a = {}, const Axes& batch_b = {},
                  const ProductOptions& o = {}) {
  if (contract_a.size() != contract_b.size() || batch_a.size() != batch_b.size()) {
    throw Exception(NXV_SIZE_MISMATCH, "dot: as many axes of one operand as of the other");
  }
  std::vector<nxv_option> axes;
  const auto add = [&](const char* name, const Axes& list) {
    axes.push_back({name, detail::size_of(list), list.data(), nullptr});
  };
  add("contract_a", contract_a);
  add("contract_b", contract_b);
  add("batch_a", batch_a);
  add("batch_b", batch_b);
  return detail::product("dot", a, b, o, std::move(axes));
}
// Matrix product of the last two axes; leading ones broadcast, vectors as in numpy.
inline Tensor matmul(const Tensor& a, const Tensor& b, const ProductOptions& o = {}) {
  return detail::product("matmul", a, b, o);
}

// ---- As free functions, the way Nx writes them ----

inline Tensor random_uniform(const Engine& engine, const Shape& shape, uint64_t seed,
                             double low = 0, double high = 1, DType type = DType::f32) {
  return engine.random_uniform(shape, seed, low, high, type);
}
inline Tensor random_normal(const Engine& engine, const Shape& shape, uint64_t seed,
                            double mean = 0, double deviation = 1, DType type = DType::f32) {
  return engine.random_normal(shape, seed, mean, deviation, type);
}

}  // namespace cpp
}  // namespace nxv

#endif  // NXV_OPERATIONS_HPP_
