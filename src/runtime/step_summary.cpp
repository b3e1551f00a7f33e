#include "runtime/step_summary.h"

#include <algorithm>
#include <utility>

#include "graph/attention.h"
#include "graph/region_words.h"

namespace nxv::runtime {
namespace {

// Of an element.
uint64_t flops_of(Op op, DType dtype) {
  if (is_integer(dtype)) return 0;
  switch (op) {
    case Op::cast:
    case Op::bitcast:
    case Op::select:
    case Op::conjugate:
    case Op::real:
    case Op::imag:
      return 0;
    case Op::multiply:
    case Op::product:
      return is_complex(dtype) ? 6 : 1;
    case Op::dot:
      return is_complex(dtype) ? 8 : 2;
    default:
      return is_complex(dtype) ? 2 : 1;
  }
}

// Of all queries and keys, masked or not: two products; of gradients three as wide as queries and
// two as wide as values, whichever are wanted.
uint64_t flops_of_attention(const Node& node) {
  const AttentionSizes s(node);
  const auto scores = static_cast<uint64_t>(s.batch * s.heads * s.queries * s.keys);
  const bool is_gradient = node.op == Op::attention_gradient;
  const int64_t columns = is_gradient ? 3 * s.width + 2 * s.value_width : s.width + s.value_width;
  return 2 * scores * static_cast<uint64_t>(columns);
}

bool computes(const Expr& e) {
  return e.kind == ExprKind::compute || e.kind == ExprKind::reduce || e.kind == ExprKind::contract;
}

}  // namespace

uint64_t flops_of(const Region& region) {
  const auto rows = static_cast<uint64_t>(region.row_count);
  const auto columns = static_cast<uint64_t>(region.col_count);
  uint64_t flops = 0;
  for (const Expr& e : region.exprs) {
    if (!computes(e)) continue;
    uint64_t elements = e.level == Level::element ? rows * columns : rows;
    if (e.kind == ExprKind::reduce) elements = rows * columns;
    if (e.kind == ExprKind::contract) {
      elements = rows * region.words[e.words + word_offset(&ProductWords::k)];
    }
    flops += elements * flops_of(e.op, e.dtype);
  }
  return flops;
}

StepSummary summary_of(const Region& region) {
  StepSummary summary;
  summary.kind = region.kind;
  summary.reason = region.reason;
  for (const Root& root : region.roots) {
    summary.dtypes.push_back(root.node->dtype);
    summary.shapes.push_back(root.node->shape);
  }
  if (region.kind == RegionKind::library) {
    const Node& operation = operation_of(*region.root);
    summary.ops.push_back(operation.op);
    summary.is_flops_known =
        operation.op == Op::attention || operation.op == Op::attention_gradient;
    if (summary.is_flops_known) summary.flops = flops_of_attention(operation);
    return summary;
  }
  for (const Expr& e : region.exprs) {
    const bool is_named =
        computes(e) || e.kind == ExprKind::gather ||
        (e.kind == ExprKind::generate && e.op != Op::constant && e.op != Op::argument);
    if (is_named) summary.ops.push_back(e.op);
    if (e.kind == ExprKind::contract) summary.precision = e.precision;
  }
  // A copy: a view or a constant that is stored for its own sake.
  if (summary.ops.empty()) summary.ops.push_back(region.root->op);
  summary.flops = flops_of(region);
  return summary;
}

std::vector<std::string> words_of(const StepSummary& summary) {
  std::vector<std::pair<Op, int>> counts;  // in the order of the first
  for (Op op : summary.ops) {
    const auto known =
        std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.first == op; });
    if (known == counts.end()) {
      counts.emplace_back(op, 1);
    } else {
      ++known->second;
    }
  }
  std::vector<std::string> words;
  for (const auto& [op, count] : counts) {
    std::string& word = words.emplace_back(name(op));
    if (op == Op::dot && summary.precision != Precision::accurate) {
      word = std::string(name(summary.precision)) + ' ' + word;
    }
    if (count > 1) word += " x" + std::to_string(count);
  }
  return words;
}

std::string names_of(const StepSummary& summary) {
  std::string text;
  for (const std::string& word : words_of(summary)) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace nxv::runtime
