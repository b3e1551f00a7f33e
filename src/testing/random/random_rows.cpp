#include "testing/random/random_rows.h"

#include <algorithm>

#include "testing/reference/reference.h"

namespace nxv {
namespace {

class Rows {
 public:
  Rows(const GraveyardRef& owner, Dice dice) : owner_(owner), dice_(dice) {
    rows_ = dice_.pick<int64_t>({1, 2, 3, 5, 24});
    columns_ = dice_.pick<int64_t>({1, 3, 7, 8, 20, 64, 100});
    if (rows_ <= 3 && dice_.chance(30)) columns_ = dice_.pick<int64_t>({300, 1025, 1500});
  }

  std::vector<NodeRef> draw() {
    const int64_t leaves = dice_.between(1, 3), size = dice_.between(2, 14);
    for (int64_t i = 0; i < leaves; ++i) values_.push_back(leaf());
    for (int64_t i = 0; i < size; ++i) values_.push_back(next());
    std::vector<NodeRef> roots;
    for (size_t i = static_cast<size_t>(leaves); i < values_.size(); ++i) {
      if (dice_.chance(45) || i + 1 == values_.size()) roots.push_back(values_[i]);
    }
    for (size_t i = roots.size(); i > 1; --i) {
      std::swap(roots[i - 1], roots[static_cast<size_t>(dice_.below(static_cast<int64_t>(i)))]);
    }
    return roots;
  }

 private:
  NodeRef leaf() {
    static const std::vector<DType> kTypes = {DType::f32, DType::f32, DType::f16,
                                              DType::u8,  DType::s32, DType::f64};
    HostTensor t(dice_.pick(kTypes), {rows_, columns_});
    for (int64_t i = 0; i < t.count(); ++i) {
      const int64_t n = dice_.between(0, 100);
      t.set(i, make_scalar(t.dtype, is_integer(t.dtype) ? n : n / 64.0 - 0.75));
    }
    return host_value(owner_, t.dtype, t.shape, t.bytes);
  }

  NodeRef next() {
    const NodeRef x = dice_.pick(values_);
    switch (dice_.below(9)) {
      case 0:
      case 1:
        if (x->shape.size() == 2 && x->shape[1] == columns_) return fold(x);
        [[fallthrough]];
      case 2: {
        static const std::vector<Op> kUnary = {Op::negate, Op::abs, Op::exp, Op::sigmoid, Op::sign};
        return elementwise(dice_.pick(kUnary), {x});
      }
      case 3: {
        static const std::vector<DType> kTypes = {DType::f32, DType::f16, DType::s32, DType::f64};
        return cast(x, dice_.pick(kTypes));
      }
      case 4:
        return reverse(x, {dice_.below(static_cast<int64_t>(x->shape.size()))});
      case 5:
        return shifted(x);
      default:
        return combine(x);
    }
  }

  NodeRef fold(const NodeRef& x) {
    static const std::vector<Op> kFolds = {Op::sum, Op::sum, Op::reduce_max, Op::reduce_min};
    const Op op = dice_.pick(kFolds);
    const int64_t axis = dice_.chance(85) ? 1 : 0;
    return reduce(op, x, Axes{axis}, dice_.chance(70));
  }

  // By one element, along an axis.
  NodeRef shifted(const NodeRef& x) {
    const size_t rank = x->shape.size();
    const auto axis = static_cast<size_t>(dice_.below(static_cast<int64_t>(rank)));
    PadAttr amounts = {std::vector<int64_t>(rank), std::vector<int64_t>(rank),
                       std::vector<int64_t>(rank)};
    amounts.low[axis] = 1;
    amounts.high[axis] = -1;
    return pad(x, constant(owner_, make_scalar(x->dtype, int64_t{1}), {}), amounts);
  }

  // With something of the same shape, or a row of it.
  NodeRef combine(const NodeRef& x) {
    static const std::vector<Op> kBinary = {Op::add, Op::subtract, Op::multiply, Op::max, Op::less};
    const Op op = dice_.pick(kBinary);
    std::vector<NodeRef> fitting;
    for (const NodeRef& v : values_) {
      const bool is_row = v->shape == Shape{rows_, 1} && x->shape == Shape{rows_, columns_};
      if (v->shape == x->shape || is_row) fitting.push_back(v);
    }
    return elementwise(op, {x, dice_.pick(fitting)});
  }

  const GraveyardRef& owner_;
  Dice dice_;
  int64_t rows_ = 1, columns_ = 1;
  std::vector<NodeRef> values_;
};

}  // namespace

std::vector<NodeRef> random_rows(const GraveyardRef& owner, Dice dice) {
  return Rows(owner, dice).draw();
}

}  // namespace nxv
