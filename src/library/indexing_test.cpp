// What indexing operations build and refuse, without a device.
#include <gtest/gtest.h>

#include <array>

#include "graph/build.h"
#include "library/registry.h"
#include "testing/reference/reference.h"

namespace nxv::library {
namespace {

class Indexing : public ::testing::Test {
 protected:
  NodeRef numbers(DType type, Shape shape, std::vector<int64_t> list = {}) {
    HostTensor t(type, shape);
    for (int64_t i = 0; i < t.count(); ++i) {
      t.set(i, make_scalar(type, list.empty() ? i : list[static_cast<size_t>(i)]));
    }
    return host_value(owner_, type, std::move(shape), std::move(t.bytes));
  }
  NodeRef s32(Shape shape, std::vector<int64_t> list = {}) {
    return numbers(DType::s32, std::move(shape), std::move(list));
  }
  // The same values, which the host does not know.
  static NodeRef computed(const NodeRef& x) { return elementwise(Op::bitwise_or, {x, x}); }

  static NodeRef call(const char* name, std::vector<NodeRef> operands,
                      std::vector<Option> options = {}) {
    return library::call(name, operands, options)[0];
  }
  static std::vector<int64_t> values(const NodeRef& node) {
    const HostTensor t = reference_evaluate(*node);
    std::vector<int64_t> list;
    for (int64_t i = 0; i < t.count(); ++i) list.push_back(to_int64(t.at(i)));
    return list;
  }
  static std::string refusal(Status status, const char* name, std::vector<NodeRef> operands,
                             std::vector<Option> options = {}) {
    try {
      call(name, std::move(operands), std::move(options));
    } catch (const Error& e) {
      EXPECT_EQ(e.status(), status) << e.what();
      return e.what();
    }
    ADD_FAILURE() << name << " threw nothing";
    return "";
  }

