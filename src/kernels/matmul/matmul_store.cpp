#include "kernels/matmul/matmul_store.h"

namespace nxv::kernels {

using ir::Number;
using ir::Value;

void MatmulStore::if_row(Value row, const std::function<void()>& body) const {
  if (is_inside_) return body();
  b_.if_(row < kernel_.m(), body);
}

void MatmulStore::if_column(Value column, const std::function<void()>& body) const {
  if (is_inside_) return body();
  b_.if_(column < kernel_.n(), body);
}

void MatmulStore::four(const Value* totals, Value start, Value column, bool adds) const {
  const bool to_workspace = layout_.to_workspace;
  const Value buffer = to_workspace ? kernel_.workspace(0) : kernel_.C();
  const DType stored = to_workspace ? kernel_.stored_sum() : kernel_.out;
  const auto number = [&](Value total) {
    return to_workspace ? Number{stored, total, {}} : kernel_.result({total});
  };
  if (layout_.whole_groups) {
    if_column(column, [&] {
      const Value index = (start + column) >> 2;
      Group before, four;
      if (adds) before = load_group(buffer, index, stored);
      for (int i = 0; i < kGroup; ++i) {
        four[i] = number(adds ? before[i].re + totals[i] : totals[i]);
      }
      store_group(buffer, index, four);
    });
    return;
  }
  for (int i = 0; i < kGroup; ++i) {
    const Value at = i == 0 ? column : column + i;
    if_column(at, [&] {
      const Value index = start + at;
      const Value total = adds ? load_element(buffer, index, stored).re + totals[i] : totals[i];
      store_element(buffer, index, number(total));
    });
  }
}

}  // namespace nxv::kernels
