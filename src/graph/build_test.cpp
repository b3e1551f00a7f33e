#include "graph/build.h"
#include "testing/reference/reference.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace nxv {
namespace {

class Build : public ::testing::Test {
 protected:
  NodeRef data(DType type, Shape shape) {
    const auto bytes = static_cast<size_t>(element_count(shape) * storage_bytes(type));
    return host_value(owner_, type, std::move(shape), std::vector<std::byte>(bytes));
  }
  NodeRef f32(Shape shape) { return data(DType::f32, std::move(shape)); }

  // The message of what `make` throws, which must have this status.
  static std::string refusal(Status status, const std::function<void()>& make) {
    try {
      make();
    } catch (const Error& e) {
      EXPECT_EQ(e.status(), status) << e.what();
      return e.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
  }

  GraveyardRef owner_ = host_graveyard();
};

TEST_F(Build, OperandsBroadcastAsInNumpy) {
  const NodeRef sum = elementwise(Op::add, {f32({4, 1, 3}), f32({2, 1})});
  EXPECT_EQ(sum->shape, (Shape{4, 2, 3}));
  EXPECT_EQ(sum->inputs[0]->op, Op::broadcast);
  EXPECT_EQ(elementwise(Op::add, {f32({2}), f32({})})->shape, (Shape{2}));
  EXPECT_EQ(refusal(Status::size_mismatch,
                    [&] {
                      elementwise(Op::add, {f32({2, 3}), f32({2})});
                    }),
            "add: cannot broadcast f32{2, 3} and f32{2}");
}

TEST_F(Build, ResultTypes) {
  const auto type = [&](Op op, DType a, DType b) {
    return elementwise(op, {data(a, {2}), data(b, {2})})->dtype;
  };
  EXPECT_EQ(type(Op::add, DType::u8, DType::s8), DType::s16);
  EXPECT_EQ(type(Op::add, DType::f16, DType::f32), DType::f32);
  EXPECT_EQ(type(Op::divide, DType::s32, DType::s32), DType::f32);
  EXPECT_EQ(type(Op::less, DType::f64, DType::u8), DType::u8);
  EXPECT_EQ(type(Op::atan2, DType::f64, DType::u8), DType::f64);
  EXPECT_EQ(elementwise(Op::abs, {data(DType::c64, {1})})->dtype, DType::f32);
  EXPECT_EQ(elementwise(Op::conjugate, {data(DType::f64, {1})})->dtype, DType::c128);
  EXPECT_EQ(reduce(Op::sum, data(DType::u8, {3}), {}, false)->dtype, DType::u32);
  EXPECT_EQ(reduce(Op::reduce_max, data(DType::s8, {3}), {}, false)->dtype, DType::s8);
  EXPECT_EQ(elementwise(Op::select, {data(DType::u8, {2}), data(DType::s32, {2}), f32({2})})->dtype,
            DType::f32);
}

TEST_F(Build, OperandTypesAreChecked) {
  EXPECT_EQ(refusal(Status::invalid_argument,
                    [&] {
                      elementwise(Op::bitwise_and, {f32({2}), f32({2})});
                    }),
            "bitwise_and: expected integer operands, got f32{2}");
  EXPECT_EQ(refusal(Status::invalid_argument,
                    [&] {
                      elementwise(Op::less, {data(DType::c64, {2}), f32({2})});
                    }),
            "less: expected real operands, got c64{2}");
  EXPECT_EQ(refusal(Status::invalid_argument, [&] { elementwise(Op::add, {f32({2})}); }),
            "add: takes 2 operands, got 1");
  refusal(Status::invalid_argument, [&] { elementwise(Op::sum, {f32({2})}); });
  refusal(Status::invalid_argument, [&] { reduce(Op::add, f32({2}), {}, false); });
}

TEST_F(Build, NodesOfTwoEnginesNeverMix) {
  const auto other = host_graveyard();
  const NodeRef stranger = constant(other, make_scalar(DType::f32, 1.0), {2});
  EXPECT_EQ(refusal(Status::invalid_argument,
                    [&] {
                      elementwise(Op::add, {f32({2}), stranger});
                    }),
            "add: operands belong to different engines");
  refusal(Status::invalid_argument, [&] { dot(f32({2}), stranger, {{0}, {0}, {}, {}}); });
}

TEST_F(Build, TensorsAreNeverEmptyNorTooLarge) {
  EXPECT_EQ(refusal(Status::empty_tensor,
                    [&] {
                      iota(owner_, DType::s32, {2, 0}, 0);
                    }),
            "iota: shape {2, 0} has a dimension below 1; tensors are never empty");
  refusal(Status::alloc_failed, [&] {
    constant(owner_, make_scalar(DType::u8, int64_t{1}), {1 << 30, 1 << 30});
  });
  refusal(Status::size_mismatch,
          [&] { host_value(owner_, DType::f32, {2}, std::vector<std::byte>(7)); });
}

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

TEST_F(Build, SlicesWithHugeStrides) {
  const int64_t starts[] = {0}, lengths[] = {2}, strides[] = {kMost};
  const NodeRef first = slice(parameter(owner_, DType::f32, {5}), starts, lengths, strides);
  EXPECT_EQ(first->shape, (Shape{1}));
  EXPECT_EQ(first->attribute<SliceAttr>().strides, (std::vector<int64_t>{5}));
}

TEST_F(Build, PaddingBesideTheInputIsAllThatShows) {
  const NodeRef x = f32({3}), seven = constant(owner_, make_scalar(DType::f32, 7.0), {});
  const int64_t far = int64_t{1} << 32;
  for (const PadAttr& amounts : {PadAttr{{far}, {-far}, {0}}, PadAttr{{-far}, {far}, {0}},
                                 PadAttr{{3}, {-3}, {0}}, PadAttr{{-3}, {3}, {0}}}) {
    const NodeRef padded = pad(x, seven, amounts);
    EXPECT_EQ(padded->shape, (Shape{3}));
    ASSERT_EQ(padded->op, Op::constant);
    EXPECT_EQ(to_double(padded->attribute<ConstantAttr>().value), 7.0);
  }
  EXPECT_EQ(pad(x, seven, {{2}, {-2}, {0}})->op, Op::pad) << "one element still shows";
  EXPECT_EQ(refusal(Status::alloc_failed,
                    [&] {
                      pad(x, seven, {{kMost}, {kMost}, {0}});
                    }),
            "pad: padding of 9223372036854775807, 9223372036854775807 and 0 inside at axis 0 of "
            "f32{3} makes too many elements, more than 2^48");
  refusal(Status::alloc_failed, [&] { pad(x, seven, {{0}, {0}, {kMost}}); });
  EXPECT_EQ(pad(f32({1}), seven, {{1}, {0}, {kMost}})->shape, (Shape{2}));
}

TEST_F(Build, ProductsAndConcatenationsThatNoCountHolds) {
  const auto ones = [&](Shape shape) {
    return constant(owner_, make_scalar(DType::f32, 1.0), std::move(shape));
  };
  const int64_t long_side = int64_t{1} << 32;
  EXPECT_EQ(refusal(Status::alloc_failed,
                    [&] {
                      matmul(ones({long_side, 1}), ones({1, long_side}));
                    }),
            "dot: shape {4294967296, 4294967296} has too many elements, more than 2^48");
  const NodeRef largest = ones({int64_t{1} << 48});
  EXPECT_EQ(largest->count, kMaxElements);
  const NodeRef parts[] = {largest, largest};
  EXPECT_EQ(refusal(Status::alloc_failed, [&] { concatenate(parts, 0); }),
            "concatenate: shape {562949953421312} has too many elements, more than 2^48");
  const std::vector<NodeRef> many(40000, largest);
  refusal(Status::alloc_failed, [&] { concatenate(many, 0); });
  refusal(Status::alloc_failed, [&] {
    elementwise(Op::add, {ones({long_side, 1}), ones({1, long_side})});
  });
  // Nothing hides what is huge beside it.
  refusal(Status::empty_tensor, [&] { ones({0, int64_t{1} << 40, int64_t{1} << 40}); });
  refusal(Status::empty_tensor, [&] { ones({-1, kMost, kMost}); });
}

TEST_F(Build, WindowsThatDoNotFitHoweverLarge) {
  const NodeRef x = f32({5});
  refusal(Status::size_mismatch, [&] { windows(x, {{kMost}, {1}, {kMost}}); });
  refusal(Status::size_mismatch, [&] { windows(x, {{(int64_t{1} << 62) + 1}, {1}, {4}}); });
  refusal(Status::size_mismatch, [&] { windows(x, {{3}, {1}, {int64_t{1} << 62}}); });
  EXPECT_EQ(windows(x, {{1}, {kMost}, {kMost}})->shape, (Shape{1, 1}));
  EXPECT_EQ(windows(x, {{2}, {kMost}, {3}})->shape, (Shape{1, 2}));
}

TEST_F(Build, LargeTensorsAreNotIndexed) {
  const NodeRef large = constant(owner_, make_scalar(DType::f32, 1.0), {(int64_t{1} << 31) + 1});
  const NodeRef index = constant(owner_, make_scalar(DType::s32, int64_t{3}), {2});
  refusal(Status::unsupported, [&] { gather(large, index); });
  refusal(Status::unsupported, [&] { overwrite(large, index, f32({2})); });
  refusal(Status::unsupported, [&] { bounded_index(index, int64_t{1} << 31); });
}

TEST_F(Build, ViewsThatChangeNothingAreTheirInput) {
  const NodeRef x = f32({2, 1, 3});
  EXPECT_EQ(reshape(x, {2, 1, 3}).get(), x.get());
  EXPECT_EQ(transpose(x, {0, 1, 2}).get(), x.get());
  EXPECT_EQ(reverse(x, {1}).get(), x.get());
  EXPECT_EQ(cast(x, DType::f32).get(), x.get());
  EXPECT_EQ(broadcast(x, {2, 1, 3}).get(), x.get());
  const int64_t starts[] = {0, 0, 0}, lengths[] = {2, 1, 3}, strides[] = {1, 1, 1};
  EXPECT_EQ(slice(x, starts, lengths, strides).get(), x.get());
}

TEST_F(Build, ViewsThatMoveUnitAxesAreReshapes) {
  const NodeRef x = f32({2, 1, 3});
  EXPECT_EQ(broadcast(x, {1, 2, 1, 3})->op, Op::reshape);
  EXPECT_EQ(broadcast(f32({}), {1, 1})->op, Op::reshape);
  EXPECT_EQ(transpose(x, {1, 0, 2})->op, Op::reshape);
  EXPECT_EQ(transpose(x, {0, 2, 1})->shape, (Shape{2, 3, 1}));
  EXPECT_EQ(transpose(x, {2, 1, 0})->op, Op::transpose);
  EXPECT_EQ(broadcast(x, {2, 2, 3})->op, Op::broadcast);
}

TEST_F(Build, ViewsOfConstantsAreConstants) {
  const NodeRef two = constant(owner_, make_scalar(DType::s32, int64_t{2}), {4, 6});
  const int64_t starts[] = {1, 2}, lengths[] = {2, 3}, ones[] = {1, 1};
  for (const NodeRef& view : {slice(two, starts, lengths, ones), transpose(two, {1, 0}),
                              broadcast(two, {3, 4, 6}), reshape(two, {24})}) {
    ASSERT_EQ(view->op, Op::constant);
    EXPECT_EQ(to_int64(view->attribute<ConstantAttr>().value), 2);
  }
  const NodeRef five =
      elementwise(Op::add, {two, constant(owner_, make_scalar(DType::s32, int64_t{3}), {6})});
  ASSERT_EQ(five->op, Op::constant);
  EXPECT_EQ(five->shape, (Shape{4, 6}));
  EXPECT_EQ(to_int64(five->attribute<ConstantAttr>().value), 5);
  // Matrix products read one element for all where it is a view.
  EXPECT_EQ(broadcast(constant(owner_, make_scalar(DType::f32, 2.0), {}), {100, 100})->op,
            Op::broadcast);
}

TEST_F(Build, Views) {
  const NodeRef x = f32({2, 3, 4});
  EXPECT_EQ(transpose(x, {2, 0, -2})->shape, (Shape{4, 2, 3}));
  EXPECT_EQ(reshape(x, {24})->shape, (Shape{24}));
  EXPECT_EQ(squeeze(f32({1, 3, 1}), {})->shape, (Shape{3}));
  EXPECT_EQ(squeeze(f32({1, 3, 1}), {-1})->shape, (Shape{1, 3}));
  EXPECT_EQ(broadcast(f32({3}), {3, 2}, {0})->shape, (Shape{3, 2}));
  const int64_t starts[] = {5, -3, 1}, lengths[] = {1, 2, 3}, strides[] = {1, 1, 2};
  const NodeRef part = slice(x, starts, lengths, strides);
  EXPECT_EQ(part->shape, (Shape{1, 2, 2}));
  EXPECT_EQ(part->attribute<SliceAttr>().starts, (std::vector<int64_t>{1, 0, 1}));

  EXPECT_EQ(refusal(Status::size_mismatch,
                    [&] {
                      reshape(x, {5, 5});
                    }),
            "reshape: f32{2, 3, 4} does not fit in {5, 5}");
  EXPECT_EQ(refusal(Status::invalid_argument,
                    [&] {
                      transpose(x, {0, 1, 1});
                    }),
            "transpose: axis 1 is given twice");
  EXPECT_EQ(refusal(Status::invalid_argument, [&] { reverse(x, {3}); }),
            "reverse: axis 3 is out of range for f32{2, 3, 4}");
  EXPECT_EQ(refusal(Status::size_mismatch, [&] { squeeze(x, {0}); }),
            "squeeze: axis 0 of f32{2, 3, 4} is not of length 1");
  EXPECT_EQ(refusal(Status::size_mismatch,
                    [&] {
                      broadcast(x, {2, 3, 5});
                    }),
            "broadcast: f32{2, 3, 4} does not broadcast to {2, 3, 5} along axes {0, 1, 2}");
  const int64_t none[] = {1, 0, 1};
  refusal(Status::invalid_argument, [&] { slice(x, starts, none, strides); });
}

TEST_F(Build, PadAndConcatenate) {
  const NodeRef x = f32({3}), zero = data(DType::s32, {});
  EXPECT_EQ(pad(x, zero, {{1}, {-1}, {2}})->shape, (Shape{7}));
  EXPECT_EQ(pad(data(DType::u8, {3}), f32({}), {{1}, {0}, {0}})->dtype, DType::f32);
  refusal(Status::empty_tensor, [&] { pad(x, zero, {{-2}, {-1}, {0}}); });
  refusal(Status::size_mismatch, [&] { pad(x, f32({2}), {{1}, {1}, {0}}); });
  refusal(Status::invalid_argument, [&] { pad(x, zero, {{1}, {1}, {-1}}); });

  const NodeRef parts[] = {f32({2, 3}), data(DType::f64, {2, 1})};
  const NodeRef joined = concatenate(parts, -1);
  EXPECT_EQ(joined->shape, (Shape{2, 4}));
  EXPECT_EQ(joined->dtype, DType::f64);
  EXPECT_EQ(refusal(Status::size_mismatch, [&] { concatenate(parts, 0); }),
            "concatenate: f32{2, 3} and f64{2, 1} differ outside axis 0");
  refusal(Status::invalid_argument, [&] { concatenate({}, 0); });
}

TEST_F(Build, Reductions) {
  const NodeRef x = f32({2, 3, 4});
  EXPECT_EQ(reduce(Op::sum, x, Axes{-1, 0}, false)->shape, (Shape{3}));
  EXPECT_EQ(reduce(Op::sum, x, Axes{2, 0}, true)->shape, (Shape{1, 3, 1}));
  EXPECT_EQ(reduce(Op::sum, x, {}, false)->shape, (Shape{}));
  EXPECT_EQ(refusal(Status::invalid_argument, [&] { reduce(Op::sum, x, Axes{3}, false); }),
            "sum: axis 3 is out of range for f32{2, 3, 4}");
}

TEST_F(Build, Products) {
  EXPECT_EQ(matmul(f32({2, 3}), f32({3, 4}))->shape, (Shape{2, 4}));
  EXPECT_EQ(matmul(f32({5, 1, 2, 3}), f32({6, 3, 4}))->shape, (Shape{5, 6, 2, 4}));
  EXPECT_EQ(matmul(f32({3}), f32({3, 4}))->shape, (Shape{4}));
  EXPECT_EQ(matmul(f32({2, 3}), f32({3}))->shape, (Shape{2}));
  EXPECT_EQ(dot(f32({2, 3, 4}), f32({2, 4, 5}), {{2}, {1}, {0}, {0}})->shape, (Shape{2, 3, 5}));
  EXPECT_EQ(dot(f32({2, 3}), f32({3, 2}), {{0, 1}, {1, 0}, {}, {}})->shape, (Shape{}));
  EXPECT_EQ(refusal(Status::size_mismatch,
                    [&] {
                      matmul(f32({2, 3}), f32({4, 5}));
                    }),
            "dot: f32{2, 3} and f32{4, 5} do not contract along {1} and {0} with batch axes {} "
            "and {}");
  refusal(Status::size_mismatch, [&] { matmul(f32({}), f32({2})); });
  refusal(Status::size_mismatch, [&] { matmul(f32({2, 2, 3}), f32({3, 3, 4})); });
}

TEST_F(Build, Generators) {
  EXPECT_EQ(eye(owner_, DType::s32, {2, 3})->shape, (Shape{2, 3}));
  refusal(Status::invalid_argument, [&] { eye(owner_, DType::s32, {2}); });
  refusal(Status::invalid_argument, [&] { iota(owner_, DType::s32, {2}, 1); });
  refusal(Status::invalid_argument, [&] {
    random(owner_, Op::random_uniform, DType::s32, {2}, {0, 0, 0, 1});
  });
}

TEST_F(Build, DepthCountsWhatIsPending) {
  NodeRef x = f32({2});
  x->set_stored(nullptr);
  for (int i = 1; i <= 5; ++i) {
    x = elementwise(Op::negate, {x});
    EXPECT_EQ(x->depth, static_cast<uint32_t>(i));
  }
}

// One element of what the host knows is a scalar that it knows.
TEST_F(Build, PicksKnownElements) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  const NodeRef x = host_value(owner_, DType::f32, {2, 3}, {bytes, bytes + 24});
  const std::vector<int64_t> at = {1, 1}, one = {1, 1};
  const NodeRef sliced = slice(x, at, one, one);
  ASSERT_EQ(sliced->op, Op::constant);
  EXPECT_EQ(sliced->shape, (Shape{1, 1}));
  EXPECT_EQ(to_double(sliced->attribute<ConstantAttr>().value), 5.0);
  const NodeRef index = constant(owner_, make_scalar(DType::s32, int64_t{9}), {});
  const NodeRef gathered = gather(x, index);
  ASSERT_EQ(gathered->op, Op::constant);
  EXPECT_EQ(to_double(gathered->attribute<ConstantAttr>().value), 6.0) << "clamped";
  EXPECT_EQ(gather(parameter(owner_, DType::f32, {4}), index)->inputs[0]->op, Op::slice);
}

}  // namespace
}  // namespace nxv
