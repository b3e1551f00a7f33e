// Tiles through shared memory.
//
// The space of the region has a last dimension, along which the output is adjacent, and a crossing
// dimension, along which some operands are. A workgroup computes a tile of 32 x 32 points of the
// two: it reads those operands along the crossing dimension into shared memory, and after a barrier
// evaluates the region along the last one. Rows of a tile are 33 words apart, so that neither
// direction meets itself in a bank. The other dimensions are batches: those before the crossing
// dimension ("outer") and those between it and the last ("inner").
#include "kernels/pointwise/transpose.h"

#include <algorithm>

#include "kernels/common/divide_up.h"
#include "kernels/common/family.h"
#include "kernels/common/grid.h"
#include "kernels/common/region_emitter.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Value;

constexpr uint32_t kTile = 32;
constexpr uint32_t kPitch = kTile + 1;
constexpr uint32_t kWorkgroup = 256;
constexpr uint32_t kRows = kWorkgroup / kTile;  // of a tile that are read at once
static_assert(kTile / kRows == kGroup);
constexpr int64_t kSmall = 16;  // dimensions below this would leave tiles mostly empty

struct TransposeLayout {
  uint32_t across = 0;           // bit i: operand i is read along the crossing dimension
  Choice<bool> aligned = false;  // groups along the last dimension start at multiples of four
};

struct TransposeWords {
  uint32_t elements = 0;
  uint32_t last = 0, cross = 0;     // sizes of the two dimensions
  Divisor tiles_last, tiles_cross;  // tiles along them
  Divisor inner;                    // size
  uint32_t tiles = 0;
};

// The dimension, but the last, along which an operand is adjacent; -1: none, or the last one.
int crossing_dimension(const Region& region, const Operand& o) {
  const size_t rank = region.rows.dims.size();
  if (o.level != Level::row || o.addressing != Addressing::strided || rank < 2) return -1;
  const auto stride = [&](size_t d) { return static_cast<int32_t>(region.words[o.words + 1 + d]); };
  if (stride(rank - 1) >= -1 && stride(rank - 1) <= 1) return -1;
  for (size_t d = 0; d + 1 < rank; ++d) {
    if ((stride(d) == 1 || stride(d) == -1) && region.rows.dims[d] > 1) return static_cast<int>(d);
  }
  return -1;
}

// What is read across: operands that agree with the first one on the crossing dimension.
struct Crossing {
  int dimension = -1;
  uint32_t operands = 0;  // a bit each
  uint32_t shared_bytes = 0;
};

Crossing find_crossing(const Region& region) {
  Crossing found;
  for (const Expr& e : region.exprs) {
    if (e.kind != ExprKind::load) continue;
    const int d = crossing_dimension(region, region.operands[e.operand]);
    if (d < 0 || (found.dimension >= 0 && d != found.dimension)) continue;
    found.dimension = d;
    found.operands |= 1u << e.operand;
    const auto bytes = static_cast<uint32_t>(std::max<int>(4, storage_bytes(e.dtype)));
    found.shared_bytes += bytes * kTile * kPitch;
  }
  return found;
}

class TransposeKernel {
 public:
  TransposeKernel(const Region& region, const Target& target, const TransposeLayout& layout)
      : region_(region),
        aligned_(layout.aligned),
        b_("transpose", kWorkgroup),
        emitter_(b_, region, target.math, kWordsOf<TransposeWords>),
        words_(emitter_.words_as<TransposeWords>()) {
    for (size_t i = 0; i < region.exprs.size(); ++i) {
      const Expr& e = region.exprs[i];
      if (e.kind == ExprKind::load && (layout.across >> e.operand & 1u) != 0) {
        loads_.push_back(static_cast<int>(i));
      }
    }
  }

  ir::Kernel run() {
    const Value tile = linear_group(b_);
    b_.if_(tile < words_[&Words::tiles], [&] {
      place(tile);
      const Value local = b_.builtin(ir::Builtin::local_index);
      const Value column = local & (kTile - 1), row = local >> 5;
      read(column, row);
      b_.barrier();
      write(local, column, row);
    });
    return b_.finish();
  }

