// Which rows meet in which round of a Jacobi sweep, and in which order results stand.
#pragma once

#include "kernels/linear/steps.h"

namespace nxv::kernels {

// The tournament of Brent and Luk (SIAM J. Sci. Stat. Comput. 6, 1985): in the 2 h - 1 rounds of a
// sweep each of 2 h rows meets each other row once. `shift` is the number of the round modulo
// 2 h - 1.
struct Pair {
  ir::Value top, bottom;
};
Pair pair_of_round(LinearKernel& k, ir::Value pair, ir::Value half, ir::Value shift);

// Sweeps that suffice for matrices of n rows, with room to spare; converged matrices sit them out.
uint64_t sweeps_for(uint64_t n);

// How far a matrix is: for each sweep the largest off-diagonal element that it has met, as an f32.
//
// A sweep leaves what is far smaller than the largest element of the sweep before. Without that,
// rows of equal eigenvalues, whose angles are arbitrary, would undo each other's progress, and
// convergence would be linear.
struct Progress {
  ir::Value is_active;  // there is something left to rotate
  ir::Value threshold;  // rotate what is larger
};
// Clears and gives the workspace, `sweeps` words a matrix.
int add_progress(Steps& steps, uint64_t batch, uint64_t sweeps);
// `first` is the index of the matrix's first word; elements up to `least` are as good as zero.
Progress progress_of(LinearKernel& k, ir::Value words, ir::Value first, ir::Value sweep,
                     ir::Value least);
void record(LinearKernel& k, ir::Value words, ir::Value index, ir::Value element);

// Words of sweeps by invocations that have a matrix each. A step is a round.
struct SweepWords {
  StepRange steps;
  uint32_t half = 0, sweeps = 0;
  Divisor rounds;  // of a sweep
};
// All sweeps of matrices of 2 `half` rows, in as few dispatches as the plan's bound on loops
// allows: a round takes so many iterations.
std::vector<SweepWords> lone_sweeps(const Steps& steps, uint64_t half, uint64_t sweeps,
                                    uint64_t iterations);
// A round of one matrix, within a kernel.
struct LoneRound {
  ir::Value matrix, half, shift, sweep, sweeps;
};
void each_lone_round(LinearKernel& k, const WordValues<SweepWords>& words,
                     const std::function<void(const LoneRound&)>& body);

// Positions by descending magnitude of `count` real numbers a matrix, in rows of `stride` numbers:
// order[i] is the index of the i-th largest, the first of equal ones first, NaN before numbers.
void add_order(Steps& steps, int values, int order, uint64_t batch, uint64_t count);

}  // namespace nxv::kernels
