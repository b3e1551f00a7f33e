#include "kernels/large.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "graph/region_words.h"
#include "kernels/common/divide_up.h"
#include "kernels/matmul/product.h"

namespace nxv::kernels {
namespace {

constexpr int64_t kMostParts = 1024;

[[noreturn]] void refuse(const Region& region, const char* why) {
  throw Error(Status::unsupported, "a value of " + to_string(region.root->shape) +
                                       " is more than one kernel can index (2^31 elements), and " +
                                       why);
}

// An axis along which points of a part step through a buffer.
struct Step {
  int64_t count, stride;
};

class Parts {
 public:
  Parts(const Region& region, const Target& target, Lowering (*lower)(const Region&, const Target&))
      : region_(region),
        target_(target),
        lower_(lower),
        limit_(static_cast<int64_t>(target.plan->max_elements)) {}

  Lowering run() {
    require_stored();
    switch (region_.kind) {
      case RegionKind::pointwise:
      case RegionKind::reduction:
      case RegionKind::row_program:
        add_rows();
        break;
      case RegionKind::matmul:
        add_products();
        break;
      case RegionKind::overwrite:
      case RegionKind::library:
        refuse(region_, "the operation has no parts");
    }
    return std::move(all_);
  }

 private:
  // Views may be of any size: what only they make large would take hours.
  void require_stored() const {
    const uint64_t most = target_.plan->max_allocation_bytes;
    bool is_any = false;
    for (const Root& root : region_.roots) {
      const auto bytes = static_cast<uint64_t>(root.node->storage_size());
      is_any |= root.node->count >= limit_;
      if (most == 0 || bytes <= most) continue;
      throw Error(Status::alloc_failed,
                  "a value of " + std::to_string(bytes) + " bytes: the device allows at most " +
                      std::to_string(most) + " in one allocation (maxMemoryAllocationSize)");
    }
    for (const Operand& o : region_.operands) is_any |= o.node->count >= limit_;
    if (!is_any) refuse(region_, "only views make it so large");
  }
  void require_few(int64_t parts) const {
    if (parts > kMostParts) refuse(region_, "its parts would be too many");
  }

  // ---- Rows

  void add_rows() {
    if (region_.col_count >= limit_) require_column_parts();
    const int64_t width = points_of_row();
    const int64_t unit = rows_of_unit();
    const int64_t fit = (limit_ - 1) / std::min(width, limit_ - 1);
    int64_t most = std::min(region_.row_count, fit / unit * unit);
    if (most == 0) refuse(region_, "its rows do not lie in memory one like the other");
    if (most < region_.row_count) {
      require_parts();
      // Linear parts begin where addresses may.
      const int64_t aligned = std::lcm(unit, kOffsetUnit);
      if (most >= aligned) most = most / aligned * aligned;
    }
    require_few(region_.row_count / most);
    for (int64_t first = 0; first < region_.row_count; first += most) {
      add_rows_of_part(first, std::min(most, region_.row_count - first));
    }
  }

  // Launches of a reduction go over parts of its columns (reduction.cpp).
  void require_column_parts() const {
    if (region_.kind != RegionKind::reduction) refuse(region_, "its rows are read twice");
    require_parts();
    require_few(region_.col_count / limit_);
    for (const Operand& o : region_.operands) {
      if (o.level == Level::element && o.addressing == Addressing::strided) {
        refuse(region_, "the columns of an operand are not adjacent");
      }
    }
    for (const Expr& e : region_.exprs) {
      // Of equal zeros the first one is chosen.
      const bool chooses = e.op == Op::reduce_max || e.op == Op::reduce_min;
      if (e.kind == ExprKind::reduce && chooses && !is_integer(e.dtype)) {
        refuse(region_, "columns are counted");
      }
    }
  }

  // Elements of a row that indices go over.
  int64_t points_of_row() const {
    const auto is_element = [](const auto& o) { return o.level == Level::element; };
    const bool any = std::any_of(region_.operands.begin(), region_.operands.end(), is_element) ||
                     std::any_of(region_.roots.begin(), region_.roots.end(), is_element);
    return any ? region_.col_count : 1;
  }

  static int64_t inner_count(const Space& space) {
    return space.dims.empty() ? 1
                              : std::accumulate(space.dims.begin() + 1, space.dims.end(),
                                                int64_t{1}, std::multiplies<>());
  }
  // Parts are of whole coordinates along the outermost dimension.
  int64_t rows_of_unit() const {
    return std::lcm(inner_count(region_.rows), inner_count(region_.element_rows));
  }

  void require_parts() const {
    if (region_.can_fault()) refuse(region_, "faults have positions");
    for (const Expr& e : region_.exprs) {
      if (e.kind == ExprKind::generate && e.op != Op::constant) {
        refuse(region_, "a generator counts its elements");
      }
    }
    require_no_paths();
  }

  void require_no_paths() const {
    for (const Operand& o : region_.operands) {
      if (o.addressing == Addressing::mapped) refuse(region_, "no strides lead to an operand");
    }
    for (const Expr& e : region_.exprs) {
      const bool is_mapped = e.kind == ExprKind::inside || e.addressing == Addressing::mapped;
      if (is_mapped || e.kind == ExprKind::gather) refuse(region_, "no strides lead to an operand");
    }
  }

