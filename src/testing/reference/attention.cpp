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
    double s = dot(0, b, head, query, 1, kv_head, key) * attr_.scale;
    if (attr_.soft_cap != 0) s = attr_.soft_cap * std::tanh(s / attr_.soft_cap);
    const std::array place{b, head, query, key};
    if (attr_.has_bias) s += at(operands_.bias, place);
    if (attr_.has_mask && at(operands_.mask, place) == 0) s = attr_.masked;
    return s;
  }
  // The score's derivative by the product.
  double slope(int64_t b, int64_t head, int64_t kv_head, int64_t query, int64_t key) const {
    if (attr_.has_mask && at(operands_.mask, std::array{b, head, query, key}) == 0) return 0;
    if (attr_.soft_cap == 0) return attr_.scale;
    const double bent =
        std::tanh(attr_.scale * dot(0, b, head, query, 1, kv_head, key) / attr_.soft_cap);
    return attr_.scale * (1 - bent * bent);
  }
  // Of a row of one operand and of another.
  double dot(int x, int64_t b, int64_t head, int64_t row, int y, int64_t other_head,
             int64_t other) const {
    double sum = 0;
    for (int64_t c = 0; c < inputs_[static_cast<size_t>(x)]->shape[3]; ++c) {
      sum += at(x, std::array{b, head, row, c}) * at(y, std::array{b, other_head, other, c});
    }
    return sum;
  }
  int operand_count() const { return operands_.count; }

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

std::vector<HostTensor> evaluate_attention_gradient(const Node& node,
                                                    std::span<const HostTensor* const> inputs) {
  const auto& attr = node.attribute<AttentionAttr>();
  const Attention attention(node, inputs);
  const int gradient = attention.operand_count(), statistics = gradient + 1;
  const Shape &q = inputs[0]->shape, &k = inputs[1]->shape, &v = inputs[2]->shape;
  std::array<std::vector<double>, 3> sums;
  for (size_t i = 0; i < 3; ++i) sums[i].resize(static_cast<size_t>(inputs[i]->count()));
  const auto place = [](const Shape& shape, int64_t b, int64_t head, int64_t row) {
    return static_cast<size_t>(position(std::array{b, head, row, int64_t{0}}, shape));
  };
  Walk row({q[0], q[1], q[2]});
  for (int64_t i = 0; i < q[0] * q[1] * q[2]; ++i, row.next()) {
    const int64_t b = row[0], head = row[1], query = row[2], kv_head = head / (q[1] / k[1]);
    const double sum = attention.at(statistics, row.index());
    if (sum == -Attention::kInfinity) continue;
    const double delta = attention.at(statistics + 1, row.index());
    const size_t at_q = place(q, b, head, query);
    for (int64_t key = 0; key < k[2]; ++key) {
      const double p = std::exp(attention.score(b, head, kv_head, query, key) - sum);
      if (p == 0) continue;
      const double change = p * (attention.dot(gradient, b, head, query, 2, kv_head, key) - delta) *
                            attention.slope(b, head, kv_head, query, key);
      const size_t at_k = place(k, b, kv_head, key), at_v = place(v, b, kv_head, key);
      for (int64_t c = 0; c < q[3]; ++c) {
        sums[0][at_q + c] += change * attention.at(1, std::array{b, kv_head, key, c});
        sums[1][at_k + c] += change * attention.at(0, std::array{b, head, query, c});
      }
      for (int64_t c = 0; c < v[3]; ++c) {
        sums[2][at_v + c] += p * attention.at(gradient, std::array{b, head, query, c});
      }
    }
  }
  const DType type = inputs[0]->dtype;
  const bool is_padded = (q[3] % 2 != 0 || v[3] % 2 != 0) && storage_bytes(type) < 4;
  std::vector<HostTensor> results;
  for (size_t i = 0; i < 3; ++i) {
    const Shape& shape = inputs[i]->shape;
    Shape given = shape;
    if (attr.heads_inside) std::swap(given[1], given[2]);
    HostTensor& t = results.emplace_back(is_padded ? DType::f32 : type, given);
    Walk at(shape);
    for (int64_t e = 0; e < t.count(); ++e, at.next()) {
      std::vector<int64_t> index = at.index();
      if (attr.heads_inside) std::swap(index[1], index[2]);
      t.set(position(index, given), make_scalar(t.dtype, sums[i][static_cast<size_t>(e)]));
    }
  }
  return results;
}

}  // namespace nxv::reference
