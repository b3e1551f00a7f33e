#include "runtime/matrix_probe.h"

#include <cmath>
#include <cstring>
#include <memory>

#include "base/scalar.h"
#include "ir/builder.h"
#include "kernels/matmul/matmul.h"

namespace nxv::runtime {
namespace {

using ir::Value;

// Edges in all directions, and long enough for several rounds of the pipeline.
constexpr int64_t kM = 72, kN = 88, kK = 296;
constexpr uint32_t kHalves = 512;

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
  MatrixCheck check;
  check.region.add_root(node(DType::f16, {kHalves}), -1);
  check.region.operands.resize(2);
  for (Operand& operand : check.region.operands) operand.node = node(DType::f32, {kHalves});
  // 1 to 2 times 2^-24 .. 2^15, of both signs.
  check.a.resize(storage(DType::f32, kHalves));
  check.b = check.a;
  for (uint32_t i = 0; i < kHalves; ++i) {
    const double v = std::ldexp(1 + i * (1.0 / kHalves), static_cast<int>(i * 39 / kHalves) - 24);
    store_scalar(make_scalar(DType::f32, i % 2 ? -v : v), check.a.data(), i);
  }
  kernels::Launch d;
  d.key = "halves";
  d.generate = [](const Region&) { return halves_kernel(); };
  check.ways.resize(1);
  check.ways[0].launches.push_back(std::move(d));
  check.c_bytes = storage(DType::f16, kHalves);
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
  return checks;
}

}  // namespace nxv::runtime
