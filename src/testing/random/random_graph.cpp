#include "testing/random/random_graph.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>

#include "testing/reference/reference.h"

namespace nxv {
namespace {

// What an operand may be.
enum class Values { any, not_zero, small_natural };

class GraphDrawer {
 public:
  GraphDrawer(const GraveyardRef& owner, Dice dice, const RandomGraphOptions& options)
      : owner_(owner), options_(options), dice_(dice) {
    std::vector<Op> allowed = options.ops;
    for (int i = 0; allowed.empty() && i < kOpCount; ++i) ops_.push_back(static_cast<Op>(i));
    ops_.insert(ops_.end(), allowed.begin(), allowed.end());
    const auto is_leaf = [](Op op) {
      return info(op).fusion == Fusion::leaf || info(op).fusion == Fusion::generator;
    };
    std::copy_if(ops_.begin(), ops_.end(), std::back_inserter(leaves_), is_leaf);
    if (std::find(leaves_.begin(), leaves_.end(), Op::data) == leaves_.end()) {
      leaves_.push_back(Op::data);
    }
    std::erase_if(ops_, is_leaf);
  }

  std::vector<NodeRef> run(std::vector<NodeRef> given) {
    pool_ = std::move(given);
    pool_.push_back(leaf(shape()));
    // Some operations find no operands that fit; others are tried instead.
    for (int made = 0, tries = 0; made < options_.size && tries < 20 * options_.size; ++tries) {
      if (ops_.empty()) break;
      const NodeRef node = operation(dice_.pick(ops_));
      if (!node || node->count > options_.max_elements) continue;
      pool_.push_back(node);
      ++made;
    }
    return roots();
  }

 private:
  // ---- Leaves ----

  Shape shape() {
    Shape s(static_cast<size_t>(dice_.below(options_.max_rank + 1)));
    for (int64_t& d : s) d = dice_.chance(5) ? dice_.between(10, 300) : dice_.between(1, 9);
    while (element_count(s) > options_.max_elements) s.pop_back();
    return s;
  }

  DType type(Accepts accepts = Accepts::any) {
    std::vector<DType> fitting;
    for (DType t : options_.dtypes) {
      if (fits(accepts, t)) fitting.push_back(t);
    }
    // Every kind of operation has operands, whatever the options say.
    if (fitting.empty()) fitting.push_back(accepts == Accepts::integer ? DType::s32 : DType::f32);
    return dice_.pick(fitting);
  }

  static bool fits(Accepts accepts, DType t) {
    switch (accepts) {
      case Accepts::any:
        return true;
      case Accepts::real:
        return !is_complex(t);
      case Accepts::integer:
        return is_integer(t);
      case Accepts::floating:
        return !is_integer(t);
      case Accepts::complex_only:
        return is_complex(t);
    }
    return false;
  }

  double part() {
    if (options_.special_values && dice_.chance(15)) {
      static const std::vector<double> kSpecial = {std::numeric_limits<double>::quiet_NaN(),
                                                   std::numeric_limits<double>::infinity(),
                                                   -std::numeric_limits<double>::infinity(),
                                                   0.0,
                                                   -0.0,
                                                   1.0,
                                                   -1.0,
                                                   0x1p-149,
                                                   -0x1p-130,
                                                   0x1p-126,
                                                   0x1.fffffep127,
                                                   0x1p-15,
                                                   65504.0,
                                                   0x1p-1074,
                                                   0x1p-9};
      return dice_.pick(kSpecial);
    }
    // Eighths near zero, where ties and equal values are common, or any 24-bit significand.
    if (dice_.chance(50)) return static_cast<double>(dice_.between(-40, 40)) / 8;
    const auto significand = static_cast<double>(dice_.between(-(1 << 24), 1 << 24));
    return std::ldexp(significand, static_cast<int>(dice_.between(-34, -14)));
  }

  Scalar element(DType t, Values values) {
    if (values == Values::small_natural) return make_scalar(t, dice_.between(0, 9));
    if (is_integer(t)) {
      const Scalar s = dice_.chance(25) && options_.special_values
                           ? make_scalar(t, int64_t{1} << dice_.below(64))
                           : make_scalar(t, dice_.chance(30) ? static_cast<int64_t>(dice_.bits())
                                                             : dice_.between(-12, 12));
      return values == Values::not_zero && s.lo == 0 ? make_scalar(t, int64_t{1}) : s;
    }
    const double re = part();
    const double im = is_complex(t) ? part() : 0.0;
    return make_scalar(t, std::complex<double>(re, im));
  }

