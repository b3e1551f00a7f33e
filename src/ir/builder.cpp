#include "ir/builder.h"

#include <cmath>

#include "base/error.h"
#include "ir/passes/verify.h"

namespace nxv::ir {
namespace {

void require(bool condition, const char* what) {
  if (!condition) throw Error(Status::internal, std::string("kernel builder: ") + what);
}

Value binary_op(Opcode op, Value a, Value b) { return a.builder().binary(op, a, b); }
Value compare_op(Opcode op, Value a, Value b) { return a.builder().compare(op, a, b); }
bool is_bool(Value v) { return is_bool(v.type()); }

}  // namespace

Value Var::get() const {
  return builder_->append(Opcode::var_load, type_, {Value(builder_, id_, type_)});
}

void Var::set(Value v) const {
  require(v.type() == type_, "a variable is set to a value of another type");
  builder_->append(Opcode::var_store, type_, {Value(builder_, id_, type_), v});
}

Builder::Builder(std::string name, uint32_t local_size) {
  kernel_.name = std::move(name);
  kernel_.local_size = local_size;
}

Value Builder::append(Opcode op, Type type, std::initializer_list<Value> args, uint64_t imm) {
  Inst inst{op, type, {kNone, kNone, kNone, kNone}, imm};
  size_t i = 0;
  for (Value v : args) {
    require(v && &v.builder() == this, "an operand belongs to no builder or to another one");
    inst.args[i++] = v.id();
  }
  return append(inst);
}

Value Builder::append(const Inst& inst) {
  kernel_.body.push_back(inst);
  return {this, static_cast<uint32_t>(kernel_.body.size() - 1), inst.type};
}

Value Builder::param(std::string name, Type type) {
  kernel_.params.push_back({std::move(name), type});
  return append(Opcode::param, type, {}, kernel_.params.size() - 1);
}

Value Builder::buffer(std::string name, Access access, bool is_restrict) {
  kernel_.params.push_back({std::move(name), kU64, true, access, is_restrict});
  return append(Opcode::param, kU64, {}, kernel_.params.size() - 1);
}

Shared Builder::shared(std::string name, Type type, uint32_t count) {
  kernel_.shared.push_back({std::move(name), type, count});
  return {static_cast<uint32_t>(kernel_.shared.size() - 1), type};
}

Value Builder::constant(Type type, uint64_t lane_bits) {
  return append(Opcode::constant, type, {}, lane_bits);
}

Value Builder::number(Type type, double v) {
  switch (type.scalar) {
    case Scalar::f32:
      return constant(type, std::bit_cast<uint32_t>(static_cast<float>(v)));
    case Scalar::f64:
      return constant(type, std::bit_cast<uint64_t>(v));
    case Scalar::u32:
    case Scalar::s32:
      return constant(type, static_cast<uint32_t>(static_cast<int64_t>(v)));
    case Scalar::u64:
      return constant(
          type, v < 0 ? static_cast<uint64_t>(static_cast<int64_t>(v)) : static_cast<uint64_t>(v));
    case Scalar::s64:
      return constant(type, static_cast<uint64_t>(static_cast<int64_t>(v)));
    case Scalar::boolean:
      return constant(type, v != 0);
    default:
      throw Error(Status::internal, "kernel builder: no constants of type " + to_string(type));
  }
}

Value Builder::integer(Type type, uint64_t bits) {
  return constant(type, bytes(element(type)) == 8 ? bits : bits & 0xffffffff);
}

Value Builder::zero(Type type) {
  // One u64 param serves every width; it stands first in the body of the scope that asked, which
  // is fine because params dominate everything.
  uint32_t index = kNone;
  for (uint32_t i = 0; i < kernel_.params.size(); ++i) {
    if (kernel_.params[i].name == "zero") index = i;
  }
  if (index == kNone) {
    kernel_.params.push_back({"zero", kU32});
    index = static_cast<uint32_t>(kernel_.params.size() - 1);
  }
  const Value bits = append(Opcode::param, kU32, {}, index);
  switch (type.scalar) {
    case Scalar::u32:
      return bits;
    case Scalar::f32:
    case Scalar::s32:
      return bitcast(bits, type);
    case Scalar::f64:
      return bitcast(pack({bits, bits}), type);
    default:
      return convert(bits, type);
  }
}

Value Builder::builtin(Builtin which) {
  return append(Opcode::builtin, kU32, {}, static_cast<uint64_t>(which));
}

Value Builder::unary(Opcode op, Value a) {
  const bool counts = op == Opcode::clz || op == Opcode::popcount;
  return append(op, counts ? vec(kU32, a.type().lanes) : a.type(), {a});
}

Value Builder::binary(Opcode op, Value a, Value b) {
  const bool shift = op == Opcode::shl || op == Opcode::shr;
  require(shift ? b.type().scalar == Scalar::u32 : a.type() == b.type(),
          "operands of a binary operation differ in type");
  return append(op, a.type(), {a, b});
}

Value Builder::compare(Opcode op, Value a, Value b) {
  require(a.type() == b.type(), "operands of a comparison differ in type");
  return append(op, with_scalar(a.type(), Scalar::boolean), {a, b});
}

Value Builder::fma(Value a, Value b, Value c) {
  require(a.type() == b.type() && a.type() == c.type(), "operands of fma differ in type");
  return append(Opcode::fma, a.type(), {a, b, c});
}

Value Builder::select(Value condition, Value when_true, Value when_false) {
  require(when_true.type() == when_false.type(), "branches of select differ in type");
  return append(Opcode::select, when_true.type(), {condition, when_true, when_false});
}

Value Builder::convert(Value v, Type to) {
  if (v.type() == to) return v;
  return append(Opcode::convert, to, {v});
}

Value Builder::bitcast(Value v, Type to) {
  if (v.type() == to) return v;
  return append(Opcode::bitcast, to, {v});
}

Value Builder::pack(std::span<const Value> lanes) {
  const Type type = vec(lanes[0].type(), static_cast<int>(lanes.size()));
  Inst inst{Opcode::pack, type, {kNone, kNone, kNone, kNone}, 0};
  for (size_t i = 0; i < lanes.size(); ++i) inst.args[i] = lanes[i].id();
  return append(inst);
}

Value Builder::extract(Value v, int lane) {
  return append(Opcode::extract, element(v.type()), {v}, static_cast<uint64_t>(lane));
}

Value Builder::pack_half(Value low, Value high) {
  return append(Opcode::pack_half, kU32, {pack({low, high})});
}

Var Builder::var(Value initial) {
  const Var v = var(initial.type());
  v.set(initial);
  return v;
}

Var Builder::var(Type type) {
  const Value declared = append(Opcode::var_decl, type, {});
  return {this, declared.id(), type};
}

Value Builder::load(Value buffer, Value index, Type type) {
  return append(Opcode::load, type, {buffer, index});
}

void Builder::store(Value buffer, Value index, Value v) {
  append(Opcode::store, v.type(), {buffer, index, v});
}

Value Builder::atomic_load(Value buffer, Value index, Type type) {
  return append(Opcode::atomic_load, type, {buffer, index});
}

void Builder::atomic_store(Value buffer, Value index, Value v) {
  append(Opcode::atomic_store, v.type(), {buffer, index, v});
}

Value Builder::atomic(Opcode op, Value buffer, Value index, Value v) {
  return append(op, v.type(), {buffer, index, v});
}

Value Builder::shared_load(Shared s, Value index) {
  return append(Opcode::shared_load, s.type, {index}, s.index);
}

void Builder::shared_store(Shared s, Value index, Value v) {
  require(v.type() == s.type, "a shared array is written with a value of another type");
  append(Opcode::shared_store, s.type, {index, v}, s.index);
}

Value Builder::shared_atomic(Opcode op, Shared s, Value index, Value v) {
  return append(op, s.type, {index, v}, s.index);
}

void Builder::barrier() { append(Opcode::barrier, kBool, {}); }
void Builder::subgroup_barrier() { append(Opcode::subgroup_barrier, kBool, {}); }

Value Builder::matrix_fill(Value v) {
  return append(Opcode::matrix_fill, accumulator(v.type().scalar), {v});
}

Value Builder::matrix_load(Shared s, Value index, uint32_t stride, Type type, bool by_columns) {
  return append(Opcode::matrix_load, type, {index, u32(stride)}, matrix_place(s.index, by_columns));
}

void Builder::matrix_store(Shared s, Value index, uint32_t stride, Value matrix, bool by_columns) {
  append(Opcode::matrix_store, matrix.type(), {index, u32(stride), matrix},
         matrix_place(s.index, by_columns));
}

Value Builder::matrix_multiply_add(Value a, Value b, Value sum) {
  return append(Opcode::matrix_multiply_add, sum.type(), {a, b, sum});
}

Value Builder::matrix_add(Value x, Value y) { return append(Opcode::matrix_add, x.type(), {x, y}); }

Value Builder::matrix_multiply(Value x, Value y) {
  return append(Opcode::matrix_multiply, x.type(), {x, y});
}

Value Builder::element_load(Var matrix, uint32_t element) {
  return append(Opcode::element_load, kF32, {Value(this, matrix.id(), matrix.type())}, element);
}

void Builder::element_store(Var matrix, uint32_t element, Value v) {
  append(Opcode::element_store, kF32, {Value(this, matrix.id(), matrix.type()), v}, element);
}

namespace {

// 64-bit integers are exchanged as two words: devices need a feature to exchange them whole.
template <typename Exchange>
Value by_words(Builder& b, Value v, const Exchange& exchange) {
  const Value words = b.bitcast(v, vec(kU32, 2));
  return b.bitcast(b.pack({exchange(b.extract(words, 0)), exchange(b.extract(words, 1))}),
                   v.type());
}

}  // namespace

Value Builder::subgroup(Opcode op, Value v, uint32_t mask) {
  const bool moves = op == Opcode::subgroup_shuffle_xor || op == Opcode::subgroup_broadcast_first;
  if (moves && (v.type() == kU64 || v.type() == kS64)) {
    return by_words(*this, v, [&](Value word) { return subgroup(op, word, mask); });
  }
  return append(op, op == Opcode::subgroup_ballot ? vec(kU32, 4) : v.type(), {v}, mask);
}

Value Builder::subgroup_shuffle(Value v, Value lane) {
  if (v.type() == kU64 || v.type() == kS64) {
    return by_words(*this, v, [&](Value word) { return subgroup_shuffle(word, lane); });
  }
  return append(Opcode::subgroup_shuffle, v.type(), {v, lane});
}

void Builder::if_(Value condition, const std::function<void()>& then,
                  const std::function<void()>& otherwise) {
  append(Opcode::if_begin, kBool, {condition});
  then();
  if (otherwise) {
    append(Opcode::if_else, kBool, {});
    otherwise();
  }
  append(Opcode::if_end, kBool, {});
}

void Builder::loop(const std::function<void()>& body, Unrolling unrolling) {
  append(Opcode::loop_begin, kBool, {}, static_cast<uint64_t>(unrolling));
  body();
  append(Opcode::loop_end, kBool, {});
}

void Builder::break_if(Value condition) { append(Opcode::break_if, kBool, {condition}); }

void Builder::for_range(Value begin, Value end, Value step, const std::function<void(Value)>& body,
                        Unrolling unrolling) {
  const Var i = var(begin);
  const auto iteration = [&] {
    const Value now = i.get();
    break_if(!(now < end));
    body(now);
    i.set(now + step);
  };
  loop(iteration, unrolling);
}

Kernel Builder::finish() {
  for (const auto& emit : std::exchange(at_end_, {})) emit();
  verify(kernel_);
  return std::move(kernel_);
}

Value operator+(Value a, Value b) { return binary_op(Opcode::add, a, b); }
Value operator-(Value a, Value b) { return binary_op(Opcode::sub, a, b); }
Value operator*(Value a, Value b) { return binary_op(Opcode::mul, a, b); }
Value operator/(Value a, Value b) { return binary_op(Opcode::div, a, b); }
Value operator%(Value a, Value b) { return binary_op(Opcode::rem, a, b); }
Value operator-(Value a) { return a.builder().unary(Opcode::neg, a); }
Value operator&(Value a, Value b) {
  return binary_op(is_bool(a) ? Opcode::logical_and : Opcode::bit_and, a, b);
}
Value operator|(Value a, Value b) {
  return binary_op(is_bool(a) ? Opcode::logical_or : Opcode::bit_or, a, b);
}
Value operator^(Value a, Value b) { return is_bool(a) ? a != b : binary_op(Opcode::bit_xor, a, b); }
Value operator~(Value a) { return a.builder().unary(Opcode::bit_not, a); }
Value operator!(Value a) { return a.builder().unary(Opcode::logical_not, a); }
Value operator<<(Value a, Value b) { return binary_op(Opcode::shl, a, b); }
Value operator>>(Value a, Value b) { return binary_op(Opcode::shr, a, b); }
Value operator==(Value a, Value b) { return compare_op(Opcode::eq, a, b); }
Value operator!=(Value a, Value b) { return compare_op(Opcode::ne, a, b); }
Value operator<(Value a, Value b) { return compare_op(Opcode::lt, a, b); }
Value operator<=(Value a, Value b) { return compare_op(Opcode::le, a, b); }
Value operator>(Value a, Value b) { return compare_op(Opcode::gt, a, b); }
Value operator>=(Value a, Value b) { return compare_op(Opcode::ge, a, b); }
Value operator<<(Value a, int amount) {
  return a << a.builder().u32(static_cast<uint32_t>(amount));
}
Value operator>>(Value a, int amount) {
  return a >> a.builder().u32(static_cast<uint32_t>(amount));
}

}  // namespace nxv::ir
