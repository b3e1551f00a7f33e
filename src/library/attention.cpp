// Attention.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "graph/attention.h"
#include "graph/build.h"
#include "library/families.h"

namespace nxv::library {
namespace {

// Positions are 32-bit numbers in kernels, and so are their differences.
constexpr int64_t kFarthest = int64_t{1} << 29;

class Attention {
 public:
  explicit Attention(const Arguments& a) : a_(a) {}

  std::vector<NodeRef> build() {
    take(0);
    attr_.has_statistics = a_.flag("statistics");
    if (attr_.has_statistics) limit_masked();
    Shape shape = {size(0, 0), size(0, 1), size(0, 2), size(2, 3)};
    const Shape rows(shape.begin(), shape.end() - 1);
    const DType type = inputs_[0]->dtype, stored = stored_type({2});
    shape = as_given(std::move(shape));
    if (!attr_.has_statistics) {
      return {cast(make_node(Op::attention, stored, shape, inputs_, attr_), type)};
    }
    const NodeRef all = make_node(Op::attention, DType::u8, {}, inputs_, attr_);
    return {cast(make_node(Op::result, stored, shape, {all}, ResultAttr{0}), type),
            make_node(Op::result, DType::f32, rows, {all}, ResultAttr{1})};
  }

  // Of queries, keys and values; the last operands are what attention answered and the gradient of
  // its result.
  std::vector<NodeRef> build_gradient() {
    if (a_.tensors().size() < 6) a_.fail("needs at least six operands");
    take(3);
    limit_masked();
    const DType type = inputs_[0]->dtype, stored = stored_type({0, 2});
    const auto last = a_.tensors().last(3);
    const Shape shape = {size(0, 0), size(0, 1), size(0, 2), size(2, 3)};
    const Shape rows(shape.begin(), shape.end() - 1);
    for (size_t i : {size_t{0}, size_t{2}}) {
      if (last[i]->shape == as_given(shape) && last[i]->dtype == type) continue;
      a_.fail("the result and its gradient are " + std::string(name(type)) +
                  to_string(as_given(shape)) + ", got " + describe(last[i]),
              Status::size_mismatch);
    }
    if (last[1]->shape != rows || last[1]->dtype != DType::f32) {
      a_.fail("the statistics are f32" + to_string(rows) + ", got " + describe(last[1]),
              Status::size_mismatch);
    }
    const NodeRef result = outside(last[0]), gradient = outside(last[2]);
    const NodeRef products =
        elementwise(Op::multiply, {cast(result, DType::f32), cast(gradient, DType::f32)});
    inputs_.insert(inputs_.end(), {gradient, last[1], reduce(Op::sum, products, Axes{3}, false)});
    const NodeRef all = make_node(Op::attention_gradient, DType::u8, {}, inputs_, attr_);
    std::vector<NodeRef> results;
    for (size_t i = 0; i < 3; ++i) {
      results.push_back(cast(make_node(Op::result, stored, as_given(inputs_[i]->shape), {all},
                                       ResultAttr{static_cast<int64_t>(i)}),
                             type));
    }
    return results;
  }

 private:
  int64_t size(size_t operand, size_t axis) const { return inputs_[operand]->shape[axis]; }
  std::string given() const {
    return "got " + describe(a_.tensor(0)) + ", " + describe(a_.tensor(1)) + " and " +
           describe(a_.tensor(2));
  }
  [[noreturn]] void fail_shapes(const std::string& what) const {
    a_.fail(what + ", " + given(), Status::size_mismatch);
  }

  // From {batch, heads, length, width} to the order that the caller has, and back.
  Shape as_given(Shape shape) const {
    if (attr_.heads_inside) std::swap(shape[1], shape[2]);
    return shape;
  }
  NodeRef outside(const NodeRef& x) const {
    return attr_.heads_inside ? transpose(x, {0, 2, 1, 3}) : x;
  }

  // Of results as wide as these operands: kernels write whole words.
  DType stored_type(std::initializer_list<size_t> like) const {
    const DType type = inputs_[0]->dtype;
    for (size_t i : like) {
      if (size(i, 3) * storage_bytes(type) % 4 != 0) return DType::f32;
    }
    return type;
  }

  void limit_masked() {
    if (std::isfinite(attr_.masked)) attr_.masked = std::max(attr_.masked, kMasked);
  }

  // All operands but the last few, and options.
  void take(size_t last) {
    const int64_t axis = a_.integer("heads_axis", 1);
    if (axis != 1 && axis != 2) a_.fail("heads_axis must be 1 or 2, got " + std::to_string(axis));
    attr_.heads_inside = axis == 2;
    take_factors();
    take_options();
    take_others(last);
  }

  void take_factors() {
    for (size_t i = 0; i < 3; ++i) {
      const NodeRef& x = a_.tensor(i);
      if (x->shape.size() != 4) fail_shapes("queries, keys and values have four axes");
      inputs_.push_back(outside(x));
    }
    const DType type = inputs_[0]->dtype;
    if ((type != DType::f16 && type != DType::bf16 && type != DType::f32) ||
        inputs_[1]->dtype != type || inputs_[2]->dtype != type) {
      a_.fail("queries, keys and values are of one type, f16, bf16 or f32; " + given());
    }
    if (size(0, 0) != size(1, 0) || size(0, 0) != size(2, 0)) {
      fail_shapes("the batches of queries, keys and values differ");
    }
    if (size(0, 3) != size(1, 3)) fail_shapes("queries and keys differ in width");
    if (size(1, 2) != size(2, 2)) fail_shapes("there are not as many keys as values");
    if (size(1, 1) != size(2, 1) || size(0, 1) % size(1, 1) != 0) {
      fail_shapes("keys and values have as many heads, which divide those of queries");
    }
    const int64_t widest = std::max(size(0, 3), size(2, 3));
    if (widest > 256) fail_shapes("heads are at most 256 wide");
  }

