#include "testing/random/random_products.h"

#include <algorithm>
#include <utility>

#include "testing/reference/reference.h"

namespace nxv {
namespace {

class Products {
 public:
  Products(const GraveyardRef& owner, Dice dice) : owner_(owner), dice_(dice) {}

  std::vector<NodeRef> draw() {
    const int64_t products = dice_.between(1, 2), size = dice_.between(1, 9);
    for (int64_t i = 0; i < products; ++i) values_.push_back(product());
    for (int64_t i = 0; i < size; ++i) values_.push_back(next());
    std::vector<NodeRef> roots;
    for (size_t i = 0; i < values_.size(); ++i) {
      if (dice_.chance(30) || i + 1 == values_.size()) roots.push_back(values_[i]);
    }
    return roots;
  }

 private:
  DType type() {
    static const std::vector<DType> kTypes = {DType::f32,  DType::f32, DType::f32, DType::f16,
                                              DType::bf16, DType::f64, DType::s32, DType::u8,
                                              DType::c64,  DType::s8,  DType::s8};
    return dice_.pick(kTypes);
  }

  NodeRef leaf(DType type, const Shape& shape) {
    HostTensor t(type, shape);
    for (int64_t i = 0; i < t.count(); ++i) {
      const int64_t n = dice_.between(0, 100), imaginary = dice_.between(0, 8);
      if (is_complex(type)) {
        t.set(i, make_scalar(type, std::complex<double>(static_cast<double>(n) / 64 - 0.75,
                                                        static_cast<double>(imaginary) / 4 - 1)));
      } else if (is_integer(type)) {
        t.set(i, make_scalar(type, is_unsigned(type) ? 2 * n : n - 50));
      } else {
        t.set(i, make_scalar(type, static_cast<double>(n) / 64 - 0.75));
      }
    }
    return host_value(owner_, t.dtype, t.shape, t.bytes);
  }

  // Of matrices of which some are stored transposed, and of batches of them. Of 8-bit integers some
  // are cast first.
  NodeRef product() {
    const DType of_all = type();
    static const std::vector<DType> kBytes = {DType::s8, DType::u8, DType::s4};
    static const std::vector<DType> kWide = {DType::s32, DType::s32, DType::f32,
                                             DType::s16, DType::s64, DType::f16};
    const bool of_bytes = of_all == DType::s8;
    const bool is_cast = of_bytes && dice_.chance(70);
    const DType wide = dice_.pick(kWide);
    static const std::vector<int64_t> kSides = {1, 3, 4, 8, 17, 20, 36, 64}, kDepths = {1, 5, 32};
    const int64_t m = dice_.pick(kSides), n = dice_.pick(kSides);
    const bool is_large = m >= 36 && n >= 36;
    const int64_t k = is_large && dice_.chance(50) ? 130 : dice_.pick(kDepths);
    const int64_t batch = m * n * k < 40000 && dice_.chance(25) ? 3 : 0;
    const auto factor = [&](int64_t rows, int64_t columns) {
      const bool turned = dice_.chance(40);
      Shape shape = turned ? Shape{columns, rows} : Shape{rows, columns};
      if (batch) shape.insert(shape.begin(), batch);
      const NodeRef stored = leaf(of_bytes ? dice_.pick(kBytes) : of_all, shape);
      const bool is_late = dice_.chance(50);
      const auto widened = [&](const NodeRef& x) { return is_cast ? cast(x, wide) : x; };
      if (is_late) return turned ? swapped(widened(stored)) : widened(stored);
      return widened(turned ? swapped(stored) : stored);
    };
    const NodeRef a = factor(m, k), b = factor(k, n);
    return matmul(a, b, dice_.chance(25) ? Precision::fast : Precision::accurate);
  }

  static NodeRef swapped(const NodeRef& x) {
    return transpose(x, x->shape.size() == 3 ? Axes{0, 2, 1} : Axes{1, 0});
  }

  NodeRef next() {
    const NodeRef x = dice_.pick(values_);
    switch (dice_.below(10)) {
      case 0:
      case 1:
        return x->shape.size() > 1 ? swapped(x) : reshape(x, {x->count, 1});
      case 2:
        if (is_complex(x->dtype)) return elementwise(Op::conjugate, {x});
        static const std::vector<DType> kTypes = {DType::f32, DType::f16, DType::s32, DType::u8};
        return cast(x, dice_.pick(kTypes));
      case 3: {
        static const std::vector<Op> kUnary = {Op::negate, Op::abs, Op::sign};
        const Op op = dice_.pick(kUnary);
        return elementwise(op, {x});
      }
      case 4:
        return reshape(x, {x->count / x->shape.back(), x->shape.back()});
      case 5:
        return reshape(x, {1, x->shape.back(), x->count / x->shape.back()});
      default:
        return combine(x);
    }
  }

  // With a value of each element, row or column of a stored type, or with another of that shape.
  NodeRef combine(const NodeRef& x) {
    static const std::vector<Op> kBinary = {Op::add, Op::subtract, Op::multiply};
    const Op op = dice_.pick(kBinary);
    std::vector<NodeRef> fitting;
    for (const NodeRef& v : values_) {
      if (v->shape == x->shape) fitting.push_back(v);
    }
    if (dice_.chance(40)) return elementwise(op, {x, dice_.pick(fitting)});
    Shape shape = x->shape;
    for (int64_t& d : shape) {
      if (dice_.chance(30)) d = 1;
    }
    const NodeRef other = leaf(x->dtype, shape);
    return dice_.chance(50) ? elementwise(op, {x, other}) : elementwise(op, {other, x});
  }

  const GraveyardRef& owner_;
  Dice dice_;
  std::vector<NodeRef> values_;
};

}  // namespace

std::vector<NodeRef> random_products(const GraveyardRef& owner, Dice dice) {
  return Products(owner, dice).draw();
}

}  // namespace nxv