  GraveyardRef owner_ = host_graveyard();
};

using List = std::vector<int64_t>;

// The engine drops the inputs of what is no part of a function, at any time.
TEST_F(Indexing, OperandsThatAreNoFunctionsAreNotLookedInto) {
  const NodeRef x = reshape(computed(s32({8})), {2, 4});
  std::vector<NodeRef>().swap(x->inputs);
  EXPECT_EQ(call("put_slice", {x, s32({1, 2}), s32({}), s32({})})->shape, (Shape{2, 4}));
  EXPECT_EQ(call("indexed_put", {x, s32({1, 2}), s32({1})})->shape, (Shape{2, 4}));
  EXPECT_EQ(call("indexed_add", {x, s32({1, 2}), s32({1})})->shape, (Shape{2, 4}));
}

TEST_F(Indexing, IndicesOutOfBoundsAreNamedAsNxDoes) {
  const Option first{"axes", {0}, {}}, second{"axes", {1}, {}};
  EXPECT_EQ(refusal(Status::out_of_bounds, "gather", {s32({2, 2}), s32({1, 1}, {3})}, {first}),
            "index 3 is out of bounds for axis 0 in shape {2, 2}");
  // Axes are moved to the front first.
  EXPECT_EQ(refusal(Status::out_of_bounds, "gather", {s32({2, 3}), s32({1, 1}, {-1})}, {second}),
            "index -1 is out of bounds for axis 0 in shape {3, 2}");
  EXPECT_EQ(
      refusal(Status::out_of_bounds, "gather",
              {s32({2, 3}), numbers(DType::u64, {2, 2}, {1, 2, 0, -1})}, {{"axes", {0, 1}, {}}}),
      "index 18446744073709551615 is out of bounds for axis 1 in shape {2, 3}");
  for (const char* name : {"indexed_add", "indexed_put"}) {
    EXPECT_EQ(
        refusal(Status::out_of_bounds, name, {s32({2, 2}), s32({1, 1}, {2}), s32({1, 2})}, {first}),
        "index 2 is out of bounds for axis 0 in shape {2, 2}");
  }
  EXPECT_EQ(
      refusal(Status::out_of_bounds, "take", {s32({2, 3}), s32({2}, {0, 7})}, {{"axis", {1}, {}}}),
      "index 7 is out of bounds for axis 0 in shape {3, 2}");
  EXPECT_EQ(refusal(Status::out_of_bounds, "take_along_axis", {s32({2, 3}), s32({2, 1}, {0, 7})},
                    {{"axis", {1}, {}}}),
            "index 7 is out of bounds for axis 1 in shape {2, 3}");
  EXPECT_EQ(refusal(Status::out_of_bounds, "take",
                    {s32({2}), constant(owner_, make_scalar(DType::s8, int64_t{-3}), {4})}),
            "index -3 is out of bounds for axis 0 in shape {2}");
}

TEST_F(Indexing, ShapesThatDoNotFit) {
  EXPECT_EQ(
      refusal(Status::size_mismatch, "gather", {s32({2, 3}), s32({4, 2})}, {{"axes", {0}, {}}}),
      "gather: the last axis of the indices has one integer for each of 1 axes, got s32{4, 2}");
  EXPECT_EQ(refusal(Status::invalid_argument, "gather", {s32({2, 3}), numbers(DType::f32, {4, 1})},
                    {{"axes", {0}, {}}}),
            "gather: indices must be integers, got f32{4, 1}");
  EXPECT_EQ(refusal(Status::invalid_argument, "gather", {s32({2, 3}), s32({1, 2}, {0, 0})},
                    {{"axes", {1, 0}, {}}}),
            "gather: the axes must ascend, got {1, 0}");
  EXPECT_EQ(refusal(Status::size_mismatch, "indexed_add",
                    {s32({2, 3}), s32({4, 1}, {0, 0, 1, 1}), s32({4, 2})}, {{"axes", {0}, {}}}),
            "indexed_add: indices s32{4, 1} into s32{2, 3} take updates of shape {4, 3}, got "
            "s32{4, 2}");
  EXPECT_EQ(refusal(Status::size_mismatch, "take_along_axis", {s32({2, 3}), s32({1, 3})},
                    {{"axis", {1}, {}}}),
            "take_along_axis: the shapes must be equal but along axis 1, got s32{2, 3} and "
            "s32{1, 3}");
  EXPECT_EQ(refusal(Status::size_mismatch, "put_slice", {s32({2}), s32({3}), s32({}, {0})}),
            "put_slice: s32{3} does not fit in s32{2}");
  EXPECT_EQ(refusal(Status::invalid_argument, "slice_at", {s32({2, 3}), s32({}, {0})},
                    {{"lengths", {1, 1}, {}}}),
            "slice_at: takes a start for each axis of s32{2, 3}, got 1");
  EXPECT_EQ(refusal(Status::invalid_argument, "bitcast", {s32({2})},
                    {{"type", {static_cast<int64_t>(DType::f64)}, {}}}),
            "bitcast: s32{2} is not f64 with the same bits: both must be real and equally wide");
}

// A start that the host knows makes a view.
TEST_F(Indexing, KnownStartsAreFree) {
  const Option lengths{"lengths", {2, 3}, {}};
  const NodeRef x = s32({4, 3});
  EXPECT_EQ(call("slice_at", {x, s32({}, {9}), computed(s32({}, {1}))}, {lengths})->op, Op::slice);
  const NodeRef dynamic = call("slice_at", {x, computed(s32({}, {9})), s32({}, {1})}, {lengths});
  EXPECT_EQ(dynamic->op, Op::gather);
  EXPECT_EQ(values(dynamic), (List{6, 7, 8, 9, 10, 11}));
}

TEST_F(Indexing, StartsAreClampedInEveryType) {
  const NodeRef x = s32({300});
  const Option lengths{"lengths", {2}, {}};
  const auto at = [&](DType type, int64_t start) {
    const auto known = values(call("slice_at", {x, numbers(type, {}, {start})}, {lengths}));
    EXPECT_EQ(values(call("slice_at", {x, computed(numbers(type, {}, {start}))}, {lengths})), known)
        << name(type) << start;
    return known[0];
  };
  EXPECT_EQ(at(DType::u8, 255), 255);
  EXPECT_EQ(at(DType::s8, -1), 0);
  EXPECT_EQ(at(DType::u2, 3), 3);
  EXPECT_EQ(at(DType::s16, 299), 298);
  EXPECT_EQ(at(DType::u32, -1), 298);
  EXPECT_EQ(at(DType::u64, -1), 298);
  EXPECT_EQ(at(DType::u64, int64_t{1} << 32), 298);
  EXPECT_EQ(at(DType::s64, int64_t{1} << 32), 298);
  EXPECT_EQ(at(DType::s64, -(int64_t{1} << 32)), 0);
}

TEST_F(Indexing, PutSliceWherever) {
  for (const bool known : {true, false}) {
    const auto start = [&](int64_t v) {
      const NodeRef n = s32({}, {v});
      return known ? n : computed(n);
    };
    const NodeRef x = s32({3, 4}), part = s32({2, 2}, {-1, -2, -3, -4});
    EXPECT_EQ(values(call("put_slice", {x, part, start(1), start(7)})),
              (List{0, 1, 2, 3, 4, 5, -1, -2, 8, 9, -3, -4}));
    EXPECT_EQ(values(call("put_slice", {x, s32({3, 1}, {7, 7, 7}), start(1), start(-7)})),
              (List{7, 1, 2, 3, 7, 5, 6, 7, 7, 9, 10, 11}));
    EXPECT_EQ(values(call("put_slice", {x, s32({3, 4}, List(12, 5)), start(1), start(1)})),
              List(12, 5));
    EXPECT_EQ(values(call("put_slice", {s32({}), s32({}, {8})})), (List{8}));
  }
}

TEST_F(Indexing, AxesInTheMiddle) {
  const NodeRef x = s32({2, 3, 2});
  for (const bool known : {true, false}) {
    const auto indices = [&](Shape shape, List list) {
      const NodeRef n = s32(std::move(shape), std::move(list));
      return known ? n : computed(n);
    };
    const Option middle{"axes", {1}, {}}, outer{"axes", {0, 2}, {}};
    EXPECT_EQ(values(call("gather", {x, indices({2, 1}, {2, 0})}, {middle})),
              (List{4, 5, 10, 11, 0, 1, 6, 7}));
    EXPECT_EQ(values(call("gather", {x, indices({2}, {1, 0})}, {outer})), (List{6, 8, 10}));
    EXPECT_EQ(values(call("take", {x, indices({1, 2}, {2, 0})}, {{"axis", {1}, {}}})),
              (List{4, 5, 0, 1, 10, 11, 6, 7}));
    EXPECT_EQ(
        values(call("take_along_axis", {x, indices({2, 1, 2}, {2, 0, 1, 1})}, {{"axis", {1}, {}}})),
        (List{4, 1, 8, 9}));
    // Of two updates of one place the last stays, and both are added.
    const NodeRef updates = s32({2, 3}, {100, 200, 300, 400, 500, 600});
    EXPECT_EQ(values(call("indexed_put", {x, indices({2, 2}, {1, 0, 1, 0}), updates}, {outer})),
              (List{0, 1, 2, 3, 4, 5, 400, 7, 500, 9, 600, 11}));
    EXPECT_EQ(values(call("indexed_add", {x, indices({2, 2}, {1, 0, 1, 0}), updates}, {outer})),
              (List{0, 1, 2, 3, 4, 5, 506, 7, 708, 9, 910, 11}));
  }
}

TEST_F(Indexing, TypesMerge) {
  const NodeRef x = numbers(DType::u8, {3}), indices = s32({1, 1}, {0});
  const NodeRef updates = numbers(DType::f16, {1});
  EXPECT_EQ(call("indexed_add", {x, indices, updates})->dtype, DType::f16);
  EXPECT_EQ(call("indexed_put", {x, indices, updates})->dtype, DType::f16);
  EXPECT_EQ(call("put_slice", {x, updates, s32({}, {0})})->dtype, DType::f16);
  EXPECT_EQ(call("gather", {x, numbers(DType::u64, {1, 1}, {2})})->dtype, DType::u8);
}

TEST_F(Indexing, BitcastKeepsTheBits) {
  const auto as = [&](DType from, int64_t value, DType to) {
    return reference_evaluate(*call("bitcast", {numbers(from, {}, {value})},
                                    {{"type", {static_cast<int64_t>(to)}, {}}}))
        .at(0);
  };
  EXPECT_EQ(to_int64(as(DType::u2, 3, DType::s2)), -1);
  EXPECT_EQ(to_int64(as(DType::s4, -3, DType::u4)), 13);
  EXPECT_EQ(to_double(as(DType::u8, 0x3c, DType::f8_e5m2)), 1.0);
  EXPECT_EQ(to_double(as(DType::s16, 0x3c00, DType::f16)), 1.0);
  EXPECT_EQ(to_int64(as(DType::f32, 1, DType::u32)), 0x3f800000);
  EXPECT_EQ(to_int64(as(DType::f64, 1, DType::s64)), 0x3ff0000000000000);
}

}  // namespace
}  // namespace nxv::library
