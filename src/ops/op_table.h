// The op table: one row per operation. The graph builder, the scheduler, the C ABI, the NIF and the
// documentation derive from it. A new elementwise operation is a row here, an emitter in
// ir/ops and a line of the reference evaluator; tests find a row that lacks either.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/dtype.h"
#include "base/error.h"

namespace nxv {

// How the scheduler treats an operation.
enum class Fusion : uint8_t {
  leaf,         // holds a value: nothing to compute
  generator,    // computed from the element's index alone; inlined anywhere
  pointwise,    // element i of the result needs element i of each input
  view,         // moves elements; folded into the loads of the kernel that reads it
  reduction,    // folds axes; its inputs are inlined, the operations after it too
  contraction,  // matmul
  gather,     // element i is the element of a stored value that an index names; the index is fused
  library,    // has kernels of its own; reads stored values, densely laid out
  overwrite,  // a stored value with other elements where an index names them; both are fused
  control,    // calls functions (graph/function.h); reads stored values, has several results
  result,     // one of the results of its input, stored by that
};

// Result type as a function of the operand types.
enum class TypeRule : uint8_t {
  explicit_type,  // named by the caller
  same,           // of the first operand
  merge,          // Nx.Type.merge of all operands
  merge_integer,  // merge; operands must be integers
  floating,       // merge, then integers become f32
  real_floating,  // floating; complex operands are refused
  real_part,      // complex becomes its part's type
  to_complex,
  predicate,  // u8
  aggregate,  // u2..u32 -> u32, s2..s32 -> s32
};

// Which operand types Nx defines the operation for.
enum class Accepts : uint8_t { any, real, integer, floating, complex_only };

// Why an element may have no value, which only the data can show.
enum class Fault : uint8_t {
  none,
  out_of_bounds,
  division_by_zero,
  negative_exponent,
  negative_shift,
  singular,
};

//  X(name, arity, fusion, type rule, accepts, cost[, fault])
//  cost: arithmetic instructions of one f32 element, roughly; decides between recomputing and
//  storing.
//  fault: of the types for which fault_of says so.
#define NXV_OPS(X)                                                         \
  X(data, 0, leaf, explicit_type, any, 0)                                  \
  X(parameter, 0, leaf, explicit_type, any, 0)                             \
  X(constant, 0, generator, explicit_type, any, 0)                         \
  X(argument, 0, generator, explicit_type, any, 0)                         \
  X(iota, 0, generator, explicit_type, any, 2)                             \
  X(eye, 0, generator, explicit_type, any, 4)                              \
  X(random_uniform, 0, generator, explicit_type, any, 60)                  \
  X(random_normal, 0, generator, explicit_type, any, 120)                  \
  /* unary */                                                              \
  X(cast, 1, pointwise, explicit_type, any, 2)                             \
  X(bitcast, 1, pointwise, explicit_type, any, 1)                          \
  X(abs, 1, pointwise, real_part, any, 1)                                  \
  X(negate, 1, pointwise, same, any, 1)                                    \
  X(sign, 1, pointwise, same, any, 2)                                      \
  X(ceil, 1, pointwise, same, real, 1)                                     \
  X(floor, 1, pointwise, same, real, 1)                                    \
  X(round, 1, pointwise, same, real, 3)                                    \
  X(sqrt, 1, pointwise, floating, any, 4)                                  \
  X(rsqrt, 1, pointwise, floating, any, 6)                                 \
  X(cbrt, 1, pointwise, floating, any, 30)                                 \
  X(exp, 1, pointwise, floating, any, 25)                                  \
  X(expm1, 1, pointwise, floating, any, 30)                                \
  X(log, 1, pointwise, floating, any, 25)                                  \
  X(log1p, 1, pointwise, floating, any, 30)                                \
  X(sigmoid, 1, pointwise, floating, any, 30)                              \
  X(sin, 1, pointwise, floating, any, 40)                                  \
  X(cos, 1, pointwise, floating, any, 40)                                  \
  X(tan, 1, pointwise, floating, any, 50)                                  \
  X(asin, 1, pointwise, floating, any, 40)                                 \
  X(acos, 1, pointwise, floating, any, 40)                                 \
  X(atan, 1, pointwise, floating, any, 40)                                 \
  X(sinh, 1, pointwise, floating, any, 40)                                 \
  X(cosh, 1, pointwise, floating, any, 40)                                 \
  X(tanh, 1, pointwise, floating, any, 40)                                 \
  X(asinh, 1, pointwise, floating, any, 40)                                \
  X(acosh, 1, pointwise, floating, any, 40)                                \
  X(atanh, 1, pointwise, floating, any, 40)                                \
  X(erf, 1, pointwise, real_floating, real, 50)                            \
  X(erfc, 1, pointwise, real_floating, real, 60)                           \
  X(erf_inv, 1, pointwise, real_floating, real, 60)                        \
  X(is_nan, 1, pointwise, predicate, any, 1)                               \
  X(is_infinity, 1, pointwise, predicate, any, 1)                          \
  X(logical_not, 1, pointwise, predicate, any, 1)                          \
  X(bitwise_not, 1, pointwise, same, integer, 1)                           \
  X(population_count, 1, pointwise, same, integer, 1)                      \
  X(count_leading_zeros, 1, pointwise, same, integer, 2)                   \
  X(conjugate, 1, pointwise, to_complex, any, 1)                           \
  X(real, 1, pointwise, real_part, any, 1)                                 \
  X(imag, 1, pointwise, real_part, any, 1)                                 \
  /* binary */                                                             \
  X(add, 2, pointwise, merge, any, 1)                                      \
  X(subtract, 2, pointwise, merge, any, 1)                                 \
  X(multiply, 2, pointwise, merge, any, 1)                                 \
  X(divide, 2, pointwise, floating, any, 6)                                \
  X(quotient, 2, pointwise, merge_integer, integer, 8, division_by_zero)   \
  X(remainder, 2, pointwise, merge, real, 12, division_by_zero)            \
  X(pow, 2, pointwise, merge, any, 80, negative_exponent)                  \
  X(atan2, 2, pointwise, real_floating, real, 50)                          \
  X(min, 2, pointwise, merge, real, 2)                                     \
  X(max, 2, pointwise, merge, real, 2)                                     \
  X(equal, 2, pointwise, predicate, any, 1)                                \
  X(not_equal, 2, pointwise, predicate, any, 1)                            \
  X(less, 2, pointwise, predicate, real, 1)                                \
  X(less_equal, 2, pointwise, predicate, real, 1)                          \
  X(greater, 2, pointwise, predicate, real, 1)                             \
  X(greater_equal, 2, pointwise, predicate, real, 1)                       \
  X(logical_and, 2, pointwise, predicate, any, 2)                          \
  X(logical_or, 2, pointwise, predicate, any, 2)                           \
  X(logical_xor, 2, pointwise, predicate, any, 2)                          \
  X(bitwise_and, 2, pointwise, merge_integer, integer, 1)                  \
  X(bitwise_or, 2, pointwise, merge_integer, integer, 1)                   \
  X(bitwise_xor, 2, pointwise, merge_integer, integer, 1)                  \
  X(left_shift, 2, pointwise, merge_integer, integer, 3, negative_shift)   \
  X(right_shift, 2, pointwise, merge_integer, integer, 3, negative_shift)  \
  X(bounded_index, 2, pointwise, explicit_type, integer, 2, out_of_bounds) \
  /* ternary */                                                            \
  X(select, 3, pointwise, explicit_type, any, 1)                           \
  X(clip, 3, pointwise, merge, real, 4)                                    \
  /* views */                                                              \
  X(reshape, 1, view, same, any, 0)                                        \
  X(broadcast, 1, view, same, any, 0)                                      \
  X(transpose, 1, view, same, any, 0)                                      \
  X(slice, 1, view, same, any, 0)                                          \
  X(reverse, 1, view, same, any, 0)                                        \
  X(pad, 2, view, merge, any, 2)                                           \
  X(concatenate, kVariadic, view, merge, any, 2)                           \
  X(windows, 1, view, same, any, 0)                                        \
  /* reductions */                                                         \
  X(sum, 1, reduction, aggregate, any, 1)                                  \
  X(product, 1, reduction, aggregate, any, 1)                              \
  X(reduce_max, 1, reduction, same, real, 1)                               \
  X(reduce_min, 1, reduction, same, real, 1)                               \
  X(all, 1, reduction, predicate, any, 1)                                  \
  X(any, 1, reduction, predicate, any, 1)                                  \
  /* contractions */                                                       \
  X(dot, 2, contraction, merge, any, 0)                                    \
  /* indexing */                                                           \
  X(gather, 2, gather, same, any, 4)                                       \
  X(scatter_add, 3, library, same, any, 0, out_of_bounds)                  \
  X(last_update, 1, library, explicit_type, integer, 0, out_of_bounds)     \
  X(last_slot, 1, library, explicit_type, integer, 0, out_of_bounds)       \
  X(overwrite, 3, overwrite, same, any, 0)                                 \
  /* folds in order, scans, sorts */                                       \
  X(fold, kVariadic, library, explicit_type, any, 0)                       \
  X(scan, 1, library, same, any, 0)                                        \
  X(sort, 1, library, same, real, 0)                                       \
  X(argsort, 1, library, explicit_type, real, 0)                           \
  /* transforms */                                                         \
  X(fft, 1, library, to_complex, any, 0)                                   \
  /* linear algebra */                                                     \
  X(triangular_solve, 2, library, floating, any, 0, singular)              \
  X(cholesky, 1, library, floating, any, 0)                                \
  X(lu, 1, library, floating, any, 0)                                      \
  X(qr, 1, library, floating, any, 0)                                      \
  X(eigh, 1, library, floating, any, 0)                                    \
  X(svd, 1, library, floating, any, 0)                                     \
  /* attention */                                                          \
  X(attention, kVariadic, library, explicit_type, real, 0)                 \
  X(attention_gradient, kVariadic, library, explicit_type, real, 0)        \
  /* control */                                                            \
  X(loop, kVariadic, control, explicit_type, any, 0)                       \
  X(branch, kVariadic, control, explicit_type, any, 0)                     \
  X(result, 1, result, explicit_type, any, 0)

inline constexpr uint8_t kVariadic = 0xff;

enum class Op : uint8_t {
#define NXV_ENUM(name, ...) name,
  NXV_OPS(NXV_ENUM)
#undef NXV_ENUM
};

struct OpInfo {
  std::string_view name;
  uint8_t arity;
  Fusion fusion;
  TypeRule type_rule;
  Accepts accepts;
  uint8_t cost;
  Fault fault = Fault::none;
};

inline constexpr std::array kOps = [] {
  using enum Fault;
#define NXV_ROW(name, arity, fusion, rule, accepts, ...) /* cost and, if there is one, fault */ \
  OpInfo{#name, arity, Fusion::fusion, TypeRule::rule, Accepts::accepts, __VA_ARGS__},
  return std::array{NXV_OPS(NXV_ROW)};
#undef NXV_ROW
}();
inline constexpr int kOpCount = static_cast<int>(kOps.size());

inline constexpr const OpInfo& info(Op op) { return kOps[static_cast<size_t>(op)]; }
inline constexpr std::string_view name(Op op) { return info(op).name; }
std::optional<Op> op_from_name(std::string_view name);

// Why an element of such a result, of operands of such types, may have no value.
constexpr Fault fault_of(Op op, DType result, std::span<const DType> operands) {
  const Fault fault = info(op).fault;
  switch (fault) {
    case Fault::division_by_zero:
      return is_integer(result) ? fault : Fault::none;
    case Fault::negative_exponent:
    case Fault::negative_shift:
      return is_integer(result) && is_signed_int(operands[1]) ? fault : Fault::none;
    default:
      return fault;
  }
}
// What a value is answered with that has such a fault, and the reason in words.
Status status_of(Fault fault);
std::string_view reason(Fault fault);

}  // namespace nxv
