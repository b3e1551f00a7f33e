// The step that Gaussian elimination and Cholesky's decomposition share.
#pragma once

#include "kernels/linear/steps.h"

namespace nxv::kernels {

enum class Elimination : uint8_t {
  general,   // every element right of the column, below the row
  hermitian  // of the upper triangle alone; what it would divide by the root of a pivot that is
             // not positive becomes NaN
};

// a[i][k] / a[k][k] (general) or conj(a[k][i]) / a[k][k] (hermitian): what row i has of row k. A
// pivot of zero has nothing below it.
ir::Number elimination_factor(LinearKernel& k, Elimination kind, const ir::Number& element,
                              const ir::Number& pivot);

// The hermitian one, of the inverse of the pivot.
ir::Number hermitian_factor(LinearKernel& k, const ir::Number& element, ir::Value pivot,
                            ir::Value inverse);

// What stands for the quotient of an element by a pivot that has no root: 0 of 0, NaN of anything
// else.
ir::Value quotient_without_root(LinearKernel& k, const ir::Number& element, ir::Value pivot);

// Takes row `column`, times its factor, from each row below it, in all matrices of a workspace.
void add_elimination(Steps& steps, Elimination kind, int matrices, uint64_t batch, uint64_t n,
                     uint64_t column);
// The general one as far as column `end`, in an n x n matrix of `elements`, by one invocation
// within a kernel. Elements of the column become factors.
void eliminate(LinearKernel& k, ir::Value elements, ir::Value n, ir::Value matrix, ir::Value column,
               ir::Value end);

}  // namespace nxv::kernels
