#include "testing/random/random_call.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "library/registry.h"
#include "testing/random/caller.h"
#include "testing/random/random_graph.h"
#include "testing/reference/reference.h"

namespace nxv {
namespace {

// ---- Indexing ----

void draw_bitcast(Caller& c) {
  const DType from = c.type(kReal);
  std::vector<DType> same;
  for (DType t : kReal) {
    if (bits(t) == bits(from)) same.push_back(t);
  }
  c.add(c.data(from, c.shape(0, 6)));
  c.option("type", static_cast<int64_t>(c.type(same)));
}

void draw_gather(Caller& c) {
  const Shape shape = c.shape(1, 6);
  const Axes axes = c.axes_of(shape);
  c.add(c.data(c.type(kAny), shape));
  Shape of_indices = c.shape(0, 2, 20);
  of_indices.push_back(static_cast<int64_t>(axes.size()));
  c.add(c.indices(of_indices, [&](int64_t i) {
    return shape[static_cast<size_t>(axes[static_cast<size_t>(i) % axes.size()])];
  }));
  c.option("axes", axes);
}

void draw_take(Caller& c) {
  const Shape shape = c.shape(1, 5);
  c.add(c.data(c.type(kAny), shape));
  const int64_t axis = c.axis_option(shape);
  c.add(c.indices(c.shape(0, 2, 12), [&](int64_t) { return shape[static_cast<size_t>(axis)]; }));
}

void draw_take_along_axis(Caller& c) {
  const Shape shape = c.shape(1, 6);
  c.add(c.data(c.type(kAny), shape));
  const int64_t axis = c.axis_option(shape);
  Shape of_indices = shape;
  of_indices[static_cast<size_t>(axis)] = c.dice().between(1, 9);
  c.add(c.indices(of_indices, [&](int64_t) { return shape[static_cast<size_t>(axis)]; }));
}

void draw_indexed(Caller& c) {
  c.without_specials();
  const Shape shape = c.shape(1, 5, 200);
  const Axes axes = c.axes_of(shape);
  c.add(c.data(c.type(kAny), shape));
  const int64_t n = c.dice().between(1, 40);
  c.add(c.indices({n, static_cast<int64_t>(axes.size())}, [&](int64_t i) {
    return shape[static_cast<size_t>(axes[static_cast<size_t>(i) % axes.size()])];
  }));
  Shape updates{n};
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) {
    if (!std::binary_search(axes.begin(), axes.end(), i)) {
      updates.push_back(shape[static_cast<size_t>(i)]);
    }
  }
  c.add(c.data(c.type(kAny), updates));
  c.option("axes", axes);
}

void add_starts(Caller& c, const Shape& shape) {
  for (const int64_t d : shape) {
    HostTensor start(c.dice().chance(50) ? DType::s32 : DType::s64, {});
    start.set(0, make_scalar(start.dtype, c.dice().between(-2, d + 1)));
    c.add(c.maybe_computed(host_value(c.owner(), start.dtype, {}, std::move(start.bytes))));
  }
}

void draw_slice_at(Caller& c) {
  const Shape shape = c.shape(1, 6);
  c.add(c.data(c.type(kAny), shape));
  add_starts(c, shape);
  std::vector<int64_t> lengths, strides;
  for (const int64_t d : shape) {
    lengths.push_back(c.dice().between(1, d));
    strides.push_back(c.dice().between(1, 3));
  }
  c.option("lengths", lengths);
  c.option("strides", strides);
}

void draw_put_slice(Caller& c) {
  const Shape shape = c.shape(1, 6);
  c.add(c.data(c.type(kAny), shape));
  Shape part = shape;
  for (int64_t& d : part) d = c.dice().between(1, d);
  c.add(c.data(c.type(kAny), part));
  add_starts(c, shape);
}

void draw_all_close(Caller& c) {
  const Shape shape = c.shape(0, 6);
  const NodeRef x = c.data(c.type(kAny), shape);
  c.add(x);
  c.add(c.dice().chance(50) ? c.maybe_computed(x) : c.data(c.type(kAny), shape));
  c.option("equal_nan", c.dice().below(2));
}

// ---- Windows ----

void draw_extreme(Caller& c) {
  const Shape shape = c.shape(1, 6);
  c.add(c.data(c.type(kReal), shape));
  if (c.dice().chance(75)) c.axis_option(shape);
  c.option("keep_axis", c.dice().below(2));
  c.option("tie_high", c.dice().below(2));
}

// Windows that fit into the padded shape.
void window_options(Caller& c, const Shape& shape, bool dilates) {
  std::vector<int64_t> window, low, high, strides, dilations;
  for (const int64_t d : shape) {
    dilations.push_back(dilates ? c.dice().between(1, 2) : 1);
    low.push_back(c.dice().between(0, 2));
    high.push_back(c.dice().between(0, 2));
    strides.push_back(c.dice().between(1, 3));
    const int64_t room = (d + low.back() + high.back() - 1) / dilations.back() + 1;
    window.push_back(c.dice().between(1, std::min<int64_t>(room, 4)));
  }
  c.option("window", window);
  c.option("low", low);
  c.option("high", high);
  c.option("strides", strides);
  if (dilates) c.option("dilations", dilations);
}

void draw_window(Caller& c, const std::vector<DType>& types) {
  const Shape shape = c.shape(1, 4, 150);
  const DType type = c.type(types);
  if (is_complex(type)) c.without_specials();
  c.add(c.data(type, shape));
  window_options(c, shape, true);
}
void draw_window_of_reals(Caller& c) { draw_window(c, kReal); }
void draw_window_of_any(Caller& c) { draw_window(c, kAny); }

void draw_window_scatter(Caller& c) {
  const Shape shape = c.shape(1, 3, 100);
  const DType type = c.type(kReal);
  std::vector<int64_t> window, low, high, strides;
  Shape positions;
  for (int64_t d : shape) {
    window.push_back(c.dice().between(1, std::min<int64_t>(d, 3)));
    low.push_back(c.dice().between(0, 1));
    high.push_back(c.dice().between(0, 1));
    strides.push_back(c.dice().between(1, 3));
    positions.push_back((d + low.back() + high.back() - window.back()) / strides.back() + 1);
  }
  c.add(c.data(type, shape));
  c.without_specials();
  c.add(c.data(type, positions));
  c.add(c.data(type, {}));
  c.option("window", window);
  c.option("low", low);
  c.option("high", high);
  c.option("strides", strides);
}

void add_function(Caller& c, DType type) {
  const NodeRef x = parameter(c.owner(), type), acc = parameter(c.owner(), type);
  static const std::vector<Op> kBodies = {Op::add, Op::subtract, Op::multiply, Op::max, Op::min};
  c.add(x);
  c.add(acc);
  c.add(elementwise(c.dice().pick(kBodies), {x, acc}));
}

void draw_reduce(Caller& c) {
  c.without_specials();
  const Shape shape = c.shape(1, 6, 100);
  const DType type = c.type(kReal);
  c.add(c.data(type, shape));
  c.add(c.data(type, {}));
  add_function(c, type);
  c.option("axes", c.axes_of(shape));
  c.option("keep_axes", c.dice().below(2));
}

void draw_window_reduce(Caller& c) {
  c.without_specials();
  const Shape shape = c.shape(1, 3, 60);
  const DType type = c.type(kReal);
  c.add(c.data(type, shape));
  c.add(c.data(type, {}));
  add_function(c, type);
  window_options(c, shape, true);
}

void draw_conv(Caller& c) {
  c.without_specials();
  const int64_t spatial = c.dice().between(1, 3);
  const int64_t groups = c.dice().between(1, 2);
  const int64_t channels = groups * c.dice().between(1, 3);
  Shape x{c.dice().between(1, 3), channels}, k{groups * c.dice().between(1, 3), channels / groups};
  std::vector<int64_t> strides, low, high, input, kernel;
  for (int64_t i = 0; i < spatial; ++i) {
    x.push_back(c.dice().between(1, 6));
    k.push_back(c.dice().between(1, 3));
    strides.push_back(c.dice().between(1, 2));
    input.push_back(c.dice().between(1, 2));
    kernel.push_back(c.dice().between(1, 2));
    const int64_t needs = (k.back() - 1) * kernel.back() + 1;
    const int64_t there = (x.back() - 1) * input.back() + 1;
    low.push_back(std::max<int64_t>(0, needs - there) + c.dice().between(0, 1));
    high.push_back(c.dice().between(0, 2));
  }
  const DType type = c.type(kAny);
  c.add(c.data(type, x));
  c.add(c.data(c.dice().chance(80) ? type : c.type(kAny), k));
  c.option("strides", strides);
  c.option("low", low);
  c.option("high", high);
  c.option("input_dilation", input);
  c.option("kernel_dilation", kernel);
  c.option("feature_group_size", groups);
  c.option("batch_group_size", 1);
}

// ---- Sorts and scans ----

void draw_sort(Caller& c) {
  const Shape shape = c.shape(1, 6);
  c.add(c.data(c.type(kReal), shape));
  c.axis_option(shape);
  c.option("descending", c.dice().below(2));
}

void draw_top_k(Caller& c) {
  const Shape shape = c.shape(1, 5);
  c.add(c.data(c.type(kReal), shape));
  c.option("k", c.dice().between(1, shape.back()));
}

void draw_scan(Caller& c, const std::vector<DType>& types) {
  c.without_specials();
  const Shape shape = c.shape(1, 6);
  c.add(c.data(c.type(types), shape));
  c.axis_option(shape);
  c.option("reverse", c.dice().below(2));
}
void draw_scan_of_reals(Caller& c) { draw_scan(c, kReal); }
void draw_scan_of_any(Caller& c) { draw_scan(c, kAny); }

const Draws& draws() {
  static const Draws table = [] {
    Draws all = {
        {"bitcast", draw_bitcast},
        {"all_close", draw_all_close},
        {"gather", draw_gather},
        {"take", draw_take},
        {"take_along_axis", draw_take_along_axis},
        {"indexed_add", draw_indexed},
        {"indexed_put", draw_indexed},
        {"slice_at", draw_slice_at},
        {"put_slice", draw_put_slice},
        {"argmax", draw_extreme},
        {"argmin", draw_extreme},
        {"window_sum", draw_window_of_any},
        {"window_product", draw_window_of_any},
        {"window_max", draw_window_of_reals},
        {"window_min", draw_window_of_reals},
        {"reduce", draw_reduce},
        {"window_reduce", draw_window_reduce},
        {"window_scatter_max", draw_window_scatter},
        {"window_scatter_min", draw_window_scatter},
        {"conv", draw_conv},
        {"sort", draw_sort},
        {"argsort", draw_sort},
        {"top_k", draw_top_k},
        {"cumulative_sum", draw_scan_of_any},
        {"cumulative_product", draw_scan_of_any},
        {"cumulative_max", draw_scan_of_reals},
        {"cumulative_min", draw_scan_of_reals},
    };
    all.merge(linear_draws());
    all.merge(attention_draws());
    return all;
  }();
  return table;
}

// Sets of types that operands and casts of one call are drawn from.
const std::vector<std::vector<DType>>& type_sets() {
  static const std::vector<std::vector<DType>> sets = {
      {DType::f32, DType::s32, DType::u8},
      {DType::f32, DType::f64, DType::s64, DType::u64},
      {DType::f16, DType::bf16, DType::f32, DType::u16},
      {DType::s8, DType::u8, DType::s16, DType::u16, DType::u32, DType::s32},
      {DType::u64, DType::s64, DType::s32, DType::u8},
      {DType::u2, DType::u4, DType::s2, DType::s4, DType::s8, DType::f32},
      {DType::f8_e4m3fn, DType::f8_e5m2, DType::f16, DType::s32},
      {DType::c64, DType::f32, DType::s32},
      {DType::c128, DType::c64, DType::f64, DType::s64}};
  return sets;
}

// One operation of the table, in a graph as small as its operands allow.
std::vector<NodeRef> table_call(const GraveyardRef& owner, Op op, uint64_t seed) {
  RandomGraphOptions options;
  options.ops = {op};
  options.size = 1;
  options.max_rank = 6;
  options.max_elements = 400;
  options.dtypes = type_sets()[seed % type_sets().size()];
  // What infinities do to complex functions is up to each: vectors check it.
  options.special_values = !is_complex(options.dtypes[0]);
  return random_graph(owner, seed, options);
}

std::vector<Op> table_ops() {
  std::vector<Op> ops;
  for (int i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    const Fusion fusion = info(op).fusion;
    const bool is_drawn = fusion > Fusion::leaf && fusion < Fusion::library;
    if (is_drawn || fusion == Fusion::overwrite) ops.push_back(op);
  }
  return ops;
}

}  // namespace

std::vector<std::string> random_call_names() {
  std::vector<std::string> names;
  for (const auto& [name, draw] : draws()) names.push_back(name);
  // A gather of the table takes any index.
  for (const Op op : table_ops()) names.push_back("op " + std::string(name(op)));
  return names;
}

RandomCall random_call_of(const GraveyardRef& owner, const std::string& name, Dice dice) {
  Caller caller(owner, name, dice);
  draws().at(name)(caller);
  return {name, caller.run()};
}

RandomCall random_call(const GraveyardRef& owner, uint64_t seed) {
  static const std::vector<std::string> names = random_call_names();
  const auto kind = static_cast<size_t>(Dice(seed).below(static_cast<int64_t>(names.size())));
  const std::string& name = names[kind];
  if (kind < draws().size()) return random_call_of(owner, name, seed);
  return {name, table_call(owner, table_ops()[kind - draws().size()], seed)};
}

}  // namespace nxv
