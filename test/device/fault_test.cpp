// Faults on the device: every operation that may fault, read in every way.
#include "graph/fault.h"

#include <gtest/gtest.h>

#include "library/registry.h"
#include "testing/corpus/fault_cases.h"
#include "testing/driver/engine_fixture.h"
#include "testing/numbers/agreement.h"

namespace nxv::runtime {
namespace {

std::string element(int64_t i) { return "at element " + std::to_string(i) + " of"; }

class Faults : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = open_or_null();
    if (!engine_) GTEST_SKIP() << "no Vulkan device here";
  }
  Failure failure(const NodeRef& node) { return read(*engine_, node).failure; }

  std::string check(Op op, const FaultReader& reader, const Shape& shape, int64_t bad) {
    const NodeRef node = reader.build(faulty(engine_->graveyard(), op, shape, bad));
    if (bad < 0) return difference(value(*engine_, node), reference_evaluate(*node));
    const Failure found = failure(node);
    const std::string place = element(reader.is_row ? bad / shape[1] : bad);
    const bool is_right = found.status == status_of(info(op).fault) &&
                          found.message.str().find(reason(info(op).fault)) == 0 &&
                          found.message.str().find(place) != std::string::npos;
    return is_right ? "" : "\"" + found.message.str() + "\"";
  }
  void check_all(Op op, const FaultReader& reader, const Shape& shape) {
    const int64_t count = element_count(shape);
    for (int64_t bad : {int64_t{-1}, int64_t{0}, count / 2, count - 1}) {
      EXPECT_EQ(check(op, reader, shape, bad), "") << name(op) << " read by " << reader.name << ", "
                                                   << to_string(shape) << ", element " << bad;
    }
  }

  std::shared_ptr<Engine> engine_;
};

// Takes turns with the operations: each kernel has to be compiled.
TEST_F(Faults, OfRowsOfAnyLength) {
  const std::vector<Op> ops = faulting_ops();
  const std::vector<FaultReader>& readers = fault_readers();
  for (int64_t columns : {1, 3, 4, 8, 13, 16, 17, 40, 5000}) {
    for (size_t r = 0; r < readers.size(); ++r) {
      check_all(ops[(static_cast<size_t>(std::bit_width(static_cast<uint64_t>(columns))) + r) %
                    ops.size()],
                readers[r], {3, columns});
    }
  }
}

// --gtest_also_run_disabled_tests --gtest_filter='*Long*'
TEST_F(Faults, DISABLED_LongRowsOfAnyLength) {
  for (const Op op : faulting_ops()) {
    for (const FaultReader& reader : fault_readers()) {
      for (int64_t columns = 1; columns <= 40; ++columns) {
        for (int64_t rows : {1, 3, 70}) check_all(op, reader, {rows, columns});
      }
    }
  }
}

TEST_F(Faults, AreToldApartInOneKernel) {
  const auto take = [](const NodeRef& x, const NodeRef& index) {
    return library::call("take", std::vector{x, index},
                         std::vector<library::Option>{{"axis", {0}, {}}})[0];
  };
  const auto computed = [&](const std::vector<int32_t>& list) {
    const NodeRef x = vector<int32_t>(*engine_, list);
    return elementwise(Op::bitwise_or, {x, x});
  };
  const NodeRef table = vector<int32_t>(*engine_, {3, 2, 0, 5});
  const auto quotient = [&](const std::vector<int32_t>& index) {
    return elementwise(Op::quotient, {computed({12, 12, 12}), take(table, computed(index))});
  };
  EXPECT_EQ(elements<int32_t>(*engine_, quotient({0, 1, 3})), (std::vector<int32_t>{4, 6, 2}));
  const Failure zero = failure(quotient({0, 2, 3}));
  EXPECT_EQ(zero.status, Status::arithmetic);
  EXPECT_EQ(zero.message,
            "integer division by zero in quotient at element 1 of a result of shape {3}");
  const Failure outside = failure(quotient({0, 1, 4}));
  EXPECT_EQ(outside.status, Status::out_of_bounds);
  EXPECT_EQ(outside.message,
            "index is out of bounds in gather at element 2 of a result of shape {3}");
  EXPECT_EQ(failure(quotient({2, 4, 0})).status, Status::arithmetic);
  EXPECT_EQ(failure(quotient({4, 2, 0})).status, Status::out_of_bounds);
  const auto shifted = [&](const std::vector<int32_t>& index, const std::vector<int32_t>& by) {
    return elementwise(Op::left_shift, {quotient(index), computed(by)});
  };
  EXPECT_EQ(failure(shifted({0, 2, 4}, {-1, 0, 0})).status, Status::negative_shift);
  EXPECT_EQ(failure(shifted({0, 2, 4}, {0, -1, 0})).status, Status::arithmetic);
  EXPECT_EQ(failure(shifted({0, 1, 4}, {0, 0, -1})).status, Status::out_of_bounds);
  const NodeRef sum = reduce(Op::sum, shifted({0, 1, 3}, {0, 0, -1}), {}, false);
  EXPECT_EQ(failure(sum).status, Status::negative_shift);
}

// What small reductions of indices that start below 0, or of a range that crosses 0, must not hide.
TEST_F(Faults, OfGeneratorsInSmallReductions) {
  const GraveyardRef owner = engine_->graveyard();
  const NodeRef x = iota(owner, DType::s32, {4}, 0);
  const NodeRef two = constant(owner, make_scalar(DType::s32, int64_t{2}), {});
  const NodeRef ratio = elementwise(Op::quotient, {x, elementwise(Op::subtract, {x, two})});
  EXPECT_EQ(failure(reduce(Op::sum, ratio, {}, false)).status, Status::arithmetic);
  const NodeRef table = iota(owner, DType::s32, {8, 4}, -1);
  const NodeRef index = elementwise(
      Op::subtract,
      {iota(owner, DType::u32, {2}, 0), constant(owner, make_scalar(DType::u32, int64_t{1}), {})});
  const NodeRef rows = library::call("take", std::vector{table, index},
                                     std::vector<library::Option>{{"axis", {0}, {}}})[0];
  EXPECT_EQ(failure(reduce(Op::sum, rows, {}, false)).status, Status::out_of_bounds);
}

TEST_F(Faults, OfScattersNameTheUpdate) {
  const NodeRef target = filled(*engine_, 6, 0);
  const NodeRef known = tensor<int32_t>(*engine_, {4, 1}, {0, 5, 6, -1});
  for (const char* name : {"indexed_add", "indexed_put"}) {
    const NodeRef x = library::call(
        name,
        std::vector{target, elementwise(Op::bitwise_or, {known, known}), filled(*engine_, 4, 1)},
        std::vector<library::Option>{})[0];
    EXPECT_EQ(failure(x).status, Status::out_of_bounds);
    EXPECT_EQ(failure(x).message,
              "index is out of bounds in " + std::string(name) + " at update 2");
  }
}

}  // namespace
}  // namespace nxv::runtime
