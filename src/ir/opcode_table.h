// The table of KernelIR's opcodes: one row each. Text, verification, simplification, legalisation,
// SPIR-V and the interpreter derive from it. A new opcode is a row here, an emitter in
// spirv/emitters and an evaluation in testing/interpreter; a row that lacks either does not link.
//
// Integers wrap. What else an opcode does beyond its name stands above its row.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace nxv::ir {

// What an opcode belongs to. Subgroup operations are apart by the feature that a device needs.
enum class Family : uint8_t {
  value,
  arithmetic,
  bits,
  comparison,
  conversion,
  variable,
  buffer,
  atomic,
  shared,
  subgroup_arithmetic,
  subgroup_shuffle,
  subgroup_ballot,
  matrix,
  packed_dot,
  control,
};

// What an instruction is beside its value, and whether it has one.
enum class Effect : uint8_t {
  none,       // a value: equal operands give an equal one, whenever and wherever it is computed
  declares,   // a variable
  reads,      // a value that others may have written
  writes,     // no value
  exchanges,  // a value, read while other invocations write, and perhaps replaced
  joins,      // a value that the invocations of a subgroup make together
  orders,     // the invocations of a workgroup, or of a subgroup, wait for each other
  opens,      // a body, up to the marker that closes it
  parts,      // closes a body and opens another
  closes,
  leaves,  // the loop around it
};

// What Inst::imm is.
enum class Immediate : uint8_t {
  none,
  literal,    // the bits of one lane; all lanes are equal
  param,      // index into Kernel::params
  builtin,    // Builtin
  lane,       // of a vector
  mask,       // of subgroup lanes
  shared,     // index into Kernel::shared
  place,      // matrix_place()
  unrolling,  // Unrolling
  element,    // of a matrix, of those that an invocation has
};

// What a type may be; what each means stands in ir/type_rules.cpp. Of results:
enum class Result : uint8_t {
  none,
  any,
  boolean,
  number,
  floating,
  f32,
  one_f32,
  integer,
  integer32,
  u32,
  scalar,
  vector,
  one_u32,
  one_word,
  ballot,
  matrix,
  accumulator,
};
// Of operands, beside the result's type:
enum class Operand : uint8_t {
  same,
  like_first,
  one_lane,
  vector,
  alike,
  alike_number,
  alike_unsigned,
  same_bits,
  amount,
  choice,
  condition,
  one_u32,
  one_element,
  pair_f32,
  index,
  variable,
  variable_sum,
  variable_matrix,
  buffer,
  factor_a,
  factor_b,
};

