#include "testing/random_call.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "library/registry.h"
#include "testing/dice.h"
#include "testing/reference.h"

namespace nxv {
namespace {

using library::Option;

const std::vector<DType> kReal = {
    DType::u8,      DType::u16,  DType::u32, DType::u64, DType::s8,  DType::s16, DType::s32,
    DType::s64,     DType::bf16, DType::f16, DType::f32, DType::f64, DType::f32, DType::f8_e4m3fn,
    DType::f8_e5m2, DType::u4,   DType::s4,  DType::u2,  DType::s2};
const std::vector<DType> kFloat = {DType::f32, DType::f32, DType::f64, DType::f16, DType::bf16};
const std::vector<DType> kIndex = {DType::s32, DType::s64, DType::u8, DType::u32, DType::s16};

class Caller {
 public:
  Caller(const GraveyardRef& owner, std::string name, uint64_t seed)
      : owner_(owner), name_(std::move(name)), dice_(seed) {}

  std::vector<NodeRef> run() const { return library::call(name_, tensors_, options_); }

  // ---- Draws ----

  Dice& dice() { return dice_; }
  DType type(const std::vector<DType>& types) { return dice_.pick(types); }

  Shape shape(int64_t min_rank, int64_t max_rank, int64_t max_elements = 400) {
    Shape s(static_cast<size_t>(dice_.between(min_rank, max_rank)));
    for (int64_t& d : s) d = dice_.chance(5) ? dice_.between(10, 80) : dice_.between(1, 8);
    for (size_t i = 0; element_count(s) > max_elements; i = (i + 1) % s.size()) {
      s[i] = std::max<int64_t>(1, s[i] / 2);
    }
    return s;
  }

  // Values that occur twice, whole numbers, and a few that are special.
  double real() {
    static const std::vector<double> kSpecial = {
        std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity(), 0.0, -0.0};
    if (special_ && dice_.chance(8)) return dice_.pick(kSpecial);
    return static_cast<double>(dice_.between(-48, 48)) / 8;
  }

  NodeRef data(DType type, const Shape& shape) {
    HostTensor t(type, shape);
    for (int64_t i = 0; i < t.count(); ++i) {
      if (is_integer(type)) {
        t.set(i, make_scalar(type, dice_.between(-9, 9)));
      } else if (is_complex(type)) {
        const double re = real(), im = real();
        t.set(i, make_scalar(type, std::complex<double>(re, im)));
      } else {
        t.set(i, make_scalar(type, real()));
      }
    }
    return keep(std::move(t));
  }
  NodeRef indices(const Shape& shape, const std::function<int64_t(int64_t)>& bound) {
    HostTensor t(type(kIndex), shape);
    for (int64_t i = 0; i < t.count(); ++i) {
      t.set(i, make_scalar(t.dtype, dice_.below(std::min<int64_t>(bound(i), 120))));
    }
    return maybe_computed(keep(std::move(t)));
  }
  // What the host knows of indices is checked and used as operations are built.
  NodeRef maybe_computed(const NodeRef& x) {
    return dice_.chance(50) ? elementwise(Op::max, {x, x}) : x;
  }
  void without_specials() { special_ = false; }

  // ---- The call ----

  void add(NodeRef tensor) { tensors_.push_back(std::move(tensor)); }
  const NodeRef& tensor(size_t i) const { return tensors_[i]; }
  void option(const char* name, int64_t value) { options_.push_back({name, {value}, {}}); }
  void option(const char* name, std::vector<int64_t> values) {
    options_.push_back({name, std::move(values), {}});
  }
  int64_t axis_option(const Shape& shape) {
    const auto rank = static_cast<int64_t>(shape.size());
    const int64_t axis = dice_.below(rank);
    option("axis", dice_.chance(30) ? axis - rank : axis);
    return axis;
  }
  // Some axes, ascending, at least one.
  Axes axes_of(const Shape& shape) {
    Axes axes;
    for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) {
      if (dice_.chance(50)) axes.push_back(i);
    }
    if (axes.empty()) axes.push_back(dice_.below(static_cast<int64_t>(shape.size())));
    return axes;
  }
  const GraveyardRef& owner() const { return owner_; }