  void add_rows_of_part(int64_t first, int64_t count) {
    Region part = region_;
    part.row_count = count;
    for (Space* space : {&part.rows, &part.element_rows}) {
      if (!space->dims.empty()) space->dims[0] = count / inner_count(*space);
    }
    begin_part();
    for (size_t i = 0; i < part.operands.size(); ++i) {
      const Operand& o = part.operands[i];
      const bool is_row = o.level == Level::row;
      switch (o.addressing) {
        case Addressing::linear:
          operand_offsets_[i] = offset_of(o.node->dtype, first * (is_row ? 1 : part.col_count));
          break;
        case Addressing::uniform:
          place(part, i, o.start, {});
          break;
        case Addressing::strided: {
          const std::vector<Step> steps = steps_of(part, o);
          const Space& rows = is_row ? region_.rows : region_.element_rows;
          const int64_t outermost = steps.empty() ? 0 : steps[0].stride;
          place(part, i, o.start + first / inner_count(rows) * outermost, steps);
          break;
        }
        case Addressing::mapped:
          if (static_cast<uint64_t>(o.node->count) >= target_.plan->max_elements)
            require_no_paths();
          break;
        case Addressing::gathered:
          break;
      }
    }
    for (size_t r = 0; r < part.roots.size(); ++r) {
      const Root& root = part.roots[r];
      const int64_t before = first * (root.level == Level::row ? 1 : part.col_count);
      output_offsets_[r] = offset_of(root.node->dtype, before);
    }
    add(part);
  }

  // Through the dimensions of its space, outermost first.
  static std::vector<Step> steps_of(const Region& region, const Operand& o) {
    std::vector<Step> steps;
    WordIndex at = o.words + kWordsOf<OffsetWords>;
    const auto append = [&](const Space& space) {
      for (int64_t count : space.dims) {
        steps.push_back({count, static_cast<int32_t>(region.words[at++])});
      }
    };
    if (o.level == Level::row) {
      append(region.rows);
    } else {
      append(region.element_rows);
      append(region.element_cols);
    }
    return steps;
  }

  // ---- Products

  // Matrices of a batch, and rows of a matrix.
  void add_products() {
    if (region_.can_fault()) refuse(region_, "faults have positions");
    if (!region_.rows.dims.empty()) refuse(region_, "strides lead to what its sums meet");
    require_no_paths();
    for (int factor : {0, 1}) {
      if (factor_operand(region_, factor).addressing == Addressing::gathered) {
        refuse(region_, "a factor is gathered from windows");
      }
    }
    const Expr& sum = region_.exprs[static_cast<size_t>(region_.contraction())];
    const auto whole = record_at<ProductWords>(region_.words, sum.words);
    const int64_t batch = whole.batch, m = whole.m;
    const auto fits = [&](int64_t matrices, int64_t rows) {
      ProductWords words = whole;
      words.batch = static_cast<uint32_t>(matrices);
      words.m = static_cast<uint32_t>(rows);
      return matrices * rows * int64_t{words.n} < limit_ && reach(steps_of_a(words)) < limit_ &&
             reach(steps_of_b(words)) < limit_;
    };
    const int64_t matrices = most(batch, 1, [&](int64_t n) { return fits(n, m); });
    if (matrices > 0) {
      require_few(batch / matrices);
      for (int64_t b = 0; b < batch; b += matrices) {
        add_product(sum.words, b, std::min(matrices, batch - b), 0, m);
      }
      return;
    }
    const int64_t rows = most(m, kOffsetUnit, [&](int64_t n) { return fits(1, n); });
    if (rows == 0) refuse(region_, "one of its factors is, row by row of the other");
    require_few(batch * (m / rows));
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t r = 0; r < m; r += rows) add_product(sum.words, b, 1, r, std::min(rows, m - r));
    }
  }

  // The largest number up to `all`, a multiple of `unit` or `all` itself, that fits; 0: none.
  template <typename Fits>
  static int64_t most(int64_t all, int64_t unit, Fits fits) {
    if (fits(all)) return all;
    int64_t good = 0, bad = divide_up(static_cast<uint64_t>(all), static_cast<uint64_t>(unit));
    while (bad - good > 1) {
      const int64_t middle = (good + bad) / 2;
      (fits(middle * unit) ? good : bad) = middle;
    }
    return good * unit;
  }

  static std::vector<Step> steps_of_matrix(const MatrixWords& w, int64_t batch, int64_t rows,
                                           int64_t columns) {
    return {{batch, static_cast<int32_t>(w.batch_stride)},
            {rows, static_cast<int32_t>(w.row_stride)},
            {columns, static_cast<int32_t>(w.column_stride)}};
  }
  static std::vector<Step> steps_of_a(const ProductWords& w) {
    return steps_of_matrix(w.a, w.batch, w.m, w.k);
  }
  static std::vector<Step> steps_of_b(const ProductWords& w) {
    return steps_of_matrix(w.b, w.batch, w.k, w.n);
  }