  NodeRef data(DType t, const Shape& s, Values values) {
    HostTensor tensor(t, s);
    for (int64_t i = 0; i < tensor.count(); ++i) tensor.set(i, element(t, values));
    return host_value(owner_, t, s, std::move(tensor.bytes));
  }

  NodeRef leaf(const Shape& s, Accepts accepts = Accepts::any, Values values = Values::any) {
    const DType t = type(accepts);
    const Op op = dice_.pick(leaves_);
    if (values == Values::any && dice_.chance(40)) {
      const auto rank = static_cast<int64_t>(s.size());
      if (op == Op::constant) return constant(owner_, element(t, values), s);
      if (op == Op::iota) return iota(owner_, t, s, dice_.between(-1, rank - 1));
      if (op == Op::eye && rank >= 2) return eye(owner_, t, s);
      if ((op == Op::random_uniform || op == Op::random_normal) && is_real_float(t)) {
        RandomAttr stream{};
        stream.seed = dice_.bits();
        stream.offset = static_cast<uint64_t>(dice_.below(1000));
        if (dice_.chance(25)) stream.offset = ~stream.offset;  // about to overflow
        stream.low = static_cast<double>(dice_.between(-4, 4));
        stream.high = stream.low + static_cast<double>(dice_.between(1, 8));
        if (op == Op::random_normal) stream.high = 1 + std::fabs(stream.low);
        return random(owner_, op, t, s, stream);
      }
    }
    return data(t, s, values);
  }

  // ---- Operands ----

  // A node made before, recent ones more often; a new leaf when none fits.
  NodeRef operand(Accepts accepts, const std::function<bool(const NodeRef&)>& suits) {
    for (int tries = 0; tries < 6; ++tries) {
      const auto last = static_cast<int64_t>(pool_.size()) - 1;
      const int64_t first_draw = dice_.between(0, last);
      const int64_t second_draw = dice_.between(0, last);
      const NodeRef& n = pool_[static_cast<size_t>(std::max(first_draw, second_draw))];
      if (fits(accepts, n->dtype) && suits(n)) return n;
    }
    return {};
  }

  NodeRef operand(Accepts accepts = Accepts::any) {
    const NodeRef n = operand(accepts, [](const NodeRef&) { return true; });
    return n ? n : leaf(shape(), accepts);
  }

  static std::optional<Shape> broadcast_of(const Shape& a, const Shape& b) {
    Shape result(std::max(a.size(), b.size()), 1);
    for (const Shape* s : {&a, &b}) {
      for (size_t i = 0; i < s->size(); ++i) {
        int64_t& d = result[result.size() - s->size() + i];
        if (d != 1 && (*s)[i] != 1 && d != (*s)[i]) return std::nullopt;
        d = std::max(d, (*s)[i]);
      }
    }
    return result;
  }

  // A shape that broadcasts to `s`.
  Shape part_of(const Shape& s) {
    Shape small = s;
    if (dice_.chance(20)) small.erase(small.begin(), small.begin() + dice_.below(rank_of(s) + 1));
    for (int64_t& d : small) {
      if (dice_.chance(20)) d = 1;
    }
    return small;
  }

  NodeRef operand_beside(const Shape& s, Accepts accepts) {
    const NodeRef n = operand(accepts, [&](const NodeRef& candidate) {
      const auto both = broadcast_of(s, candidate->shape);
      return both && element_count(*both) <= options_.max_elements;
    });
    return n && dice_.chance(80) ? n : leaf(part_of(s), accepts);
  }

  static int64_t rank_of(const Shape& s) { return static_cast<int64_t>(s.size()); }

  // ---- Operations ----

