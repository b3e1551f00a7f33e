#include "runtime/probes.h"

#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>

#include "ir/ops/half_floats.h"
#include "runtime/matrix_probe.h"
#include "runtime/module.h"
#include "runtime/packed_dispatch.h"
#include "runtime/rate_kernel.h"

namespace nxv::runtime {
namespace {

using ir::Builder;
using ir::Value;

constexpr uint32_t kSamples = 4096;
constexpr uint32_t kWorkgroup = 64;

// Pairs of ordinary numbers, and one pair of subnormals last.
std::vector<float> samples() {
  std::vector<float> values(2 * kSamples);
  uint32_t state = 1;
  for (float& v : values) {
    state = state * 1664525u + 1013904223u;
    v = std::bit_cast<float>((state >> 9) | 0x3f000000u);  // [0.5, 1)
  }
  values[2 * kSamples - 2] = std::bit_cast<float>(0x00000123u);
  values[2 * kSamples - 1] = 1.0f;
  return values;
}

vulkan::ShaderModule module_of(Builder& b, const plan::DevicePlan& plan) {
  return make_module(b.finish(), spirv_options(plan));
}

// For each pair (a, b): a / b, sqrt(a), a * 1, fma(a, b, -(a * b)).
vulkan::ShaderModule arithmetic_kernel(const plan::DevicePlan& plan) {
  Builder b("probe_arithmetic", kWorkgroup);
  const Value in = b.buffer("in", ir::Access::read), out = b.buffer("out", ir::Access::write);
  const Value i =
      b.builtin(ir::Builtin::group_x) * kWorkgroup + b.builtin(ir::Builtin::local_index);
  const Value pair = b.load(in, i, ir::vec(ir::kF32, 2));
  const Value x = b.extract(pair, 0), y = b.extract(pair, 1);
  const Value error = b.fma(x, y, -(x * y));
  b.store(out, i, b.pack({x / y, b.unary(ir::Opcode::sqrt, x), x * y, error}));
  return module_of(b, plan);
}

// Whether the device's own conversion has other bits than integer arithmetic: of any sign, exponent
// and digits that stay, and of digits that go which are 0, half a unit, or close to that. Of a NaN
// also whether arithmetic sees one.
// Where arithmetic flushes subnormals, conversions may.
Value differs(ir::Opcode conversion, int dropped, Value kept, Value one, bool flushes) {
  Builder& b = kept.builder();
  const uint32_t unit = 1u << dropped, half = unit / 2;
  Value found = b.boolean(false);
  for (uint32_t below : {0u, 1u, half - 1, half, half + 1, unit - 1}) {
    const Value bits = (kept << dropped) | below, x = b.bitcast(bits, ir::kF32);
    const Value expected = ir::convert_by_integers(conversion, bits);
    const ir::Type type = conversion == ir::Opcode::to_f16 ? ir::kU32 : ir::kF32;
    const Value got = b.bitcast(b.append(conversion, type, {x}), ir::kU32);
    const Value magnitude = ir::magnitude_of(bits);
    const Value differs = got != expected;
    found = found | (flushes ? differs & ((magnitude - 1) >= 0x7fffffu) : differs);
    if (type == ir::kU32) continue;
    const Value is_nan = magnitude > ir::kF32Infinity;
    const Value shifted = b.append(conversion, type, {x * one}) + one;
    found = found | (is_nan & (shifted == shifted));
  }
  return found;
}

vulkan::ShaderModule conversion_kernel(const plan::DevicePlan& plan, DType type, int dropped,
                                       bool flushes) {
  Builder b("probe_conversions", kWorkgroup);
  const Value one = b.param("one", ir::kF32);
  const Value out = b.buffer("out", ir::Access::read_write);
  const Value i =
      b.builtin(ir::Builtin::group_x) * kWorkgroup + b.builtin(ir::Builtin::local_index);
  Value found;
  if (type == DType::bf16) {
    found = differs(ir::Opcode::round_bf16, dropped, i, one, flushes);
  } else {
    found = differs(ir::Opcode::round_f16, dropped, i, one, flushes) |
            differs(ir::Opcode::to_f16, dropped, i, one, flushes);
    const Value number = b.append(ir::Opcode::from_f16, ir::kF32, {i});
    const Value expected = ir::convert_by_integers(ir::Opcode::from_f16, i);
    found = found | (b.bitcast(number, ir::kU32) != expected);
  }
  b.if_(found, [&] { b.atomic(ir::Opcode::atomic_or, out, b.u32(0), b.u32(1)); });
  plan::DevicePlan keeps = plan;
  keeps.has.f32_subnormals = true;  // so that nothing is expanded
  return make_module(kernels::legalised(b.finish(), keeps), spirv_options(plan));
}

class Prober {
 public:
  explicit Prober(vulkan::Device& device) : device_(device) {}

