// The kernels of reductions and row programs. See reduction.h for what a unit is.
#include <algorithm>
#include <map>
#include <string>

#include "ir/ops/pick.h"
#include "kernels/common/family.h"
#include "kernels/common/grid.h"
#include "kernels/reduction/reduction.h"
#include "kernels/reduction/reduction_frame.h"
#include "kernels/reduction/row_fold.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Opcode;
using ir::Value;

class ReductionKernel {
 public:
  ReductionKernel(const Region& region, const Target& target, const ReductionLayout& layout)
      : frame_(region, target, layout),
        region_(region),
        layout_(frame_.layout),
        b_(frame_.b),
        emitter_(frame_.emitter),
        words_(frame_.words),
        reductions_(emitter_.reductions()) {
    for (int id : reductions_) folds_.emplace_back(frame_, region.exprs[id]);
  }

  ir::Kernel run() {
    if (layout_.chunked) {
      chunk();
    } else if (layout_.rows > 1) {
      several_rows();
    } else {
      one_unit();
    }
    return b_.finish();
  }

 private:
  using Words = ReductionWords;

  void chunk() {
    frame_.be_alone();
    const Value begin = linear_group(b_) * kRowsOfChunk;
    const Value end = b_.binary(Opcode::min, begin + kRowsOfChunk, words_[&Words::units]);
    b_.for_range(begin + b_.builtin(ir::Builtin::local_index), end, b_.u32(layout_.workgroup),
                 [&](Value unit) { rows(unit); });
  }

  void one_unit() {
    const Value unit = frame_.place();
    const auto fold = [&](Value u) {
      if (layout_.to_partials) {
        partial(u);
      } else {
        rows(u);
      }
    };
    if (layout_.meets()) {
      fold(frame_.clamped(unit));
    } else {
      b_.if_(unit < words_[&Words::units], [&] { fold(unit); });
    }
  }

  // A block of a row, or 32 blocks, -> one accumulator. Single invocations take neighbouring rows,
  // teams neighbouring blocks.
  void partial(Value unit) {
    Value row, block;
    if (layout_.lanes == 1) {
      block = words_.divide(unit, &Words::by_rows);
      row = unit - block * words_[&Words::rows];
    } else {
      row = words_.divide(unit, &Words::blocks);
      block = unit - row * words_[&Words::blocks];
    }
    folds_[0].hoist(row);
    const Accumulator a = layout_.to_second_level ? folds_[0].fold_second_level(row, block)
                                                  : folds_[0].fold_block(row, block);
    const auto store = [&] {
      folds_[0].store(frame_.partials_out(), row * words_[&Words::blocks] + block, a);
    };
    if (layout_.shares_units()) {
      b_.if_(frame_.is_first(), store);
    } else {
      store();
    }
  }

  // The rows that share a word of an output.
  void rows(Value unit) {
    const uint32_t per_word = layout_.rows_per_word;
    if (per_word == 1) {
      finish_row(unit, [&](size_t r, Value row, const Number& x) {
        store_element(emitter_.output(r), row, x);
      });
      return;
    }
    // Of narrow results, which are equally wide.
    std::vector<std::pair<size_t, ir::Var>> packed;
    each_root_of(region_, Level::row, [&](size_t r, int) {
      if (is_narrow(r)) packed.emplace_back(r, b_.var(b_.u32(0)));
    });
    const uint32_t width = 32 / per_word;
    const Value first = unit * per_word;
    // Those that there are; where units go the same way, the last one once more beyond the end.
    const Value rows = words_[&Words::rows];
    const Value most = b_.u32(per_word);
    const Value end = layout_.meets() ? most : b_.binary(Opcode::min, most, rows - first);
    b_.for_range(b_.u32(0), end, b_.u32(1), [&](Value i) {
      Value row = first + i;
      if (layout_.meets()) row = b_.binary(Opcode::min, row, rows - 1u);
      finish_row(row, [&](size_t r, Value at, const Number& x) {
        if (!is_narrow(r)) return store_element(emitter_.output(r), at, x);
        const ir::Var& bits = std::find_if(packed.begin(), packed.end(), [&](const auto& p) {
                                return p.first == r;
                              })->second;
        bits.set(bits.get() | (stored_bits(x) << (i * width)));
      });
    });
    const auto store = [&] {
      for (const auto& [r, bits] : packed) b_.store(emitter_.output(r), unit, bits.get());
    };
    if (layout_.lanes == 1) {
      store();
    } else {
      b_.if_(frame_.is_first(), store);
    }
  }

