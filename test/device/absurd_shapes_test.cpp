// Shapes, strides, paddings and lengths that no memory holds, through the C interface: an error, or
// the shape that arithmetic without bounds gives. What was built is evaluated, too, under a small
// budget.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <string>

#include "capi/fixture_test.h"
#include "testing/random/dice.h"

namespace {

// An integer of any size: its residue modulo 2^64 and about how large it is. Exact as long as it is
// far from the bounds of 64 bits.
struct Unbounded {
  uint64_t residue;
  double size;

  Unbounded(int64_t v) : residue(static_cast<uint64_t>(v)), size(static_cast<double>(v)) {}
  Unbounded(uint64_t r, double s) : residue(r), size(s) {}
  friend Unbounded operator+(Unbounded a, Unbounded b) {
    return {a.residue + b.residue, a.size + b.size};
  }
  friend Unbounded operator-(Unbounded a, Unbounded b) {
    return {a.residue - b.residue, a.size - b.size};
  }
  friend Unbounded operator*(Unbounded a, Unbounded b) {
    return {a.residue * b.residue, a.size * b.size};
  }
  bool is_small() const { return std::abs(size) < 0x1p62; }
  int64_t exact() const { return static_cast<int64_t>(residue); }
};

using Shape = std::vector<int64_t>;
using Model = std::optional<Shape>;  // none: must be refused

// What the tensors of the interface may have, by its documentation.
Model admitted(const std::vector<Unbounded>& dims) {
  Unbounded count = 1;
  Shape shape;
  for (const Unbounded& d : dims) {
    if (!d.is_small() || d.exact() < 1) return std::nullopt;
    count = count * d;
    shape.push_back(d.exact());
  }
  if (count.size > 0x1p48) return std::nullopt;
  return shape;
}

Model admitted(const Shape& dims) {
  return admitted(std::vector<Unbounded>(dims.begin(), dims.end()));
}

// How many windows fit, none where the window does not.
Unbounded positions(Unbounded length, int64_t window, int64_t stride, int64_t dilation) {
  const Unbounded span = (Unbounded(window) - 1) * dilation + 1;
  if (window < 1 || stride < 1 || dilation < 1 || span.size > 0x1p62 || !length.is_small() ||
      length.exact() < span.exact()) {
    return 0;
  }
  return (length.exact() - span.exact()) / stride + 1;
}

// A call, and what it must answer.
struct Call {
  std::string name;
  std::vector<nxv_tensor*> operands;
  std::vector<std::pair<const char*, Shape>> options;
  Model model;
  // The element at some coordinates, where that is easily told.
  std::function<float(const Shape&)> element;
};

class AbsurdShapes : public CApi {
 protected:
  void SetUp() override {
    nxv_engine_options options{};
    options.struct_size = sizeof options;
    options.device_index = -1;
    options.memory_budget = uint64_t{64} << 20;
    open(&options);
  }

  void check(uint64_t first, uint64_t count) {
    for (uint64_t seed = first; seed < first + count && !HasFatalFailure(); ++seed) {
      dice_ = nxv::Dice(seed);
      check_call(draw(), "seed " + std::to_string(seed) + ", ");
      for (nxv_tensor* t : std::exchange(made_, {})) nxv_release(t);
    }
    // The draws are of all kinds.
    const int all = static_cast<int>(count);
    EXPECT_GT(built_, all / 10);
    EXPECT_GT(refused_, all / 10);
    EXPECT_GT(computed_, all / 10);
    EXPECT_GT(compared_, all / 20);
  }

 private:
  // ---- Draws ----

  bool one_in(int64_t n) { return dice_.below(n) == 0; }
  int64_t small() { return dice_.between(1, 5); }
  int64_t extent() {
    static const std::vector<int64_t> kPowers = {31, 32, 33, 40, 47, 48, 62};
    if (one_in(2)) return small();
    const int64_t power = dice_.pick(kPowers);
    return (int64_t{1} << power) + dice_.between(-1, 2);
  }
  // Of any sign, near any edge.
  int64_t amount() {
    switch (dice_.between(0, 5)) {
      case 0:
        return dice_.between(-4, 4);
      case 1:
        return -extent();
      case 2:
        return INT64_MAX - dice_.between(0, 2);
      case 3:
        return INT64_MIN + dice_.between(0, 2);
      default:
        return extent();
    }
  }
  int64_t amount_or(int64_t usual) { return one_in(2) ? usual : amount(); }
  template <typename Draw>
  Shape list(Draw draw) {
    Shape s(shape_.size());
    for (int64_t& v : s) v = draw();
    return s;
  }

