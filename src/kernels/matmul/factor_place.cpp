#include "kernels/matmul/factor_place.h"

#include "kernels/matmul/product.h"

namespace nxv::kernels {

using ir::Value;

Place operator+(const Place& x, const Place& y) {
  Place sum{x.index + y.index, x.coordinates};
  for (size_t i = 0; i < sum.coordinates.size(); ++i) {
    Value& coordinate = sum.coordinates[i];
    const Value other = y.coordinates[i];
    coordinate = coordinate && other ? coordinate + other : coordinate ? coordinate : other;
  }
  return sum;
}

WordValues<CheckedAxis> FactorOperand::axis(uint32_t i) const {
  return WordValues<CheckedAxis>(words.subspan(kWordsOf<OffsetWords> + i * kWordsOf<CheckedAxis>));
}

uint32_t FactorOperand::first_digit(int index) const {
  uint32_t digits = 0;
  for (int i = 0; i < index; ++i) digits += gathered.digits[static_cast<size_t>(i)];
  return kWordsOf<OffsetWords> + gathered.axes * kWordsOf<CheckedAxis> +
         digits * (kWordsOf<DigitWords> + gathered.axes);
}

Place FactorOperand::digits(int index, Value number) const {
  const uint32_t count = gathered.digits[static_cast<size_t>(index)], first = first_digit(index);
  const uint32_t words_of_digit = kWordsOf<DigitWords> + gathered.axes;
  Place sum;
  Value rest = number;
  for (uint32_t d = count; d-- > 0;) {
    const auto own = words.subspan(first + d * words_of_digit, words_of_digit);
    const WordValues<DigitWords> digit(own);
    Value value = rest;
    if (d > 0) {
      rest = digit.divide(value, &DigitWords::extent);
      value = value - rest * digit[&DigitWords::extent];
    }
    Place part{value * digit[&DigitWords::stride], std::vector<Value>(gathered.axes)};
    const uint32_t moves = gathered.moves[static_cast<size_t>(index)][d];
    for (uint32_t a = 0; a < gathered.axes; ++a) {
      if (moves >> a & 1) part.coordinates[a] = value * own[kWordsOf<DigitWords> + a];
    }
    sum = sum.index ? sum + part : part;
  }
  return sum;
}

Value FactorOperand::at(Value batch) const {
  return offset + (has_digits() ? digits(GatheredShape::batch, batch).index : batch * batch_stride);
}

Place FactorOperand::of_batch(Value batch) const {
  if (!is_gathered()) return {at(batch), {}};
  Place origin{WordValues<OffsetWords>(words)[&OffsetWords::offset], {}};
  for (uint32_t a = 0; a < gathered.axes; ++a) {
    origin.coordinates.push_back(axis(a)[&CheckedAxis::first]);
  }
  return origin + digits(GatheredShape::batch, batch);
}

Place FactorOperand::of_free(Value free) const {
  if (!is_gathered()) return {free * free_stride, {}};
  return digits(GatheredShape::free, free);
}

Place FactorOperand::of_depth(Value k) const {
  if (!is_gathered()) return {k * depth_stride, {}};
  return digits(GatheredShape::depth, k);
}

Value FactorOperand::is_inside(const Place& place) const { return is_inside_but(place, -1); }

Value FactorOperand::end(uint32_t i) const { return axis(i)[&CheckedAxis::end]; }

// Coordinates before the first element have wrapped to large numbers.
Value FactorOperand::is_inside_but(const Place& place, int skipped) const {
  Value inside;
  const auto demand = [&](Value condition) { inside = inside ? inside & condition : condition; };
  for (uint32_t a = 0; a < gathered.axes; ++a) {
    if (static_cast<int>(a) == skipped) continue;
    const Value coordinate = place.coordinates[a];
    demand(coordinate < axis(a)[&CheckedAxis::end]);
    if (gathered.dilated >> a & 1) {
      demand(axis(a).modulo(coordinate, &CheckedAxis::dilation) == 0u);
    }
  }
  return inside;
}

Value FactorOperand::index(const Place& place) const {
  Value index = place.index;
  for (uint32_t a = 0; a < gathered.axes; ++a) {
    if (!(gathered.dilated >> a & 1)) continue;
    index = index + axis(a).divide(place.coordinates[a], &CheckedAxis::dilation) *
                        axis(a)[&CheckedAxis::stride];
  }
  return index;
}

void FactorOperand::set_strides() {
  const auto stride = [&](int index) {
    return WordValues<DigitWords>(words.subspan(first_digit(index)))[&DigitWords::stride];
  };
  offset = WordValues<OffsetWords>(words)[&OffsetWords::offset];
  free_stride = stride(GatheredShape::free);
  depth_stride = stride(GatheredShape::depth);
}

FactorOperand factor_operand(const KernelArguments& arguments, const Region& region, int factor) {
  const Operand& operand = factor_operand(region, factor);
  FactorOperand f;
  f.buffer = arguments.operand(static_cast<int>(&operand - region.operands.data()));
  f.dtype = operand.node->dtype;
  if (operand.addressing == Addressing::gathered) {
    f.gathered = operand.gathered;
    f.words = arguments.region_words().subspan(operand.words);
    if (!f.is_gathered()) f.set_strides();
    return f;
  }
  const auto words = arguments.region_words_as<MatrixWords>(operand.words);
  const Value row = words[&MatrixWords::row_stride], column = words[&MatrixWords::column_stride];
  f.offset = words[&MatrixWords::offset];
  f.batch_stride = words[&MatrixWords::batch_stride];
  f.free_stride = factor == 0 ? row : column;
  f.depth_stride = factor == 0 ? column : row;
  return f;
}

}  // namespace nxv::kernels
