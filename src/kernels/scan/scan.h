// Scans: running sums, products, maxima and minima along lines of elements.
//
// A scan follows one association tree, a function of the length alone, so that the same values give
// the same bits however a kernel is laid out. Chunks of 32 elements, then of 32 chunks, and so on
// are folded from left to right; the result at an element is
//
//   (prefix of its chunk) + (fold of its chunk up to the element),
//   prefix of a chunk = (prefix of the chunk around it) + (fold of the chunks before it in there).
//
// Lines of up to 32 768 elements may be scanned by one team. Others are cut into blocks of 1 024
// elements, two levels of chunks. Where workgroups that have begun go on (`forward_progress`), the
// blocks find their prefixes on the way, in one pass over memory (scan_lookback.h). Elsewhere no
// workgroup waits for another, and elements are read twice: the totals of the blocks are scanned by
// the same tree, exclusively, and become the prefixes of the blocks (reduce-then-scan; Dotsenko et
// al., "Fast scan algorithms on graphics processors", ICS 2008).
#pragma once

#include "graph/words.h"
#include "kernels/common/fold.h"
#include "kernels/lowering.h"
#include "kernels/scan/scan_lookback.h"

namespace nxv::kernels {

inline constexpr uint32_t kScanChunk = 32;
inline constexpr uint32_t kScanBlock = kScanChunk * kScanChunk;

// How one kernel is laid out. A unit is a block, or a whole line.
struct ScanLayout {
  // What is scanned: the operand inclusively into the output; accumulators or u32 counters of a
  // workspace exclusively, in place.
  enum class Data : uint8_t { elements, accumulators, counters };
  // What blocks start from: nothing, their prefix, the totals of all blocks, which each block adds
  // up by itself, or what a look-back finds.
  enum class Start : uint8_t { empty, prefix, totals, look_back };

  uint32_t levels = 0;  // of a look-back
  // Invocations that share a unit through shared memory: kScanChunk, or 1. In a team of adjacent
  // lines, each invocation reads memory for itself.
  uint32_t team = 1;
  uint32_t workgroup = 64;
  // Loads of an invocation under way at once; in teams of more than one 8, 16 or 32.
  uint32_t unroll = 8;
  Data data = Data::elements;
  Op fold = Op::sum;        // sum, product, reduce_max or reduce_min
  DType type = DType::u32;  // of the elements
  Start start = Start::empty;
  bool reverse = false;         // from the last element of a line to the first
  bool totals = false;          // finds the totals of blocks instead
  bool lines = false;           // a unit is a line
  bool adjacent_lines = false;  // neighbouring invocations belong to neighbouring lines
};

struct ScanWords {
  uint32_t units = 0;
  uint32_t length = 0;  // of a line
  Divisor blocks;       // of a line
  Divisor inner;        // lines that lie side by side
};

// Workspaces: the data, unless it is the operand; the totals, the prefixes or those of a look-back,
// if any.
ir::Kernel generate_scan(const Region& region, const Target& target, const ScanLayout& layout);
LookBackSize scan_look_back_size(const ScanLayout& layout, const Target& target, uint64_t lines,
                                 uint64_t blocks);
// Of shared memory, a team takes.
uint32_t scan_team_bytes(const ScanLayout& layout, const Target& target);

Lowering lower_scan(const Region& region, const Target& target);

// Appends the dispatches that turn `lines` lines of `length` u32 counters in a workspace into their
// exclusive sums.
void scan_counters(Lowering& lowering, const Region& region, const Target& target, int workspace,
                   uint64_t lines, uint64_t length);

}  // namespace nxv::kernels
