// What blocked algorithms do with a block of rows: unknowns or rows of factors by substitution, and
// what is taken of them from all rows below. Every element meets the rows of a block in their
// order, each by one subtraction, as it would one row at a time: blocks change no bit.
#pragma once

#include "kernels/linear/steps.h"

namespace nxv::kernels {

// Matrices of a workspace, dense.
struct Matrices {
  int workspace = 0;
  uint64_t batch = 0, rows = 0, columns = 0;
};

// Rows begin .. end - 1.
struct RowBlock {
  uint64_t begin = 0, end = 0;
  uint64_t size() const { return end - begin; }
};

// Where the factors f(i, k) are that row i has of row k: in matrix m at first + m * matrix +
// i * row + k * column. Unsigned differences wrap as they should.
struct Factors {
  enum class Place : uint8_t {
    own,        // below the diagonal of the matrices that they are of
    workspace,  // of their own
  };
  Place place = Place::own;
  int workspace = 0;
  uint32_t first = 0, matrix = 0, row = 0, column = 0;
};

// What becomes of a row once those above it in its block are taken from it.
enum class RowEnd : uint8_t {
  stays,
  hermitian,  // its multiples, conj(x) / pivot, are the factors of the rows below: stored there
};

// Takes from each row of the block those before it in the block, in columns `first_column` and on.
void add_block_rows(Steps& steps, const Matrices& c, const RowBlock& block, const Factors& factors,
                    RowEnd end, uint64_t first_column);

// And the whole block from the rows below it, in the same columns. `upper`: what is below the
// diagonal does not matter.
void add_block_update(Steps& steps, const Matrices& c, const RowBlock& block,
                      const Factors& factors, uint64_t first_column, bool upper = false);

}  // namespace nxv::kernels
