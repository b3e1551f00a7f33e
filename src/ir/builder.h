// Builds a Kernel: values with operators, structured control flow as lambdas.
#pragma once

#include <bit>
#include <concepts>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ir/kernel.h"

namespace nxv::ir {

class Builder;

// An SSA value. Copyable, valid while its builder lives.
class Value {
 public:
  Value() = default;
  Value(Builder* builder, uint32_t id, Type type) : builder_(builder), id_(id), type_(type) {}
  // Not spelled !value: that is the kernel's logical not.
  bool exists() const { return builder_ != nullptr; }
  explicit operator bool() const { return builder_ != nullptr; }
  uint32_t id() const { return id_; }
  Type type() const { return type_; }
  Builder& builder() const { return *builder_; }

 private:
  Builder* builder_ = nullptr;
  uint32_t id_ = kNone;
  Type type_;
};

// A mutable local variable.
class Var {
 public:
  Var() = default;
  Var(Builder* builder, uint32_t id, Type type) : builder_(builder), id_(id), type_(type) {}
  Value get() const;
  void set(Value v) const;
  Type type() const { return type_; }
  uint32_t id() const { return id_; }

 private:
  Builder* builder_ = nullptr;
  uint32_t id_ = kNone;
  Type type_;
};

struct Shared {
  uint32_t index = kNone;
  Type type;
};

class Builder {
 public:
  explicit Builder(std::string name, uint32_t local_size = 1);
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  // Arguments, in the order of the calls.
  Value param(std::string name, Type type);
  Value buffer(std::string name, Access access, bool is_restrict = false);
  Shared shared(std::string name, Type type, uint32_t count);
  void set_subgroup_size(uint32_t size) { kernel_.subgroup_size = size; }

  // Constants. Float constants must not be 0, Inf or NaN where arithmetic uses them: `zero` is a
  // value the compiler cannot see (a param named "zero", filled with 0 by the launcher).
  Value constant(Type type, uint64_t lane_bits);
  Value u32(uint32_t v) { return constant(kU32, v); }
  Value s32(int32_t v) { return constant(kS32, static_cast<uint32_t>(v)); }
  Value u64(uint64_t v) { return constant(kU64, v); }
  Value s64(int64_t v) { return constant(kS64, static_cast<uint64_t>(v)); }
  Value f32(float v) { return constant(kF32, std::bit_cast<uint32_t>(v)); }
  Value f64(double v) { return constant(kF64, std::bit_cast<uint64_t>(v)); }
  Value boolean(bool v) { return constant(kBool, v ? 1 : 0); }
  // The number v in any type; floats round to nearest.
  Value number(Type type, double v);
  // The integer of the given two's complement bits, cut to the width of the type.
  Value integer(Type type, uint64_t bits);
  Value zero(Type type);
  Value builtin(Builtin which);

  // What computes a value.
  const Inst& definition(Value v) const { return kernel_.body[v.id()]; }

  // One instruction as it is.
  Value append(const Inst& inst);
  Value append(Opcode op, Type type, std::initializer_list<Value> args, uint64_t imm = 0);
  // One instruction. The result type is that of the first operand unless stated.
  Value unary(Opcode op, Value a);
  Value binary(Opcode op, Value a, Value b);
  Value compare(Opcode op, Value a, Value b);  // -> boolean with the operands' lanes
  Value fma(Value a, Value b, Value c);
  Value select(Value condition, Value when_true, Value when_false);
  Value convert(Value v, Type to);
  Value bitcast(Value v, Type to);
  Value pack(std::initializer_list<Value> lanes) {
    return pack(std::span(lanes.begin(), lanes.size()));
  }
  Value pack(std::span<const Value> lanes);
  Value extract(Value v, int lane);
  Value pack_half(Value low, Value high);

  Var var(Value initial);
  Var var(Type type);  // undefined until set

  Value load(Value buffer, Value index, Type type);
  void store(Value buffer, Value index, Value v);
  Value atomic_load(Value buffer, Value index, Type type = kU32);
  void atomic_store(Value buffer, Value index, Value v);
  Value atomic(Opcode op, Value buffer, Value index, Value v);
  Value shared_load(Shared s, Value index);
  void shared_store(Shared s, Value index, Value v);
  Value shared_atomic(Opcode op, Shared s, Value index, Value v);
  void barrier();
  void subgroup_barrier();