 private:
  using Words = TransposeWords;

  void place(Value tile) {
    const Value of_last = words_.divide(tile, &Words::tiles_last);
    last_ = (tile - of_last * words_[&Words::tiles_last]) << 5;
    const Value batch = words_.divide(of_last, &Words::tiles_cross);
    cross_ = (of_last - batch * words_[&Words::tiles_cross]) << 5;
    const Value outer = words_.divide(batch, &Words::inner);
    inner_ = batch - outer * words_[&Words::inner];
    outer_ = outer * words_[&Words::cross];
  }

  // Linear index of a point of the space.
  Value index(Value cross, Value last) {
    return ((outer_ + cross) * words_[&Words::inner] + inner_) * words_[&Words::last] + last;
  }

  Value at_most(Value v, Value end) { return b_.binary(Opcode::min, v, end - 1u); }

  // Lanes along the crossing dimension, an invocation's points 8 apart along the last.
  void read(Value column, Value row) {
    Points points;
    points.row_end = words_[&Words::elements];
    const Value cross = at_most(cross_ + column, words_[&Words::cross]);
    for (uint32_t i = 0; i < kGroup; ++i) {
      points.rows.push_back(index(cross, at_most(last_ + row + i * kRows, words_[&Words::last])));
    }
    for (int load : loads_) {
      emitter_.evaluate(load, points);
      const Number first = emitter_.value(load, 0);
      const std::string name = std::to_string(tiles_.size());
      Tile tile{first.dtype, b_.shared("tile" + name, first.re.type(), kTile * kPitch), {}};
      if (first.im.exists()) {
        tile.im = b_.shared("tile_im" + name, first.im.type(), kTile * kPitch);
      }
      for (uint32_t i = 0; i < kGroup; ++i) {
        const Number& x = emitter_.value(load, static_cast<int>(i));
        const Value at = (row + i * kRows) * kPitch + column;
        b_.shared_store(tile.re, at, x.re);
        if (x.im.exists()) b_.shared_store(tile.im, at, x.im);
      }
      tiles_.push_back(tile);
    }
    emitter_.forget_all();
  }

  // A group of four along the last dimension, or, where such groups do not start at multiples of
  // four elements, points 8 apart along the crossing one.
  void write(Value local, Value column, Value row) {
    const Value cross = aligned_ ? local >> 3 : row;
    const Value last = aligned_ ? (local & 7u) << 2 : column;
    Points points;
    points.row_end = words_[&Words::elements];
    std::vector<Value> at;
    for (uint32_t i = 0; i < kGroup; ++i) {
      const Value c = aligned_ ? cross : cross + i * kRows, l = aligned_ ? last + i : last;
      at.push_back(l * kPitch + c);
      if (aligned_) {
        if (i == 0) {
          // The last group of a row is whole.
          const Value limit = words_[&Words::last] - kGroup;
          const Value begin = b_.binary(Opcode::min, last_ + l, limit);
          points.rows.push_back(index(at_most(cross_ + c, words_[&Words::cross]), begin));
        } else {
          points.rows.push_back(points.rows[0] + i);
        }
      } else {
        points.rows.push_back(index(at_most(cross_ + c, words_[&Words::cross]),
                                    at_most(last_ + l, words_[&Words::last])));
      }
    }
    if (aligned_) points.row_group = points.rows[0] >> 2;
    for (size_t t = 0; t < tiles_.size(); ++t) {
      std::vector<Number> values;
      for (uint32_t i = 0; i < kGroup; ++i) {
        Number x{tiles_[t].dtype, b_.shared_load(tiles_[t].re, at[i]), {}};
        if (tiles_[t].im.index != ir::kNone) x.im = b_.shared_load(tiles_[t].im, at[i]);
        values.push_back(x);
      }
      emitter_.set(loads_[t], std::move(values));
    }
    const int root = region_.roots[0].expr;
    emitter_.evaluate(root, points);
    if (aligned_) {
      Group group;
      for (int i = 0; i < kGroup; ++i) group[i] = emitter_.value(root, i);
      b_.if_((cross_ + cross < words_[&Words::cross]) & (last_ + last < words_[&Words::last]),
             [&] { store_group(emitter_.output(), points.row_group, group); });
      return;
    }
    for (uint32_t i = 0; i < kGroup; ++i) {
      b_.if_((cross_ + cross + i * kRows < words_[&Words::cross]) &
                 (last_ + last < words_[&Words::last]),
             [&] {
               store_element(emitter_.output(), points.rows[i],
                             emitter_.value(root, static_cast<int>(i)));
             });
    }
  }

