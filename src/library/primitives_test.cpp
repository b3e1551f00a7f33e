// What has a name, which options it takes, and that a name builds what its function builds.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "graph/build.h"
#include "library/registry.h"
#include "testing/reference/reference.h"

namespace nxv::library {
namespace {

class ByName : public ::testing::Test {
 protected:
  NodeRef tensor(DType type, Shape shape) { return iota(owner_, type, std::move(shape), -1); }
  NodeRef create(std::string_view name, const std::vector<Option>& options) {
    return call(name, owner_, {}, options).at(0);
  }
  std::string refusal(std::string_view name, const std::vector<NodeRef>& operands,
                      const std::vector<Option>& options = {}) {
    try {
      call(name, owner_, operands, options);
    } catch (const Error& e) {
      return e.what();
    }
    return "none";
  }
  const GraveyardRef owner_ = host_graveyard();
};

TEST_F(ByName, EveryOperationOfTheTableHasOne) {
  // Parts of other operations, values that callers give, and what calls functions.
  const std::set<Op> inner = {Op::data,        Op::bounded_index, Op::windows,  Op::scatter_add,
                              Op::last_update, Op::fold,          Op::scan,     Op::loop,
                              Op::branch,      Op::result,        Op::argument, Op::overwrite,
                              Op::last_slot};
  for (int i = 0; i < kOpCount; ++i) {
    const auto op = static_cast<Op>(i);
    EXPECT_EQ(find_row(name(op)) == nullptr, inner.count(op) == 1) << name(op);
  }
}

TEST_F(ByName, NamesAndOptionsAreDistinct) {
  std::set<std::string_view> names;
  size_t count = 0;
  for (const Row* found; (found = row_at(count)) != nullptr; ++count) {
    const Row& row = *found;
    EXPECT_EQ(find_row(row.name), found) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    std::set<std::string_view> options;
    for (const OptionRow& option : row.options) {
      EXPECT_TRUE(options.insert(option.name).second) << row.name << " " << option.name;
    }
  }
  EXPECT_EQ(count, row_count());
  EXPECT_TRUE(is_primitive(*find_row("add")));
  EXPECT_FALSE(is_primitive(*find_row("sort")));
}

TEST_F(ByName, BuildsWhatFunctionsBuild) {
  const NodeRef x = tensor(DType::s32, {2, 3}), y = tensor(DType::f32, {3});
  const std::vector<std::pair<NodeRef, NodeRef>> pairs = {
      {call("add", std::array{x, y}, {})[0], elementwise(Op::add, {x, y})},
      {call("sum", std::array{x},
            std::vector<Option>{{"axes", {-1}, {}}, {"keep_axes", {1}, {}}})[0],
       reduce(Op::sum, x, Axes{1}, true)},
      {call("all", std::array{x}, {})[0], reduce(Op::all, x, std::nullopt, false)},
      {call("transpose", std::array{x}, {})[0], transpose(x, {1, 0})},
      {call("reverse", std::array{x}, {})[0], reverse(x, {0, 1})},
      {call("squeeze", std::array{tensor(DType::u8, {1, 2, 1})}, {})[0],
       squeeze(tensor(DType::u8, {1, 2, 1}), {})},
      {call("pad", std::array{y, tensor(DType::f32, {})}, std::vector<Option>{{"low", {1}, {}}})[0],
       pad(y, tensor(DType::f32, {}), {{1}, {0}, {0}})},
      {call("matmul", std::array{x, y}, {})[0], matmul(x, y)},
      {create("iota", {{"shape", {2, 3}, {}}, {"axis", {-1}, {}}}),
       iota(owner_, DType::s32, {2, 3}, 1)},
      {create("constant", {{"value", {}, {1.5}}, {"type", {static_cast<int64_t>(DType::f64)}, {}}}),
       constant(owner_, make_scalar(DType::f64, 1.5), {})},
      {create("random_normal", {{"shape", {4}, {}}, {"seed", {-1}, {}}, {"mean", {}, {2.0}}}),
       random(owner_, Op::random_normal, DType::f32, {4}, {~uint64_t{0}, 0, 2.0, 1.0})},
  };
  for (size_t i = 0; i < pairs.size(); ++i) {
    EXPECT_EQ(pairs[i].first->dtype, pairs[i].second->dtype) << i;
    EXPECT_EQ(pairs[i].first->shape, pairs[i].second->shape) << i;
    EXPECT_EQ(reference_evaluate(*pairs[i].first).bytes, reference_evaluate(*pairs[i].second).bytes)
        << i;
  }
}

TEST_F(ByName, RefusesWhatItDoesNotTake) {
  const NodeRef x = tensor(DType::s32, {2, 3});
  EXPECT_EQ(refusal("sorted", {x}), "sorted: is not an operation of this library");
  EXPECT_EQ(refusal("sort", {x}, {{"axes", {0}, {}}}),
            "sort: has no option 'axes'; it takes axis, descending");
  EXPECT_EQ(refusal("add", {x, x}, {{"axis", {0}, {}}}),
            "add: has no option 'axis'; it takes none");
  EXPECT_EQ(refusal("sum", {x}, {{"axes", {}, {1.0}}}),
            "sum: option 'axes' takes integers, got reals");
  EXPECT_EQ(refusal("add", {x}), "add: takes 2 tensors, got 1");
  EXPECT_EQ(refusal("iota", {}), "iota: needs the option 'shape'");
  EXPECT_EQ(refusal("iota", {}, {{"shape", {2}, {}}, {"axis", {1}, {}}}),
            "iota: axis 1 is out of range");
  EXPECT_EQ(refusal("constant", {},
                    {{"value", {}, {1, 2}}, {"type", {static_cast<int64_t>(DType::f32)}, {}}}),
            "constant: a complex number is no element of f32");
  EXPECT_EQ(refusal("constant", {},
                    {{"value", {1, 2}, {}}, {"type", {static_cast<int64_t>(DType::f32)}, {}}}),
            "constant: option 'value' takes a number, or the two parts of a complex one");
  try {
    call("sort", {}, {});
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "sort: needs at least one tensor");
  }
}

}  // namespace
}  // namespace nxv::library
