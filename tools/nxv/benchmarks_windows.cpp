// Windows and convolutions.
#include <cmath>
#include <numeric>

#include "benchmarks.h"
#include "graph/build.h"
#include "library/registry.h"

namespace nxv::tools {
namespace {

using library::Option;

NodeRef call(std::string_view name, std::initializer_list<NodeRef> operands,
             const std::vector<Option>& options) {
  const std::vector<NodeRef> list(operands);
  return library::call(name, list, options)[0];
}

// One element of a value.
double element(Bench& bench, const NodeRef& x, std::vector<int64_t> index) {
  const std::vector<int64_t> ones(index.size(), 1);
  return bench.session.floats(slice(x, index, ones, ones))[0];
}

std::string named(const Shape& shape) {
  std::string text;
  for (int64_t d : shape) text += (text.empty() ? "" : "x") + std::to_string(d);
  return text;
}

// Windows of `window` everywhere, a step of `stride` apart.
Measurement window_sum(Bench& bench, const std::string& name, const Shape& shape,
                       const std::vector<int64_t>& window, int64_t stride) {
  const NodeRef x = bench.session.uniform(shape);
  const size_t rank = shape.size();
  std::vector<int64_t> margin;
  for (int64_t w : window) margin.push_back(stride == 1 ? w / 2 : 0);
  const std::vector<Option> options = {{"window", window, {}},
                                       {"low", margin, {}},
                                       {"high", margin, {}},
                                       {"strides", std::vector<int64_t>(rank, stride), {}}};
  Measurement m{name, named(shape)};
  NodeRef made;
  bench.time(m, [&] { return made = call("window_sum", {x}, options); });
  m.amount = sizeof(float) * static_cast<double>(x->count + made->count);
  ErrorBound error;
  // A corner, an edge and two places inside.
  for (int64_t place : {0, 1, 2, 3}) {
    std::vector<int64_t> at, first, lengths;
    for (size_t d = 0; d < rank; ++d) {
      const int64_t last = made->shape[d] - 1;
      at.push_back(place == 0 ? 0 : place == 1 && d == 0 ? last : last * place / 5);
      const int64_t from = at[d] * stride - margin[d];
      first.push_back(std::max<int64_t>(from, 0));
      lengths.push_back(std::min(from + window[d], shape[d]) - first[d]);
    }
    const std::vector<int64_t> ones(rank, 1);
    const auto inside = bench.session.floats(slice(x, first, lengths, ones));
    error.add(element(bench, made, at), std::accumulate(inside.begin(), inside.end(), 0.0));
  }
  m.error = error.largest();
  m.bound = 1e-7;
  return m;
}

// The same margin on each side of a square window.
Measurement convolution(Bench& bench, const std::string& name, const Shape& shape, int64_t filters,
                        int64_t window, bool channels_last) {
  const int64_t batch = shape[0], channels = shape[1], height = shape[2], width = shape[3];
  const Shape stored = channels_last ? Shape{batch, height, width, channels} : shape;
  const NodeRef x = bench.session.uniform(stored, -0.5, 0.5);
  const Shape kernel_shape = channels_last ? Shape{window, window, channels, filters}
                                           : Shape{filters, channels, window, window};
  const NodeRef kernel = bench.session.uniform(kernel_shape, -0.5, 0.5);
  const int64_t margin = window / 2;
  std::vector<Option> options = {{"low", {margin, margin}, {}}, {"high", {margin, margin}, {}}};
  if (channels_last) {
    options.push_back({"input_permutation", {0, 3, 1, 2}, {}});
    options.push_back({"kernel_permutation", {3, 2, 0, 1}, {}});
    options.push_back({"output_permutation", {0, 3, 1, 2}, {}});
  }
  Measurement m{name, named({batch, channels, height, width}) + "*" + std::to_string(filters)};
  m.unit = Unit::flops;
  m.amount = 2.0 * static_cast<double>(batch * height * width * filters) *
             static_cast<double>(channels * window * window);
  bench.time(m, [&] { return call("conv", {x, kernel}, options); });
  // ||error|| / ||expected|| over a few outputs.
  const std::vector<int64_t> ones(4, 1);
  double errors = 0, norm = 0;
  for (int64_t s = 0; s < 16; ++s) {
    const int64_t n = s * 7 % batch, f = s * 31 % filters;
    const int64_t i = s * 5 % height, j = s * s % width;
    const int64_t top = std::max<int64_t>(i - margin, 0), left = std::max<int64_t>(j - margin, 0);
    const int64_t rows = std::min(i - margin + window, height) - top;
    const int64_t columns = std::min(j - margin + window, width) - left;
    const int64_t skip_rows = top - (i - margin), skip_columns = left - (j - margin);
    const auto corner = [&](int64_t a, int64_t b, int64_t c, int64_t d) {
      return std::vector<int64_t>{a, b, c, d};
    };
    // Both as [channels, rows, columns].
    const NodeRef patch =
        channels_last
            ? transpose(slice(x, corner(n, top, left, 0), corner(1, rows, columns, channels), ones),
                        {0, 3, 1, 2})
            : slice(x, corner(n, 0, top, left), corner(1, channels, rows, columns), ones);
    const NodeRef filter = channels_last
                               ? transpose(slice(kernel, corner(skip_rows, skip_columns, 0, f),
                                                 corner(rows, columns, channels, 1), ones),
                                           {3, 2, 0, 1})
                               : slice(kernel, corner(f, 0, skip_rows, skip_columns),
                                       corner(1, channels, rows, columns), ones);
    const auto a = bench.session.floats(patch), b = bench.session.floats(filter);
    double sum = 0;
    for (size_t k = 0; k < a.size(); ++k) sum += static_cast<double>(a[k]) * b[k];
    const double got =
        element(bench, bench.value, channels_last ? corner(n, i, j, f) : corner(n, f, i, j));
    errors += (got - sum) * (got - sum);
    norm += sum * sum;
  }
  m.error = std::sqrt(errors / norm);
  m.bound = 1e-6;
  return m;
}

}  // namespace

std::vector<Measurement> window_sums(Bench& bench) {
  const int64_t n = bench.options.elements;
  int64_t side = 1;
  while (4 * side * side <= n) side *= 2;
  return {window_sum(bench, "window sum 3", {n}, {3}, 1),
          window_sum(bench, "window sum 3x3", {side, side}, {3, 3}, 1),
          window_sum(bench, "window sum 2x2 step 2", {side, side}, {2, 2}, 2),
          window_sum(bench, "window sum 31", {n}, {31}, 1)};
}

std::vector<Measurement> convolutions(Bench& bench) {
  const bool cpu = bench.session.engine().plan().profile == plan::Profile::cpu;
  const int64_t batch = cpu ? 1 : 32, channels = cpu ? 16 : 128;
  return {
      convolution(bench, "conv 3x3", {batch, channels, 56, 56}, channels, 3, false),
      convolution(bench, "conv 3x3 NHWC", {batch, channels, 56, 56}, channels, 3, true),
      convolution(bench, "conv 1x1", {batch, 2 * channels, 56, 56}, 2 * channels, 1, false),
      convolution(bench, "conv 3x3 7x7", {batch, 4 * channels, 7, 7}, 4 * channels, 3, false),
  };
}

}  // namespace nxv::tools