  bool is_narrow(size_t r) const { return storage_bytes(region_.roots[r].node->dtype) < 4; }

  // Rows a workgroup's width apart: neighbouring invocations take neighbouring ones. None is stored
  // before all are computed, so that their loads overlap.
  void several_rows() {
    frame_.be_alone();
    const Value first = linear_group(b_) * (layout_.rows * layout_.workgroup) +
                        b_.builtin(ir::Builtin::local_index);
    struct Result {
      size_t root;
      Value row;
      Number x;
    };
    std::vector<Result> results;
    for (uint32_t i = 0; i < layout_.rows; ++i) {
      const Value row = first + i * layout_.workgroup;
      finish_row(b_.binary(Opcode::min, row, words_[&Words::rows] - 1u),
                 [&](size_t r, Value, const Number& x) {
                   results.push_back({r, row, x});
                 });
    }
    for (const Result& result : results) {
      b_.if_(result.row < words_[&Words::rows],
             [&] { store_element(emitter_.output(result.root), result.row, result.x); });
    }
  }

  template <typename Sink>
  void finish_row(Value row, Sink sink) {
    for (size_t i = 0; i < reductions_.size(); ++i) {
      folds_[i].hoist(row);
      emitter_.set(reductions_[i], folds_[i].result(folds_[i].fold(row)));
    }
    if (has_roots_of(region_, Level::row)) {
      const Points points = frame_.row_points(row);
      each_root_of(region_, Level::row, [&](size_t, int root) { emitter_.evaluate(root, points); });
      const auto store = [&] {
        each_root_of(region_, Level::row,
                     [&](size_t r, int root) { sink(r, row, emitter_.value(root, 0)); });
      };
      if (layout_.meets() && !layout_.shares_units()) {
        b_.if_(frame_.exists(), store);
      } else if (layout_.shares_units() && layout_.rows_per_word == 1) {
        b_.if_(frame_.is_first(), store);
      } else {
        store();
      }
    }
    if (has_roots_of(region_, Level::element)) {
      each_root_of(region_, Level::element, [&](size_t, int root) { frame_.hoist(root, row); });
      if (layout_.staged_columns > 0) {
        store_together(row);
      } else if (layout_.meets()) {
        b_.if_(frame_.exists(), [&] { store_elements(row); });
      } else {
        store_elements(row);
      }
    }
    emitter_.forget_all();
  }

  // The elements of row-wide roots, lanes adjacent.
  void store_elements(Value row) {
    if (layout_.short_columns > 0) return store_short(row);
    Value place = frame_.lane();
    if (layout_.gathers) place = frame_.team.index() * layout_.lanes + place;
    const Value first = place << 2;
    const uint32_t together = layout_.gathers ? layout_.workgroup : layout_.lanes;
    b_.for_range(first, words_[&Words::columns], b_.u32(kGroup * together), [&](Value column) {
      const Points points = frame_.element_points(row, column);
      if (layout_.in_turn) return store_in_turn(points, column);
      each_root_of(region_, Level::element,
                   [&](size_t, int root) { emitter_.evaluate(root, points); });
      each_root_of(region_, Level::element,
                   [&](size_t r, int root) { store_group_of(r, root, points, column); });
      emitter_.forget(Level::element);
    });
  }

  // Those of a row in registers, without a loop: they may be what a fold has had.
  void store_short(Value row) {
    const Points points = frame_.short_points(row);
    const Value columns = words_[&Words::columns];
    each_root_of(region_, Level::element,
                 [&](size_t, int root) { emitter_.evaluate(root, points); });
    const uint32_t together = layout_.aligned ? kGroup : 1;
    for (uint32_t c = 0; c < layout_.short_columns; c += together) {
      const auto store = [&] {
        each_root_of(region_, Level::element, [&](size_t r, int root) {
          const auto element = [&](uint32_t i) -> const Number& {
            return emitter_.value(root, static_cast<int>(c + i));
          };
          if (!layout_.aligned) return store_one(r, points, points.cols[c], element(0));
          store_group(emitter_.output(r), points.element_groups[c / kGroup],
                      {element(0), element(1), element(2), element(3)});
        });
      };
      frame_.may_lack(c) ? b_.if_(b_.u32(c) < columns, store) : store();
    }
    emitter_.forget(Level::element);
  }

