// The kernels of Fourier transforms: what fft.cpp puts together.
//
// A transform of N numbers is a sequence of passes over all rows, one for each factor of N (the
// radices): the self-sorting algorithm of Stockham, as in Govindaraju et al., "High performance
// discrete Fourier transforms on graphics processors" (SC 2008). With `done` the product of the
// radices of the passes before, the pass of radix r takes numbers N / r apart, multiplies them by
// roots of unity, transforms them in registers, and stores them `done` apart.
//
// Only forward transforms exist: an inverse one exchanges the parts of its input and of its output.
#pragma once

#include "graph/words.h"
#include "kernels/common/family.h"
#include "kernels/lowering.h"

namespace nxv::kernels {

// Of rows, along the last axis of the root.
Lowering lower_fft(const Region& region, const Target& target);

enum class FftLoad : uint8_t {
  stored,       // what the pass before has stored
  row,          // a row of the operand; its parts exchanged for an inverse transform
  chirped_row,  // the same times the chirp, zeros beyond its length
  filter,       // the conjugate chirp, mirrored around 0 on a circle of N
  product,      // what is stored times the filter's spectrum, its parts exchanged
};
enum class FftStore : uint8_t {
  stored,
  result,          // a row of the output; its parts exchanged for an inverse transform
  chirped_result,  // the inverse transform of a product times the chirp, cut to the length
};

// What the code of a pass depends on. Its workspaces, in this order: source and target where they
// are not the operand or the output, the roots unless it is the first pass, the chirp and the
// filter's spectrum where it uses them.
struct FftPass {
  uint32_t radix = 1;
  Choice<FftLoad> load = FftLoad::stored;
  Choice<FftStore> store = FftStore::stored;
  Choice<bool> first = false, last = false;
  Choice<bool> inverse = false;
  Choice<bool> from_output = false, to_output = false;  // numbers on their way lie in the output
  Choice<bool> divides = false;                         // the result, by a number
  Choice<DType> number = DType::c64;  // that it computes in, and that workspaces hold
  uint32_t workgroup = 1;
  Choice<bool> chunked = false;

  bool reads_operand() const { return load == FftLoad::row || load == FftLoad::chirped_row; }
  bool reads_workspace() const {
    return !reads_operand() && load != FftLoad::filter && !from_output;
  }
  bool writes_workspace() const { return !to_output; }
  bool reads_chirp() const {
    return load == FftLoad::chirped_row || load == FftLoad::filter ||
           store == FftStore::chirped_result;
  }
};

struct FftWords {
  uint32_t units = 0;      // butterflies of all rows
  uint32_t chunk = 0;      // of them a workgroup has, where chunked
  Divisor butterflies;     // of a row
  Divisor done;            // product of the radices of the passes before
  uint32_t size = 0;       // numbers in a row of a workspace
  uint32_t length = 0;     // numbers in a row of operand and output
  uint32_t first_row = 0;  // of operand and output
  WideRealWord epsilon;    // the smallest magnitude that is kept
  WideRealWord divisor;
};

ir::Kernel generate_fft_pass(const Region& region, const Target& target, const FftPass& pass);

// Tables, written to the dispatch's only workspace by one invocation an element.
//
// Roots: for the passes of the given radices (radix - 1 in four bits each, the first in the lowest
// ones), element r * done + k is exp(-2 pi i r k / (radix * done)), 0 < r < radix, k < done.
// Chirp: element k is exp(-pi i k^2 / n).
struct FftTable {
  Choice<DType> number = DType::c64;
};

struct FftTableWords {
  uint32_t count = 0;
  uint32_t low_radices = 0, high_radices = 0;
};

inline constexpr uint32_t kFftTableWorkgroup = 64;
ir::Kernel generate_fft_roots(const Region& region, const Target& target, const FftTable& table);
ir::Kernel generate_fft_chirp(const Region& region, const Target& target, const FftTable& table);

}  // namespace nxv::kernels