  // Null when there is nothing it could be applied to.
  NodeRef operation(Op op) {
    switch (info(op).fusion) {
      case Fusion::pointwise:
        if (op == Op::cast) return cast(operand(), type());
        if (op == Op::bitcast) return reinterpreted();
        if (op == Op::bounded_index) return bounded_index(byte_index(), 256);
        return pointwise(op);
      case Fusion::view:
        return view(op);
      case Fusion::reduction:
        return reduction(op);
      case Fusion::contraction:
        return contraction();
      case Fusion::gather:
        return gathered();
      case Fusion::overwrite:
        return overwritten();
      case Fusion::leaf:
      case Fusion::generator:
      case Fusion::library:
      case Fusion::control:
      case Fusion::result:
        break;
    }
    return {};
  }

  // From an integer: the bits of a computed NaN are nobody's business.
  NodeRef reinterpreted() {
    const NodeRef x = operand(Accepts::integer);
    std::vector<DType> same;
    for (int i = 0; i < kDTypeCount; ++i) {
      const DType t = static_cast<DType>(i);
      if (bits(t) == bits(x->dtype) && !is_complex(t) && (t != DType::f64 || has(DType::f64))) {
        same.push_back(t);
      }
    }
    return bitcast(x, dice_.pick(same));
  }
  bool has(DType t) const {
    return std::find(options_.dtypes.begin(), options_.dtypes.end(), t) != options_.dtypes.end();
  }

  // Integers below 256, whatever they were.
  NodeRef byte_index() { return cast(operand(Accepts::integer), DType::u8); }

  // Indices of a node that fits or any others: a gather clamps them.
  NodeRef gathered() {
    const NodeRef x = operand();
    const NodeRef index = dice_.chance(50) ? byte_index() : operand(Accepts::integer);
    return gather(x, cast(index, DType::s32));
  }

  // A value with another one stored in there from some element on, as far as there is room, each
  // element or every second one.
  NodeRef overwritten() {
    const NodeRef x = operand(), elements = cast(operand(), x->dtype);
    const auto number = [&](int64_t v) { return constant(owner_, make_scalar(DType::s32, v), {}); };
    const NodeRef step = number(dice_.between(1, 2));
    const NodeRef first = dice_.chance(50)
                              ? number(dice_.below(x->count))
                              : reduce(Op::reduce_min, cast(byte_index(), DType::s32), {}, false);
    const NodeRef counted = iota(owner_, DType::s32, elements->shape, -1);
    const NodeRef index = elementwise(Op::add, {elementwise(Op::multiply, {counted, step}), first});
    return overwrite(x, index, elements);
  }

  NodeRef pointwise(Op op) {
    const Accepts accepts = info(op).accepts;
    std::vector<NodeRef> operands = {operand(accepts)};
    Shape s = operands[0]->shape;
    for (int i = 1; i < info(op).arity; ++i) {
      operands.push_back(operand_beside(s, accepts));
      s = broadcast_of(s, operands.back()->shape).value();
    }
    if (operands.size() == 2) operands[1] = harmless(op, operands[0], operands[1]);
    return elementwise(op, operands);
  }

  // The second operand, or one in its place that does not raise.
  NodeRef harmless(Op op, const NodeRef& a, const NodeRef& b) {
    if (!is_integer(a->dtype) || !is_integer(b->dtype)) return b;
    switch (op) {
      case Op::quotient:
      case Op::remainder:
        return leaf(part_of(a->shape), Accepts::integer, Values::not_zero);
      case Op::pow:
      case Op::left_shift:
      case Op::right_shift:
        return naturals(part_of(a->shape));
      default:
        return b;
    }
  }

  // Of a type that holds small naturals: 2 is negative in s2, 9 in s4.
  NodeRef naturals(const Shape& s) {
    const DType t = type(Accepts::integer);
    const bool holds_nine = bits(t) >= 8 || is_unsigned(t);
    return data(holds_nine ? t : DType::u8, s, Values::small_natural);
  }

  NodeRef view(Op op) {
    const NodeRef x = operand();
    switch (op) {
      case Op::reshape:
        return reshape(x, rearranged(x->count));
      case Op::broadcast:
        return broadcast_view(x);
      case Op::transpose:
        return transpose(x, permutation(rank_of(x->shape)));
      case Op::slice:
        return slice_view(x);
      case Op::reverse:
        return reverse(x, some_axes(x->shape));
      case Op::pad:
        return pad_view(x);
      case Op::concatenate:
        return joined(x);
      case Op::windows:
        return windows_view(x);
      default:
        return {};
    }
  }

