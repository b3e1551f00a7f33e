#include "kernels/matmul/matmul_store.h"

#include <algorithm>

namespace nxv::kernels {

using ir::Number;
using ir::Value;

void MatmulStore::if_row(Value row, const std::function<void()>& body) const {
  if (is_inside_) return body();
  b_.if_(row < rows_, body);
}

void MatmulStore::if_column(Value column, const std::function<void()>& body) const {
  if (is_inside_) return body();
  b_.if_(column < columns_, body);
}

void MatmulStore::four(const Value* totals, Value start, Value column, bool adds) const {
  const bool to_workspace = layout_.to_workspace;
  const auto buffer = [&](size_t root) {
    return to_workspace ? kernel_.last_workspace() : kernel_.result(root);
  };
  const DType stored = to_workspace ? kernel_.stored_sum() : kernel_.result_type(0);
  const auto number = [&](Value total) {
    return to_workspace ? Number{stored, total, {}} : kernel_.number({total});
  };
  const auto finished = [&](std::vector<Number> numbers, Value index) {
    if (!to_workspace) return kernel_.finished(std::move(numbers), index);
    return std::vector<std::vector<Number>>{std::move(numbers)};
  };
  if (layout_.whole_groups) {
    if_column(column, [&] {
      const Value first = start + column;
      const Value index = first >> 2;
      Group before;
      if (adds) before = load_group(buffer(0), index, stored);
      std::vector<Number> numbers;
      for (int i = 0; i < kGroup; ++i) {
        numbers.push_back(number(adds ? before[i].re + totals[i] : totals[i]));
      }
      const auto results = finished(std::move(numbers), first);
      for (size_t r = 0; r < results.size(); ++r) {
        Group four;
        std::copy(results[r].begin(), results[r].end(), four.begin());
        store_group(buffer(r), index, four);
      }
    });
    return;
  }
  for (int i = 0; i < kGroup; ++i) {
    const Value at = i == 0 ? column : column + i;
    if_column(at, [&] {
      const Value index = start + at;
      const Value total = adds ? load_element(buffer(0), index, stored).re + totals[i] : totals[i];
      const auto results = finished({number(total)}, index);
      for (size_t r = 0; r < results.size(); ++r) store_element(buffer(r), index, results[r][0]);
    });
  }
}

}  // namespace nxv::kernels
