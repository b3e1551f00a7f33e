#include "kernels/attention/attention_unit_softmax.h"

#include <limits>
#include <numbers>

namespace nxv::kernels {

using ir::Opcode;
using ir::Shared;
using ir::Value;
using ir::Var;

namespace {

constexpr uint32_t kSide = ir::kMatrixSide;
// By what power of two a weight may be larger than that of the base.
constexpr float kGrowth = 8;
// What the first block's bases are above its scores, so that later weights may be larger.
constexpr float kMargin = 4;

}  // namespace

uint32_t UnitSoftmax::shared_bytes(const UnitSoftmaxLayout& layout) {
  return 8 * layout.rows * layout.subgroups +
         UnitSums::shared_bytes(layout.subgroups, layout.rows / kSide, layout.in_registers);
}

UnitSoftmax::UnitSoftmax(ir::Builder& b, AttentionScores& scores, const UnitSoftmaxLayout& layout)
    : b_(b),
      scores_(scores),
      layout_(layout),
      rows_(b, layout.lanes, layout.rows),
      sums_(b, layout.lanes, layout.subgroups, rows_.matrices(), layout.type, layout.in_registers),
      bases_(b.shared("bases", ir::kF32, layout.rows * layout.subgroups)),
      factors_(b.shared("row_factors", ir::kF32, layout.rows * layout.subgroups)),
      weights_(b.var(ir::kAccumulator)) {
  const auto variables = [&](Vars& all, uint32_t count, ir::Type type) {
    for (uint32_t i = 0; i < count; ++i) all.push_back(b.var(type));
  };
  const uint32_t rows = rows_.matrices();
  variables(products_, rows * blocks(), ir::kAccumulator);
  variables(totals_, rows * layout.value_width, ir::kAccumulator);
  variables(negative_bases_, rows, ir::kAccumulator);
  variables(row_sums_, rows, ir::kAccumulator);
  variables(own_bases_, rows, ir::kF32);
}

// No base is -infinity, of which differences are NaN.
void UnitSoftmax::begin(Bases bases, Value sink) {
  bases_are_ = bases;
  const bool has_bases = bases != Bases::none;
  const Value least = b_.f32(std::numeric_limits<float>::lowest());
  Value base = has_bases ? least : scores_.zero();
  if (sink) {
    sink_ = sink;
    if (scores_.only_scales()) sink_ = sink_ * std::numbers::log2e_v<float>;
    if (has_bases) base = b_.select(sink_ > least, sink_, least);
  }
  const Value zeros = b_.matrix_fill(scores_.zero()), negative = b_.matrix_fill(-base);
  for (uint32_t r = 0; r < rows_.matrices(); ++r) {
    own_bases_[r].set(-base);
    negative_bases_[r].set(negative);
    row_sums_[r].set(zeros);
  }
  for (const Var& t : totals_) t.set(zeros);
}

void UnitSoftmax::visit(const Matrices& queries, const Block& block, const QueryOf& query_of) {
  multiply(queries, block);
  if (!scores_.only_scales()) {
    each_score(block, query_of, [&](Value product, Value query, Value key) {
      return scores_.adjusted(product, query, key);
    });
  }
  if (block.is_masked) {
    each_score(block, query_of, [&](Value score, Value query, Value key) {
      return b_.select(scores_.sees(query, key), score, scores_.lowest());
    });
  }
  if (block.raises) raise_bases();
  add_values(block);
}

// Q K^T
void UnitSoftmax::multiply(const Matrices& queries, const Block& block) {
  const Value zeros = b_.matrix_fill(scores_.zero());
  const ir::Type factor = unit_factor(layout_.type, ir::Matrix::b);
  for (uint32_t j = 0; j < blocks(); ++j) {
    Matrices sums(rows_.matrices(), zeros);
    for (uint32_t c = 0; c < layout_.width; ++c) {
      const Value k = block.keys->matrix(factor, b_.u32(0), j, c, true, block.behind);
      for (uint32_t r = 0; r < rows_.matrices(); ++r) {
        sums[r] = b_.matrix_multiply_add(queries[r * layout_.width + c], k, sums[r]);
      }
    }
    for (uint32_t r = 0; r < rows_.matrices(); ++r) product(r, j).set(sums[r]);
  }
}

// Sets each element of products to f(it, its query, its key).
template <typename F>
void UnitSoftmax::each_score(const Block& block, const QueryOf& query_of, F f) {
  const auto row = sums_.rows(), column = sums_.columns();
  for (uint32_t r = 0; r < rows_.matrices(); ++r) {
    sums_.each([&](uint32_t e) {
      const Value query = query_of(row[e] + r * kSide);
      for (uint32_t j = 0; j < blocks(); ++j) {
        const Var& p = product(r, j);
        const Value key = block.first_key + column[e] + j * kSide;
        b_.element_store(p, e, f(b_.element_load(p, e), query, key));
      }
    });
  }
}

Value UnitSoftmax::binary(Value exponent) const {
  return scores_.only_scales() ? exponent : exponent * std::numbers::log2e_v<float>;
}

// Of an element of products, above the base.
Value UnitSoftmax::exponent(Value element, Value negative_base) const {
  if (!scores_.only_scales()) return binary(element + negative_base);
  return b_.fma(element, scores_.words()[&Words::binary_scale], negative_base);
}

Value UnitSoftmax::weight(uint32_t row, uint32_t block, uint32_t element) const {
  const Value s = b_.element_load(product(row, block), element);
  if (bases_are_ != Bases::none) {
    return b_.unary(Opcode::exp2, exponent(s, b_.element_load(negative_bases_[row], element)));
  }
  return b_.unary(Opcode::exp2,
                  scores_.only_scales() ? s * scores_.words()[&Words::binary_scale] : binary(s));
}

// Weights that are lost are far below the sum. Of f16 none may reach 2^16.
Value UnitSoftmax::is_right(Value sum) const {
  return (sum > 0x1p-60f) & (sum < (layout_.type == DType::f16 ? 0x1p15f : 0x1p100f));
}

// NaN is left out: it shows in the sums.
void UnitSoftmax::raise_bases() {
  Value grows;
  Vars largest;
  for (uint32_t r = 0; r < rows_.matrices(); ++r) {
    largest.push_back(b_.var(ir::kAccumulator));
    sums_.each([&](uint32_t e) {
      Value most = b_.element_load(product(r, 0), e);
      for (uint32_t j = 1; j < blocks(); ++j) {
        most = b_.binary(Opcode::max, most, b_.element_load(product(r, j), e));
      }
      b_.element_store(largest[r], e, most);
      const Value beyond = exponent(most, b_.element_load(negative_bases_[r], e)) > kGrowth;
      grows = grows ? grows | beyond : beyond;
    });
  }
  const Value ballot = b_.subgroup(Opcode::subgroup_ballot, grows);
  Value any = b_.extract(ballot, 0);
  if (layout_.lanes > 32) any = any | b_.extract(ballot, 1);
  b_.if_(any != 0u, [&] { rescale(largest); });
}

void UnitSoftmax::rescale(const Vars& largest) {
  sums_.reduce_rows(Opcode::max, largest, [&](uint32_t r, Value row, Value most, Value is_first) {
    if (scores_.only_scales()) most = most * scores_.words()[&Words::binary_scale];
    if (bases_are_ == Bases::first) most = most + kMargin;
    const Value old = own_bases_[r].get();
    const Value now = b_.select(-most < old, -most, old);
    own_bases_[r].set(now);
    b_.if_(is_first, [&] {
      const Value at = rows_.subgroup_row + row + r * kSide;
      b_.shared_store(bases_, at, now);
      b_.shared_store(factors_, at, b_.unary(Opcode::exp2, binary(now - old)));
    });
  });
  b_.subgroup_barrier();
  for (uint32_t r = 0; r < rows_.matrices(); ++r) {
    negative_bases_[r].set(of_rows(bases_, r));
    row_sums_[r].set(b_.matrix_multiply(row_sums_[r].get(), of_rows(factors_, r)));
  }
  scale(factors_);
}

// Of the subgroup's rows.
Value UnitSoftmax::of_rows(Shared vector, uint32_t row) const {
  return sums_.of_rows(vector, rows_.subgroup_row + row * kSide);
}

void UnitSoftmax::scale(Shared factors) {
  for (uint32_t r = 0; r < rows_.matrices(); ++r) {
    const Value factor = of_rows(factors, r);
    for (uint32_t c = 0; c < layout_.value_width; ++c) {
      total(r, c).set(b_.matrix_multiply(total(r, c).get(), factor));
    }
  }
}

// P V, and the sums of P.
void UnitSoftmax::add_values(const Block& block) {
  const ir::Type factor = unit_factor(layout_.type, ir::Matrix::b);
  for (uint32_t j = 0; j < blocks(); ++j) {
    Matrices weights;
    for (uint32_t r = 0; r < rows_.matrices(); ++r) {
      sums_.each([&](uint32_t e) {
        const Value p = weight(r, j, e);
        b_.element_store(weights_, e, p);
        b_.element_store(row_sums_[r], e, b_.element_load(row_sums_[r], e) + p);
      });
      weights.push_back(sums_.factor(weights_));
    }
    for (uint32_t c = 0; c < layout_.value_width; ++c) {
      const Value v = block.values->matrix(factor, b_.u32(0), j, c, false, block.behind);
      for (uint32_t r = 0; r < rows_.matrices(); ++r) {
        total(r, c).set(b_.matrix_multiply_add(weights[r], v, total(r, c).get()));
      }
    }
  }
}

void UnitSoftmax::each_row(const std::function<void(const Row&)>& f) {
  b_.subgroup_barrier();
  sums_.reduce_rows(Opcode::add, row_sums_, [&](uint32_t r, Value row, Value sum, Value is_first) {
    Value base = -own_bases_[r].get();
    if (sink_) sum = sum + b_.unary(Opcode::exp2, binary(sink_ - base));
    if (scores_.only_scales()) base = base * std::numbers::ln2_v<float>;
    f({rows_.subgroup_row + row + r * kSide, sum, base, is_first});
  });
}

}  // namespace nxv::kernels