  nxv_tensor* ones(const Shape& shape) {
    return build([&](nxv_tensor** out) {
      return nxv_constant_f64(engine_, NXV_F32, 1, 0, static_cast<int>(shape.size()), shape.data(),
                              out);
    });
  }
  // Draws shape_, x_ and x_element_: ones, counts, or three elements repeated.
  void draw_operand() {
    const int64_t rank = dice_.between(1, 3), kind = dice_.between(0, 2);
    do {
      shape_.resize(static_cast<size_t>(rank));
      shape_ = list([&] { return extent(); });
      if (kind == 2) shape_.back() = 3;
    } while (!admitted(shape_));
    x_element_ = nullptr;
    if (kind == 0) {
      x_ = ones(shape_);
      x_element_ = [](const Shape&) { return 1.0F; };
    } else if (kind == 1) {
      x_ = iota(shape_);
    } else {
      nxv_tensor* three = vector({1, 2, 3});
      x_ = build([&](nxv_tensor** out) {
        return nxv_broadcast(three, static_cast<int>(rank), shape_.data(), nullptr, out);
      });
      x_element_ = [](const Shape& at) { return 1.0F + static_cast<float>(at.back()); };
    }
  }

  Call draw() {
    draw_operand();
    switch (dice_.between(0, 12)) {
      case 0:
        return slice();
      case 1:
      case 2:
        return pad();
      case 3:
      case 4:
        return windows();
      case 5:
        return concatenate();
      case 6:
        return broadcast();
      case 7:
        return reshape();
      case 8:
        return matmul();
      case 9:
        return convolution();
      case 10:
        return take();
      case 11:
        return decomposition();
      default:
        return along_last_axis();
    }
  }

  Call slice() {
    const Shape starts = list([&] { return amount(); }), strides = list([&] { return amount(); });
    Shape lengths = list([&] { return amount_or(1); });
    Shape to, first;
    for (size_t d = 0; d < shape_.size(); ++d) {
      if (one_in(2)) lengths[d] = shape_[d];
      const bool fits = lengths[d] >= 1 && lengths[d] <= shape_[d] && strides[d] >= 1;
      to.push_back(fits ? (lengths[d] - 1) / strides[d] + 1 : 0);
      first.push_back(fits ? std::clamp<int64_t>(starts[d], 0, shape_[d] - lengths[d]) : 0);
    }
    const auto element = [=, x = x_element_](const Shape& at) {
      Shape from = first;
      for (size_t d = 0; d < from.size(); ++d) from[d] += at[d] == 0 ? 0 : at[d] * strides[d];
      return x(from);
    };
    return {"slice",
            {x_},
            {{"starts", starts}, {"lengths", lengths}, {"strides", strides}},
            admitted(to),
            element};
  }

  Call pad() {
    const Shape low = list([&] { return amount(); });
    const Shape interior = list([&] { return amount_or(0); });
    Shape high = list([&] { return amount(); });
    std::vector<Unbounded> to;
    bool is_valid = true;
    for (size_t d = 0; d < shape_.size(); ++d) {
      // What is added on one side is often taken away on the other.
      if (one_in(2)) high[d] = -std::max(low[d], -INT64_MAX) + dice_.between(-2, 4);
      is_valid &= interior[d] >= 0;
      to.push_back(Unbounded(shape_[d]) + (Unbounded(shape_[d]) - 1) * interior[d] + low[d] +
                   high[d]);
    }
    const auto element = [=, shape = shape_, x = x_element_](const Shape& at) {
      Shape from;
      for (size_t d = 0; d < shape.size(); ++d) {
        const Unbounded place = Unbounded(at[d]) - low[d], step = Unbounded(interior[d]) + 1;
        if (place.size < 0 || (place.size > 0 && !place.is_small())) return 7.0F;
        const int64_t index = step.is_small() ? place.exact() / step.exact() : 0;
        if (index >= shape[d] || (Unbounded(index) * step).exact() != place.exact()) return 7.0F;
        from.push_back(index);
      }
      return x(from);
    };
    return {"pad",
            {x_, vector({7})},
            {{"low", low}, {"high", high}, {"interior", interior}},
            is_valid ? admitted(to) : Model(),
            element};
  }

  Call windows() {
    static const std::vector<const char*> kNames = {"window_sum", "window_max", "window_product"};
    const char* name = dice_.pick(kNames);
    const Shape window = list([&] { return amount_or(small()); });
    const Shape strides = list([&] { return amount_or(1); });
    const Shape dilations = list([&] { return amount_or(1); });
    const Shape low = list([&] { return amount_or(0); }), high = list([&] { return amount_or(0); });
    std::vector<Unbounded> to;
    for (size_t d = 0; d < shape_.size(); ++d) {
      const Unbounded padded = Unbounded(shape_[d]) + low[d] + high[d];
      to.push_back(positions(padded, window[d], strides[d], dilations[d]));
    }
    return {name,
            {x_},
            {{"window", window},
             {"strides", strides},
             {"dilations", dilations},
             {"low", low},
             {"high", high}},
            admitted(to),
            {}};
  }

