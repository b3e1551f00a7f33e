#include "kernels/linear/substitution.h"

#include "kernels/linear/elimination.h"

namespace nxv::kernels {

using ir::Number;
using ir::Value;

namespace {

Value place_of(const WordValues<FactorWords>& words, Value matrix, Value i, Value column) {
  return words[&FactorWords::first] + matrix * words[&FactorWords::matrix] +
         i * words[&FactorWords::row] + column * words[&FactorWords::column];
}

}  // namespace

Number load_factor(LinearKernel& k, Factors::Place place, const WordValues<FactorWords>& words,
                   Value matrix, Value i, Value column) {
  const int workspace = place == Factors::Place::own ? 0 : 1;
  return k.load(k.workspace(workspace), place_of(words, matrix, i, column));
}

void substitute(LinearKernel& k, const Substitution& layout,
                const WordValues<SubstitutionWords>& words, Value matrix, Value column) {
  const Value c = k.workspace(0), columns = words[&SubstitutionWords::columns];
  const Value begin = words[&SubstitutionWords::begin];
  const Value first_row = matrix * words[&SubstitutionWords::rows];
  const auto at = [&](Value row) { return (first_row + row) * columns + column; };
  const WordValues<FactorWords> places = words[&SubstitutionWords::factors];
  const auto factor = [&](Value i, Value l) {
    return load_factor(k, layout.factors, places, matrix, i, l);
  };
  const uint32_t unknowns = layout.unknowns;
  // Loads come before what needs them: nothing that is stored between lets several be under way.
  const auto factors = [&](Value first, Value l) {
    std::vector<Number> of_rows;
    for (uint32_t t = 0; t < unknowns; ++t) of_rows.push_back(factor(first + t, l));
    return of_rows;
  };
  k.b.for_range(begin, words[&SubstitutionWords::end], k.b.u32(unknowns), [&](Value first) {
    std::vector<LinearKernel::Variable> x;
    for (uint32_t t = 0; t < unknowns; ++t) x.push_back(k.variable(k.load(c, at(first + t))));
    k.b.for_range(begin, first, k.b.u32(unknowns), [&](Value before) {
      std::vector<Number> known;
      std::vector<std::vector<Number>> of_known;
      for (uint32_t s = 0; s < unknowns; ++s) {
        known.push_back(k.load(c, at(before + s)));
        of_known.push_back(factors(first, before + s));
      }
      for (uint32_t s = 0; s < unknowns; ++s) {
        for (uint32_t t = 0; t < unknowns; ++t) {
          x[t].set(k.subtract_product(x[t].get(), of_known[s][t], known[s]));
        }
      }
    });
    std::vector<std::vector<Number>> within;  // the block's own, with its diagonal
    std::vector<Value> pivots;
    for (uint32_t t = 0; t < unknowns; ++t) {
      within.push_back(factors(first, first + t));
      if (layout.end == RowEnd::hermitian) {
        pivots.push_back(k.load(c, (first_row + first + t) * columns + first + t).re);
      }
    }
    std::vector<Number> results;
    for (uint32_t t = 0; t < unknowns; ++t) {
      const Number known = x[t].get();
      results.push_back(known);
      for (uint32_t s = t + 1; s < unknowns; ++s) {
        x[s].set(k.subtract_product(x[s].get(), within[t][s], known));
      }
    }
    for (uint32_t t = 0; t < unknowns; ++t) {
      k.store(c, at(first + t), results[t]);
      if (layout.end == RowEnd::hermitian) {
        k.store(k.workspace(1), place_of(places, matrix, column, first + t),
                hermitian_factor(k, results[t], pivots[t], within[t][t].re));
      }
    }
  });
}

}  // namespace nxv::kernels
