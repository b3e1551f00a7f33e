// Windows and convolutions.
#include <algorithm>
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
  Measurement m{name, size_text(shape)};
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

// What of a convolution: the values, or the gradient of what it is computed from, as it arrives
// from Nx: convolutions whose operands have other roles.
enum class Part { forward, input_gradient, kernel_gradient };

struct Convolution {
  Part part = Part::forward;
  int64_t batch = 1, channels = 1, side = 1, filters = 1, window = 1;
  bool channels_last = false;
  DType type = DType::f32;
  int64_t groups = 1;  // of channels; forward
  Precision precision = Precision::accurate;
};

// The same margin on each side of a square window, strides of 1.
Measurement convolution(Bench& bench, const std::string& name, const Convolution& c) {
  const auto image = [&](int64_t channels) {
    return c.channels_last ? Shape{c.batch, c.side, c.side, channels}
                           : Shape{c.batch, channels, c.side, c.side};
  };
  const int64_t channels = c.channels / c.groups;  // of a filter
  const Shape kernel_shape = c.channels_last ? Shape{c.window, c.window, channels, c.filters}
                                             : Shape{c.filters, channels, c.window, c.window};
  const bool is_kernel = c.part == Part::kernel_gradient;
  const auto uniform = [&](Shape shape) {
    return bench.session.uniform(std::move(shape), -0.5, 0.5, c.type);
  };
  const NodeRef x = uniform(image(c.part == Part::input_gradient ? c.filters : c.channels));
  const NodeRef kernel = uniform(is_kernel ? image(c.filters) : kernel_shape);
  // Where batch (filters), channels and spatial axes lie.
  const Axes images = c.channels_last ? Axes{0, 3, 1, 2} : Axes{0, 1, 2, 3};
  const Axes filters = c.channels_last ? Axes{3, 2, 0, 1} : Axes{0, 1, 2, 3};
  const auto swapped = [](Axes axes) {
    std::swap(axes[0], axes[1]);
    return axes;
  };
  const Axes input = is_kernel ? swapped(images) : images;
  const Axes multiplied = is_kernel                        ? swapped(images)
                          : c.part == Part::input_gradient ? swapped(filters)
                                                           : filters;
  const Axes output = is_kernel ? swapped(filters) : images;
  const int64_t margin = c.window / 2;
  const std::vector<Option> options = {{"low", {margin, margin}, {}},
                                       {"high", {margin, margin}, {}},
                                       {"input_permutation", input, {}},
                                       {"kernel_permutation", multiplied, {}},
                                       {"output_permutation", output, {}},
                                       {"feature_group_size", {c.groups}, {}},
                                       {"precision", {static_cast<int64_t>(c.precision)}, {}}};
  Measurement m{name,
                size_text({c.batch, c.channels, c.side, c.side}) + "*" + std::to_string(c.filters)};
  m.unit = Unit::flops;
  m.amount = 2.0 * static_cast<double>(c.batch * c.side * c.side * c.filters) *
             static_cast<double>(channels * c.window * c.window);
  bench.time(m, [&] { return call("conv", {x, kernel}, options); });

  // ||error|| / ||expected|| over a few outputs; batch, channels, rows, columns of all.
  const auto logical = [](const NodeRef& value, const Axes& axes) {
    return transpose(cast(value, DType::f32), axes);
  };
  const NodeRef from = logical(x, input), by = logical(kernel, multiplied);
  const NodeRef made = logical(bench.value, output);
  const std::vector<int64_t> ones(4, 1);
  const int64_t depth = from->shape[1] / c.groups, size = from->shape[2], window = by->shape[2];
  double errors = 0, norm = 0;
  for (int64_t s = 0; s < 16; ++s) {
    const int64_t n = s * 7 % made->shape[0], f = s * 31 % made->shape[1];
    const int64_t i = s * 5 % made->shape[2], j = s * s % made->shape[3];
    const int64_t top = std::max<int64_t>(i - margin, 0), left = std::max<int64_t>(j - margin, 0);
    const int64_t rows = std::min(i - margin + window, size) - top;
    const int64_t columns = std::min(j - margin + window, size) - left;
    const NodeRef patch = slice(from, std::vector{n, f / (c.filters / c.groups) * depth, top, left},
                                std::vector{int64_t{1}, depth, rows, columns}, ones);
    const NodeRef filter =
        slice(by, std::vector{f, int64_t{0}, top - (i - margin), left - (j - margin)},
              std::vector{int64_t{1}, depth, rows, columns}, ones);
    const auto a = bench.session.floats(patch), b = bench.session.floats(filter);
    double sum = 0;
    for (size_t k = 0; k < a.size(); ++k) sum += static_cast<double>(a[k]) * b[k];
    const double got = element(bench, made, {n, f, i, j});
    errors += (got - sum) * (got - sum);
    norm += sum * sum;
  }
  m.error = std::sqrt(errors / norm);
  m.bound = c.type == DType::f32 && c.precision == Precision::accurate ? 1e-6 : 1e-3;
  return m;
}