  void add_product(WordIndex at, int64_t first_matrix, int64_t matrices, int64_t first_row,
                   int64_t rows) {
    Region part = region_;
    begin_part();
    patch(part, at + word_offset(&ProductWords::batch), static_cast<uint32_t>(matrices));
    patch(part, at + word_offset(&ProductWords::m), static_cast<uint32_t>(rows));
    const auto words = record_at<ProductWords>(part.words, at);
    const auto whole = record_at<ProductWords>(region_.words, at);
    part.row_count = matrices * rows * words.n;
    const int64_t before = (first_matrix * whole.m + first_row) * words.n;
    const auto operand_of = [&](int factor) {
      return static_cast<size_t>(&factor_operand(part, factor) - part.operands.data());
    };
    const size_t a = operand_of(0), b = operand_of(1);
    const auto steps_a = steps_of_a(words), steps_b = steps_of_b(words);
    place(part, a,
          part.operands[a].start + first_matrix * steps_a[0].stride + first_row * steps_a[1].stride,
          steps_a);
    place(part, b, part.operands[b].start + first_matrix * steps_b[0].stride, steps_b);
    for (size_t i = 0; i < part.operands.size(); ++i) {
      const Operand& o = part.operands[i];
      if (i == a || i == b) continue;
      if (o.addressing == Addressing::uniform) place(part, i, o.start, {});
      if (o.addressing == Addressing::linear) {
        operand_offsets_[i] = offset_of(o.node->dtype, before);
      }
    }
    for (size_t r = 0; r < part.roots.size(); ++r) {
      output_offsets_[r] = offset_of(part.roots[r].node->dtype, before);
    }
    add(part);
  }

  // ---- Both

  // From the lowest element to the highest.
  static int64_t reach(const std::vector<Step>& steps) {
    int64_t reach = 0;
    for (const Step& s : steps) reach += (s.count - 1) * std::abs(s.stride);
    return reach;
  }

  uint64_t offset_of(DType type, int64_t elements) const {
    const int64_t bytes = elements * storage_bytes(type);
    if (bytes % kOffsetUnit != 0) refuse(region_, "its parts begin in the middle of words");
    return static_cast<uint64_t>(bytes);
  }

  void patch(Region& part, WordIndex at, uint32_t word) {
    part.words[at] = word;
    patches_.push_back({at, word});
  }

  // The kernel sees the operand from near the lowest element of the part on.
  void place(Region& part, size_t operand, int64_t start, const std::vector<Step>& steps) {
    Operand& o = part.operands[operand];
    int64_t lowest = start;
    for (const Step& s : steps) lowest += std::min<int64_t>(0, (s.count - 1) * s.stride);
    const int64_t base = lowest / kOffsetUnit * kOffsetUnit;
    if (lowest - base + reach(steps) >= limit_ + kOffsetUnit) {
      refuse(region_, "an operand is spread over more");
    }
    operand_offsets_[operand] = offset_of(o.node->dtype, base);
    patch(part, o.words, word(start - base));
  }

  void begin_part() {
    operand_offsets_.assign(region_.operands.size(), 0);
    output_offsets_.assign(region_.roots.size(), 0);
    patches_.clear();
  }

  // Parts follow each other: they have the same workspaces.
  void add(const Region& part) {
    Lowering lowering = lower_(part, target_);
    for (Launch& d : lowering.launches) {
      if (d.operand_offsets.empty()) d.operand_offsets.assign(operand_offsets_.size(), 0);
      for (size_t i = 0; i < operand_offsets_.size(); ++i) {
        d.operand_offsets[i] += operand_offsets_[i];
      }
      d.output_offsets = output_offsets_;
      d.patches = patches_;
      all_.launches.push_back(std::move(d));
    }
    all_.in_place = lowering.in_place;
    all_.workspaces.resize(std::max(all_.workspaces.size(), lowering.workspaces.size()));
    for (size_t w = 0; w < lowering.workspaces.size(); ++w) {
      all_.workspaces[w] = std::max(all_.workspaces[w], lowering.workspaces[w]);
    }
  }

  const Region& region_;
  const Target& target_;
  Lowering (*lower_)(const Region&, const Target&);
  const int64_t limit_;
  Lowering all_;
  // Of the part at hand.
  std::vector<uint64_t> operand_offsets_, output_offsets_;
  std::vector<Launch::Patch> patches_;
};

}  // namespace

bool is_large(const Region& region, const plan::DevicePlan& plan) {
  const auto limit = static_cast<int64_t>(plan.max_elements);
  const auto is_beyond = [&](const NodeRef& node) { return node->count >= limit; };
  return region.row_count >= limit || region.col_count >= limit ||
         std::any_of(region.operands.begin(), region.operands.end(),
                     [&](const Operand& o) { return is_beyond(o.node); }) ||
         std::any_of(region.roots.begin(), region.roots.end(),
                     [&](const Root& root) { return is_beyond(root.node); });
}

Lowering lower_in_parts(const Region& region, const Target& target,
                        Lowering (*lower)(const Region&, const Target&)) {
  return Parts(region, target, lower).run();
}

}  // namespace nxv::kernels
