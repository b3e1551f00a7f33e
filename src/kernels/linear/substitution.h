// Substitution in a column of a block of rows, within kernels.
#pragma once

#include "kernels/linear/block_steps.h"

namespace nxv::kernels {

struct FactorWords {
  FactorWords() = default;
  explicit FactorWords(const Factors& f)
      : first(f.first), matrix(f.matrix), row(f.row), column(f.column) {}
  uint32_t first = 0, matrix = 0, row = 0, column = 0;
};

// f(i, k) of a matrix.
ir::Number load_factor(LinearKernel& k, Factors::Place place, const WordValues<FactorWords>& words,
                       ir::Value matrix, ir::Value i, ir::Value column);

struct Substitution {
  Choice<Factors::Place> factors = Factors::Place::own;
  Choice<RowEnd> end = RowEnd::stays;
  uint32_t unknowns = 1;  // at a time: the block has a multiple of it

  int workspaces() const { return factors == Factors::Place::workspace ? 2 : 1; }
};

struct SubstitutionWords {
  uint32_t rows = 0, columns = 0;  // of a matrix
  uint32_t begin = 0, end = 0;     // of the block
  FactorWords factors;
};

SubstitutionWords words_of(const Matrices& c, const RowBlock& block, const Factors& factors);
Substitution substitution_of(const Steps& steps, const RowBlock& block, const Factors& factors,
                             RowEnd end);

// The rows of the block in a column of workspace 0; factors of their own are in workspace 1.
void substitute(LinearKernel& k, const Substitution& layout,
                const WordValues<SubstitutionWords>& words, ir::Value matrix, ir::Value column);

}  // namespace nxv::kernels
