#include "kernels/common/grid.h"
#include "kernels/common/kernel_arguments.h"
#include "kernels/common/memory_format.h"
#include "kernels/fft/fft.h"
#include "kernels/fft/fft_butterfly.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Value;

Complex exchanged(const Complex& x) { return {x.im, x.re}; }
Complex conjugate(const Complex& x) { return {x.re, -x.im}; }

class FftPassKernel {
 public:
  FftPassKernel(const Region& region, const Target& target, const FftPass& pass)
      : pass_(pass),
        target_(target),
        external_(region.root->dtype),
        part_(ir::compute_type(pass.number)),
        b_("fft_pass_" + std::to_string(pass.radix), pass.workgroup),
        arguments_(b_, region, kWordsOf<FftWords>, {.workspaces = workspace_count(pass)}),
        words_(arguments_.words_as<FftWords>()) {
    int next = 0;
    const auto workspace = [&] { return arguments_.workspace(next++); };
    source_ = pass.reads_workspace() ? workspace()
              : pass.from_output     ? arguments_.output()
                                     : arguments_.operand(0);
    destination_ = pass.writes_workspace() ? workspace() : arguments_.output();
    if (!pass.first) roots_ = workspace();
    if (pass.reads_chirp()) chirp_ = workspace();
    if (pass.load == FftLoad::product) spectrum_ = workspace();
  }

  ir::Kernel run() {
    const Value local = b_.builtin(ir::Builtin::local_index);
    const Value units = words_[&Words::units];
    if (pass_.chunked) {
      const Value begin = linear_group(b_) * words_[&Words::chunk];
      const Value end = b_.binary(ir::Opcode::min, begin + words_[&Words::chunk], units);
      b_.for_range(begin + local, end, b_.u32(pass_.workgroup), [&](Value u) { unit(u); });
    } else {
      const Value u = linear_group(b_) * pass_.workgroup + local;
      b_.if_(u < units, [&] { unit(u); });
    }
    return b_.finish();
  }

 private:
  static int workspace_count(const FftPass& pass) {
    return int{pass.reads_workspace()} + int{pass.writes_workspace()} + int{!pass.first} +
           int{pass.reads_chirp()} + int{pass.load == FftLoad::product};
  }

  using Words = FftWords;

  // One butterfly.
  void unit(Value u) {
    const Value row = words_.divide(u, &Words::butterflies);
    const Value j = u - row * words_[&Words::butterflies];
    // k of those that the passes before have put together.
    const Value k = pass_.first  ? b_.u32(0)
                    : pass_.last ? j
                                 : j - words_.divide(j, &Words::done) * words_[&Words::done];
    std::vector<Complex> x;
    for (uint32_t r = 0; r < pass_.radix; ++r) {
      const Value column = r == 0 ? j : j + words_[&Words::butterflies] * r;
      const Complex value = load(row, column);
      const bool rotated = r > 0 && !pass_.first;
      x.push_back(rotated ? fma_multiply(value, root(r, k)) : value);
    }
    x = butterfly(x);
    const Value start = pass_.first ? j * pass_.radix : pass_.last ? j : (j - k) * pass_.radix + k;
    for (uint32_t r = 0; r < pass_.radix; ++r) {
      store(row, r == 0 ? start : start + words_[&Words::done] * r, x[r]);
    }
  }

  Complex element(Value buffer, Value index, DType t) {
    const Number n = load_element(buffer, index, t);
    return {ir::widen(n.re, part_), ir::widen(n.im, part_)};
  }
  Complex root(uint32_t r, Value k) {
    return element(roots_, words_[&Words::done] * r + k, pass_.number);
  }
  Complex chirp(Value index) { return element(chirp_, index, pass_.number); }

  Value external(Value row, Value column) {
    return (words_[&Words::first_row] + row) * words_[&Words::length] + column;
  }
  // Of numbers on their way; in the output they have their place there.
  Value internal(Value row, Value column, bool in_output) {
    return (in_output ? words_[&Words::first_row] + row : row) * words_[&Words::size] + column;
  }

  Complex load(Value row, Value column) {
    switch (pass_.load) {
      case FftLoad::stored:
        return stored(row, column);
      case FftLoad::row:
        return operand(row, column);
      case FftLoad::chirped_row:
        return inside(column, [&](Value at) { return fma_multiply(operand(row, at), chirp(at)); });
      case FftLoad::filter:
        return inside(b_.binary(ir::Opcode::min, column, words_[&Words::size] - column),
                      [&](Value at) { return conjugate(chirp(at)); });
      case FftLoad::product:
        return exchanged(
            fma_multiply(stored(row, column), element(spectrum_, column, pass_.number)));
    }
    return {};
  }
  Complex stored(Value row, Value column) {
    return element(source_, internal(row, column, pass_.from_output), pass_.number);
  }
  Complex operand(Value row, Value column) {
    const Complex x = element(source_, external(row, column), external_);
    return pass_.inverse ? exchanged(x) : x;
  }
  // value(column) where the column lies in a row, zero beyond.
  template <typename F>
  Complex inside(Value column, F&& value) {
    const Value is_inside = column < words_[&Words::length];
    const Complex x = value(b_.select(is_inside, column, b_.u32(0)));
    const Value zero = b_.zero(part_);
    return {b_.select(is_inside, x.re, zero), b_.select(is_inside, x.im, zero)};
  }

  void store(Value row, Value column, const Complex& x) {
    switch (pass_.store) {
      case FftStore::stored:
        return store_element(destination_, internal(row, column, pass_.to_output),
                             Number{pass_.number, x.re, x.im});
      case FftStore::result:
        return store_result(row, column, x);
      case FftStore::chirped_result:
        b_.if_(column < words_[&Words::length],
               [&] { store_result(row, column, fma_multiply(exchanged(x), chirp(column))); });
    }
  }
  void store_result(Value row, Value column, const Complex& x) {
    const Complex y = pass_.inverse ? exchanged(x) : x;
    store_element(destination_, external(row, column),
                  Number{external_, finished(y.re), finished(y.im)});
  }
  Value finished(Value v) {
    if (pass_.divides) v = ir::math::div(v, words_.number(&Words::divisor, part_), target_.math);
    const Value small = b_.unary(ir::Opcode::abs, v) <= words_.number(&Words::epsilon, part_);
    return b_.convert(b_.select(small, b_.zero(part_), v), ir::compute_type(external_));
  }

  const FftPass pass_;
  const Target target_;
  const DType external_;  // of operand and output
  const ir::Type part_;
  Builder b_;
  const KernelArguments arguments_;
  const WordValues<FftWords> words_;
  Value source_, destination_, roots_, chirp_, spectrum_;
};

}  // namespace

ir::Kernel generate_fft_pass(const Region& region, const Target& target, const FftPass& pass) {
  return FftPassKernel(region, target, pass).run();
}

}  // namespace nxv::kernels
