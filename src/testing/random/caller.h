// Draws the operands and options of one call of the library.
#pragma once

#include <algorithm>
#include <complex>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "library/registry.h"
#include "testing/random/dice.h"
#include "testing/reference/reference.h"

namespace nxv {

using library::Option;

inline const std::vector<DType> kReal = {
    DType::u8,      DType::u16,  DType::u32, DType::u64, DType::s8,  DType::s16, DType::s32,
    DType::s64,     DType::bf16, DType::f16, DType::f32, DType::f64, DType::f32, DType::f8_e4m3fn,
    DType::f8_e5m2, DType::u4,   DType::s4,  DType::u2,  DType::s2};
inline const std::vector<DType> kComplex = {DType::c64, DType::c128};
inline const std::vector<DType> kAny = [] {
  std::vector<DType> all = kReal;
  all.insert(all.end(), kComplex.begin(), kComplex.end());
  return all;
}();
inline const std::vector<DType> kIndex = {DType::s32, DType::s64, DType::u8, DType::u32,
                                          DType::s16};

class Caller {
 public:
  Caller(const GraveyardRef& owner, std::string name, Dice dice)
      : owner_(owner), name_(std::move(name)), dice_(dice) {}

  std::vector<NodeRef> run() const { return library::call(name_, tensors_, options_); }
  // What another call makes of the same operands and options, and one option more.
  std::vector<NodeRef> run_another(const char* name, const char* flag) const {
    std::vector<Option> options = options_;
    options.push_back({flag, {1}, {}});
    return library::call(name, tensors_, options);
  }

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
    return dice_.chance(50)
               ? elementwise(Op::add, {x, constant(owner_, make_scalar(x->dtype, int64_t{0}), {})})
               : x;
  }
  void without_specials() { special_ = false; }

  // ---- The call ----

  void add(NodeRef tensor) { tensors_.push_back(std::move(tensor)); }
  const NodeRef& tensor(size_t i) const { return tensors_[i]; }
  void option(const char* name, int64_t value) { options_.push_back({name, {value}, {}}); }
  void option(const char* name, std::vector<int64_t> values) {
    options_.push_back({name, std::move(values), {}});
  }
  void real_option(const char* name, double value) { options_.push_back({name, {}, {value}}); }
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

using Draws = std::map<std::string, void (*)(Caller&)>;
// Of transforms and linear algebra, of attention.
Draws linear_draws();
Draws attention_draws();

}  // namespace nxv
