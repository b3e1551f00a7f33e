// Numbers found by trial: how kernels are laid out and work is submitted, where limits and
// capabilities leave a choice. None of them changes what a kernel computes, unless it says so.
#pragma once

#include <cstdint>
#include <string_view>

#include "plan/snapshot.h"

namespace nxv::plan {

// Kinds of devices that are tuned apart.
enum class Profile : uint8_t { cpu, integrated, discrete };
std::string_view name(Profile p);

// Registers of an invocation on most GPUs; kernels are made for so many where nothing else is said.
inline constexpr uint32_t kManyRegisters = 256;

struct Tuning {
  // ---- Workgroups ----

  // Invocations of a workgroup of pointwise kernels and single steps. A CPU runs a subgroup in its
  // vector registers, and takes no more of them: what parts subgroups costs more than the work.
  uint32_t workgroup = 256;
  // Elements that a workgroup walks, lanes adjacent; 0: an invocation takes one group of four. A
  // CPU starts workgroups slowly and reads contiguous chunks fast.
  uint32_t chunk_elements = 0;
  // Invocations of a workgroup whose invocations each walk their own elements: two subgroups of a
  // GPU, whose registers are few for long loops.
  uint32_t lone_workgroup = 64;
  // Invocations of a workgroup that folds rows, at most: several subgroups a core hide each other's
  // waiting, more leave each too few registers.
  uint32_t fold_workgroup = 256;
  // Invocations that share a matrix in a decomposition, at most. Sums of decompositions follow it.
  uint32_t linear_workgroup = 256;

  // Values of 32 bits that an invocation may have at a time: compilers keep what is more in memory.
  // With the largest workgroups drivers have fewer, but for those that are named above.
  uint32_t lane_registers = kManyRegisters;
  bool has_few_registers() const { return lane_registers < kManyRegisters; }

  // ---- What pays ----

  // Barriers cost little, and memory that a workgroup shares is nearer than the caches.
  bool shares_cheaply = true;
  // A lane has registers for 32 elements of a row and what is computed of them.
  bool holds_rows = true;
  // Cost of an element (by the op table) from which kernels compute the elements of a group in
  // turn, by a loop, instead of each by a copy of the code. On a CPU the first run of a kernel
  // takes as long as the kernel is: about 7 us an instruction with Mesa's lavapipe, in parts that
  // no cache saves. Later runs of straight code are up to a sixth faster: it is worth 10 ms, not
  // more. GPUs do not gain, but where drivers take long.
  int heavy_cost = 0x7fffffff;
  // Pending graphs that became too deep are computed in the background, wherever a loop happens to
  // be: values of at most so many elements then one by one, by kernels that were made before. On a
  // CPU to make a kernel takes as long as a thousand dispatches of a small one. 0: never.
  int64_t apart_elements = 0;
  // Pairs of 32-bit components are loaded and stored as 64-bit integers: Mesa 22.3's lavapipe moves
  // each component in a loop over the lanes.
  bool word_pairs = false;
  // Invocations of a workgroup that multiplies lines of a matrix with few vectors, at most.
  uint32_t line_workgroup = 1024;
  // Rows and columns of the largest matrices that an invocation decomposes alone, in one kernel.
  // Larger ones take a kernel for each column, and their results round less often.
  uint32_t lone_matrix = 16;
  // Columns up to which a sort compares an element with all others of its row.
  uint32_t rank_sort_columns = 64;
  // Elements that an invocation which scans a line alone loads before it uses the first.
  uint32_t scan_loads = 8;
  // Invocations of a workgroup of the plain matrix product whose teams take other blocks.
  uint32_t team_workgroup = 256;
  // An invocation adds up 128 products of integers at a time, as it does those of floats. Not where
  // to multiply and to add are two instructions: what is between them takes registers, too.
  bool large_integer_tiles = true;
  // Steps along k that the plain matrix product unrolls: loads under way at once.
  uint32_t plain_unroll = 32;

  // ---- When a device is busy: below these, work is split further ----

  // Workgroups; more do not measure faster.
  uint32_t busy_workgroups = 1024;
  // Rows or blocks that a subgroup folds: sixteen or so for each of a large GPU's cores. On a CPU,
  // one for each core.
  uint32_t busy_subgroups = 2048;
  // Invocations that walk a line each, neighbours reading neighbouring ones.
  uint32_t busy_lines = 32768;
  // Invocations at work on elements of a matrix product, without splitting its sums.
  uint32_t busy_products = 16384;
  // That run a workgroup each: those of a large GPU where the driver does not say.
  uint32_t cores = 96;
  // Tiles of a matrix product on matrix units, of a workgroup each: the cores of a large GPU.
  uint32_t busy_tiles = 96;
  // Workgroups of a product of few rows or columns: the cores of a large GPU, once.
  uint32_t busy_line_tiles = 128;
  // Rows that are taken in fours: of windows that slide, and short ones to fold.
  uint32_t busy_windows = 1 << 16;
  uint32_t busy_rows = 1 << 18;

  // ---- Memory ----

  // Atomic operations at random places of more memory than a GPU's last cache holds wait for memory
  // each time: scatters into more slots than this go over their updates once for each so many.
  uint64_t scatter_slots = 0;  // words; 0: no bound
  // Shared memory of a workgroup that scans: several workgroups are under way at once.
  uint32_t scan_shared_bytes = 20 * 1024;
  // And of one that sorts a row by merging.
  uint32_t merge_shared_bytes = 32 * 1024;
  // Rows of a Fourier transform that pass through workspaces are taken in slabs of about so many
  // bytes: bounds the memory, and lets caches hold what one pass leaves for the next.
  uint64_t transform_slab_bytes = uint64_t{16} << 20;

  // ---- Submission ----

  // Look at a semaphore so long, and yield, before sleeping: what a wake-up takes; beyond it
  // wasted. Hosts of discrete GPUs have processors to spare, and virtual ones wake up after 0.4 ms.
  uint32_t poll_microseconds = 50;
  // Accumulated work (elements times operations) that triggers a submission: about 10 ms of
  // memory-bound work, below what watchdogs tolerate and far above a submission's cost.
  uint64_t submit_work = uint64_t{1} << 33;
  uint32_t submit_dispatches = 512;  // so does this number of commands
  // And so many seconds of what was measured, of which no more go into one submission: Windows and
  // Linux reset a GPU that is at one for two.
  double submit_seconds = 0.25;
  // Commands that are worth a submission when the device is about to run out of work; 0: never. On
  // a CPU the device's threads would take the recorder's cores.
  uint32_t submit_early = 32;
};

Tuning tuning_of(Profile profile, const Snapshot& device);

}  // namespace nxv::plan
