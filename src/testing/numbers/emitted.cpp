#include "testing/numbers/emitted.h"

#include <string>

#include "ir/ops/emit.h"
#include "ir/ops/narrow.h"
#include "ir/passes/legalize_int64.h"

namespace nxv::testing {
namespace {

using ir::Builder;
using ir::kF32;
using ir::kU32;
using ir::Number;
using ir::Value;

constexpr uint32_t kGroup = 64;

// A number of type t from the two words of its element.
Number load(Builder& b, Value buffer, Value element, DType t) {
  const Value words[] = {b.load(buffer, element << 1, kU32),
                         b.load(buffer, (element << 1) + 1u, kU32)};
  if (bits(t) < 32) return {t, ir::decode(words[0], t), {}};
  return ir::from_words(b, t, words);
}

ir::Kernel kernel_of(const EmittingDevice& device, Op op, DType out,
                     const std::vector<Elements>& operands) {
  Builder b("emitted", kGroup);
  std::vector<Value> sources;
  for (size_t k = 0; k < operands.size(); ++k) {
    sources.push_back(b.buffer("in" + std::to_string(k), ir::Access::read));
  }
  const Value target = b.buffer("out", ir::Access::write), count = b.param("count", kU32);
  const Value i = b.builtin(ir::Builtin::group_x) * kGroup + b.builtin(ir::Builtin::local_index);
  b.if_(i < count, [&] {
    std::vector<Number> args;
    for (size_t k = 0; k < operands.size(); ++k) {
      args.push_back(load(b, sources[k], i, operands[k][0].dtype));
    }
    const Number result = ir::emit(op, out, args, {device.math, [](Value) {}});
    b.store(target, i << 1, is_integer(out) ? b.convert(result.re, kF32) : result.re);
    if (is_complex(out)) b.store(target, (i << 1) + 1u, result.im);
  });
  const ir::Kernel kernel = b.finish();
  return device.has_int64 ? kernel : ir::legalize_int64(kernel);
}

}  // namespace

std::vector<std::complex<double>> emitted(const EmittingDevice& device, Op op, DType out,
                                          const std::vector<Elements>& operands) {
  const ir::Kernel kernel = kernel_of(device, op, out, operands);
  const size_t count = operands[0].size();
  std::vector<std::vector<uint64_t>> words(operands.size());
  for (size_t k = 0; k < operands.size(); ++k) {
    for (const Scalar& s : operands[k]) words[k].push_back(s.lo);
  }
  std::vector<float> results(2 * count);
  std::vector<Argument> arguments;
  for (const ir::Param& p : kernel.params) {
    if (p.name.starts_with("in")) {
      arguments.push_back(Argument::buffer(words[std::stoul(p.name.substr(2))]));
    } else if (p.name == "out") {
      arguments.push_back(Argument::buffer(results));
    } else {
      arguments.push_back(
          Argument::number<uint32_t>(p.name == "count" ? static_cast<uint32_t>(count) : 0));
    }
  }
  run(kernel, {static_cast<uint32_t>((count + kGroup - 1) / kGroup), 1, 1}, arguments,
      device.interpreter);
  std::vector<std::complex<double>> numbers;
  for (size_t k = 0; k < count; ++k) numbers.emplace_back(results[2 * k], results[2 * k + 1]);
  return numbers;
}

}  // namespace nxv::testing
