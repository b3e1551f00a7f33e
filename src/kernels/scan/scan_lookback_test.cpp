// The tree that a look-back follows, over more blocks than tests of whole scans can afford.
#include "kernels/scan/scan_lookback.h"

#include <gtest/gtest.h>

#include <random>

#include "kernels/scan/scan.h"
#include "spirv/translate.h"
#include "testing/driver/spirv_validate.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::kernels {
namespace {

using ir::Value;
using nxv::testing::Argument;

double fold(std::span<const double> values) {
  double sum = -0.0;
  for (double v : values) sum += v;
  return sum;
}

// What comes before each of the values.
std::vector<double> prefixes(const std::vector<double>& values) {
  std::vector<double> chunks, result;
  for (size_t i = 0; i < values.size(); i += kScanChunk) {
    const size_t count = std::min<size_t>(kScanChunk, values.size() - i);
    chunks.push_back(fold(std::span(values).subspan(i, count)));
  }
  const std::vector<double> before =
      chunks.size() > 1 ? prefixes(chunks) : std::vector<double>{-0.0};
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t place = i % kScanChunk;
    result.push_back(before[i / kScanChunk] + fold(std::span(values).subspan(i - place, place)));
  }
  return result;
}

// Prefixes of sums, a block a team, two teams a workgroup.
ir::Kernel look_back_kernel(uint32_t levels) {
  ir::Builder b("look_back", 2 * kScanChunk);
  const Value totals = b.buffer("totals", ir::Access::read);
  const Value out = b.buffer("out", ir::Access::write);
  const Value work = b.buffer("work", ir::Access::read_write);
  const Value lines = b.param("lines", ir::kU32), blocks = b.param("blocks", ir::kU32);
  const Value zero = b.param("zero", ir::kU32);
  const Fold fold(b, Op::sum, DType::f64, DType::f64, {});
  const Accumulator identity = {b.bitcast(b.pack({zero, zero | 0x80000000u}), ir::kF64)};
  LookBack look_back(b, fold, identity, work, levels);
  const SharedAccumulators room(fold, 2 * kScanChunk);
  const Value local = b.builtin(ir::Builtin::local_index);
  const Value team = local >> 5, lane = local & (kScanChunk - 1);
  const Value index = look_back.ticket() * 2u + team, exists = index < lines * blocks;
  const Value line = index / blocks;
  const std::vector<ir::Var> total = fold.variables(identity);
  b.if_(exists & (lane == 0u), [&] { Fold::write(total, {b.load(totals, index, ir::kF64)}); });
  const Accumulator prefix =
      look_back.prefix({line, index - line * blocks, blocks, exists, lane, &room,
                        [=](Value of) { return team * kScanChunk + of; }},
                       Fold::read(total));
  b.if_(exists & (lane == 7u), [&] { b.store(out, index, prefix[0]); });
  return b.finish();
}

void check_prefixes(uint32_t lines, uint32_t blocks, uint32_t levels) {
  std::mt19937 random(blocks);
  std::vector<double> totals, want, got(size_t{lines} * blocks, 1e300);
  for (uint32_t line = 0; line < lines; ++line) {
    std::vector<double> values;
    for (uint32_t i = 0; i < blocks; ++i) {
      values.push_back(std::ldexp(static_cast<double>(random()) - 0x1p31, -7 - int(random() % 60)));
    }
    totals.insert(totals.end(), values.begin(), values.end());
    const std::vector<double> before = prefixes(values);
    want.insert(want.end(), before.begin(), before.end());
  }
  const LookBackSize size = look_back_size(std::array{ir::kF64}, lines, blocks);
  EXPECT_EQ(size.levels, levels);
  std::vector<uint32_t> work(size.words);
  const ir::Kernel kernel = look_back_kernel(levels);
  EXPECT_EQ(nxv::testing::validate_spirv(spirv::translate(kernel, {})), "");
  const std::vector arguments = {Argument::buffer(std::as_const(totals)),
                                 Argument::buffer(got),
                                 Argument::buffer(work),
                                 Argument::number(lines),
                                 Argument::number(blocks),
                                 Argument::number(0U)};
  nxv::testing::run(kernel, {(lines * blocks + 1) / 2, 1, 1}, arguments);
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint64_t>(got[i]), std::bit_cast<uint64_t>(want[i]))
        << i << " of " << lines << " x " << blocks;
  }
}

TEST(LookBack, FollowsTheTree) {
  for (const uint32_t blocks : {1, 2, 31, 32}) check_prefixes(3, blocks, 1);
  for (const uint32_t blocks : {33, 64, 1023, 1024}) check_prefixes(3, blocks, 2);
  for (const uint32_t blocks : {1025, 3333}) check_prefixes(2, blocks, 3);
}

TEST(LookBack, FourLevels) { check_prefixes(1, 32 * 1024 + 1025, 4); }

}  // namespace
}  // namespace nxv::kernels
