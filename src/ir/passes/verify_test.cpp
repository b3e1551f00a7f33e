#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "ir/builder.h"
#include "ir/passes/verify.h"

namespace nxv::ir {
namespace {

// A kernel under construction without the builder's own checks. Values: 0 u32 1, 1 f32 2,
// 2 boolean true, 3 the buffer `in` (read), 4 the buffer `out` (write), 5 u32x2 of 1.
class Draft {
 public:
  Draft() {
    kernel.name = "draft";
    kernel.params = {{"in", kU64, true, Access::read}, {"out", kU64, true, Access::write}};
    kernel.shared = {{"tile", kF32, 8}, {"counts", kU32, 8}};
    add(Opcode::constant, kU32, {}, 1);
    add(Opcode::constant, kF32, {}, std::bit_cast<uint32_t>(2.0f));
    add(Opcode::constant, kBool, {}, 1);
    add(Opcode::param, kU64, {}, 0);
    add(Opcode::param, kU64, {}, 1);
    add(Opcode::constant, vec(kU32, 2), {}, 1);
  }

  uint32_t add(Opcode op, Type type, std::initializer_list<uint32_t> args = {}, uint64_t imm = 0) {
    Inst inst{op, type, {kNone, kNone, kNone, kNone}, imm};
    std::copy(args.begin(), args.end(), inst.args.begin());
    kernel.body.push_back(inst);
    return static_cast<uint32_t>(kernel.body.size() - 1);
  }

  // What the verifier says; empty when it accepts.
  std::string refusal() const {
    try {
      verify(kernel);
    } catch (const Error& e) {
      EXPECT_EQ(e.status(), Status::internal);
      return e.what();
    }
    return "";
  }