  ProbeReport run() {
    plan::Probes& probes = report_.probes;
    attempt("arithmetic", [&] { arithmetic(probes); });
    if (device_.plan().has.f64) {
      attempt("rate of f64", [&] { probes.f64_rate = f64_rate(); });
    }
    conversions(probes);
    matrix_units(probes);
    probes.done = true;
    return std::move(report_);
  }

 private:
  // A driver that does not take a probe's kernel leaves the answer that is safe.
  template <typename Part>
  void attempt(const char* what, Part part) {
    try {
      part();
    } catch (const Error& e) {
      if (e.status() == Status::device_lost || e.status() == Status::alloc_failed) throw;
      note(what, e);
    }
  }

  void note(std::string_view what, const Error& e) {
    report_.failures.push_back(std::string(what) + ": " + e.what());
  }

  void dispatch(const vulkan::Pipeline& kernel, std::span<const vulkan::BlockRef> blocks,
                uint32_t groups) {
    std::vector<uint64_t> addresses;
    std::vector<vulkan::Block*> buffers;
    std::vector<vulkan::Access> accesses;
    for (const vulkan::BlockRef& block : blocks) {
      addresses.push_back(block->address());
      buffers.push_back(block.get());
      accesses.emplace_back(block);
    }
    vulkan::Dispatch d;
    d.kernel = &kernel;
    d.parameters = std::as_bytes(std::span(addresses));
    d.buffers = buffers;
    d.groups = {groups, 1, 1};
    d.reads = accesses;
    d.writes = std::span(accesses).last(1);
    device_.queue().dispatch(d);
  }

  void arithmetic(plan::Probes& probes) {
    const std::vector<float> in = samples();
    const vulkan::Pipeline& kernel = device_.kernels().request(
        "probe_arithmetic", [&] { return arithmetic_kernel(device_.plan()); });
    kernel.get();
    const vulkan::BlockRef blocks[] = {device_.transfers().allocate_for_upload(in.size() * 4),
                                       device_.memory().allocate(kSamples * 16)};
    device_.transfers().upload(std::as_bytes(std::span(in)), *blocks[0]);
    dispatch(kernel, blocks, kSamples / kWorkgroup);
    std::vector<float> out(kSamples * 4);
    device_.transfers().download(blocks[1], 0, std::as_writable_bytes(std::span(out)));

    probes.f32_div_exact = probes.f32_sqrt_exact = probes.f32_fma_fused = true;
    for (uint32_t i = 0; i + 1 < kSamples; ++i) {
      const float x = in[2 * i], y = in[2 * i + 1];
      // Double rounding through f64 is harmless for division and square root of f32.
      probes.f32_div_exact &= out[4 * i] == static_cast<float>(static_cast<double>(x) / y);
      probes.f32_sqrt_exact &=
          out[4 * i + 1] == static_cast<float>(std::sqrt(static_cast<double>(x)));
      const float product = x * y;
      const double residue = static_cast<double>(x) * y - product;
      probes.f32_fma_fused &= out[4 * i + 3] == static_cast<float>(residue);
    }
    probes.f32_subnormals = std::bit_cast<uint32_t>(out[4 * (kSamples - 1) + 2]) == 0x123u;
  }

  void conversions(plan::Probes& probes) {
    const plan::Capabilities& has = device_.plan().has;
    const bool flushes = !probes.f32_subnormals;
    probes.bf16_conversion_exact = has.native_bf16 && converts(DType::bf16, 16, flushes);
    probes.f16_conversion_exact = has.native_f16 && converts(DType::f16, 13, flushes);
  }

  // Conversions that cannot be tested count as wrong.
  bool converts(DType type, int dropped, bool flushes) {
    try {
      const vulkan::Pipeline& kernel = device_.kernels().request(
          "probe_conversions_" + std::string(nxv::name(type)), [this, type, dropped, flushes] {
            return conversion_kernel(device_.plan(), type, dropped, flushes);
          });
      kernel.get();
      return !finds_difference(kernel, uint32_t{1} << (32 - dropped));
    } catch (const Error& e) {
      if (e.status() == Status::device_lost) throw;
      note("conversions to " + std::string(nxv::name(type)), e);
      return false;
    }
  }

  bool finds_difference(const vulkan::Pipeline& kernel, uint32_t invocations) {
    uint32_t found = 0;
    const vulkan::BlockRef block = device_.transfers().allocate_for_upload(sizeof found);
    device_.transfers().upload(std::as_bytes(std::span(&found, 1)), *block);
    struct {
      float one = 1;
      uint32_t padding = 0;
      uint64_t address = 0;
    } parameters;
    parameters.address = block->address();
    vulkan::Block* const buffers[] = {block.get()};
    const vulkan::Access accesses[] = {vulkan::Access(block)};
    vulkan::Dispatch d;
    d.kernel = &kernel;
    d.parameters = std::as_bytes(std::span(&parameters, 1));
    d.buffers = buffers;
    d.groups = {invocations / kWorkgroup, 1, 1};
    d.reads = accesses;
    d.writes = accesses;
    device_.queue().dispatch(d);
    device_.transfers().download(block, 0, std::as_writable_bytes(std::span(&found, 1)));
    return found != 0;
  }