  Call concatenate() {
    const int64_t axis = dice_.between(0, static_cast<int64_t>(shape_.size()) - 1);
    const int64_t parts = dice_.between(1, 12);
    std::vector<Unbounded> to(shape_.begin(), shape_.end());
    to[axis] = to[axis] * parts;
    const auto element = [=, length = shape_[axis], x = x_element_](Shape at) {
      at[axis] %= length;
      return x(at);
    };
    return {"concatenate",
            std::vector<nxv_tensor*>(static_cast<size_t>(parts), x_),
            {{"axis", {axis}}},
            admitted(to),
            element};
  }

  Call broadcast() {
    Shape to = list([&] { return extent(); });
    for (size_t d = 0; d < shape_.size(); ++d) {
      if (shape_[d] != 1) to[d] = shape_[d];
    }
    to.insert(to.begin(), extent());
    return {"broadcast", {x_}, {{"shape", to}}, admitted(to), {}};
  }

  Call reshape() {
    Shape to = list([&] { return amount(); });
    if (one_in(2)) std::rotate_copy(shape_.begin(), shape_.begin() + 1, shape_.end(), to.begin());
    const auto count = [](const Shape& shape) {
      Unbounded n = 1;
      for (int64_t d : shape) n = n * d;
      return n.residue;
    };
    return {
        "reshape", {x_}, {{"shape", to}}, count(to) == count(shape_) ? admitted(to) : Model(), {}};
  }

  Call matmul() {
    int64_t m = 0, k = 0, n = 0;
    do {
      m = extent(), k = one_in(2) ? 1 : small(), n = extent();
    } while (!admitted(Shape{m, k}) || !admitted(Shape{k, n}));
    return {"matmul", {ones({m, k}), ones({k, n})}, {}, admitted(Shape{m, n}), [k](const Shape&) {
              return static_cast<float>(k);
            }};
  }

  Call convolution() {
    const int64_t length = std::min(extent(), int64_t{1} << 48), window = small();
    const int64_t low = amount_or(0), high = amount_or(0), stride = amount_or(1);
    const int64_t dilation = amount(), spread = amount_or(1);
    const Unbounded padded =
        Unbounded(length) + (Unbounded(length) - 1) * (Unbounded(spread) - 1) + low + high;
    const Unbounded count = positions(padded, window, stride, dilation);
    return {"conv",
            {ones({1, 1, length}), ones({1, 1, window})},
            {{"low", {low}},
             {"high", {high}},
             {"strides", {stride}},
             {"kernel_dilation", {dilation}},
             {"input_dilation", {spread}}},
            spread >= 1 ? admitted({Unbounded(1), Unbounded(1), count}) : Model(),
            {}};
  }

  Call take() {
    Shape indices(static_cast<size_t>(dice_.between(0, 1)), std::min(extent(), int64_t{1} << 48));
    const int64_t index = amount();
    nxv_tensor* at = build([&](nxv_tensor** out) {
      return nxv_constant_s64(engine_, NXV_S64, index, static_cast<int>(indices.size()),
                              indices.data(), out);
    });
    Shape to = indices;
    to.insert(to.end(), shape_.begin() + 1, shape_.end());
    const bool is_inside = index >= 0 && index < shape_[0];
    const auto element = [=, axes = indices.size(), x = x_element_](const Shape& place) {
      Shape from(place.begin() + static_cast<std::ptrdiff_t>(axes), place.end());
      from.insert(from.begin(), index);
      return x(from);
    };
    return {"take", {x_, at}, {{"axis", {0}}}, is_inside ? admitted(to) : Model(), element};
  }

  Call decomposition() {
    const bool is_qr = one_in(2);
    const int64_t rows = std::min(extent(), int64_t{1} << 45), columns = small(), whole = one_in(2);
    return {is_qr ? "qr" : "svd",
            {ones({rows, columns})},
            {{is_qr ? "complete" : "full_matrices", {whole}}},
            admitted(Shape{rows, whole != 0 ? rows : std::min(rows, columns)}),
            {}};
  }

  Call along_last_axis() {
    static const std::vector<const char*> kNames = {"sort", "cumulative_sum", "argmax", "argsort",
                                                    "fft",  "top_k"};
    const std::string name = dice_.pick(kNames);
    const int64_t last = static_cast<int64_t>(shape_.size()) - 1, length = amount();
    Shape to = shape_;
    if (name == "argmax") to.pop_back();
    if (name == "fft") to.back() = length;
    if (name == "top_k") to.back() = length <= to.back() ? length : 0;
    std::vector<std::pair<const char*, Shape>> options = {{"axis", {last}}};
    if (name == "fft") options.push_back({"length", {length}});
    if (name == "top_k") options = {{"k", {length}}};
    return {name, {x_}, options, admitted(to), {}};
  }

