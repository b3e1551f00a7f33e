#include "runtime/matrix_probe.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/scalar.h"
#include "ir/builder.h"
#include "kernels/matmul/matmul.h"

namespace nxv::runtime {
namespace {

using ir::Value;

// Edges in all directions, and long enough for several rounds of the pipeline.
constexpr int64_t kM = 72, kN = 88, kK = 296;
constexpr uint32_t kHalves = 512, kWords = 256;

size_t storage(DType t, int64_t count) {
  return static_cast<size_t>(count * storage_bytes(t) + 15) / 16 * 16;
}

// Of no engine: destroyed where it is released.
NodeRef node(DType t, Shape shape) {
  const auto owner = std::make_shared<Graveyard>();
  owner->close();
  return make_node(owner, Op::data, t, std::move(shape));
}

Bytes random_numbers(DType t, int64_t count, uint32_t state) {
  Bytes bytes(storage(t, count));
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    store_scalar(make_scalar(t, static_cast<double>(state) * 0x1p-31 - 1), bytes.data(), i);
  }
  return bytes;
}

// Of all values.
Bytes random_bytes(int64_t count, uint32_t state) {
  Bytes bytes(storage(DType::u8, count));
  for (std::byte& b : bytes) {
    state = state * 1664525u + 1013904223u;
    b = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

bool agree(DType t, Precision precision, const Bytes& x, const Bytes& y) {
  // Sums that differ by little may round to neighbours.
  const double step = t == DType::f16 ? 0x1p-10 : t == DType::bf16 ? 0x1p-7 : 0;
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < kM * kN; ++i) {
    const double a = to_double(load_scalar(t, x.data(), i));
    const double b = to_double(load_scalar(t, y.data(), i));
    if (!(std::fabs(a - b) <= 2 * step * (std::fabs(b) + 1)) && step > 0) return false;
    difference += (a - b) * (a - b);
    norm += b * b;
  }
  const double error = precision == Precision::fast ? 4e-4 : 1e-6;
  return step > 0 || (norm > 0 && difference <= error * error * norm);
}

MatrixCheck product_check(DType t, Precision precision, const kernels::Target& target) {
  MatrixCheck check;
  check.region = kernels::product_region(node(t, {kM, kK}), node(t, {kK, kN}), node(t, {1, kM, kN}),
                                         {{0, 0, kK, 1}, {0, 0, kN, 1}, 1, kM, kN, kK}, precision);
  const auto factors = kernels::unit_factors(kernels::product_of(check.region), target);
  const bool is_fast = factors == kernels::UnitFactors::scaled;
  if (!factors || is_fast != (precision == Precision::fast)) return check;
  check.ways = {kernels::lower_small_units(check.region, target),
                kernels::lower_matmul(check.region, target, kernels::MatmulTile{})};
  check.a = random_numbers(t, kM * kK, 1);
  check.b = random_numbers(t, kK * kN, 2);
  check.c_bytes = storage(t, kM * kN);
  check.is_right = [=](std::span<const Bytes> c) { return agree(t, precision, c[0], c[1]); };
  return check;
}

// An element of bytes that are of the type, as a number modulo 2^32.
uint32_t byte_at(DType t, const Bytes& bytes, int64_t i) {
  const auto bits = static_cast<uint8_t>(bytes[static_cast<size_t>(i)]);
  return t == DType::s8 ? static_cast<uint32_t>(static_cast<int8_t>(bits)) : bits;
}

// Products of 8-bit integers have the bits that the host computes. B lies by rows once, and once by
// columns.
MatrixCheck integer_check(DType a, DType b, const kernels::Target& target) {
  MatrixCheck check;
  check.verdict = &plan::Probes::integer_units_exact;
  const uint32_t row = a == b ? kN : 1, column = a == b ? 1 : kK;
  check.region =
      kernels::product_region(node(a, {kM, kK}), node(b, {kK, kN}), node(DType::s32, {1, kM, kN}),
                              {{0, 0, kK, 1}, {0, 0, row, column}, 1, kM, kN, kK});
  if (!kernels::integer_shape(kernels::product_of(check.region), target)) return check;
  check.ways = {kernels::lower_small_units(check.region, target)};
  check.a = random_bytes(kM * kK, 1);
  check.b = random_bytes(kK * kN, 2);
  check.c_bytes = storage(DType::s32, kM * kN);
  check.is_right = [=, x = check.a, y = check.b](std::span<const Bytes> c) {
    for (int64_t i = 0; i < kM * kN; ++i) {
      uint32_t sum = 0, answer = 0;
      for (int64_t k = 0; k < kK; ++k) {
        sum += byte_at(a, x, i / kN * kK + k) * byte_at(b, y, k * row + i % kN * column);
      }
      std::memcpy(&answer, &c[0][static_cast<size_t>(4 * i)], 4);
      if (answer != sum) return false;
    }
    return true;
  };
  return check;
}

// Dot products of packed integers, of each pair of signs.
struct DotCase {
  ir::Opcode op;
  DType a, b;
};
constexpr DotCase kDots[] = {{ir::Opcode::dot_signed, DType::s8, DType::s8},
                             {ir::Opcode::dot_unsigned, DType::u8, DType::u8},
                             {ir::Opcode::dot_mixed, DType::s8, DType::u8}};

ir::Kernel dot_kernel(size_t cases) {
  ir::Builder b("probe_dot", kWords);
  const Value x = b.buffer("a", ir::Access::read), y = b.buffer("b", ir::Access::read);
  const Value out = b.buffer("c", ir::Access::write);
  const Value i = b.builtin(ir::Builtin::local_index);
  const Value a = b.load(x, i, ir::kU32), c = b.load(y, i, ir::kU32);
  for (uint32_t n = 0; n < cases; ++n) {
    b.store(out, i + n * kWords, b.binary(kDots[n].op, a, c));
  }
  return b.finish();
}

struct Elements {
  DType type;
  int64_t count;
};

// Of a kernel of its own, from two operands.
MatrixCheck kernel_check(Elements result, Elements operands, std::string key,
                         std::function<ir::Kernel(const Region&)> generate) {
  MatrixCheck check;
  check.region.add_root(node(result.type, {result.count}), -1);
  check.region.operands.resize(2);
  for (Operand& operand : check.region.operands) {
    operand.node = node(operands.type, {operands.count});
  }
  kernels::Launch launch;
  launch.key = std::move(key);
  launch.generate = std::move(generate);
  check.ways.resize(1);
  check.ways[0].launches.push_back(std::move(launch));
  check.c_bytes = storage(result.type, result.count);
  return check;
}

// Whether elements of sums are where the kernels take them to be: each is doubled, or all become a
// factor that multiplies the identity. Without `factor`, the former.
ir::Kernel elements_kernel(uint32_t lanes, std::optional<ir::Scalar> factor) {
  ir::Builder b("probe_elements", lanes);
  b.set_subgroup_size(lanes);
  const Value in = b.buffer("a", ir::Access::read);
  b.buffer("b", ir::Access::read);
  const Value out = b.buffer("c", ir::Access::write);
  const ir::Shared sums = b.shared("sums", ir::kF32, kWords);
  const ir::Shared identity = b.shared("identity", ir::kU32, kWords / 2);
  const Value lane = b.builtin(ir::Builtin::local_index);
  const uint32_t one = factor == ir::Scalar::f16 ? 0x3c00 : 0x3f80;
  for (uint32_t first = 0; first < kWords; first += lanes) {
    b.shared_store(sums, lane + first, b.load(in, lane + first, ir::kF32));
    if (first >= kWords / 2) continue;
    const Value word = lane + first, row = word >> 3, column = (word & 7u) << 1;
    const auto element = [&](Value c, uint32_t bits) {
      return b.select(c == row, b.u32(bits), b.u32(0));
    };
    b.shared_store(identity, word, element(column, one) | element(column + 1u, one << 16));
  }
  b.barrier();
  const ir::Var x = b.var(b.matrix_load(sums, b.u32(0), ir::kMatrixSide, ir::kAccumulator));
  const ir::Var y = b.var(factor ? ir::factor(*factor, ir::Matrix::a) : ir::kAccumulator);
  for (uint32_t e = 0; e < kWords / lanes; ++e) {
    const Value v = b.element_load(x, e);
    b.element_store(y, e, v + v);
  }
  Value result = y.get();
  if (factor) {
    const Value zeros = b.matrix_fill(b.bitcast(b.load(in, b.u32(0), ir::kU32), ir::kF32));
    result = b.matrix_multiply_add(
        result, b.matrix_load(identity, b.u32(0), 8, ir::factor(*factor, ir::Matrix::b)), zeros);
  }
  b.barrier();
  b.matrix_store(sums, b.u32(0), ir::kMatrixSide, result);
  b.barrier();
  for (uint32_t first = 0; first < kWords; first += lanes) {
    b.store(out, lane + first, b.shared_load(sums, lane + first));
  }
  return b.finish();
}

MatrixCheck elements_check(uint32_t lanes, std::optional<ir::Scalar> factor) {
  MatrixCheck check =
      kernel_check({DType::f32, kWords}, {DType::f32, kWords},
                   "elements" + std::to_string(factor ? 1 + static_cast<int>(*factor) : 0),
                   [=](const Region&) { return elements_kernel(lanes, factor); });
  check.verdict =
      factor ? &plan::Probes::matrix_chains_exact : &plan::Probes::matrix_elements_exact;
  check.a.resize(storage(DType::f32, kWords));
  check.b = check.a;
  for (uint32_t i = 0; i < kWords; ++i) {
    store_scalar(make_scalar(DType::f32, static_cast<double>(i)), check.a.data(), i);
  }
  check.is_right = [](std::span<const Bytes> c) {
    for (uint32_t i = 0; i < kWords; ++i) {
      if (to_double(load_scalar(DType::f32, c[0].data(), i)) != 2.0 * i) return false;
    }
    return true;
  };
  return check;
}

MatrixCheck dot_check(const plan::Capabilities& has) {
  const size_t cases = has.mixed_dot ? std::size(kDots) : std::size(kDots) - 1;
  MatrixCheck check = kernel_check({DType::u32, static_cast<int64_t>(cases) * kWords},
                                   {DType::u32, kWords}, "dot" + std::to_string(cases),
                                   [cases](const Region&) { return dot_kernel(cases); });
  check.verdict = &plan::Probes::packed_dot_exact;
  check.a = random_bytes(4 * kWords, 3);
  check.b = random_bytes(4 * kWords, 4);
  check.is_right = [=, x = check.a, y = check.b](std::span<const Bytes> c) {
    for (uint32_t i = 0; i < cases * kWords; ++i) {
      const DotCase& dot = kDots[i / kWords];
      uint32_t sum = 0, answer = 0;
      for (uint32_t k = 0; k < 4; ++k) {
        const int64_t at = i % kWords * 4 + k;
        sum += byte_at(dot.a, x, at) * byte_at(dot.b, y, at);
      }
      std::memcpy(&answer, &c[0][4 * i], 4);
      if (answer != sum) return false;
    }
    return true;
  };
  return check;
}

// Splitting f32 needs f16 that are packed with their subnormals.
ir::Kernel halves_kernel() {
  ir::Builder b("probe_halves", kHalves / 2);
  const Value in = b.buffer("a", ir::Access::read);
  b.buffer("b", ir::Access::read);
  const Value out = b.buffer("c", ir::Access::write);
  const Value i = b.builtin(ir::Builtin::local_index);
  const Value pair = b.load(in, i, ir::vec(ir::kF32, 2));
  b.store(out, i, b.pack_half(b.extract(pair, 0), b.extract(pair, 1)));
  return b.finish();
}

MatrixCheck halves_check() {
  MatrixCheck check = kernel_check({DType::f16, kHalves}, {DType::f32, kHalves}, "halves",
                                   [](const Region&) { return halves_kernel(); });
  // 1 to 2 times 2^-24 .. 2^15, of both signs.
  check.a.resize(storage(DType::f32, kHalves));
  check.b = check.a;
  for (uint32_t i = 0; i < kHalves; ++i) {
    const double v = std::ldexp(1 + i * (1.0 / kHalves), static_cast<int>(i * 39 / kHalves) - 24);
    store_scalar(make_scalar(DType::f32, i % 2 ? -v : v), check.a.data(), i);
  }
  check.is_right = [in = check.a](std::span<const Bytes> c) {
    for (uint32_t i = 0; i < kHalves; ++i) {
      const double x = to_double(load_scalar(DType::f32, in.data(), i));
      const double half = to_double(load_scalar(DType::f16, c[0].data(), i));
      if (!(std::fabs(half - x) <= std::max(0x1p-24, std::fabs(x) * 0x1p-10))) return false;
    }
    return true;
  };
  return check;
}

}  // namespace

std::vector<MatrixCheck> matrix_checks(const kernels::Target& target) {
  std::vector<MatrixCheck> checks;
  for (DType t : {DType::f16, DType::bf16, DType::f32}) {
    MatrixCheck check = product_check(t, Precision::accurate, target);
    if (check.ways.empty()) continue;
    checks.push_back(std::move(check));
    if (t != DType::f32) continue;
    checks.push_back(halves_check());
    MatrixCheck fast = product_check(t, Precision::fast, target);
    if (!fast.ways.empty()) checks.push_back(std::move(fast));
  }
  const plan::DevicePlan& plan = *target.plan;
  const auto has_elements = [&](plan::MatrixType factor) {
    const auto is_of = [&](const plan::MatrixShape& s) {
      return s.m == ir::kMatrixSide && s.n == ir::kMatrixSide && s.k == ir::kMatrixSide &&
             s.a == factor && s.b == factor && s.accumulator == plan::MatrixType::f32;
    };
    return plan.has.coopmat && plan.fixed_subgroup_size &&
           kWords / 2 % std::max(1u, plan.matrix_subgroup_size) == 0 &&
           std::any_of(plan.matrix_shapes.begin(), plan.matrix_shapes.end(), is_of);
  };
  const bool has_f16 = plan.has.f16 && has_elements(plan::MatrixType::f16);
  const bool has_bf16 = plan.has.bf16 && has_elements(plan::MatrixType::bf16);
  const uint32_t lanes = plan.matrix_subgroup_size;
  if (has_f16 || has_bf16) checks.push_back(elements_check(lanes, std::nullopt));
  if (has_f16) checks.push_back(elements_check(lanes, ir::Scalar::f16));
  if (has_bf16) checks.push_back(elements_check(lanes, ir::Scalar::bf16));
  for (DType a : {DType::s8, DType::u8}) {
    for (DType b : {DType::s8, DType::u8}) {
      MatrixCheck check = integer_check(a, b, target);
      if (!check.ways.empty()) checks.push_back(std::move(check));
    }
  }
  if (target.plan->has.packed_dot) checks.push_back(dot_check(target.plan->has));
  return checks;
}

}  // namespace nxv::runtime
