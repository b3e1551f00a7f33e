#include "kernels/scatter/update_list.h"

#include <algorithm>

namespace nxv::kernels {

using ir::Number;
using ir::Opcode;
using ir::Value;
using ir::Var;

namespace {

constexpr uint32_t kNone = 0xffffffff;  // sorts behind every entry

// Zero for -0 alone.
Value not_minus_zero(Value x) {
  ir::Builder& b = x.builder();
  if (x.type() == ir::kF32) return b.bitcast(x, ir::kU32) ^ 0x80000000u;
  const Value words = b.bitcast(x, ir::vec(ir::kU32, 2));
  return (b.extract(words, 1) ^ 0x80000000u) | b.extract(words, 0);
}

Value minus_zero_unless(Value any, Value sum) {
  ir::Builder& b = sum.builder();
  const Value top = b.u32(0x80000000);
  const Value minus_zero = sum.type() == ir::kF32 ? b.bitcast(top, ir::kF32)
                                                  : b.bitcast(b.pack({b.u32(0), top}), ir::kF64);
  return b.select(any == 0u, minus_zero, sum);
}

}  // namespace

UpdateList::UpdateList(Value heads, Value entries, Value slot, bool carries)
    : b_(slot.builder()), heads_(heads), entries_(entries), slot_(slot), carries_(carries) {
  Value name = b_.load(heads, slot, ir::kU32);
  for (size_t i = 0; i < kFew; ++i) {
    few_[i] = name;
    // Without a branch, so that the loads of several lists overlap.
    const Value is_end = name == 0u;
    const Entry e = entry(b_.select(is_end, b_.u32(1), name));
    few_bits_[i] = e.bits;
    name = b_.select(is_end, b_.u32(0), e.next);
  }
  more_ = name != 0u;
  length_ = b_.var(b_.u32(0));
  b_.if_(more_, [&] {
    const Var at = b_.var(b_.load(heads_, slot_, ir::kU32));
    b_.loop([&] {
      b_.break_if((at.get() == 0u) | (length_.get() > kLongestList));
      length_.set(length_.get() + 1u);
      at.set(entry(at.get()).next);
    });
  });
}

UpdateList::Entry UpdateList::entry(Value name) const {
  if (!carries_) return {b_.load(entries_, name - 1u, ir::kU32), {}};
  const Value words = b_.load(entries_, name - 1u, ir::vec(ir::kU32, 2));
  return {b_.extract(words, 0), b_.extract(words, 1)};
}

Value UpdateList::smallest_above(Value last) const {
  const Var best = b_.var(b_.u32(kNone)), at = b_.var(b_.load(heads_, slot_, ir::kU32));
  b_.loop([&] {
    b_.break_if(at.get() == 0u);
    const Value name = at.get();
    best.set(b_.select(name > last, b_.binary(Opcode::min, best.get(), name), best.get()));
    at.set(entry(name).next);
  });
  return best.get();
}

UpdateList::Total UpdateList::insert(const Fold& fold, const Total& total, const Number& x) const {
  Total t{fold.insert(total.sum, x, b_.u32(0)), total.any_re | not_minus_zero(x.re), total.any_im};
  if (x.im) t.any_im = t.any_im | not_minus_zero(x.im);
  return t;
}

// Accumulators begin with +0, of which -0 + -0 must not show anything.
Number UpdateList::result(const Fold& fold, const Total& total) const {
  Number n = fold.result(total.sum);
  n.re = minus_zero_unless(total.any_re, n.re);
  if (n.im) n.im = minus_zero_unless(total.any_im, n.im);
  return n;
}

Number UpdateList::sum(const Fold& fold, const std::function<Number(Value number)>& load,
                       const Number& target) const {
  const auto carried = [&](Value bits) {
    return Number{target.dtype, b_.bitcast(bits, ir::kF32), {}};
  };
  std::array<Value, kFew> order, bits = few_bits_;
  for (size_t i = 0; i < kFew; ++i) order[i] = b_.select(few_[i] == 0u, b_.u32(kNone), few_[i]);
  const auto sort = [&](size_t i, size_t j) {
    const Value swaps = order[j] < order[i];
    const auto exchange = [&](std::array<Value, kFew>& of) {
      const Value first = b_.select(swaps, of[j], of[i]);
      of[j] = b_.select(swaps, of[i], of[j]);
      of[i] = first;
    };
    exchange(order);
    if (carries_) exchange(bits);
  };
  for (const auto& [i, j] : {std::pair{0, 1}, {2, 3}, {0, 2}, {1, 3}, {1, 2}}) sort(i, j);

  const Total none{fold.identity(), b_.u32(0), b_.u32(0)};
  Total few = none;
  for (size_t i = 0; i < kFew; ++i) {
    const Value is_entry = order[i] != kNone;
    const Number x =
        carries_ ? carried(bits[i]) : load(b_.select(is_entry, order[i] - 1u, b_.u32(0)));
    const Total with = insert(fold, few, x);
    few = {fold.select(is_entry, with.sum, few.sum), b_.select(is_entry, with.any_re, few.any_re),
           b_.select(is_entry, with.any_im, few.any_im)};
  }
  const Number of_few = result(fold, insert(fold, few, target));
  const Value keeps = (few_[0] == 0u) | more_;
  const auto chosen = [&](Value kept, Value summed) {
    return b_.var(b_.select(keeps, kept, summed));
  };
  const Var re = chosen(target.re, of_few.re);
  const Var im = target.im ? chosen(target.im, of_few.im) : Var();

  b_.if_(more_ & (length_.get() <= kLongestList), [&] {
    const std::vector<Var> sum = fold.variables(none.sum);
    const Var any_re = b_.var(none.any_re), any_im = b_.var(none.any_im);
    const auto total = [&] { return Total{Fold::read(sum), any_re.get(), any_im.get()}; };
    const Var left = b_.var(length_.get()), last = b_.var(b_.u32(0));
    b_.loop([&] {
      b_.break_if(left.get() == 0u);
      const Value name = smallest_above(last.get());
      const Number x = carries_ ? carried(entry(name).bits) : load(name - 1u);
      const Total t = insert(fold, total(), x);
      Fold::write(sum, t.sum);
      any_re.set(t.any_re);
      any_im.set(t.any_im);
      last.set(name);
      left.set(left.get() - 1u);
    });
    const Number n = result(fold, insert(fold, total(), target));
    re.set(n.re);
    if (target.im) im.set(n.im);
  });
  return {target.dtype, re.get(), target.im ? im.get() : Value()};
}

}  // namespace nxv::kernels
