#include "kernels/linear/lu_panel.h"

#include <algorithm>
#include <bit>

#include "kernels/common/divide_up.h"
#include "kernels/linear/elimination.h"

namespace nxv::kernels {

using ir::Number;
using ir::Value;

PivotSearch::Meeting::Meeting(LinearKernel& k) {
  if (k.lanes == 1) return;
  sizes = k.b.shared("sizes", k.part, k.lanes);
  rows = k.b.shared("rows", ir::kU32, k.lanes);
}

PivotSearch::PivotSearch(LinearKernel& k, Value column)
    : k_(k), size_(k.b.var(k.number(-1))), row_(k.b.var(column)) {}

void PivotSearch::consider(Value size, Value row) {
  const Value is_better = (size > size_.get()) | ir::math::is_nan(size);
  size_.set(k_.b.select(is_better, size, size_.get()));
  row_.set(k_.b.select(is_better, row, row_.get()));
}

Value PivotSearch::row(const Meeting& meeting) {
  if (k_.lanes == 1) return row_.get();
  ir::Builder& b = k_.b;
  const ir::Shared sizes = meeting.sizes, rows = meeting.rows;
  b.shared_store(sizes, k_.local, size_.get());
  b.shared_store(rows, k_.local, row_.get());
  b.barrier();
  const ir::Var half = b.var(b.u32(k_.lanes / 2));
  b.for_range(
      b.u32(0), b.u32(static_cast<uint32_t>(std::countr_zero(k_.lanes))), b.u32(1), [&](Value) {
        b.if_(k_.local < half.get(), [&] {
          const Value other = k_.local + half.get();
          const Value x = b.shared_load(sizes, k_.local), y = b.shared_load(sizes, other);
          const Value i = b.shared_load(rows, k_.local), j = b.shared_load(rows, other);
          const Value x_nan = ir::math::is_nan(x), y_nan = ir::math::is_nan(y);
          const Value takes_y =
              (y_nan & ((!x_nan) | (j > i))) | ((!x_nan) & ((y > x) | ((y == x) & (j < i))));
          b.shared_store(sizes, k_.local, b.select(takes_y, y, x));
          b.shared_store(rows, k_.local, b.select(takes_y, j, i));
        });
        b.barrier();
        half.set(half.get() >> 1);
      });
  return b.shared_load(rows, b.u32(0));
}

namespace {

constexpr uint32_t kColumns = 16;  // of a panel, at most

// A workgroup has the rows of a panel in registers: lane l those at l, l + lanes, ... So many of
// them are a power of two, which makes few kernels. Registers have no index: the column at hand is
// the first, and goes behind the last when it is done.
struct LuPanel {
  static constexpr std::string_view kName = "lu_panel";
  struct Layout {
    uint32_t columns = 1, rows = 1;  // of a lane
  };
  struct Words {
    uint32_t n = 0, begin = 0;
  };
  static StepOptions options(const Layout&) {
    return {
        .kernel = kName, .workspaces = 2, .worker = Worker::workgroup, .most_lanes = kManyLanes};
  }
  static void emit(StepKernel<LuPanel>& k) {
    const Meetings meetings(k);
    k.each_item([&](Value matrix) {
      Panel panel(k, matrix);
      k.b.for_range(k.b.u32(0), k.b.u32(k.layout.columns), k.b.u32(1),
                    [&](Value c) { panel.factor(c, meetings); });
      panel.store();
    });
  }

 private:
  using Kernel = StepKernel<LuPanel>;

  struct Meetings {
    explicit Meetings(Kernel& k)
        : sizes(k),
          pivot_row(k, "pivot_row", k.layout.columns),
          own_row(k, "own_row", k.layout.columns) {}
    const PivotSearch::Meeting sizes;
    const SharedNumbers pivot_row, own_row;
  };

  class Panel {
   public:
    Panel(Kernel& k, Value matrix)
        : k_(k), matrix_(matrix), n_(k.words[&Words::n]), begin_(k.words[&Words::begin]) {
      const Value last = n_ - 1u;
      for (uint32_t r = 0; r < k.layout.rows; ++r) {
        rows_.push_back(begin_ + k.local + r * k.lanes);
        for (uint32_t c = 0; c < k.layout.columns; ++c) {
          // Rows beyond the end are the last one, and neither pivots nor stored.
          const Value row = k.b.binary(ir::Opcode::min, rows_.back(), last);
          elements_.push_back(k.variable(k.load(k.workspace(0), place(row, c))));
        }
      }
    }