//  X(name, family, effect, immediate, result, operands...)
//  pack has as many operands as its result has lanes.
#define NXV_OPCODES(X)                                                                            \
  /* Values without operands. The param of a buffer is its address. */                            \
  X(constant, value, none, literal, any)                                                          \
  X(param, value, none, param, number)                                                            \
  X(builtin, value, none, builtin, one_u32)                                                       \
  /* Numbers. Of NaN, float min and max give anything. */                                         \
  X(neg, arithmetic, none, none, number, same)                                                    \
  X(abs, arithmetic, none, none, number, same)                                                    \
  X(sqrt, arithmetic, none, none, floating, same)                                                 \
  X(floor, arithmetic, none, none, f32, same)                                                     \
  X(ceil, arithmetic, none, none, f32, same)                                                      \
  X(trunc, arithmetic, none, none, f32, same)                                                     \
  X(round_even, arithmetic, none, none, f32, same)                                                \
  /* 2^x as near as the device's instruction is: results below 2^-126 may be 0. */                \
  X(exp2, arithmetic, none, none, f32, same)                                                      \
  X(add, arithmetic, none, none, number, same, same)                                              \
  X(sub, arithmetic, none, none, number, same, same)                                              \
  X(mul, arithmetic, none, none, number, same, same)                                              \
  X(div, arithmetic, none, none, number, same, same)                                              \
  X(rem, arithmetic, none, none, number, same, same)                                              \
  X(min, arithmetic, none, none, number, same, same)                                              \
  X(max, arithmetic, none, none, number, same, same)                                              \
  X(mul_hi, arithmetic, none, none, integer32, same, same)   /* upper half of the product */      \
  X(fma, arithmetic, none, none, floating, same, same, same) /* a * b + c, fused or not */        \
  /* Sums of the products of four 8-bit integers in a word: of both operands signed, unsigned, or \
     of the first signed and of the second unsigned. */                                           \
  X(dot_signed, packed_dot, none, none, one_word, one_u32, one_u32)                               \
  X(dot_unsigned, packed_dot, none, none, one_word, one_u32, one_u32)                             \
  X(dot_mixed, packed_dot, none, none, one_word, one_u32, one_u32)                                \
  /* Bits. Shift amounts are below the width. */                                                  \
  X(bit_and, bits, none, none, integer, same, same)                                               \
  X(bit_or, bits, none, none, integer, same, same)                                                \
  X(bit_xor, bits, none, none, integer, same, same)                                               \
  X(bit_not, bits, none, none, integer, same)                                                     \
  X(shl, bits, none, none, integer, same, amount)                                                 \
  X(shr, bits, none, none, integer, same, amount)                                                 \
  X(clz, bits, none, none, u32, alike_unsigned)                                                   \
  X(popcount, bits, none, none, u32, alike_unsigned)                                              \
  /* Comparisons. False when an operand is NaN, but ne is true. */                                \
  X(eq, comparison, none, none, boolean, alike, like_first)                                       \
  X(ne, comparison, none, none, boolean, alike, like_first)                                       \
  X(lt, comparison, none, none, boolean, alike_number, like_first)                                \
  X(le, comparison, none, none, boolean, alike_number, like_first)                                \
  X(gt, comparison, none, none, boolean, alike_number, like_first)                                \
  X(ge, comparison, none, none, boolean, alike_number, like_first)                                \
  X(logical_and, comparison, none, none, boolean, same, same)                                     \
  X(logical_or, comparison, none, none, boolean, same, same)                                      \
  X(logical_not, comparison, none, none, boolean, same)                                           \
  X(select, comparison, none, none, any, choice, same, same) /* condition, true, false */         \
  /* Float to integer truncates and is defined only where the value fits; emitters clamp          \
     before. f64 to f32 rounds to nearest even. A boolean becomes 0 or 1. */                      \
  X(convert, conversion, none, none, any, alike)                                                  \
  X(bitcast, conversion, none, none, number, same_bits) /* low half first */                      \
  /* To two f16, the first in the low half, rounded in either direction. */                       \
  X(pack_half, conversion, none, none, one_u32, pair_f32)                                         \
  X(pack, conversion, none, none, vector, one_lane, one_lane, one_lane, one_lane)                 \
  X(extract, conversion, none, lane, scalar, vector)                                              \
  /* Local variables, one a declaration. */                                                       \
  X(var_decl, variable, declares, none, any)                                                      \
  X(var_load, variable, reads, none, any, variable)                                               \
  X(var_store, variable, writes, none, any, variable, same)                                       \
  /* Buffers. Accesses are aligned to the size of their type, of which the index counts           \
     elements. */                                                                                 \
  X(load, buffer, reads, none, number, buffer, index)                                             \
  X(store, buffer, writes, none, number, buffer, index, same)                                     \
  /* Atomics of a buffer: relaxed, seen by the whole device. They order nothing but each other,   \
     at one place. Those of two operands more give the old value. */                              \
  X(atomic_load, atomic, exchanges, none, one_word, buffer, index)                                \
  X(atomic_store, atomic, writes, none, one_word, buffer, index, same)                            \
  X(atomic_add, atomic, exchanges, none, one_word, buffer, index, same)                           \
  X(atomic_min, atomic, exchanges, none, one_word, buffer, index, same)                           \
  X(atomic_max, atomic, exchanges, none, one_word, buffer, index, same)                           \
  X(atomic_or, atomic, exchanges, none, one_word, buffer, index, same)                            \
  X(atomic_exchange, atomic, exchanges, none, one_word, buffer, index, same)                      \
  /* Shared arrays. The first operand is the index. */                                            \
  X(shared_load, shared, reads, shared, number, one_u32)                                          \
  X(shared_store, shared, writes, shared, number, one_u32, same)                                  \
  /* Atomics of a shared array: relaxed, seen by the workgroup. A barrier parts them from loads   \
     and stores of the same element. */                                                           \
  X(shared_atomic_add, atomic, exchanges, shared, one_word, one_u32, same)                        \
  X(shared_atomic_min, atomic, exchanges, shared, one_word, one_u32, same)                        \
  X(shared_atomic_max, atomic, exchanges, shared, one_word, one_u32, same)                        \
  X(shared_atomic_or, atomic, exchanges, shared, one_word, one_u32, same)                         \
  X(shared_atomic_exchange, atomic, exchanges, shared, one_word, one_u32, same)                   \
  /* Of execution and of shared memory; uniform control flow only. */                             \
  X(barrier, shared, orders, none, none)                                                          \
  /* The same among the invocations of a subgroup; control flow uniform within it. */             \
  X(subgroup_barrier, shared, orders, none, none)                                                 \
  /* Subgroups; control flow uniform within them. Reductions over all lanes, in any order. */     \
  X(subgroup_add, subgroup_arithmetic, joins, none, number, same)                                 \
  X(subgroup_min, subgroup_arithmetic, joins, none, number, same)                                 \
  X(subgroup_max, subgroup_arithmetic, joins, none, number, same)                                 \
  X(subgroup_shuffle_xor, subgroup_shuffle, joins, mask, number, same)                            \
  X(subgroup_shuffle, subgroup_shuffle, joins, none, number, same, one_u32) /* value, lane */     \
  X(subgroup_broadcast_first, subgroup_ballot, joins, none, number, same)                         \
  X(subgroup_ballot, subgroup_ballot, joins, none, ballot, condition)                             \
  /* Cooperative matrices; control flow uniform within the subgroup. Loads and stores have index  \
     and stride, which count elements of the shared array, whose bytes are read as elements of    \
     the matrix; the stride is the distance between rows (columns, if the matrix lies by          \
     columns). Each row (column) is contiguous and starts at a multiple of 16 bytes. */           \
  X(matrix_fill, matrix, joins, none, accumulator, one_element)                                   \
  X(matrix_load, matrix, joins, place, matrix, one_u32, one_u32)                                  \
  X(matrix_store, matrix, writes, place, matrix, one_u32, one_u32, same)                          \
  /* a * b + sum; of floats order and rounding are the device's, of integers it is exact modulo   \
     2^32. */                                                                                     \
  X(matrix_multiply_add, matrix, joins, none, accumulator, factor_a, factor_b, same)              \
  X(matrix_add, matrix, joins, none, accumulator, same, same)                                     \
  X(matrix_multiply, matrix, joins, none, accumulator, same, same) /* element by element */       \
  /* An element of the matrix in a variable, of those that the invocation has: as many as the     \
     matrix has for each of the subgroup. Those of equal numbers are at equal places of all       \
     accumulators. To f16 and bf16 an element is rounded to one of its neighbours. */             \
  X(element_load, matrix, reads, element, one_f32, variable_sum)                                  \
  X(element_store, matrix, writes, element, one_f32, variable_matrix, same)                       \
  /* Markers. */                                                                                  \
  X(if_begin, control, opens, none, none, condition)                                              \
  X(if_else, control, parts, none, none)                                                          \
  X(if_end, control, closes, none, none)                                                          \
  X(loop_begin, control, opens, unrolling, none)      /* repeats until a break_if is taken */     \
  X(break_if, control, leaves, none, none, condition) /* of the loop directly around it */        \
  X(loop_end, control, closes, none, none)

