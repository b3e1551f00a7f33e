#include "ir/ops/emit.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"
#include "graph/build.h"

namespace nxv::ir {
namespace {

// Operands of the types with a result of the type that the graph gives it; none where it refuses.
std::optional<DType> type_of_result(Op op, const std::vector<DType>& types) {
  const auto owner = std::make_shared<Graveyard>();
  std::vector<NodeRef> operands;
  for (DType t : types) operands.push_back(parameter(owner, t));
  if (op == Op::bounded_index) return DType::s32;
  try {
    return elementwise(op, operands)->dtype;
  } catch (const Error&) {
    return std::nullopt;
  }
}

int faults(Op op, DType out, const std::vector<DType>& types) {
  Builder b("emit");
  std::vector<Number> operands;
  for (DType t : types) {
    std::vector<Value> words;
    for (int i = 0; i < scalar_words(t); ++i) {
      words.push_back(b.param(std::to_string(operands.size()) + "," + std::to_string(i), kU32));
    }
    operands.push_back(from_words(b, t, words));
  }
  int count = 0;
  EmitContext context;
  context.math.f64 = true;
  context.fault = [&](Value condition) {
    EXPECT_EQ(condition.type(), kBool);
    ++count;
  };
  emit(op, out, operands, context);
  return count;
}

TEST(Emit, FaultsWhereTheOpTableHasThem) {
  int found = 0;
  for (int i = 0; i < kOpCount; ++i) {
    const auto op = static_cast<Op>(i);
    if (info(op).fusion != Fusion::pointwise || info(op).arity != 2) continue;
    for (int a = 0; a < kDTypeCount; ++a) {
      for (int b = 0; b < kDTypeCount; ++b) {
        const std::vector<DType> types = {static_cast<DType>(a), static_cast<DType>(b)};
        const std::optional<DType> out = type_of_result(op, types);
        const bool is_index =
            op != Op::bounded_index || (is_integer(types[0]) && types[1] == DType::s32);
        if (!out || !is_index) continue;
        const bool may = fault_of(op, *out, types) != Fault::none;
        EXPECT_EQ(faults(op, *out, types), may ? 1 : 0)
            << name(op) << " of " << name(types[0]) << " and " << name(types[1]);
        found += may;
      }
    }
  }
  EXPECT_GT(found, 100);
}

TEST(Emit, EveryFaultHasAStatusAndAReason) {
  for (const OpInfo& row : kOps) {
    EXPECT_EQ(status_of(row.fault) == Status::ok, row.fault == Fault::none) << row.name;
    EXPECT_EQ(reason(row.fault).empty(), row.fault == Fault::none) << row.name;
    // Operands of other numbers are not asked for their type.
    EXPECT_TRUE(row.fault == Fault::none || row.fusion == Fusion::library || row.arity == 2)
        << row.name;
  }
}

}  // namespace
}  // namespace nxv::ir
