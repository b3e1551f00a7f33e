// Walks the opcode table, with a kernel for every type that each row admits.
#include "ir/opcode_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "ir/passes/legalize_int64.h"
#include "ir/passes/simplify.h"
#include "ir/passes/verify.h"
#include "ir/type_rules.h"
#include "spirv/translate.h"
#include "testing/corpus/opcode_samples.h"
#include "testing/driver/spirv_validate.h"

namespace nxv::ir {
namespace {

using testing::OpcodeSample;

class OpcodeRow : public ::testing::TestWithParam<int> {
 protected:
  Opcode op() const { return static_cast<Opcode>(GetParam()); }
  const OpcodeInfo& row() const { return info(op()); }
  std::vector<OpcodeSample> samples() const {
    std::vector<OpcodeSample> all = testing::opcode_samples(op());
    EXPECT_FALSE(all.empty()) << "no type is admitted";
    return all;
  }
};

INSTANTIATE_TEST_SUITE_P(Table, OpcodeRow, ::testing::Range(0, kOpcodeCount), [](const auto& info) {
  return std::string(name(static_cast<Opcode>(info.param)));
});

TEST_P(OpcodeRow, IsPrintedWithItsOperands) {
  for (const OpcodeSample& s : samples()) {
    const Inst& inst = s.kernel.body[s.inst];
    ASSERT_EQ(inst.op, op());
    const std::string text = to_string(s.kernel, s.inst);
    EXPECT_EQ(text.starts_with("%"), defines_value(op()) || op() == Opcode::var_decl) << text;
    for (int i = 0; i < operand_count(inst); ++i) {
      const Inst& operand = s.kernel.body[inst.args[static_cast<size_t>(i)]];
      if (info(operand.op).family == Family::value) continue;  // printed by what they are
      const std::string id = "%" + std::to_string(inst.args[static_cast<size_t>(i)]);
      EXPECT_NE(text.find(id), std::string::npos) << text;
    }
  }
}

// What the row does not admit is refused, of the result and of each operand.
TEST_P(OpcodeRow, IsVerified) {
  const std::vector<Type> types = testing::all_types();
  for (const OpcodeSample& s : samples()) {
    EXPECT_NO_THROW(verify(s.kernel)) << s.name;
    const Inst& inst = s.kernel.body[s.inst];
    for (const Type t : types) {
      if (check(row().result, t).is_kept) continue;
      Kernel broken = s.kernel;
      broken.body[s.inst].type = t;
      EXPECT_THROW(verify(broken), Error) << s.name << " of type " << to_string(t);
    }
    Kernel broken = s.kernel;
    const auto count = static_cast<size_t>(operand_count(inst));
    if (count < 4) {
      broken.body[s.inst].args[count] = 0;
      EXPECT_THROW(verify(broken), Error) << s.name << " with an operand more";
    }
    if (count > 0) {
      broken = s.kernel;
      broken.body[s.inst].args[count - 1] = kNone;
      EXPECT_THROW(verify(broken), Error) << s.name << " with an operand less";
    }
    for (size_t i = 0; i < count; ++i) {
      for (uint32_t other = 0; other < s.inst; ++other) {
        const Type t = s.kernel.body[other].type, first = s.kernel.body[inst.args[0]].type;
        if (check(row().operands.rules[i], t, inst.type, i == 0 ? t : first).is_kept) continue;
        broken = s.kernel;
        broken.body[s.inst].args[i] = other;
        EXPECT_THROW(verify(broken), Error) << s.name << " of %" << other;
      }
    }
  }
}

TEST_P(OpcodeRow, IsValidSpirv) {
  std::string complaints;
  for (const OpcodeSample& s : samples()) {
    complaints = testing::validate_spirv(spirv::translate(s.kernel));
    EXPECT_EQ(complaints, "") << s.name << "\n" << to_string(s.kernel);
    if (!complaints.empty()) return;
  }
}

// Whatever a pass makes of a sample leaves the same bytes behind.
TEST_P(OpcodeRow, IsInterpretedAlikeAfterEachPass) {
  for (const OpcodeSample& s : samples()) {
    const std::vector<std::byte> expected = run_sample(s, s.kernel);
    EXPECT_FALSE(expected.empty()) << s.name;
    const Kernel simple = simplify(s.kernel);
    verify(simple);
    EXPECT_EQ(run_sample(s, simple), expected) << s.name << "\n" << to_string(simple);

    if (op() == Opcode::param && is_64_bit(s.kernel.body[s.inst].type) &&
        s.kernel.body[s.inst].type.lanes == 4) {
      continue;  // has no 32-bit form
    }
    const Kernel legal = legalize_int64(s.kernel);
    EXPECT_FALSE(requirements(legal).int64) << s.name;
    EXPECT_EQ(run_sample(s, legal), expected) << s.name << "\n" << to_string(legal);
    EXPECT_EQ(testing::validate_spirv(spirv::translate(legal)), "") << s.name;
    if (HasFailure()) return;
  }
}

TEST_P(OpcodeRow, IsMergedAndDroppedAsItsEffectAllows) {
  const OpcodeSample s = samples().front();
  if (info(op()).effect >= Effect::opens) return;  // half a body is no kernel
  Kernel twice = s.kernel;
  const auto count = [&](const Kernel& k) {
    return std::count_if(k.body.begin(), k.body.end(), [&](const Inst& i) { return i.op == op(); });
  };
  // Again right behind itself, unused: operands of what follows move on by one.
  twice.body.insert(twice.body.begin() + s.inst + 1, twice.body[s.inst]);
  for (size_t i = s.inst + 2; i < twice.body.size(); ++i) {
    for (uint32_t& arg : twice.body[i].args) {
      if (arg != kNone && arg > s.inst) ++arg;
    }
  }
  verify(twice);
  const auto before = count(simplify(s.kernel));
  const bool stays = !may_merge(op()) && !may_drop(op());
  EXPECT_EQ(count(simplify(twice)), before + (stays ? 1 : 0));
}

TEST(OpcodeTable, NamesDiffer) {
  std::set<std::string_view> names;
  for (const OpcodeInfo& row : kOpcodes) EXPECT_TRUE(names.insert(row.name).second) << row.name;
}

TEST(OpcodeTable, EffectsFit) {
  for (int i = 0; i < kOpcodeCount; ++i) {
    const auto op = static_cast<Opcode>(i);
    const OpcodeInfo& row = info(op);
    const bool writes = row.effect == Effect::writes || row.effect == Effect::exchanges;
    EXPECT_TRUE(!writes || memory(op) != Memory::none) << row.name << " writes nowhere";
    EXPECT_TRUE(row.effect != Effect::reads || memory(op) != Memory::none) << row.name;
    EXPECT_TRUE(row.effect != Effect::none || memory(op) == Memory::none) << row.name;
    const bool is_marker = row.family == Family::control || row.effect == Effect::orders;
    EXPECT_EQ(row.result == Result::none, is_marker) << row.name;
    EXPECT_FALSE(may_merge(op) && !may_drop(op)) << row.name;
  }
}

}  // namespace
}  // namespace nxv::ir
