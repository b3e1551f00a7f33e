#include "kernels/common/region_generators.h"

#include "graph/region_words.h"
#include "ir/ops/random.h"

namespace nxv::kernels {

using ir::Number;
using ir::Value;

namespace {

// What a random expression draws from, and what it makes of a sample.
struct Random {
  ir::Philox stream;
  DType dtype;
  ir::Type type;  // of samples
  Value low, scale;

  Random(ir::Builder& b, const KernelArguments& arguments, const Expr& e) : dtype(e.dtype) {
    const DType compute = e.dtype == DType::f64 ? DType::f64 : DType::f32;
    type = ir::compute_type(compute);
    const auto words = arguments.region_words_as<RandomWords>(e.extra);
    stream = {words[&RandomWords::key_low], words[&RandomWords::key_high],
              words[&RandomWords::counter_low], words[&RandomWords::counter_high]};
    const auto size = static_cast<size_t>(ir::scalar_words(compute));
    const auto scalars = arguments.region_words().subspan(e.extra + kWordsOf<RandomWords>);
    low = ir::from_words(b, compute, scalars.first(size)).re;
    scale = ir::from_words(b, compute, scalars.subspan(size, size)).re;
  }

  Number scaled(Value sample) const { return {dtype, ir::wrap(sample * scale + low, dtype), {}}; }
};

}  // namespace

Number RegionGenerators::constant(const Expr& e) const {
  const auto count = static_cast<size_t>(ir::scalar_words(e.dtype));
  return ir::from_words(b_, e.dtype, arguments_.region_words().subspan(e.words, count));
}

Number RegionGenerators::integer(const Expr& e, Value u) const {
  const Number n{DType::u32, u, {}};
  return ir::cast(is_integer(e.dtype) ? n : arguments_.hidden(n), e.dtype, math_);
}

Number RegionGenerators::at(const Expr& e, Value index) const {
  if (e.op == Op::iota) {
    if (e.node->attribute<IotaAttr>().axis < 0) return integer(e, index);
    const auto words = arguments_.region_words_as<IotaWords>(e.extra);
    return integer(e, words.modulo(words.divide(index, &IotaWords::inner), &IotaWords::size));
  }
  if (e.op == Op::eye) {
    const auto words = arguments_.region_words_as<EyeWords>(e.extra);
    const Value outer = words.divide(index, &EyeWords::columns);
    const Value column = index - outer * words[&EyeWords::columns];
    const Value row = words.modulo(outer, &EyeWords::rows);
    return integer(e, b_.convert(row == column, ir::kU32));
  }
  const Random random(b_, arguments_, e);
  return random.scaled(e.op == Op::random_uniform
                           ? ir::random_uniform(random.stream, index, random.type)
                           : ir::random_normal(random.stream, index, random.type, math_));
}

std::vector<Number> RegionGenerators::groups(const Expr& e, std::span<const Value> groups,
                                             bool in_turn) const {
  const Random random(b_, arguments_, e);
  std::vector<Number> numbers;
  for (const Value& group : groups) {
    const std::array<Value, kGroup> samples =
        e.op == Op::random_uniform
            ? ir::random_uniforms(random.stream, group, random.type)
            : ir::random_normals(random.stream, group, random.type, math_, in_turn);
    for (const Value& sample : samples) numbers.push_back(random.scaled(sample));
  }
  return numbers;
}

}  // namespace nxv::kernels
