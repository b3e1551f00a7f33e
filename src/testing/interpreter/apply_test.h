// Single operations in the interpreter, on numbers of C++.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "ir/builder.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::testing {

template <typename T>
inline constexpr ir::Type kTypeOf = ir::kU32;
template <>
inline constexpr ir::Type kTypeOf<int32_t> = ir::kS32;
template <>
inline constexpr ir::Type kTypeOf<uint64_t> = ir::kU64;
template <>
inline constexpr ir::Type kTypeOf<int64_t> = ir::kS64;
template <>
inline constexpr ir::Type kTypeOf<float> = ir::kF32;
template <>
inline constexpr ir::Type kTypeOf<double> = ir::kF64;

// f applied to every element of `in`, one invocation each.
template <typename To, typename From>
std::vector<To> map(const std::vector<From>& in,
                    const std::function<ir::Value(ir::Builder&, ir::Value)>& f,
                    const InterpreterOptions& options = {}) {
  ir::Builder b("map", static_cast<uint32_t>(in.size()));
  const ir::Value from = b.buffer("from", ir::Access::read);
  const ir::Value to = b.buffer("to", ir::Access::write);
  const ir::Value i = b.builtin(ir::Builtin::local_index);
  b.store(to, i, f(b, b.load(from, i, kTypeOf<From>)));
  std::vector<To> out(in.size());
  run(b.finish(), {}, std::vector{Argument::buffer(in), Argument::buffer(out)}, options);
  return out;
}

template <typename T>
T apply(ir::Opcode op, T x, const InterpreterOptions& options = {}) {
  return map<T, T>(
      {x}, [op](ir::Builder& b, ir::Value v) { return b.unary(op, v); }, options)[0];
}

template <typename T>
T apply(ir::Opcode op, T x, T y, const InterpreterOptions& options = {}) {
  ir::Builder b("binary");
  const ir::Value out = b.buffer("out", ir::Access::write);
  const ir::Value a = b.param("x", kTypeOf<T>);
  b.store(out, b.u32(0), b.binary(op, a, b.param("y", kTypeOf<T>)));
  std::vector<T> result(1);
  run(b.finish(), {},
      std::vector{Argument::buffer(result), Argument::number(x), Argument::number(y)}, options);
  return result[0];
}

}  // namespace nxv::testing