 private:
  NodeRef keep(HostTensor t) { return host_value(owner_, t.dtype, t.shape, std::move(t.bytes)); }

  GraveyardRef owner_;
  std::string name_;
  Dice dice_;
  bool special_ = true;
  std::vector<NodeRef> tensors_;
  std::vector<Option> options_;
};

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
  c.add(c.data(c.type(kReal), shape));
  Shape of_indices = c.shape(0, 2, 20);
  of_indices.push_back(static_cast<int64_t>(axes.size()));
  c.add(c.indices(of_indices, [&](int64_t i) {
    return shape[static_cast<size_t>(axes[static_cast<size_t>(i) % axes.size()])];
  }));
  c.option("axes", axes);
}

void draw_take(Caller& c) {
  const Shape shape = c.shape(1, 5);
  c.add(c.data(c.type(kReal), shape));
  const int64_t axis = c.axis_option(shape);
  c.add(c.indices(c.shape(0, 2, 12), [&](int64_t) { return shape[static_cast<size_t>(axis)]; }));
}

void draw_take_along_axis(Caller& c) {
  const Shape shape = c.shape(1, 6);
  c.add(c.data(c.type(kReal), shape));
  const int64_t axis = c.axis_option(shape);
  Shape of_indices = shape;
  of_indices[static_cast<size_t>(axis)] = c.dice().between(1, 9);
  c.add(c.indices(of_indices, [&](int64_t) { return shape[static_cast<size_t>(axis)]; }));
}

void draw_indexed(Caller& c) {
  c.without_specials();
  const Shape shape = c.shape(1, 5, 200);
  const Axes axes = c.axes_of(shape);
  c.add(c.data(c.type(kReal), shape));
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
  c.add(c.data(c.type(kReal), updates));
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
  c.add(c.data(c.type(kReal), shape));
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
  c.add(c.data(c.type(kReal), shape));
  Shape part = shape;
  for (int64_t& d : part) d = c.dice().between(1, d);
  c.add(c.data(c.type(kReal), part));
  add_starts(c, shape);
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

void draw_window(Caller& c) {
  const Shape shape = c.shape(1, 4, 150);
  c.add(c.data(c.type(kReal), shape));
  window_options(c, shape, true);
}

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
  const DType type = c.dice().chance(50) ? DType::s32 : DType::f32;
  c.add(c.data(type, shape));
  c.add(c.data(type, {}));
  add_function(c, type);
  c.option("axes", c.axes_of(shape));
  c.option("keep_axes", c.dice().below(2));
}