// Of a square of at most as many elements.
int64_t plane_side(Bench& bench) {
  int64_t side = 1;
  while (4 * side * side <= bench.options.elements) side *= 2;
  return side;
}

}  // namespace

Measurements window_sums(Bench& bench) {
  const int64_t n = bench.options.elements, side = plane_side(bench);
  const int64_t wide = bench.is_cpu() ? 512 : 4096;
  return {window_sum(bench, "window sum 3", {n}, {3}, 1),
          window_sum(bench, "window sum 3x3", {side, side}, {3, 3}, 1),
          window_sum(bench, "window sum 2x2 step 2", {side, side}, {2, 2}, 2),
          window_sum(bench, "window sum 31", {n}, {31}, 1),
          window_sum(bench, "window sum " + std::to_string(wide), {256 * wide}, {wide}, 1)};
}

// The maximum of each 2x2, and its gradient: each source to where the maximum was.
Measurements pooling(Bench& bench) {
  const int64_t side = plane_side(bench), half = side / 2;
  const NodeRef x = bench.session.uniform({side, side}, 0, 1);
  const NodeRef source = bench.session.uniform({half, half}, 1, 2);
  const NodeRef zero = bench.session.scalar(0);
  const std::vector<Option> options = {{"window", {2, 2}, {}}, {"strides", {2, 2}, {}}};
  Measurement forward{"max pool 2x2", matrix(side, side)};
  forward.amount = sizeof(float) * static_cast<double>(x->count + source->count);
  bench.time(forward, [&] { return call("window_max", {x}, options); });
  const NodeRef maxima = bench.value;
  Measurement backward{"max pool 2x2 gradient", matrix(side, side)};
  backward.amount = sizeof(float) * static_cast<double>(2 * x->count + source->count);
  bench.time(backward, [&] { return call("window_scatter_max", {x, source, zero}, options); });
  bool found = true, moved = true;
  for (int64_t i : {int64_t{0}, half / 3, half - 1}) {
    const std::vector<int64_t> at = {2 * i, 2 * i}, window = {2, 2}, last = {i, i}, one = {1, 1};
    const auto in = bench.session.floats(part(x, at, window));
    const auto out = bench.session.floats(part(bench.value, at, window));
    const auto best = static_cast<size_t>(std::max_element(in.begin(), in.end()) - in.begin());
    found = found && element(bench, maxima, last) == in[best];
    for (size_t k = 0; k < out.size(); ++k) {
      moved = moved && out[k] == (k == best ? element(bench, source, last) : 0);
    }
  }
  forward.error = wrong_unless(found);
  backward.error = wrong_unless(moved);
  return {forward, backward};
}

Measurements convolutions(Bench& bench) {
  const bool cpu = bench.is_cpu();
  const int64_t batch = cpu ? 1 : 32, channels = cpu ? 16 : 128;
  Measurements all;
  const auto add = [&](const std::string& name, const Convolution& c) {
    all.push_back(convolution(bench, name, c));
  };
  const struct {
    DType type;
    Precision precision;
    std::string name;
  } kinds[] = {{DType::f32, Precision::accurate, ""},
               {DType::f32, Precision::fast, " fast"},
               {DType::f16, Precision::accurate, " f16"}};
  for (const auto& [type, precision, suffix] : kinds) {
    for (const bool last : {false, true}) {
      const std::string kind = suffix + (last ? " NHWC" : "");
      for (const auto& [part, what] : {std::pair{Part::forward, "conv 3x3"},
                                       {Part::input_gradient, "conv 3x3 dx"},
                                       {Part::kernel_gradient, "conv 3x3 dk"}}) {
        add(what + kind, {part, batch, channels, 56, channels, 3, last, type, 1, precision});
      }
    }
  }
  const Part forward = Part::forward;
  add("conv 1x1", {forward, batch, 2 * channels, 56, 2 * channels, 1});
  add("conv 3x3 7x7", {forward, batch, 4 * channels, 7, 4 * channels, 3});
  for (const bool last : {false, true}) {
    add(last ? "conv 3x3 each NHWC" : "conv 3x3 each",
        {forward, batch, channels, 112, channels, 3, last, DType::f32, channels});
  }
  add("conv 3x3 to 4", {forward, batch, channels, 56, 4, 3});
  add("conv 7x7 of 3", {forward, batch, 3, 112, channels / 2, 7});
  return all;
}

}  // namespace nxv::tools