  // The elements of the workgroup's rows, which are one run of memory: through shared memory.
  void store_together(Value row) {
    const uint32_t size = layout_.workgroup * layout_.staged_columns;
    each_root_of(region_, Level::element, [&](size_t r, int) {
      staged_.emplace(r, b_.shared("staged" + std::to_string(r), ir::kU32, size));
    });
    store_elements(row);
    b_.barrier();
    const Value local = b_.builtin(ir::Builtin::local_index), rows = words_[&Words::rows];
    const Value columns = words_[&Words::columns];
    const Value first = b_.binary(Opcode::min, linear_group(b_) * layout_.workgroup, rows);
    const Value count = b_.binary(Opcode::min, rows - first, b_.u32(layout_.workgroup)) * columns;
    b_.for_range(local, count, b_.u32(layout_.workgroup), [&](Value i) {
      for (const auto& [r, shared] : staged_) {
        b_.store(emitter_.output(r), first * columns + i, b_.shared_load(shared, i));
      }
    });
  }

  // Of a row that is no whole number of groups.
  void store_one(size_t r, const Points& points, Value column, const Number& x) {
    if (layout_.staged_columns == 0) {
      return store_element(emitter_.output(r), points.element_base + column, x);
    }
    const Value local = b_.builtin(ir::Builtin::local_index);
    const Value bits = x.re.type() == ir::kU32 ? x.re : b_.bitcast(x.re, ir::kU32);
    b_.shared_store(staged_.at(r), local * words_[&Words::columns] + column, bits);
  }

  void store_group_of(size_t r, int root, const Points& points, Value column) {
    if (layout_.aligned) {
      Group group;
      for (int i = 0; i < kGroup; ++i) group[i] = emitter_.value(root, i);
      return store_group(emitter_.output(r), points.element_groups[0], group);
    }
    for (uint32_t i = 0; i < kGroup; ++i) {
      b_.if_(column + i < words_[&Words::columns], [&] {
        store_one(r, points, points.cols[i], emitter_.value(root, static_cast<int>(i)));
      });
    }
  }

  void store_in_turn(const Points& points, Value column) {
    std::vector<int> roots;
    std::vector<size_t> indices;
    std::vector<Value> outputs;
    std::vector<GroupWriter> writers;
    each_root_of(region_, Level::element, [&](size_t r, int root) {
      roots.push_back(root);
      indices.push_back(r);
      outputs.push_back(emitter_.output(r));
      if (layout_.aligned) writers.emplace_back(b_, region_.roots[r].node->dtype);
    });
    emitter_.evaluate_in_turn(roots, Level::element, points, [&](Value lane) {
      const auto each = [&](auto&& store) {
        for (size_t i = 0; i < roots.size(); ++i) store(i, emitter_.value(roots[i], 0));
      };
      if (layout_.aligned) {
        return each([&](size_t i, const Number& x) { writers[i].set(lane, x); });
      }
      b_.if_(column + lane < words_[&Words::columns], [&] {
        each([&](size_t i, const Number& x) { store_one(indices[i], points, column + lane, x); });
      });
    });
    for (size_t i = 0; i < writers.size(); ++i) {
      writers[i].store(outputs[i], points.element_groups[0]);
    }
    emitter_.forget(Level::element);
  }

  ReductionFrame frame_;
  const Region& region_;
  const ReductionLayout& layout_;
  ir::Builder& b_;
  RegionEmitter& emitter_;
  const WordValues<ReductionWords>& words_;
  const std::vector<int> reductions_;
  std::vector<RowFold> folds_;           // of each of them
  std::map<size_t, ir::Shared> staged_;  // bits of the elements of a root
};

}  // namespace

ir::Kernel generate_reduction(const Region& region, const Target& target,
                              const ReductionLayout& layout) {
  return ReductionKernel(region, target, layout).run();
}

}  // namespace nxv::kernels
