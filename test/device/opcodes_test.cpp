// Every row of KernelIR's opcode table on the device, for every type that it admits: the bytes that
// the interpreter leaves.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "kernels/lowering.h"
#include "runtime/module.h"
#include "testing/corpus/opcode_samples.h"
#include "vulkan/device.h"

namespace nxv {
namespace {

using runtime::make_module;
using runtime::spirv_options;
using testing::OpcodeSample;

class OpcodeOnDevice : public ::testing::TestWithParam<int> {
 protected:
  static void SetUpTestSuite() {
    try {
      device_ = vulkan::Device::open();
    } catch (const Error& e) {
      if (e.status() != Status::no_device) throw;
    }
  }
  static void TearDownTestSuite() { device_.reset(); }

  ir::Opcode op() const { return static_cast<ir::Opcode>(GetParam()); }

  // What the kernel leaves in the buffers that it writes.
  static std::vector<std::byte> run(const OpcodeSample& sample, const ir::Kernel& kernel) {
    const std::string key = std::to_string(kernels_++);
    const vulkan::Pipeline& compiled = device_->kernels().request(
        key, [&] { return make_module(kernel, spirv_options(device_->plan())); });
    compiled.get();

    const std::vector<uint32_t> offsets = kernel.param_offsets();
    std::vector<std::byte> parameters(kernel.param_bytes());
    std::vector<vulkan::BlockRef> blocks(kernel.params.size());
    std::vector<vulkan::Block*> buffers;
    std::vector<vulkan::Access> reads, writes;
    for (size_t i = 0; i < kernel.params.size(); ++i) {
      const ir::Param& p = kernel.params[i];
      if (!p.is_buffer) {
        set_number(p.type, sample.arguments[i], &parameters[offsets[i]]);
        continue;
      }
      blocks[i] = device_->transfers().allocate_for_upload(sample.arguments[i].size());
      device_->transfers().upload(sample.arguments[i], *blocks[i]);
      const uint64_t address = blocks[i]->address();
      std::memcpy(&parameters[offsets[i]], &address, sizeof address);
      buffers.push_back(blocks[i].get());
      reads.emplace_back(blocks[i]);
      if (p.access != ir::Access::read) writes.emplace_back(blocks[i]);
    }
    vulkan::Dispatch d;
    d.kernel = &compiled;
    d.parameters = parameters;
    d.buffers = buffers;
    d.reads = reads;
    d.writes = writes;
    device_->queue().dispatch(d);
    return written(sample, kernel, blocks);
  }

  static std::unique_ptr<vulkan::Device> device_;

 private:
  // The lanes of a number stand in 8 bytes each.
  static void set_number(ir::Type type, const std::vector<std::byte>& lanes, std::byte* to) {
    const size_t count = lanes.size() / 8;
    const size_t size = static_cast<size_t>(ir::bytes(type)) / count;
    for (size_t lane = 0; lane < count; ++lane) {
      std::memcpy(to + lane * size, &lanes[lane * 8], size);
    }
  }

  static std::vector<std::byte> written(const OpcodeSample& sample, const ir::Kernel& kernel,
                                        const std::vector<vulkan::BlockRef>& blocks) {
    std::vector<std::byte> all;
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (!blocks[i] || kernel.params[i].access == ir::Access::read) continue;
      std::vector<std::byte> bytes(sample.arguments[i].size());
      device_->transfers().download(blocks[i], 0, bytes);
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return all;
  }

  static int kernels_;
};

plan::MatrixType matrix_type(ir::Scalar s) {
  switch (s) {
    case ir::Scalar::f16:
      return plan::MatrixType::f16;
    case ir::Scalar::bf16:
      return plan::MatrixType::bf16;
    case ir::Scalar::s8:
      return plan::MatrixType::s8;
    case ir::Scalar::u8:
      return plan::MatrixType::u8;
    case ir::Scalar::s32:
      return plan::MatrixType::s32;
    case ir::Scalar::u32:
      return plan::MatrixType::u32;
    default:
      return plan::MatrixType::f32;
  }
}

// Whether the device reports the shapes of all matrices: what it does with others is undefined.
bool has_shapes(const ir::Kernel& kernel, const plan::DevicePlan& plan) {
  const auto has = [](const plan::MatrixShape& s, ir::Type t) {
    if (s.m != ir::kMatrixSide || s.n != ir::kMatrixSide) return false;
    if (t.matrix == ir::Matrix::accumulator) return s.accumulator == matrix_type(t.scalar);
    return s.k == t.steps && (t.matrix == ir::Matrix::a ? s.a : s.b) == matrix_type(t.scalar);
  };
  // One shape for all matrices of an instruction.
  return std::all_of(kernel.body.begin(), kernel.body.end(), [&](const ir::Inst& inst) {
    if (!is_matrix(inst.type)) return true;
    std::vector<ir::Type> types{inst.type};
    if (inst.op == ir::Opcode::matrix_multiply_add) {
      for (size_t i = 0; i < 2; ++i) types.push_back(kernel.body[inst.args[i]].type);
    }
    return std::any_of(plan.matrix_shapes.begin(), plan.matrix_shapes.end(), [&](const auto& s) {
      return std::all_of(types.begin(), types.end(), [&](ir::Type t) { return has(s, t); });
    });
  });
}

std::unique_ptr<vulkan::Device> OpcodeOnDevice::device_;
int OpcodeOnDevice::kernels_ = 0;

INSTANTIATE_TEST_SUITE_P(Table, OpcodeOnDevice, ::testing::Range(0, ir::kOpcodeCount),
                         [](const auto& info) {
                           return std::string(name(static_cast<ir::Opcode>(info.param)));
                         });

// Powers of two as near as Vulkan demands of exp2: 3 + 2 |x| units in the last place.
bool are_near(const std::vector<std::byte>& got, const std::vector<std::byte>& expected) {
  for (size_t at = 0; at < expected.size(); at += 4) {
    float x = 0, y = 0;
    std::memcpy(&x, &got[at], 4);
    std::memcpy(&y, &expected[at], 4);
    const bool is_same = x == y || (std::isnan(x) && std::isnan(y));
    const float units = 3 + 2 * std::fabs(std::log2(y));
    if (!is_same && !(std::fabs(x - y) <= units * 0x1p-23f * y)) return false;
  }
  return true;
}

TEST_P(OpcodeOnDevice, DoesWhatTheInterpreterDoes) {
  if (!device_) GTEST_SKIP() << "no Vulkan device";
  if (op() == ir::Opcode::element_store) {
    GTEST_SKIP() << "each device chooses which elements of a matrix an invocation has";
  }
  const plan::DevicePlan& plan = device_->plan();
  const uint32_t demanded = plan.fixed_subgroup_size ? plan.subgroup_size : 0;
  int ran = 0;
  for (const OpcodeSample& s : testing::opcode_samples(op(), demanded)) {
    ir::Kernel kernel;
    try {
      kernel = kernels::legalised(s.kernel, plan);
    } catch (const Error&) {
      continue;  // needs what the device lacks
    }
    if (!has_shapes(kernel, plan)) continue;
    const auto expected = run_sample(s, s.kernel, {.subgroup_size = plan.subgroup_size});
    const auto got = run(s, kernel);
    const bool is_same = op() == ir::Opcode::exp2 ? are_near(got, expected) : got == expected;
    ASSERT_TRUE(is_same) << s.name << "\n" << to_string(kernel);
    ++ran;
  }
  EXPECT_TRUE(ran > 0 || info(op()).family >= ir::Family::subgroup_arithmetic);
}

}  // namespace
}  // namespace nxv