  // A shape of as many elements: their prime factors dealt out to a few axes.
  Shape rearranged(int64_t count) {
    Shape s(static_cast<size_t>(dice_.between(count == 1 ? 0 : 1, 4)), 1);
    for (int64_t prime = 2; count > 1; ++prime) {
      for (; count % prime == 0; count /= prime) {
        s[static_cast<size_t>(dice_.below(rank_of(s)))] *= prime;
      }
    }
    return s;
  }

  Axes permutation(int64_t rank) {
    Axes axes(static_cast<size_t>(rank));
    std::iota(axes.begin(), axes.end(), 0);
    for (int64_t i = rank - 1; i > 0; --i) {
      const int64_t j = dice_.between(0, i);
      std::swap(axes[static_cast<size_t>(i)], axes[static_cast<size_t>(j)]);
    }
    return axes;
  }

  Axes some_axes(const Shape& s) {
    Axes axes;
    for (int64_t a = 0; a < rank_of(s); ++a) {
      if (dice_.chance(50)) axes.push_back(a);
    }
    return axes;
  }

  NodeRef broadcast_view(const NodeRef& x) {
    Shape to;
    Axes axes;
    for (int64_t d : x->shape) {
      if (rank_of(x->shape) < 4 && dice_.chance(25)) to.push_back(dice_.between(1, 5));
      axes.push_back(rank_of(to));
      to.push_back(d == 1 && dice_.chance(60) ? dice_.between(1, 7) : d);
    }
    if (to.empty() || dice_.chance(10)) to.push_back(dice_.between(1, 5));
    if (element_count(to) > options_.max_elements) return {};
    return broadcast(x, to, axes);
  }

  NodeRef slice_view(const NodeRef& x) {
    std::vector<int64_t> starts;
    std::vector<int64_t> lengths;
    std::vector<int64_t> strides;
    for (int64_t d : x->shape) {
      lengths.push_back(dice_.between(1, d));
      starts.push_back(dice_.between(0, d - lengths.back()));
      strides.push_back(dice_.between(1, 3));
    }
    return slice(x, starts, lengths, strides);
  }

  NodeRef pad_view(const NodeRef& x) {
    PadAttr amounts;
    Shape padded;
    for (int64_t d : x->shape) {
      amounts.low.push_back(dice_.between(-2, 3));
      amounts.high.push_back(dice_.between(-2, 3));
      amounts.interior.push_back(dice_.chance(25) ? dice_.between(1, 2) : 0);
      padded.push_back(d + (d - 1) * amounts.interior.back() + amounts.low.back() +
                       amounts.high.back());
      if (padded.back() < 1) return {};
    }
    if (element_count(padded) > options_.max_elements) return {};
    const NodeRef value = operand(Accepts::any, [](const NodeRef& n) { return n->shape.empty(); });
    return pad(x, value ? value : leaf({}), amounts);
  }

  NodeRef windows_view(const NodeRef& x) {
    WindowsAttr geometry;
    int64_t count = 1;
    for (int64_t d : x->shape) {
      const int64_t window = dice_.between(1, std::min<int64_t>(d, 3));
      const int64_t stride = dice_.between(1, 3);
      const int64_t room = window == 1 ? 1 : (d - 1) / (window - 1);
      const int64_t dilation = dice_.between(1, std::min<int64_t>(room, 3));
      geometry.window.push_back(window);
      geometry.strides.push_back(stride);
      geometry.dilations.push_back(dilation);
      count *= window * window_count(d, window, stride, dilation);
    }
    if (count > options_.max_elements) return {};
    return windows(x, geometry);
  }

  NodeRef joined(const NodeRef& x) {
    if (x->shape.empty()) return {};
    const auto axis = static_cast<size_t>(dice_.below(rank_of(x->shape)));
    std::vector<NodeRef> parts = {x};
    for (int64_t more = dice_.between(1, 3); more > 0; --more) {
      Shape wanted = x->shape;
      wanted[axis] = 0;
      const NodeRef other = operand(Accepts::any, [&](const NodeRef& n) {
        if (n->shape.size() != wanted.size()) return false;
        Shape outside = n->shape;
        outside[axis] = 0;
        return outside == wanted;
      });
      wanted[axis] = dice_.between(1, 4);
      parts.push_back(other ? other : leaf(wanted));
    }
    if (dice_.chance(30)) std::swap(parts.front(), parts.back());
    return concatenate(parts, static_cast<int64_t>(axis));
  }

