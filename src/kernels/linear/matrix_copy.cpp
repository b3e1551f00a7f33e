#include "kernels/linear/matrix_copy.h"

namespace nxv::kernels {
namespace {

using ir::Value;

struct CopyWords {
  CopyWords() = default;
  explicit CopyWords(const MatrixView& v)
      : first(word(v.first)),
        batch_stride(word(v.batch_stride)),
        row_stride(word(v.row_stride)),
        column_stride(word(v.column_stride)),
        columns(v.columns),
        rows(v.rows) {}

  uint32_t first = 0, batch_stride = 0, row_stride = 0, column_stride = 0;
  Divisor columns, rows;
};

// Where element i of the workspace lies in the view.
Value place_in_view(const WordValues<CopyWords>& words, Value i) {
  const Value row = words.divide(i, &CopyWords::columns);
  const Value column = i - row * words[&CopyWords::columns];
  const Value matrix = words.divide(row, &CopyWords::rows);
  return words[&CopyWords::first] + matrix * words[&CopyWords::batch_stride] +
         (row - matrix * words[&CopyWords::rows]) * words[&CopyWords::row_stride] +
         column * words[&CopyWords::column_stride];
}

struct LoadMatrices {
  static constexpr std::string_view kName = "linear_load";
  struct Layout {
    int operand = 0;
  };
  using Words = CopyWords;
  static StepOptions options(const Layout&) { return {.kernel = kName, .workspaces = 1}; }
  static void emit(StepKernel<LoadMatrices>& k) {
    k.each_item([&](Value i) {
      const Value at = place_in_view(k.words, i);
      k.store(k.workspace(0), i, k.load_operand(k.layout.operand, at));
    });
  }
};

struct StoreMatrices {
  static constexpr std::string_view kName = "linear_store";
  using Layout = NoLayout;
  using Words = CopyWords;
  static StepOptions options(NoLayout) { return {.kernel = kName, .workspaces = 1}; }
  static void emit(StepKernel<StoreMatrices>& k) {
    k.each_item([&](Value i) {
      const Value at = place_in_view(k.words, i);
      k.store_output(at, k.load(k.workspace(0), i));
    });
  }
};

uint64_t elements_of(const MatrixView& view) { return view.batch * view.rows * view.columns; }

}  // namespace

void add_load(Steps& steps, int operand, const MatrixView& view, int to) {
  steps.add<LoadMatrices>(elements_of(view), CopyWords(view),
                          {.workspaces = {writes(to)}, .reads_operands = true}, {operand});
}

void add_store(Steps& steps, const MatrixView& view, int from) {
  steps.add<StoreMatrices>(elements_of(view), CopyWords(view),
                           {.workspaces = {reads(from)}, .writes_output = true});
}

}  // namespace nxv::kernels