void draw_window_reduce(Caller& c) {
  c.without_specials();
  const Shape shape = c.shape(1, 3, 60);
  const DType type = c.dice().chance(50) ? DType::s32 : DType::f32;
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
  static const std::vector<DType> kTypes = {DType::f32, DType::f64, DType::f16, DType::s32};
  const DType type = c.type(kTypes);
  c.add(c.data(type, x));
  c.add(c.data(type, k));
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

void draw_scan(Caller& c) {
  c.without_specials();
  const Shape shape = c.shape(1, 6);
  c.add(c.data(c.type(kReal), shape));
  c.axis_option(shape);
  c.option("reverse", c.dice().below(2));
}

// ---- Transforms and linear algebra ----

void draw_transform(Caller& c, const std::vector<DType>& types) {
  c.without_specials();
  const Shape shape = c.shape(1, 4, 200);
  c.add(c.data(c.type(types), shape));
  c.axis_option(shape);
  c.option("length", c.dice().between(1, 40));
}
void draw_fft(Caller& c) { draw_transform(c, {DType::c64, DType::c128, DType::f32, DType::f64}); }
void draw_rfft(Caller& c) { draw_transform(c, {DType::f32, DType::f64, DType::s16, DType::u8}); }

void draw_fft2(Caller& c) {
  c.without_specials();
  const Shape shape = c.shape(2, 4, 200);
  static const std::vector<DType> kTypes = {DType::c64, DType::c128, DType::f32};
  c.add(c.data(c.type(kTypes), shape));
}

// Triangles that are far from singular.
void draw_triangular_solve(Caller& c) {
  c.without_specials();
  Shape shape = c.shape(0, 2, 6);
  const int64_t n = c.dice().between(1, 9), m = c.dice().between(1, 4);
  shape.insert(shape.end(), {n, n});
  const DType type = c.dice().chance(50) ? DType::f32 : DType::f64;
  c.add(elementwise(
      Op::add, {c.data(type, shape),
                elementwise(Op::multiply, {eye(c.owner(), type, shape),
                                           constant(c.owner(), make_scalar(type, 40.0), {})})}));
  shape.back() = m;
  c.add(c.data(type, shape));
  c.option("lower", c.dice().below(2));
  c.option("left_side", 1);
  c.option("transform", c.dice().below(2));
}

void draw_cholesky(Caller& c) {
  c.without_specials();
  Shape shape = c.shape(0, 2, 6);
  const int64_t n = c.dice().between(1, 9);
  shape.insert(shape.end(), {n, n});
  const DType type = c.dice().chance(50) ? DType::f32 : DType::f64;
  const NodeRef x = c.data(type, shape);
  Axes swapped(shape.size());
  std::iota(swapped.begin(), swapped.end(), 0);
  std::swap(swapped[shape.size() - 1], swapped[shape.size() - 2]);
  const NodeRef scaled =
      elementwise(Op::multiply,
                  {eye(c.owner(), type, shape), constant(c.owner(), make_scalar(type, 60.0), {})});
  c.add(elementwise(Op::add, {matmul(x, transpose(x, swapped)), scaled}));
}

using Draw = void (*)(Caller&);

const std::map<std::string, Draw>& draws() {
  static const std::map<std::string, Draw> table = {
      {"bitcast", draw_bitcast},
      {"gather", draw_gather},
      {"take", draw_take},
      {"take_along_axis", draw_take_along_axis},
      {"indexed_add", draw_indexed},
      {"indexed_put", draw_indexed},
      {"slice_at", draw_slice_at},
      {"put_slice", draw_put_slice},
      {"argmax", draw_extreme},
      {"argmin", draw_extreme},
      {"window_sum", draw_window},
      {"window_product", draw_window},
      {"window_max", draw_window},
      {"window_min", draw_window},
      {"reduce", draw_reduce},
      {"window_reduce", draw_window_reduce},
      {"window_scatter_max", draw_window_scatter},
      {"window_scatter_min", draw_window_scatter},
      {"conv", draw_conv},
      {"sort", draw_sort},
      {"argsort", draw_sort},
      {"top_k", draw_top_k},
      {"cumulative_sum", draw_scan},
      {"cumulative_product", draw_scan},
      {"cumulative_max", draw_scan},
      {"cumulative_min", draw_scan},
      {"fft", draw_fft},
      {"ifft", draw_fft},
      {"fft2", draw_fft2},
      {"ifft2", draw_fft2},
      {"rfft", draw_rfft},
      {"irfft", draw_fft},
      {"triangular_solve", draw_triangular_solve},
      {"cholesky", draw_cholesky},
  };
  return table;
}

}  // namespace

std::vector<std::string> random_call_names() {
  std::vector<std::string> names;
  for (const auto& [name, draw] : draws()) names.push_back(name);
  return names;
}

std::vector<NodeRef> random_call(const GraveyardRef& owner, const std::string& name,
                                 uint64_t seed) {
  Caller caller(owner, name, seed);
  draws().at(name)(caller);
  return caller.run();
}

}  // namespace nxv
