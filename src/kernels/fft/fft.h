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

#include <string>

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
  int radix = 1;
  FftLoad load = FftLoad::stored;
  FftStore store = FftStore::stored;
  bool first = false, last = false;
  bool inverse = false;
  bool from_output = false, to_output = false;  // numbers on their way lie in the output
  bool divides = false;                         // the result, by a number
  DType number = DType::c64;                    // that it computes in, and that workspaces hold
  uint32_t workgroup = 1;
  bool chunked = false;

  bool reads_operand() const { return load == FftLoad::row || load == FftLoad::chirped_row; }
  bool reads_workspace() const {
    return !reads_operand() && load != FftLoad::filter && !from_output;
  }
  bool writes_workspace() const { return !to_output; }
  bool reads_chirp() const {
    return load == FftLoad::chirped_row || load == FftLoad::filter ||
           store == FftStore::chirped_result;
  }
  std::string key() const;
};

// The words of a pass, in order.
enum FftWord {
  kFftUnits,                       // butterflies of all rows
  kFftChunk,                       // of them a workgroup has, where chunked
  kFftButterflies,                 // divisor: butterflies of a row
  kFftDone = kFftButterflies + 3,  // divisor: product of the radices of the passes before
  kFftSize = kFftDone + 3,         // numbers in a row of a workspace
  kFftLength,                      // numbers in a row of operand and output
  kFftFirstRow,                    // of operand and output
  kFftEpsilon,                     // two words: the smallest magnitude that is kept
  kFftDivisor = kFftEpsilon + 2,   // two words
  kFftWordCount = kFftDivisor + 2,
};

ir::Kernel generate_fft_pass(const Region& region, const Target& target, const FftPass& pass);

// Tables, written to the dispatch's only workspace by one invocation an element.
//
// Roots: for the passes of the given radices (radix - 1 in four bits each, the first in the lowest
// ones), element r * done + k is exp(-2 pi i r k / (radix * done)), 0 < r < radix, k < done.
// Chirp: element k is exp(-pi i k^2 / n).
enum FftTableWord { kTableCount, kTableRadices, kTableWordCount = kTableRadices + 2 };
inline constexpr uint32_t kFftTableWorkgroup = 64;
ir::Kernel generate_fft_roots(const Region& region, const Target& target, DType number);
ir::Kernel generate_fft_chirp(const Region& region, const Target& target, DType number);

}  // namespace nxv::kernels
