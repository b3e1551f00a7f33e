#include "testing/reference/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "graph/attention.h"
#include "testing/reference/number.h"
#include "testing/reference/structure.h"

namespace nxv::reference {
namespace {

class Attention {
 public:
  Attention(const Node& node, std::span<const HostTensor* const> inputs)
      : inputs_(inputs), attr_(node.attribute<AttentionAttr>()), operands_(attr_) {}

  double at(int operand, std::span<const int64_t> index) const {
    const HostTensor& x = *inputs_[static_cast<size_t>(operand)];
    return to_complex_double(x.at(position(index, x.shape))).real();
  }
  int64_t number(int operand, int64_t b) const {
    return operand < 0 ? 0 : static_cast<int64_t>(at(operand, std::array{b}));
  }

  double score(int64_t b, int64_t head, int64_t kv_head, int64_t query, int64_t key) const {
    if (!sees(b, query, key)) return -kInfinity;
    double s = 0;
    for (int64_t c = 0; c < inputs_[0]->shape[3]; ++c) {
      s += at(0, std::array{b, head, query, c}) * at(1, std::array{b, kv_head, key, c});
    }
    s *= attr_.scale;
    if (attr_.soft_cap != 0) s = attr_.soft_cap * std::tanh(s / attr_.soft_cap);
    const std::array place{b, head, query, key};
    if (attr_.has_bias) s += at(operands_.bias, place);
    if (attr_.has_mask && at(operands_.mask, place) == 0) s = attr_.masked;
    return s;
  }
  double sink(int64_t head) const {
    return attr_.has_sinks ? at(operands_.sinks, std::array{head}) : -kInfinity;
  }

  static constexpr double kInfinity = std::numeric_limits<double>::infinity();

 private:
  bool sees(int64_t b, int64_t query, int64_t key) const {
    if (attr_.has_lengths && key >= number(operands_.lengths, b)) return false;
    const int64_t place = query + attr_.offset + number(operands_.offsets, b);
    return (attr_.after < 0 || key <= place + attr_.after) &&
           (attr_.before < 0 || key >= place - attr_.before);
  }

  const std::span<const HostTensor* const> inputs_;
  const AttentionAttr& attr_;
  const AttentionOperands operands_;
};

}  // namespace

std::vector<HostTensor> evaluate_attention(const Node& node,
                                           std::span<const HostTensor* const> inputs) {
  const auto& attr = node.attribute<AttentionAttr>();
  const Attention attention(node, inputs);
  const Shape &q = inputs[0]->shape, &v = inputs[2]->shape;
  const int64_t heads = q[1], queries = q[2], keys = v[2], width = v[3];
  const DType type = attr.has_statistics ? inputs[0]->dtype : node.dtype;
  const bool is_padded = width * storage_bytes(type) % 4 != 0;  // the library casts from f32
  HostTensor result(is_padded ? DType::f32 : type, attr.heads_inside
                                                       ? Shape{q[0], queries, heads, width}
                                                       : Shape{q[0], heads, queries, width});
  HostTensor statistics(DType::f32, {q[0], heads, queries});
  std::vector<double> scores(static_cast<size_t>(keys));
  Walk row({q[0], heads, queries});
  for (int64_t i = 0; i < statistics.count(); ++i, row.next()) {
    const int64_t b = row[0], head = row[1], query = row[2], kv_head = head / (heads / v[1]);
    double largest = attention.sink(head);
    for (int64_t key = 0; key < keys; ++key) {
      double& s = scores[static_cast<size_t>(key)];
      s = attention.score(b, head, kv_head, query, key);
      largest = std::isnan(s) ? s : std::max(largest, s);
    }
    if (largest == -Attention::kInfinity) largest = 0;
    double sum = std::exp(attention.sink(head) - largest);
    for (double& s : scores) sum += s = std::exp(s - largest);
    statistics.set(i, make_scalar(DType::f32, largest + std::log(sum)));
    for (int64_t c = 0; c < width; ++c) {
      double total = 0;
      for (int64_t key = 0; key < keys; ++key) {
        const double weight = scores[static_cast<size_t>(key)];
        if (weight != 0) total += weight * attention.at(2, std::array{b, kv_head, key, c});
      }
      const std::array place =
          attr.heads_inside ? std::array{b, query, head, c} : std::array{b, head, query, c};
      result.set(position(place, result.shape),
                 make_scalar(result.dtype, sum == 0 ? 0.0 : total / sum));
    }
  }
  return {std::move(result), std::move(statistics)};
}

}  // namespace nxv::reference