    // The next column, which is c: its pivot comes to the diagonal, and its row is taken from those
    // below.
    void factor(Value c, const Meetings& meetings) {
      const uint32_t columns = k_.layout.columns;
      const Value column = begin_ + c;
      PivotSearch search(k_, column);
      each_row([&](uint32_t r) {
        k_.b.if_((rows_[r] >= column) & (rows_[r] < n_),
                 [&] { search.consider(k_.magnitude(at(r, 0).get()), rows_[r]); });
      });
      const Value pivot = search.row(meetings.sizes);
      k_.b.if_(k_.local == 0u, [&] { k_.b.store(k_.workspace(1), matrix_ * n_ + column, pivot); });
      exchange(pivot, column, meetings);

      std::vector<Number> known;
      for (uint32_t j = 0; j < columns; ++j) {
        known.push_back(meetings.pivot_row.load(k_.b.u32(j)));
      }
      each_row([&](uint32_t r) {
        k_.b.if_(rows_[r] > column, [&] {
          at(r, 0).set(elimination_factor(k_, Elimination::general, at(r, 0).get(), known[0]));
        });
      });
      for (uint32_t j = 1; j < columns; ++j) {
        k_.b.if_(c + j < columns, [&] {  // columns behind those were before this one
          each_row([&](uint32_t r) {
            k_.b.if_(rows_[r] > column, [&] {
              at(r, j).set(k_.subtract_product(at(r, j).get(), at(r, 0).get(), known[j]));
            });
          });
        });
      }
      each_row([&](uint32_t r) {
        const Number first = at(r, 0).get();
        for (uint32_t j = 1; j < columns; ++j) at(r, j - 1).set(at(r, j).get());
        at(r, columns - 1).set(first);
      });
      k_.b.barrier();
    }

    void store() {
      each_row([&](uint32_t r) {
        k_.b.if_(rows_[r] < n_, [&] {
          for (uint32_t c = 0; c < k_.layout.columns; ++c) {
            k_.store(k_.workspace(0), place(rows_[r], c), at(r, c).get());
          }
        });
      });
    }

   private:
    Value place(Value row, uint32_t c) const { return (matrix_ * n_ + row) * n_ + begin_ + c; }
    const LinearKernel::Variable& at(uint32_t r, uint32_t c) const {
      return elements_[r * k_.layout.columns + c];
    }
    void each_row(const std::function<void(uint32_t)>& body) const {
      for (uint32_t r = 0; r < k_.layout.rows; ++r) body(r);
    }

    // Swaps the rows `pivot` and `column`, and leaves the former where all lanes read it.
    void exchange(Value pivot, Value column, const Meetings& meetings) {
      const auto publish = [&](Value row, const SharedNumbers& to) {
        each_row([&](uint32_t r) {
          k_.b.if_(rows_[r] == row, [&] {
            for (uint32_t j = 0; j < k_.layout.columns; ++j) to.store(k_.b.u32(j), at(r, j).get());
          });
        });
      };
      const auto take = [&](Value row, const SharedNumbers& from) {
        each_row([&](uint32_t r) {
          k_.b.if_(rows_[r] == row, [&] {
            for (uint32_t j = 0; j < k_.layout.columns; ++j) at(r, j).set(from.load(k_.b.u32(j)));
          });
        });
      };
      publish(pivot, meetings.pivot_row);
      publish(column, meetings.own_row);
      k_.b.barrier();
      take(pivot, meetings.own_row);
      take(column, meetings.pivot_row);
    }

    Kernel& k_;
    const Value matrix_, n_, begin_;
    std::vector<Value> rows_;
    std::vector<LinearKernel::Variable> elements_;
  };
};

uint32_t rows_of_lane(const Steps& steps, uint64_t rows) {
  return word(std::bit_ceil(divide_up(rows, lanes_of(steps.target, kManyLanes))));
}

}  // namespace

uint32_t shared_panel_columns(const Steps& steps, uint64_t rows) {
  const plan::Tuning& tuning = steps.target.plan->tuning;
  const auto words = static_cast<uint32_t>(storage_bytes(steps.working)) / 4;
  const uint64_t most = tuning.lane_registers / 2 / words / rows_of_lane(steps, rows);
  const auto columns = word(std::bit_floor(std::min({most, rows, uint64_t{kColumns}})));
  return columns >= 4 ? columns : 0;
}

void add_shared_panel(Steps& steps, int matrices, int pivots, uint64_t batch, uint64_t n,
                      uint64_t begin, uint32_t columns) {
  steps.add<LuPanel>(batch, {.n = word(n), .begin = word(begin)},
                     {.workspaces = {updates(matrices), updates(pivots)}},
                     {columns, rows_of_lane(steps, n - begin)});
}

}  // namespace nxv::kernels