enum class Opcode : uint8_t {
#define NXV_ENUM(name, ...) name,
  NXV_OPCODES(NXV_ENUM)
#undef NXV_ENUM
};

struct OperandRules {
  constexpr OperandRules(std::initializer_list<Operand> list)
      : count(static_cast<uint8_t>(list.size())) {
    size_t i = 0;
    for (const Operand rule : list) rules[i++] = rule;
  }

  std::array<Operand, 4> rules{};
  uint8_t count;
};

struct OpcodeInfo {
  std::string_view name;
  Family family;
  Effect effect;
  Immediate immediate;
  Result result;
  OperandRules operands;
};

inline constexpr auto kOpcodes = [] {
  using enum Operand;
#define NXV_ROW(name, family, effect, immediate, result, ...)                      \
  OpcodeInfo{#name,          Family::family, Effect::effect, Immediate::immediate, \
             Result::result, {__VA_ARGS__}},
  return std::array{NXV_OPCODES(NXV_ROW)};
#undef NXV_ROW
}();
inline constexpr int kOpcodeCount = static_cast<int>(kOpcodes.size());

inline constexpr const OpcodeInfo& info(Opcode op) { return kOpcodes[static_cast<size_t>(op)]; }
inline constexpr std::string_view name(Opcode op) { return info(op).name; }

// ---- What follows from a row

// False for stores, barriers, markers and variables.
inline constexpr bool defines_value(Opcode op) {
  const Effect e = info(op).effect;
  return e == Effect::none || e == Effect::reads || e == Effect::exchanges || e == Effect::joins;
}
// Whether equal instructions may become one.
inline constexpr bool may_merge(Opcode op) { return info(op).effect == Effect::none; }
// Whether an instruction may go when nobody uses what it defines.
inline constexpr bool may_drop(Opcode op) {
  const Effect e = info(op).effect;
  return e == Effect::none || e == Effect::declares || e == Effect::reads;
}

inline constexpr bool opens_body(Opcode op) {
  return info(op).effect == Effect::opens || info(op).effect == Effect::parts;
}
inline constexpr bool closes_body(Opcode op) {
  return info(op).effect == Effect::closes || info(op).effect == Effect::parts;
}

inline constexpr bool is_variable(Operand rule) {
  return rule == Operand::variable || rule == Operand::variable_sum ||
         rule == Operand::variable_matrix;
}

// The memory that an instruction reads or writes.
enum class Memory : uint8_t { none, variable, buffer, shared };
inline constexpr Memory memory(Opcode op) {
  const OpcodeInfo& row = info(op);
  if (row.immediate == Immediate::shared || row.immediate == Immediate::place) {
    return Memory::shared;
  }
  if (row.operands.count == 0) return Memory::none;
  const Operand first = row.operands.rules[0];
  return is_variable(first)         ? Memory::variable
         : first == Operand::buffer ? Memory::buffer
                                    : Memory::none;
}

// Whether operands and results may be cooperative matrices; others are not, whatever their rule.
inline constexpr bool takes_matrices(Opcode op) {
  return info(op).family == Family::variable || info(op).family == Family::matrix;
}

}  // namespace nxv::ir
