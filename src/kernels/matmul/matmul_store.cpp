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
  const Value buffer = to_workspace ? kernel_.last_workspace() : kernel_.C();
  const DType stored = to_workspace ? kernel_.stored_sum() : kernel_.out;
  const auto number = [&](Value total) {
    return to_workspace ? Number{stored, total, {}} : kernel_.result({total});
  };
  const auto finished = [&](std::vector<Number> numbers, Value index) {
    return to_workspace ? numbers : kernel_.finished(std::move(numbers), index);
  };
  if (layout_.whole_groups) {
    if_column(column, [&] {
      const Value first = start + column;
      const Value index = first >> 2;
      Group before, four;
      if (adds) before = load_group(buffer, index, stored);
      std::vector<Number> numbers;
      for (int i = 0; i < kGroup; ++i) {
        numbers.push_back(number(adds ? before[i].re + totals[i] : totals[i]));
      }
      numbers = finished(std::move(numbers), first);
      std::copy(numbers.begin(), numbers.end(), four.begin());
      store_group(buffer, index, four);
    });
    return;
  }
  for (int i = 0; i < kGroup; ++i) {
    const Value at = i == 0 ? column : column + i;
    if_column(at, [&] {
      const Value index = start + at;
      const Value total = adds ? load_element(buffer, index, stored).re + totals[i] : totals[i];
      store_element(buffer, index, finished({number(total)}, index)[0]);
    });
  }
}

}  // namespace nxv::kernels