  NodeRef reduction(Op op) {
    const NodeRef x = operand(info(op).accepts);
    const bool over_all = dice_.chance(20);
    const bool keep = dice_.chance(50);
    const Axes axes = some_axes(x->shape);
    return reduce(op, x, over_all || axes.empty() ? std::nullopt : std::optional(axes), keep);
  }

  // Contracts some axis with an axis of the same length of another node; sometimes leading axes of
  // equal length are a batch.
  NodeRef contraction() {
    const NodeRef a = operand(Accepts::any, [](const NodeRef& n) { return !n->shape.empty(); });
    if (!a) return {};
    const int64_t axis = dice_.below(rank_of(a->shape));
    const int64_t length = a->shape[static_cast<size_t>(axis)];
    const bool batched = axis > 0 && dice_.chance(50);
    Shape other = {length, dice_.between(1, 6)};
    if (dice_.chance(20)) other.pop_back();
    if (batched) other.insert(other.begin(), a->shape[0]);
    const int64_t other_axis = batched ? 1 : 0;
    NodeRef b = leaf(other);
    if (dice_.chance(50)) {
      const NodeRef shared = operand(Accepts::any, [&](const NodeRef& n) {
        return rank_of(n->shape) > other_axis &&
               n->shape[static_cast<size_t>(other_axis)] == length &&
               (!batched || n->shape[0] == a->shape[0]);
      });
      if (shared) b = shared;
    }
    if (a->count / length * (b->count / length) > options_.max_elements) return {};
    const Axes batch = batched ? Axes{0} : Axes{};
    return dot(a, b, {{axis}, {other_axis}, batch, batch});
  }

  // ---- Results ----

  // Nodes that nothing reads, latest first.
  std::vector<NodeRef> roots() const {
    std::vector<NodeRef> result;
    for (size_t i = pool_.size(); i-- > 0;) {
      const bool is_read = std::any_of(pool_.begin(), pool_.end(), [&](const NodeRef& n) {
        return std::any_of(n->inputs.begin(), n->inputs.end(),
                           [&](const NodeRef& input) { return input.get() == pool_[i].get(); });
      });
      if (!is_read) result.push_back(pool_[i]);
      if (static_cast<int>(result.size()) == options_.max_roots) break;
    }
    return result;
  }

  GraveyardRef owner_;
  const RandomGraphOptions& options_;
  Dice dice_;
  std::vector<Op> ops_;     // but leaves
  std::vector<Op> leaves_;  // allowed kinds of them
  std::vector<NodeRef> pool_;
};

}  // namespace

RandomGraphOptions random_graph_options(uint64_t seed) {
  static const std::vector<std::vector<DType>> type_sets = {
      {DType::f32, DType::s32, DType::u8},
      {DType::f32},
      {DType::f16, DType::bf16, DType::f32},
      {DType::s8, DType::u16, DType::s16, DType::u32},
      {DType::f64, DType::s64},
      {DType::f32, DType::s32, DType::u8},
      {DType::u64, DType::s64, DType::s32, DType::u8},
      {DType::u2, DType::u4, DType::s2, DType::s4, DType::f8_e4m3fn, DType::f8_e5m2},
      {DType::f32, DType::f64, DType::f16, DType::s32, DType::s64, DType::u8, DType::u64},
      {DType::c64, DType::f32, DType::s16},
      {DType::c128, DType::c64, DType::f64}};
  RandomGraphOptions options;
  options.dtypes = type_sets[seed % type_sets.size()];
  // What infinities do to complex functions is up to each: vectors check it.
  options.special_values = !is_complex(options.dtypes[0]);
  options.size = 4 + static_cast<int>(seed / 7 % 21);
  options.max_elements = seed % 5 == 0 ? 4096 : 300;
  return options;
}

std::vector<NodeRef> random_graph(const GraveyardRef& owner, Dice dice,
                                  const RandomGraphOptions& options, std::vector<NodeRef> given) {
  return GraphDrawer(owner, dice, options).run(std::move(given));
}

}  // namespace nxv
