#include "schedule/byte_factors.h"

#include <algorithm>
#include <optional>

#include "graph/word_sums.h"
#include "schedule/gathered_factor.h"
#include "schedule/paths.h"

namespace nxv::schedule {
namespace {

constexpr int64_t kWord = 4;  // bytes

// Whether words have four steps along k of a line each, or four lines of a step.
bool has_words(const Layout& layout, bool is_b) {
  const size_t rank = layout.shape.size(), row = rank - 2, column = rank - 1;
  const size_t line = is_b ? column : row, depth = is_b ? row : column;
  const auto starts = [&](size_t skipped) {
    for (size_t d = 0; d < rank; ++d) {
      if (d != skipped && layout.shape[d] > 1 && layout.strides[d] % kWord != 0) return false;
    }
    return layout.offset % kWord == 0;
  };
  const bool by_steps =
      layout.strides[depth] == 1 && layout.shape[depth] % kWord == 0 && starts(depth);
  return by_steps || (layout.strides[line] == 1 && starts(line));
}

// Whether words have four steps each.
bool has_words(const GatheredFactor& factor) {
  const auto in_words = [](int64_t n) { return n % kWord == 0; };
  bool are_apart = in_words(factor.offset);
  for (const auto& axis : factor.axes) are_apart &= axis.dilation == 1 || in_words(axis.stride);
  for (size_t index = 0; index < factor.digits.size(); ++index) {
    const auto& digits = factor.digits[index];
    for (size_t d = 0; d < digits.size(); ++d) {
      const auto& digit = digits[d];
      if (index == GatheredShape::depth && d + 1 == digits.size()) {
        const bool moves = std::any_of(digit.steps.begin(), digit.steps.end(),
                                       [](int64_t step) { return step != 0; });
        are_apart &= digit.stride == 1 && in_words(digit.extent) && !moves;
      } else {
        are_apart &= digit.extent == 1 || in_words(digit.stride);
      }
    }
  }
  return are_apart;
}

// The type that a factor has in memory, if the product can read it there.
std::optional<DType> stored_type(const std::vector<Entry>& entries, const Node& factor, bool is_b) {
  std::vector<PathStep> views;  // from the product to the cast
  const Node* node = &factor;
  for (; node->is_pending() && (is_strided_view(node->op) || node->op == Op::pad);
       node = node->inputs[0].get()) {
    views.push_back({node, 0, static_cast<int>(views.size()) - 1, 0});
  }
  const auto is_read_once = [&](const Node* n) {
    return n->scratch >= 0 && entries[n->scratch].readers == 1 && !entries[n->scratch].is_root;
  };
  if (!widens_bytes(*node)) return node->dtype;
  if (!is_read_once(node)) return {};
  for (const PathStep& step : views) {
    if (!is_read_once(step.view)) return {};
  }
  const int path = static_cast<int>(views.size()) - 1;
  const auto layout = compose(views, path, node->shape);
  const auto gathered = layout ? std::nullopt : gathered_factor(views, path, is_b);
  const bool is_read = layout ? has_words(*layout, is_b) : gathered && has_words(*gathered);
  return is_read ? std::optional(node->inputs[0]->dtype) : std::nullopt;
}

}  // namespace

bool reads_bytes(const std::vector<Entry>& entries, const Node& product) {
  const auto a = stored_type(entries, *product.inputs[0], false);
  const auto b = stored_type(entries, *product.inputs[1], true);
  const auto k = static_cast<uint64_t>(product.inputs[0]->shape.back());
  return a && b && has_word_sums(product.dtype, *a, *b, k);
}

}  // namespace nxv::schedule