  // ---- Checks ----

  void check_call(const Call& call, const std::string& seed) {
    std::vector<nxv_option> options;
    std::string what = seed + call.name + " of " + text(shape_);
    for (const auto& [name, values] : call.options) {
      options.push_back({name, static_cast<int>(values.size()), values.data(), nullptr});
      what += std::string(", ") + name + " " + text(values);
    }
    nxv_tensor* outs[4] = {};
    int count = 0;
    const nxv_status status =
        nxv_call(call.name.c_str(), static_cast<int>(call.operands.size()), call.operands.data(),
                 static_cast<int>(options.size()), options.data(), 4, outs, &count);
    for (int i = 0; i < count; ++i) keep(outs[i]);
    if (status != NXV_OK) {
      ++refused_;
      EXPECT_NE(status, NXV_INTERNAL) << what << ": " << nxv_last_error();
      return;
    }
    ++built_;
    ASSERT_TRUE(call.model) << what << " was built";
    const Shape got(nxv_tensor_shape(outs[0]), nxv_tensor_shape(outs[0]) + call.model->size());
    ASSERT_EQ(static_cast<size_t>(nxv_tensor_rank(outs[0])), call.model->size()) << what;
    ASSERT_EQ(got, *call.model) << what;
    if (!is_long(outs[0])) evaluate(outs[0], what);
    evaluate_part(outs[0], call, what);
  }

  static std::string text(const Shape& shape) {
    std::string s = "{";
    for (size_t i = 0; i < shape.size(); ++i) s += (i > 0 ? ", " : "") + std::to_string(shape[i]);
    return s + "}";
  }

  // Whether lavapipe would compute the elements, for minutes.
  static bool is_long(nxv_tensor* t) {
    return nxv_tensor_count(t) >> 16 != 0 && nxv_tensor_count(t) >> 31 == 0;
  }

  // The first elements, or none where it answers that it cannot.
  std::vector<float> evaluate(nxv_tensor* t, const std::string& what) {
    struct Answer {
      std::promise<nxv_status> status;
      std::vector<float> elements;
    } answer;
    const nxv_status asked = nxv_read_async(
        t, 256,
        [](void* context, nxv_status status, const void* data, size_t size, const char*) {
          auto* into = static_cast<Answer*>(context);
          const auto* first = static_cast<const float*>(data);
          if (status == NXV_OK) into->elements.assign(first, first + size / sizeof(float));
          into->status.set_value(status);
        },
        &answer);
    EXPECT_EQ(asked, NXV_OK) << what << nxv_last_error();
    if (asked != NXV_OK) return {};
    const nxv_status status = answer.status.get_future().get();
    EXPECT_TRUE(status == NXV_OK || status == NXV_UNSUPPORTED || status == NXV_ALLOC_FAILED)
        << what << ": " << nxv_status_name(status);
    computed_ += status == NXV_OK ? 1 : 0;
    return answer.elements;
  }

  // A few elements anywhere in the result.
  void evaluate_part(nxv_tensor* whole, const Call& call, const std::string& what) {
    Shape starts, lengths;
    for (int64_t d : *call.model) {
      lengths.push_back(std::min<int64_t>(d, small()));
      starts.push_back(one_in(2) ? d - lengths.back() : dice_.below(d - lengths.back() + 1));
    }
    nxv_tensor* part = build([&](nxv_tensor** out) {
      return nxv_slice(whole, starts.data(), lengths.data(), nullptr, out);
    });
    if (nxv_tensor_dtype(part) != NXV_F32) return;
    // What has kernels of its own is computed whole.
    if (is_long(whole) && !call.element) return;
    const std::vector<float> elements = evaluate(part, what + ", a part");
    if (!call.element || (!x_element_ && call.name != "matmul")) return;
    Shape at = starts;
    for (float element : elements) {
      ASSERT_EQ(element, call.element(at)) << what << " at " << text(at);
      ++compared_;
      for (size_t d = at.size(); d-- > 0;) {
        if (++at[d] < starts[d] + lengths[d]) break;
        at[d] = starts[d];
      }
    }
  }

  nxv::Dice dice_{0};
  Shape shape_;
  nxv_tensor* x_ = nullptr;
  std::function<float(const Shape&)> x_element_;  // none: not compared
  int built_ = 0, refused_ = 0, computed_ = 0, compared_ = 0;
};

TEST_F(AbsurdShapes, AreRefusedOrRight) { check(0, 2000); }

// --gtest_also_run_disabled_tests --gtest_filter='*Long*'
TEST_F(AbsurdShapes, DISABLED_LongAreRefusedOrRight) { check(100000, 100000); }

}  // namespace