  struct MatrixChecks {
    explicit MatrixChecks(const plan::DevicePlan& device) : plan(device) {
      plan.has.f64 = plan.has.fast_f64 = false;  // small products would add up in f64
      checks = matrix_checks(kernels::make_target(plan));
    }
    plan::DevicePlan plan;
    std::vector<MatrixCheck> checks;
  };

  // Small products with and without matrix units, or dot products of packed integers. All kernels
  // are asked for before any is waited for.
  void matrix_units(plan::Probes& probes) {
    // Other threads may still compile when a check has failed: they share what they look at.
    const auto shared = std::make_shared<MatrixChecks>(device_.plan());
    const std::vector<MatrixCheck>& checks = shared->checks;
    for (const MatrixCheck& check : checks) {
      for (const kernels::Lowering& way : check.ways) {
        for (const kernels::Launch& d : way.launches) request(shared, check, d);
      }
    }
    for (const MatrixCheck& check : checks) probes.*check.verdict = true;
    for (const MatrixCheck& check : checks) {
      probes.*check.verdict = probes.*check.verdict && passes(shared, check);
    }
  }

  // A unit that cannot be tested counts as wrong.
  bool passes(const std::shared_ptr<MatrixChecks>& shared, const MatrixCheck& check) {
    try {
      std::vector<Bytes> answers;
      for (const kernels::Lowering& way : check.ways) {
        answers.push_back(answer(shared, check, way));
      }
      return check.is_right(answers);
    } catch (const Error& e) {
      if (e.status() == Status::device_lost) throw;
      note("matrix units", e);
      return false;
    }
  }

  const vulkan::Pipeline& request(const std::shared_ptr<MatrixChecks>& shared,
                                  const MatrixCheck& check, const kernels::Launch& d) {
    return device_.kernels().request("probe_" + d.key, [shared, &check, &d] {
      return make_module(kernels::legalised(d.generate(check.region), shared->plan),
                         spirv_options(shared->plan));
    });
  }

  Bytes answer(const std::shared_ptr<MatrixChecks>& shared, const MatrixCheck& check,
               const kernels::Lowering& way) {
    std::vector<vulkan::BlockRef> blocks;  // that the addresses below are of
    const auto keep = [&](vulkan::BlockRef block) {
      return blocks.emplace_back(std::move(block)).get();
    };
    std::vector<vulkan::Block*> operands, workspaces;
    for (const Bytes* bytes : {&check.a, &check.b}) {
      operands.push_back(keep(device_.transfers().allocate_for_upload(bytes->size())));
      device_.transfers().upload(*bytes, *operands.back());
    }
    const vulkan::BlockRef output = device_.memory().allocate(check.c_bytes);
    vulkan::Block* const outputs[] = {output.get()};
    for (uint64_t bytes : way.workspaces) {
      workspaces.push_back(keep(device_.memory().allocate(bytes)));
    }
    PackedDispatch packed;
    for (const kernels::Launch& d : way.launches) {
      packed.pack(d, request(shared, check, d).get(), {operands, outputs, {}, workspaces},
                  check.region.words);
      device_.queue().dispatch(packed.get());
    }
    Bytes c(check.c_bytes);
    device_.transfers().download(output, 0, c);
    return c;
  }

  // Bits of results depend on it, so other programs on the device must not: the best of each type
  // counts, and one that seems slow is looked at again.
  double f64_rate() {
    constexpr int kMostRounds = 12;
    double f32 = 1e9, f64 = 1e9;
    for (int round = 0; round < kMostRounds; ++round) {
      f32 = std::min(f32, seconds("probe_rate_f32", rate_kernel(device_.plan(), ir::kF32)));
      f64 = std::min(f64, seconds("probe_rate_f64", rate_kernel(device_.plan(), ir::kF64)));
      if (round >= 2 && f32 >= plan::kFastF64 * f64) break;
    }
    return f64 > 0 ? f32 / f64 : 0;
  }

  double seconds(const char* key, const vulkan::ShaderModule& module) {
    const vulkan::Pipeline& kernel = device_.kernels().request(key, [module] { return module; });
    kernel.get();
    const uint32_t groups = device_.plan().tuning.busy_workgroups;
    const vulkan::BlockRef blocks[] = {device_.memory().allocate(groups * kRateWorkgroup * 8)};
    double best = 1e9;
    for (int repeat = 0; repeat < 3; ++repeat) {
      const auto start = std::chrono::steady_clock::now();
      dispatch(kernel, blocks, groups);
      const Failure failure = device_.queue().wait(device_.queue().submit());
      if (failure) throw_failure(failure);
      best = std::min(
          best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best;
  }

  vulkan::Device& device_;
  ProbeReport report_;
};

}  // namespace

ProbeReport run_probes(vulkan::Device& device) { return Prober(device).run(); }

}  // namespace nxv::runtime