  void take_options() {
    attr_.scale = a_.real("scale", 1 / std::sqrt(static_cast<double>(size(0, 3))));
    attr_.soft_cap = a_.real("soft_cap", 0);
    if (!(attr_.soft_cap >= 0)) a_.fail("soft_cap must be positive");
    attr_.masked = a_.real("masked", -std::numeric_limits<double>::infinity());
    const int64_t otherwise = a_.flag("offsets") ? 0 : size(1, 2) - size(0, 2);
    attr_.offset = a_.integer("offset", otherwise);
    if (attr_.offset < -kFarthest || attr_.offset > kFarthest) a_.fail("offset is out of range");
    const bool is_causal = a_.flag("causal");
    if (is_causal) attr_.after = 0;
    if (!a_.has("window")) return;
    const int64_t window = a_.integer("window");
    if (window < 1) a_.fail("window must be positive, got " + std::to_string(window));
    attr_.before = std::min(window - 1, kFarthest);
    if (!is_causal) attr_.after = attr_.before;
  }

  void take_others(size_t last) {
    const Shape scores = {size(0, 0), size(0, 1), size(0, 2), size(1, 2)};
    attr_.has_mask = a_.flag("mask");
    attr_.has_bias = a_.flag("bias");
    attr_.has_lengths = a_.flag("lengths");
    attr_.has_offsets = a_.flag("offsets");
    attr_.has_sinks = a_.flag("sinks");
    const size_t expected = static_cast<size_t>(AttentionOperands(attr_).count) + last;
    if (a_.tensors().size() != expected) {
      a_.fail("its options name " + std::to_string(expected) + " operands, got " +
              std::to_string(a_.tensors().size()));
    }
    size_t next = 3;
    if (attr_.has_mask) {
      NodeRef mask = a_.tensor(next++);
      if (mask->dtype != DType::u8) {
        const NodeRef zero =
            constant(mask->shared_graveyard(), make_scalar(mask->dtype, int64_t{0}), {});
        mask = elementwise(Op::not_equal, {mask, zero});
      }
      inputs_.push_back(spread("mask", mask, scores));
    }
    if (attr_.has_bias) {
      const NodeRef& bias = a_.tensor(next++);
      if (is_complex(bias->dtype)) a_.fail("bias is real, got " + describe(bias));
      const bool is_narrow = bias->dtype == DType::f16 || bias->dtype == DType::bf16;
      inputs_.push_back(spread("bias", is_narrow ? bias : cast(bias, DType::f32), scores));
    }
    if (attr_.has_lengths) inputs_.push_back(positions("lengths", a_.tensor(next++)));
    if (attr_.has_offsets) inputs_.push_back(positions("offsets", a_.tensor(next++)));
    if (attr_.has_sinks) {
      const NodeRef& sinks = a_.tensor(next++);
      if (is_complex(sinks->dtype)) a_.fail("sinks are real, got " + describe(sinks));
      inputs_.push_back(spread("sinks", cast(sinks, DType::f32), {size(0, 1)}));
    }
  }

  NodeRef spread(const char* what, const NodeRef& x, const Shape& to) const {
    bool fits = x->shape.size() <= to.size();
    const size_t missing = fits ? to.size() - x->shape.size() : 0;
    for (size_t d = 0; fits && d < x->shape.size(); ++d) {
      fits = x->shape[d] == 1 || x->shape[d] == to[missing + d];
    }
    if (!fits) {
      a_.fail(std::string(what) + " broadcasts to " + to_string(to) + ", got " + describe(x),
              Status::size_mismatch);
    }
    return broadcast(x, to);
  }

  NodeRef positions(const char* what, const NodeRef& x) const {
    if (!is_integer(x->dtype)) {
      a_.fail(std::string(what) + " are integers, got " + describe(x));
    }
    return spread(what, cast(x, DType::s32), {size(0, 0)});
  }

  const Arguments& a_;
  AttentionAttr attr_;
  std::vector<NodeRef> inputs_;
};

std::vector<NodeRef> attention(const Arguments& a) { return Attention(a).build(); }
std::vector<NodeRef> attention_gradient(const Arguments& a) {
  return Attention(a).build_gradient();
}

}  // namespace

std::span<const Row> attention_rows() {
  using enum OptionKind;
  // Those of gradients, and whether there are two results.
  static constexpr OptionRow kAttention[] = {
      {"scale", real},     {"causal", flag},  {"window", integer}, {"offset", integer},
      {"soft_cap", real},  {"masked", real},  {"mask", flag},      {"bias", flag},
      {"lengths", flag},   {"offsets", flag}, {"sinks", flag},     {"heads_axis", integer},
      {"statistics", flag}};
  static constexpr std::span<const OptionRow> kGradient = std::span(kAttention).first(12);
  static constexpr std::array kRows = {
      Row{"attention", -3, kAttention, attention,
          "queries, keys, values, then as options say: mask, bias, lengths, offsets, sinks; scale "
          "(1 / sqrt(width)), causal, window, offset (keys - queries), soft_cap, masked "
          "(-infinity), heads_axis (1), statistics. softmax(scale Q K^T) V of each head"},
      Row{"attention_gradient", -6, kGradient, attention_gradient,
          "what attention took, its two results, the gradient of the first -> gradients of "
          "queries, "
          "keys and values; the options of attention"},
  };
  return kRows;
}

}  // namespace nxv::library
