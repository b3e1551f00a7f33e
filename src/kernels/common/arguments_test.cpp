// Hosts pack what kernels declare, in the same order, and kernels read the numbers that hosts
// wrote.
#include "kernels/common/arguments.h"

#include <gtest/gtest.h>

#include "graph/build.h"
#include "kernels/common/family.h"
#include "kernels/common/kernel_arguments.h"
#include "testing/driver/plans.h"
#include "testing/driver/run_dispatch.h"
#include "testing/reference/reference.h"

namespace nxv::kernels {
namespace {

using ir::Value;
using nxv::testing::Argument;

struct Range {
  uint32_t begin = 0, end = 0;
};
struct Words {
  uint32_t number = 0;
  Divisor divisor;
  RealWord real;
  Range range;
};
struct Layout {
  uint32_t factor = 1;
  Choice<DType> type = DType::u32;
  Choice<bool> adds = false;
};

// A region of two operands and two roots that may fault, with words of its own.
Region make_region() {
  const auto owner = host_graveyard();
  const auto node = [&] { return parameter(owner, DType::u32); };
  Region region;
  region.add_root(node(), -1);
  region.add_root(node(), -1);
  region.operands.resize(2);
  for (Operand& operand : region.operands) operand.node = node();
  region.faults = {Op::quotient};
  region.words = {100, 7};
  region.key = "region";
  return region;
}

constexpr ArgumentOptions kOptions = {.workspaces = 2};

// Of everything that it is passed, something comes out.
ir::Kernel generate(const Region& region, const Target&, const Layout& layout) {
  ir::Builder b("arguments");
  const KernelArguments arguments(b, region, kWordsOf<Words>, kOptions);
  const auto words = arguments.words_as<Words>();
  const Value one = b.u32(1), zero = b.u32(0);
  const auto load = [&](Value buffer) { return b.load(buffer, zero, ir::kU32); };
  uint32_t next = 0;
  const auto put = [&](Value v) { b.store(arguments.output(), b.u32(next++), v); };
  b.store(arguments.output(1), zero, b.u32(50));
  for (int i = 0; i < 2; ++i) put(load(arguments.operand(i)));
  put(load(arguments.workspace(0)) * layout.factor);
  put(words[&Words::number]);
  put(words.divide(b.u32(100), &Words::divisor));
  put(words.modulo(b.u32(100), &Words::divisor));
  put(b.bitcast(words[&Words::real] * 4.0, ir::kU32));
  put(words[&Words::range][&Range::end]);
  put(arguments.region_words()[1] + arguments.zero());
  b.store(arguments.workspace(1), zero, one);
  arguments.fault(Op::quotient, one == 1u, b.u32(5));
  return b.finish();
}

constexpr Family<Layout> kFamily = {"arguments", generate};

TEST(Arguments, ArePackedAsTheyAreDeclared) {
  const Region region = make_region();
  const plan::DevicePlan plan = discrete_plan();
  Launch d = launch_of(kFamily, region, make_target(plan), Layout{},
                       Words{3, Divisor(7), RealWord(0.5), {20, 30}});
  d.workspaces = {reads(2), writes(0)};
  const std::vector<std::string> operands = {"in0", "in1"}, outputs = {"out", "out1"},
                                 workspaces = {"work1", "?", "work0"};
  std::vector<std::string> names;
  std::vector<uint32_t> words;
  std::string touched;
  pack_arguments(
      d, LaunchBuffers<std::string>{operands, outputs, "fault", workspaces}, region.words,
      [&](const std::string& name, uint64_t offset, bool is_read, bool is_written) {
        EXPECT_EQ(offset, 0u);
        names.push_back(name);
        touched += is_read && is_written ? 'u' : is_read ? 'r' : is_written ? 'w' : '-';
      },
      [&](std::span<const uint32_t> run) { words.insert(words.end(), run.begin(), run.end()); });
  EXPECT_EQ(touched, "rrwwurw");
  for (size_t i = 0; i < words.size(); ++i) names.push_back("w" + std::to_string(i));
  names.emplace_back("zero");
  std::vector<std::string> declared;
  for (const ir::Param& p : d.generate(region).params) declared.push_back(p.name);
  EXPECT_EQ(names, declared);
}

TEST(Arguments, KernelsReadWhatHostsWrite) {
  const Region region = make_region();
  const plan::DevicePlan plan = discrete_plan();
  Launch d = launch_of(kFamily, region, make_target(plan), Layout{.factor = 10},
                       Words{3, Divisor(7), RealWord(0.5), {20, 30}});
  d.workspaces = {reads(1), writes(0)};
  std::vector<uint32_t> in0 = {11}, in1 = {12}, out(9), other(1), fault = {~0u}, a(1), b = {13};
  const std::vector operands = {Argument::buffer(in0), Argument::buffer(in1)};
  const std::vector outputs = {Argument::buffer(out), Argument::buffer(other)};
  const std::vector workspaces = {Argument::buffer(a), Argument::buffer(b)};
  nxv::testing::run_dispatch(d, d.generate(region),
                             {operands, outputs, Argument::buffer(fault), workspaces},
                             region.words);
  EXPECT_EQ(out, (std::vector<uint32_t>{11, 12, 130, 3, 14, 2, 0x40000000, 30, 7}));
  EXPECT_EQ(other[0], 50u);
  EXPECT_EQ(fault[0], 5u);
  EXPECT_EQ(a[0], 1u);
}

TEST(Families, KeysNameLayoutAndRegion) {
  const Region region = make_region();
  Region other = make_region();
  other.key = "another";
  constexpr Family<Layout> kOther = {"argument", generate};
  const std::vector<std::string> keys = {
      key_of(kFamily, {}, region),
      key_of(kFamily, {.factor = 2}, region),
      key_of(kFamily, {.type = DType::s32}, region),
      key_of(kFamily, {.adds = true}, region),
      key_of(kFamily, {}, other),
      key_of(kOther, {}, region),
  };
  for (size_t i = 0; i < keys.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(keys[i], keys[j]) << i << ", " << j;
  }
  EXPECT_EQ(keys[0], key_of(kFamily, {}, make_region()));
}

}  // namespace
}  // namespace nxv::kernels