  // Cooperative matrices; see Opcode for indices and strides.
  Value matrix_fill(Value v);
  Value matrix_load(Shared s, Value index, uint32_t stride, Type type, bool by_columns = false);
  void matrix_store(Shared s, Value index, uint32_t stride, Value matrix, bool by_columns = false);
  Value matrix_multiply_add(Value a, Value b, Value sum);
  Value matrix_add(Value x, Value y);
  Value matrix_multiply(Value x, Value y);  // element by element
  Value element_load(Var matrix, uint32_t element);
  void element_store(Var matrix, uint32_t element, Value v);

  Value subgroup(Opcode op, Value v, uint32_t mask = 0);
  Value subgroup_shuffle(Value v, Value lane);

  void if_(Value condition, const std::function<void()>& then,
           const std::function<void()>& otherwise = nullptr);
  // Repeats body until a break_if inside it is taken.
  void loop(const std::function<void()>& body, Unrolling unrolling = Unrolling::allowed);
  void break_if(Value condition);
  // i = begin, begin + step, ... while i < end; u32 or s32.
  void for_range(Value begin, Value end, Value step, const std::function<void(Value)>& body,
                 Unrolling unrolling = Unrolling::allowed);

  // Calls `emit` when the kernel is finished, wherever that is: for what every kernel needs at its
  // end.
  void at_end(std::function<void()> emit) { at_end_.push_back(std::move(emit)); }
  // Verifies the kernel and hands it over; the builder is empty afterwards.
  Kernel finish();

 private:
  Kernel kernel_;
  std::vector<std::function<void()>> at_end_;
};

Value operator+(Value a, Value b);
Value operator-(Value a, Value b);
Value operator*(Value a, Value b);
Value operator/(Value a, Value b);
Value operator%(Value a, Value b);
Value operator-(Value a);
Value operator&(Value a, Value b);  // logical on booleans
Value operator|(Value a, Value b);
Value operator^(Value a, Value b);
Value operator~(Value a);
Value operator!(Value a);  // boolean
Value operator<<(Value a, Value b);
Value operator>>(Value a, Value b);
Value operator==(Value a, Value b);
Value operator!=(Value a, Value b);
Value operator<(Value a, Value b);
Value operator<=(Value a, Value b);
Value operator>(Value a, Value b);
Value operator>=(Value a, Value b);

// A number on the right is converted to the type of the value on the left (shift amounts: u32).
template <typename T>
concept Numeric = std::integral<T> || std::floating_point<T>;
template <Numeric T>
Value like(Value v, T number) {
  if constexpr (std::integral<T>) {
    if (is_integer(v.type())) {
      return v.builder().integer(v.type(), static_cast<uint64_t>(number));
    }
  }
  return v.builder().number(v.type(), static_cast<double>(number));
}
template <Numeric T>
Value operator+(Value a, T b) {
  return a + like(a, b);
}
template <Numeric T>
Value operator-(Value a, T b) {
  return a - like(a, b);
}
template <Numeric T>
Value operator*(Value a, T b) {
  return a * like(a, b);
}
template <Numeric T>
Value operator/(Value a, T b) {
  return a / like(a, b);
}
template <Numeric T>
Value operator%(Value a, T b) {
  return a % like(a, b);
}
template <std::integral T>
Value operator&(Value a, T b) {
  return a & like(a, b);
}
template <std::integral T>
Value operator|(Value a, T b) {
  return a | like(a, b);
}
template <std::integral T>
Value operator^(Value a, T b) {
  return a ^ like(a, b);
}
Value operator<<(Value a, int amount);
Value operator>>(Value a, int amount);
template <Numeric T>
Value operator==(Value a, T b) {
  return a == like(a, b);
}
template <Numeric T>
Value operator!=(Value a, T b) {
  return a != like(a, b);
}
template <Numeric T>
Value operator<(Value a, T b) {
  return a < like(a, b);
}
template <Numeric T>
Value operator<=(Value a, T b) {
  return a <= like(a, b);
}
template <Numeric T>
Value operator>(Value a, T b) {
  return a > like(a, b);
}
template <Numeric T>
Value operator>=(Value a, T b) {
  return a >= like(a, b);
}

}  // namespace nxv::ir
