#include "kernels/attention/attention_result.h"

#include "kernels/common/memory_format.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Value;
using Words = AttentionWords;

void store_columns(Builder& b, const KernelArguments& arguments, const AttentionScores& scores,
                   const AttentionOptions& options, const AttentionRow& row, Value column,
                   const std::array<Value, 2>& totals, Value sum) {
  if (options.result < 0) return;
  const auto& words = scores.words();
  const DType type = options.stored;
  // A row that sees no key is 0.
  const Value divisor = b.select(sum == scores.zero(), b.f32(1), sum);
  const Value width = words[&Words::value_width];
  const Value out = arguments.output(static_cast<size_t>(options.result));
  const Value at = row.batch * words[&Words::batch_stride] + row.head * words[&Words::head_stride] +
                   row.query * words[&Words::row_stride] + column;
  std::array<ir::Number, 2> v;
  for (size_t e = 0; e < 2; ++e) v[e] = {type, ir::wrap(totals[e] / divisor, type), {}};
  // Rows of narrow numbers have an even width.
  b.if_(column < width, [&] {
    if (storage_bytes(type) == 2) {
      b.store(out, at >> 1, word_of(v));
      return;
    }
    store_element(out, at, v[0]);
    b.if_(column + 1u < width, [&] { store_element(out, at + 1u, v[1]); });
  });
}

void store_statistics(Builder& b, const KernelArguments& arguments, const AttentionScores& scores,
                      const AttentionOptions& options, const ir::math::MathOptions& math,
                      const AttentionRow& row, Value base, Value sum) {
  const auto& words = scores.words();
  const Value log =
      b.select(sum == scores.zero(), scores.lowest(), base + ir::math::log(sum, math));
  const Value heads = words[&Words::heads] * words[&Words::head_group];
  const Value at = (row.batch * heads + row.head) * words[&Words::queries] + row.query;
  b.store(arguments.output(static_cast<size_t>(options.statistics)), at, log);
}

}  // namespace nxv::kernels
