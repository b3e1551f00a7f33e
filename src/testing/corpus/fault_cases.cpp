#include "testing/corpus/fault_cases.h"

#include "library/registry.h"
#include "testing/reference/reference.h"

namespace nxv {
namespace {

// Elements that the host does not know, by position.
NodeRef numbers(const GraveyardRef& owner, const Shape& shape,
                const std::function<int64_t(int64_t)>& element) {
  HostTensor t(DType::s32, shape);
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, make_scalar(DType::s32, element(i)));
  const NodeRef x = host_value(owner, DType::s32, shape, std::move(t.bytes));
  return elementwise(Op::bitwise_or, {x, x});
}

NodeRef over_rows(Op op, const NodeRef& x, bool keep_axes) {
  return reduce(op, x, Axes{static_cast<int64_t>(x->shape.size()) - 1}, keep_axes);
}

NodeRef mean(const NodeRef& x, bool keep_axes) {
  const Scalar count = make_scalar(DType::f32, x->shape.back());
  return elementwise(
      Op::divide, {over_rows(Op::sum, x, keep_axes), constant(x->shared_graveyard(), count, {})});
}

NodeRef call(const char* name, const NodeRef& x, std::vector<library::Option> options) {
  return library::call(name, std::vector{x}, options)[0];
}

FaultReader reduction(Op op) {
  return {std::string(name(op)), [op](const NodeRef& x) { return over_rows(op, x, false); }};
}

FaultReader extreme(const char* name) {
  return {name, [name](const NodeRef& x) { return call(name, x, {{"axis", {1}, {}}}); }};
}

}  // namespace

std::vector<Op> faulting_ops() {
  std::vector<Op> ops;
  for (int i = 0; i < kOpCount; ++i) {
    const OpInfo& row = info(static_cast<Op>(i));
    if (row.fusion == Fusion::pointwise && row.fault != Fault::none) {
      ops.push_back(static_cast<Op>(i));
    }
  }
  return ops;
}

NodeRef faulty(const GraveyardRef& owner, Op op, const Shape& shape, int64_t bad) {
  const auto operand = [&](int64_t period, int64_t first, int64_t wrong) {
    return numbers(owner, shape, [=](int64_t i) { return i == bad ? wrong : first + i % period; });
  };
  const NodeRef number = numbers(owner, shape, [](int64_t i) { return 1 + i % 2; });
  switch (op) {
    case Op::quotient:
      return elementwise(
          op, {numbers(owner, shape, [](int64_t i) { return 14 + i % 5; }), operand(6, 2, 0)});
    case Op::remainder:
      return elementwise(op,
                         {numbers(owner, shape, [](int64_t i) { return 1 + i % 7 + 8 * (i % 3); }),
                          operand(1, 8, 0)});
    case Op::pow:
      return elementwise(op, {number, operand(3, 0, -1)});
    case Op::left_shift:
      return elementwise(op, {number, operand(2, 0, -3)});
    case Op::right_shift:
      return elementwise(
          op, {numbers(owner, shape, [](int64_t i) { return 4 + i % 4; }), operand(3, 0, -1)});
    case Op::bounded_index:
      return library::call("take",
                           std::vector{numbers(owner, {7}, [](int64_t i) { return 1 + i; }),
                                       operand(7, 0, bad % 2 == 0 ? 7 : -1)},
                           std::vector<library::Option>{{"axis", {0}, {}}})[0];
    default:
      throw Error(Status::internal, "no faulty case of " + std::string(name(op)));
  }
}

const std::vector<FaultReader>& fault_readers() {
  static const std::vector<FaultReader> readers = {
      reduction(Op::sum),
      reduction(Op::product),
      reduction(Op::reduce_max),
      reduction(Op::reduce_min),
      reduction(Op::all),
      reduction(Op::any),
      {"mean", [](const NodeRef& x) { return mean(x, false); }},
      extreme("argmax"),
      extreme("argmin"),
      // Softmax without its exponential, so that results are exact.
      {"row program",
       [](const NodeRef& x) {
         const NodeRef below = elementwise(Op::subtract, {over_rows(Op::reduce_max, x, true), x});
         return elementwise(Op::divide, {below, mean(x, true)});
       },
       false},
      {"cumulative_sum",
       [](const NodeRef& x) {
         return call("cumulative_sum", x, {{"axis", {1}, {}}, {"reverse", {0}, {}}});
       },
       false},
  };
  return readers;
}

}  // namespace nxv