  Kernel kernel;
};

constexpr uint32_t kOne = 0, kTwo = 1, kTrue = 2, kIn = 3, kOut = 4, kPair = 5;

#define EXPECT_REFUSED(draft, part)                                                       \
  EXPECT_NE((draft).refusal().find(part), std::string::npos) << (draft).refusal() << "\n" \
                                                             << to_string((draft).kernel)

struct Case {
  const char* name;
  const char* message;
  Opcode op;
  Type type;
  std::vector<uint32_t> args;
  uint64_t imm = 0;
};

class VerifyInstruction : public ::testing::TestWithParam<Case> {};

TEST_P(VerifyInstruction, IsRefused) {
  const Case& c = GetParam();
  Draft d;
  ASSERT_EQ(d.refusal(), "");
  const uint32_t at = d.add(c.op, c.type, {}, c.imm);
  std::copy(c.args.begin(), c.args.end(), d.kernel.body[at].args.begin());
  EXPECT_REFUSED(d, c.message);
}

const Case kCases[] = {
    {"LaterOperand", "earlier instruction", Opcode::add, kU32, {kOne, 6}},
    {"MissingOperand", "earlier instruction", Opcode::add, kU32, {kOne}},
    {"ExtraOperand", "too many operands", Opcode::neg, kU32, {kOne, kOne}},
    {"OperandTypes", "must be of the same type", Opcode::add, kU32, {kOne, kTwo}},
    {"ResultType", "must be of the same type", Opcode::add, kS32, {kOne, kOne}},
    {"BufferAsValue", "a buffer as a value", Opcode::add, kU64, {kIn, kIn}},
    {"ValueAsBuffer", "does not name a buffer", Opcode::load, kF32, {kOne, kOne}},
    {"ValueAsVariable", "does not name a variable", Opcode::var_load, kU32, {kOne}},
    {"Lanes", "1, 2 or 4 lanes", Opcode::constant, {Scalar::u32, 3}, {}},
    {"HalfFloats", "cooperative matrices", Opcode::constant, {Scalar::f16}, {}},
    {"ConstantWidth", "bits beyond its type", Opcode::constant, kU32, {}, 1ull << 32},
    {"BooleanConstant", "bits beyond its type", Opcode::constant, kBool, {}, 2},
    {"NoParam", "names no param", Opcode::param, kU64, {}, 2},
    {"ParamType", "another type than its param", Opcode::param, kU32, {}, 0},
    {"NoBuiltin", "names no builtin", Opcode::builtin, kU32, {}, 99},
    {"BuiltinType", "must be u32 of one lane", Opcode::builtin, kS32, {}, 0},
    {"ArithmeticOnBooleans", "must be a number", Opcode::add, kBool, {kTrue, kTrue}},
    {"SqrtOfInteger", "must be a float", Opcode::sqrt, kU32, {kOne}},
    {"MulHiOfFloats", "must be a 32-bit integer", Opcode::mul_hi, kF32, {kTwo, kTwo}},
    {"FmaOfIntegers", "must be a float", Opcode::fma, kU32, {kOne, kOne, kOne}},
    {"BitsOfFloats", "must be an integer", Opcode::bit_and, kF32, {kTwo, kTwo}},
    {"ShiftByFloat", "operand 2 of type f32, which must be u32", Opcode::shl, kU32, {kOne, kTwo}},
    {"ShiftLanes", "u32 of one lane or as many", Opcode::shl, kU32, {kOne, kPair}},
    {"ClzOfFloat", "must be an unsigned integer", Opcode::clz, kU32, {kTwo}},
    {"CompareTypes", "must be of the first operand's type", Opcode::lt, kBool, {kOne, kTwo}},
    {"CompareResult", "must be boolean", Opcode::lt, kU32, {kOne, kOne}},
    {"CompareLanes", "of as many lanes", Opcode::lt, kBool, {kPair, kPair}},
    {"OrderOfBooleans", "must be a number", Opcode::lt, kBool, {kTrue, kTrue}},
    {"LogicalOnNumbers", "must be boolean", Opcode::logical_and, kU32, {kOne, kOne}},
    {"SelectOnNumber", "must be boolean", Opcode::select, kU32, {kOne, kOne, kOne}},
    {"SelectTypes", "operand 3 of type f32", Opcode::select, kU32, {kTrue, kOne, kTwo}},
    {"ConvertLanes", "of as many lanes", Opcode::convert, kF32, {kPair}},
    {"BitcastWidth", "of as many bits", Opcode::bitcast, kU64, {kOne}},
    {"BitcastBoolean", "must be a number", Opcode::bitcast, kU32, {kTrue}},
    {"PackOfOne", "must be a vector", Opcode::pack, kU32, {kOne}},
    {"PackTypes", "of the type of one lane", Opcode::pack, vec(kU32, 2), {kOne, kTwo}},
    {"ExtractLane", "names no lane", Opcode::extract, kU32, {kPair}, 2},
    {"ExtractType", "must be a vector of that type", Opcode::extract, kF32, {kPair}, 0},
    {"StoreToReadOnly", "read-only", Opcode::store, kU32, {kIn, kOne, kOne}},
    {"AtomicOnReadOnly", "read-only", Opcode::atomic_add, kU32, {kIn, kOne, kOne}},
    {"AtomicStoreToReadOnly", "read-only", Opcode::atomic_store, kU32, {kIn, kOne, kOne}},
    {"AtomicStoredType", "operand 3 of type u32", Opcode::atomic_store, kS32, {kOut, kOne, kOne}},
    {"AtomicLoadFromWriteOnly", "write-only", Opcode::atomic_load, kU32, {kOut, kOne}},
    {"AtomicLoadOfFloat", "must be u32 or s32", Opcode::atomic_load, kF32, {kIn, kOne}},
    {"LoadFromWriteOnly", "write-only", Opcode::load, kU32, {kOut, kOne}},
    {"LoadOfBoolean", "must be a number", Opcode::load, kBool, {kIn, kOne}},
    {"FloatIndex", "must be an index", Opcode::load, kU32, {kIn, kTwo}},
    {"StoredType", "operand 3 of type f32", Opcode::store, kU32, {kOut, kOne, kTwo}},
    {"AtomicOnFloat", "must be u32 or s32", Opcode::atomic_add, kF32, {kOut, kOne, kTwo}},
    {"NoSharedArray", "names no shared array", Opcode::shared_load, kF32, {kOne}, 2},
    {"SharedType", "than the shared array", Opcode::shared_load, kU32, {kOne}, 0},
    {"SharedIndex", "operand 1 of type f32", Opcode::shared_load, kF32, {kTwo}, 0},
    {"SharedStoredType", "operand 2 of type u32", Opcode::shared_store, kF32, {kOne, kOne}, 0},
    {"SharedAtomicStoredType",
     "operand 2 of type f32",
     Opcode::shared_atomic_add,
     kU32,
     {kOne, kTwo},
     1},
    {"SharedAtomicOnFloat", "must be u32 or s32", Opcode::shared_atomic_add, kF32, {kOne, kTwo}, 0},
    {"SharedAtomicIndex", "operand 1 of type f32", Opcode::shared_atomic_or, kU32, {kTwo, kOne}, 1},
    {"NoSharedArrayOfAtomic", "names no shared", Opcode::shared_atomic_min, kU32, {kOne, kOne}, 2},
    {"SubgroupSumOfBooleans", "must be a number", Opcode::subgroup_add, kBool, {kTrue}},
    {"ShuffleLane", "operand 2 of type f32", Opcode::subgroup_shuffle, kU32, {kOne, kTwo}},
    {"BallotOfNumber", "must be boolean", Opcode::subgroup_ballot, vec(kU32, 4), {kOne}},
    {"BallotType", "must be u32x4", Opcode::subgroup_ballot, kU32, {kTrue}},
    {"IfOnNumber", "must be boolean", Opcode::if_begin, kBool, {kOne}},
    {"MarkerType", "must be bool", Opcode::if_begin, kU32, {kTrue}},
    {"Unrolling", "unrolled in no known way", Opcode::loop_begin, kBool, {}, 2},
    {"IfNotClosed", "is never closed", Opcode::if_begin, kBool, {kTrue}},
    {"LoopNotClosed", "is never closed", Opcode::loop_begin, kBool, {}},
    {"ElseOutsideIf", "not inside an if", Opcode::if_else, kBool, {}},
    {"EndOutsideIf", "not inside an if", Opcode::if_end, kBool, {}},
    {"EndOutsideLoop", "not inside a loop", Opcode::loop_end, kBool, {}},
    {"BreakOutsideLoop", "not directly inside a loop", Opcode::break_if, kBool, {kTrue}},
};

INSTANTIATE_TEST_SUITE_P(Rules, VerifyInstruction, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Verify, ValuesDefinedInABodyStayInside) {
  for (const bool leaves_branch : {false, true}) {
    Draft d;
    d.add(Opcode::if_begin, kBool, {kTrue});
    const uint32_t inside = d.add(Opcode::add, kU32, {kOne, kOne});
    d.add(Opcode::mul, kU32, {inside, kOne});
    if (leaves_branch) {
      d.add(Opcode::if_else, kBool);
      d.add(Opcode::neg, kU32, {inside});
      d.add(Opcode::if_end, kBool);
    } else {
      d.add(Opcode::if_end, kBool);
      d.add(Opcode::neg, kU32, {inside});
    }
    EXPECT_REFUSED(d, "outside of the body that defines it");
  }
}

TEST(Verify, VariablesCrossBodies) {
  Draft d;
  const uint32_t v = d.add(Opcode::var_decl, kU32);
  d.add(Opcode::loop_begin, kBool);
  d.add(Opcode::var_store, kU32, {v, kOne});
  d.add(Opcode::break_if, kBool, {kTrue});
  d.add(Opcode::loop_end, kBool);
  d.add(Opcode::var_load, kU32, {v});
  EXPECT_EQ(d.refusal(), "");
  d.add(Opcode::neg, kU32, {v});
  EXPECT_REFUSED(d, "a variable as a value");
}

TEST(Verify, StoresDefineNoValue) {
  Draft d;
  const uint32_t stored = d.add(Opcode::store, kU32, {kOut, kOne, kOne});
  d.add(Opcode::neg, kU32, {stored});
  EXPECT_REFUSED(d, "defines no value");
}

TEST(Verify, MarkersNest) {
  Draft crossed;
  crossed.add(Opcode::loop_begin, kBool);
  crossed.add(Opcode::if_begin, kBool, {kTrue});
  crossed.add(Opcode::loop_end, kBool);
  EXPECT_REFUSED(crossed, "not inside a loop");

  Draft twice;
  twice.add(Opcode::if_begin, kBool, {kTrue});
  twice.add(Opcode::if_else, kBool);
  twice.add(Opcode::if_else, kBool);
  EXPECT_REFUSED(twice, "second else");
}

TEST(Verify, LoopsHaveABreakOutsideOfIfs) {
  Draft nested;
  nested.add(Opcode::loop_begin, kBool);
  nested.add(Opcode::if_begin, kBool, {kTrue});
  nested.add(Opcode::break_if, kBool, {kTrue});
  EXPECT_REFUSED(nested, "not directly inside a loop");

  Draft endless;
  endless.add(Opcode::loop_begin, kBool);
  endless.add(Opcode::loop_end, kBool);
  EXPECT_REFUSED(endless, "without a break_if");
}

TEST(Verify, Declarations) {
  Draft size;
  size.kernel.local_size = 0;
  EXPECT_REFUSED(size, "workgroup is empty");
  Draft param;
  param.kernel.params.push_back({"flag", kBool});
  EXPECT_REFUSED(param, "param flag");
  Draft shared;
  shared.kernel.shared.push_back({"none", kF32, 0});
  EXPECT_REFUSED(shared, "shared array none");
}

TEST(Verify, NoSpecialFloatLiteralsInArithmetic) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  for (const Type type : {kF32, kF64, vec(kF32, 4)}) {
    for (const double literal : {0.0, -0.0, kInf, -kInf, kNaN}) {
      for (Opcode op : {Opcode::add, Opcode::sub, Opcode::mul, Opcode::div, Opcode::rem,
                        Opcode::min, Opcode::max}) {
        Builder b("literal");
        const Value v = b.load(b.buffer("in", Access::read), b.u32(0), type);
        b.binary(op, v, b.number(type, literal));
        EXPECT_THROW(b.finish(), Error) << to_string(type) << " " << name(op) << " " << literal;
      }
      for (Opcode op : {Opcode::neg, Opcode::sqrt, Opcode::abs, Opcode::floor}) {
        Builder b("literal");
        b.unary(op, b.number(type, literal));
        EXPECT_THROW(b.finish(), Error);
      }
      Builder b("fma");
      const Value v = b.load(b.buffer("in", Access::read), b.u32(0), type);
      b.fma(v, v, b.number(type, literal));
      EXPECT_THROW(b.finish(), Error);
    }
  }
}

TEST(Verify, NoRoundingOfF64) {
  for (Opcode op : {Opcode::floor, Opcode::ceil, Opcode::trunc, Opcode::round_even}) {
    Builder b("rounds");
    b.unary(op, b.load(b.buffer("in", Access::read), b.u32(0), kF64));
    EXPECT_THROW(b.finish(), Error) << name(op);
  }
}

TEST(Verify, LiteralsAreSeenThroughCastsAndVectors) {
  Builder cast("cast");
  cast.f32(2) + cast.bitcast(cast.u32(0), kF32);
  EXPECT_THROW(cast.finish(), Error);
  Builder packed("pack");
  const Value zero = packed.f32(0);
  packed.unary(Opcode::neg, packed.pack({packed.f32(1), zero}));
  EXPECT_THROW(packed.finish(), Error);
}

TEST(Verify, SpecialLiteralsMayBeComparedSelectedAndStored) {
  Builder b("moves");
  const Value out = b.buffer("out", Access::read_write);
  const Value v = b.load(out, b.u32(0), kF32);
  b.store(out, b.u32(0), b.select(v == b.f32(0), b.f32(-0.0f), v * 2.0f + b.zero(kF32)));
  EXPECT_NO_THROW(b.finish());
}

TEST(Verify, MatricesAreNoNumbers) {
  constexpr Type kA = factor(Scalar::f16, Matrix::a), kB = factor(Scalar::f16, Matrix::b);
  Draft d;
  d.kernel.shared.push_back({"slab", vec(kU32, 4), 64});
  const uint32_t sum = d.add(Opcode::matrix_fill, kAccumulator, {kTwo});
  const uint32_t a = d.add(Opcode::matrix_load, kA, {kOne, kOne}, matrix_place(2, false));
  const uint32_t b = d.add(Opcode::matrix_load, kB, {kOne, kOne}, matrix_place(2, true));
  d.add(Opcode::matrix_multiply_add, kAccumulator, {a, b, sum});
  d.add(Opcode::matrix_store, kAccumulator, {kOne, kOne, sum}, matrix_place(2, false));
  ASSERT_EQ(d.refusal(), "");
  const auto refused = [&](Opcode op, Type type, std::initializer_list<uint32_t> args, uint64_t imm,
                           const char* part) {
    Draft bad = d;
    bad.add(op, type, args, imm);
    EXPECT_REFUSED(bad, part);
  };
  refused(Opcode::add, kAccumulator, {sum, sum}, 0, "cannot be a cooperative matrix");
  refused(Opcode::bitcast, kU32, {sum}, 0, "uses a cooperative matrix as a value");
  refused(Opcode::constant, {Scalar::f16}, {}, 0, "only cooperative matrices have");
  refused(Opcode::matrix_multiply_add, kAccumulator, {b, a, sum}, 0, "must be a factor a");
  refused(Opcode::matrix_multiply_add, kAccumulator, {a, a, sum}, 0, "must be a factor b");
  refused(Opcode::matrix_fill, kA, {kTwo}, 0, "must be an accumulator");
  refused(Opcode::matrix_load, factor(Scalar::f32, Matrix::a), {kOne, kOne}, 2, "wrong elements");
  refused(Opcode::matrix_load, factor(Scalar::f16, Matrix::a, 32), {kOne, kOne}, 2,
          "wrong elements");
  refused(Opcode::matrix_multiply_add, accumulator(Scalar::s32), {a, b, sum}, 0,
          "must be a factor a");
  refused(Opcode::matrix_load, kA, {kOne, kOne}, 3, "names no shared array");
}

TEST(Verify, ElementsOfMatrices) {
  constexpr Type kA = factor(Scalar::f16, Matrix::a);
  Draft d;
  d.kernel.subgroup_size = 32;
  const uint32_t sums = d.add(Opcode::var_decl, kAccumulator, {});
  const uint32_t a = d.add(Opcode::var_decl, kA, {});
  const uint32_t s = d.add(Opcode::element_load, kF32, {sums}, 7);
  d.add(Opcode::element_store, kF32, {a, s}, 7);
  ASSERT_EQ(d.refusal(), "");
  const auto refused = [&](Opcode op, Type type, std::initializer_list<uint32_t> args, uint64_t imm,
                           const char* part) {
    Draft bad = d;
    bad.add(op, type, args, imm);
    EXPECT_REFUSED(bad, part);
  };
  refused(Opcode::element_load, kF32, {sums}, 8, "names no element of an invocation");
  refused(Opcode::element_load, kF32, {a}, 0, "must be an accumulator of f32");
  refused(Opcode::element_store, kF32, {s, s}, 0, "does not name a variable");
  d.kernel.subgroup_size = 0;
  refused(Opcode::element_load, kF32, {sums}, 0, "names no element of an invocation");
}

TEST(Verify, NamesKernelAndInstruction) {
  Draft d;
  d.add(Opcode::add, kU32, {kOne, kTwo});
  EXPECT_REFUSED(d, "kernel draft: `%6 = add u32 1, 2` of type u32 has operand 2 of type f32");
}

}  // namespace
}  // namespace nxv::ir