  struct Tile {
    DType dtype;
    ir::Shared re, im;
  };

  const Region& region_;
  const bool aligned_;
  Builder b_;
  RegionEmitter emitter_;
  const WordValues<TransposeWords> words_;
  std::vector<int> loads_;  // expressions that read across
  std::vector<Tile> tiles_;
  Value last_, cross_, inner_, outer_;  // first point of the tile; outer index times cross size
};

ir::Kernel generate(const Region& region, const Target& target, const TransposeLayout& layout) {
  return TransposeKernel(region, target, layout).run();
}

constexpr Family<TransposeLayout> kTranspose = {"transpose", generate};

}  // namespace

const char* tiles_obstacle(const Region& region, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  if (!plan.tuning.shares_cheaply) return "caches serve both directions";
  if (plan.max_workgroup_invocations < kWorkgroup) return "the workgroup is too large";
  if (region.roots.size() > 1) return "there are several results";
  const Crossing crossing = find_crossing(region);
  if (crossing.dimension < 0) return "no operand is adjacent along another dimension";
  if (crossing.shared_bytes > plan.shared_memory_bytes) return "shared memory is too small";
  const int64_t last = region.rows.dims.back();
  const int64_t cross = region.rows.dims[static_cast<size_t>(crossing.dimension)];
  if (storage_bytes(region.root->dtype) < 4 && last % kGroup != 0) {
    return "an invocation owns no whole words of the output";
  }
  if (last < kSmall || cross < kSmall) return "tiles would be mostly empty";
  return nullptr;
}

Lowering lower_tiles(const Region& region, const Target& target) {
  const Crossing found = find_crossing(region);
  const Shape& dims = region.rows.dims;
  const auto crossing = static_cast<size_t>(found.dimension);
  uint64_t outer = 1, inner = 1;
  for (size_t d = 0; d + 1 < dims.size(); ++d) {
    if (d < crossing) outer *= static_cast<uint64_t>(dims[d]);
    if (d > crossing) inner *= static_cast<uint64_t>(dims[d]);
  }
  const auto last = static_cast<uint64_t>(dims.back()),
             cross = static_cast<uint64_t>(dims[crossing]);
  const uint64_t tiles_last = divide_up(last, kTile), tiles_cross = divide_up(cross, kTile);
  const uint64_t tiles = tiles_last * tiles_cross * outer * inner;

  const TransposeLayout layout = {found.operands, last % kGroup == 0};
  TransposeWords words;
  words.elements = static_cast<uint32_t>(region.row_count);
  words.last = static_cast<uint32_t>(last);
  words.cross = static_cast<uint32_t>(cross);
  words.tiles_last = Divisor(tiles_last);
  words.tiles_cross = Divisor(tiles_cross);
  words.inner = Divisor(inner);
  words.tiles = static_cast<uint32_t>(tiles);
  Launch d = launch_of(kTranspose, region, target, layout, words);
  d.groups = fold_groups(tiles, *target.plan);
  d.work = static_cast<uint64_t>(region.row_count) * region.exprs.size();
  Lowering lowering;
  lowering.add(std::move(d));
  return lowering;
}

}  // namespace nxv::kernels
