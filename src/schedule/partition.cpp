#include "schedule/partition.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "graph/attention.h"
#include "graph/word_sums.h"
#include "schedule/byte_factors.h"
#include "schedule/cost.h"
#include "schedule/gathered_factor.h"
#include "schedule/joint_roots.h"
#include "schedule/paths.h"

namespace nxv::schedule {
namespace {

constexpr int kNoPath = -4;     // not read yet
constexpr int kManyPaths = -5;  // read in both levels of the region
constexpr int kManyViews = -6;  // read through several views: at several places

bool is_many(int path) { return path == kManyPaths || path == kManyViews; }

// Where a value is read that is read at both places.
int join(int a, int b) {
  if (a == b) return a;
  return a >= 0 || b >= 0 || a == kManyViews || b == kManyViews ? kManyViews : kManyPaths;
}

// What the walk from the readers to their inputs knows of an entry.
struct Reader {
  int cut = -1;
  bool several = false;        // cuts
  bool needs_storage = false;  // a matmul, an alias or a gather reads it
  bool needs_dense = false;    // by its own layout: no view can stand in for it
  int path = kNoPath;
};

struct Growing {
  // Values it reads that are not inside (yet); of no interest where they are stored anyway.
  std::vector<const Node*> frontier;
  int ops = 0;
  int round_start = 0, round = 0;  // ops at the last value that was all it needed, and between two
};

// The input must lie in memory as its shape says.
bool reads_dense(const Node& reader, size_t input) {
  const Fusion fusion = info(reader.op).fusion;
  return (fusion == Fusion::library && !reads_strided(reader.op)) || fusion == Fusion::control ||
         ((fusion == Fusion::gather || fusion == Fusion::overwrite) && input == 0);
}

// Whether a region that computes `value` would read the target. Of more than a region has room for:
// yes.
bool may_read(const Node& value, const Node& target) {
  const Node* stored = &target;
  while (stored->op == Op::reshape && stored->is_pending()) stored = stored->inputs[0].get();
  std::vector<const Node*> nodes = {&value};
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i] == stored || i == kMaxRegionOps) return true;
    const Fusion fusion = info(nodes[i]->op).fusion;
    const bool is_fused =
        fusion == Fusion::pointwise || fusion == Fusion::view || fusion == Fusion::gather;
    if (is_boundary(*nodes[i]) || !is_fused) continue;
    for (const NodeRef& input : nodes[i]->inputs) {
      const bool is_known = std::find(nodes.begin(), nodes.end(), input.get()) != nodes.end();
      if (!is_known) nodes.push_back(input.get());
    }
  }
  return false;
}

class Partitioner {
 public:
  Partitioner(std::span<Node* const> roots, const Options& options) : options_(options) {
    collect(roots);
    readers_.resize(entries().size());
    paths_.reserve(entries().size());
    bases_.reserve(entries().size());
    growing_.reserve(entries().size());
    result_.cuts.reserve(entries().size());
  }

  Partition run() {
    for (int i = static_cast<int>(entries().size()) - 1; i >= 0; --i) {
      if (entries()[i].node->op == Op::result) {
        entries()[i].is_stored = true;
      } else if (entries()[i].is_root) {
        start_region(i, SplitReason::root);
      } else {
        place(i);
      }
    }
    join_roots(result_, options_);
    return std::move(result_);
  }

 private:
  std::vector<Entry>& entries() { return result_.entries; }
  const std::vector<Entry>& entries() const { return result_.entries; }

  // Postorder without recursion: chains may be long.
  void collect(std::span<Node* const> roots) {
    std::vector<std::pair<Node*, size_t>> stack;
    const auto visit = [&](Node* n) {
      n->throw_if_unreadable();
      if (is_boundary(*n) || n->scratch >= 0) return;
      stack.emplace_back(n, 0);
      n->scratch = kVisiting;
    };
    try {
      for (Node* root : roots) {
        visit(root);
        while (!stack.empty()) {
          auto& [node, next] = stack.back();
          if (next < node->inputs.size()) {
            visit(node->inputs[next++].get());
          } else {
            node->scratch = static_cast<int32_t>(entries().size());
            entries().push_back({node});
            for (const NodeRef& input : node->inputs) {
              if (input->scratch >= 0) ++entries()[input->scratch].readers;
            }
            stack.pop_back();
          }
        }
        if (root->scratch >= 0) entries()[root->scratch].is_root = true;
      }
    } catch (...) {
      for (auto& [node, next] : stack) node->scratch = -1;
      throw;
    }
  }

  // A view that only renames its input's elements.
  static bool is_rename(const Node& n) { return n.op == Op::reshape; }

  void start_region(int i, SplitReason reason) {
    Entry& entry = entries()[i];
    entry.cut = static_cast<int>(result_.cuts.size());
    entry.is_stored = true;
    entry.is_alias = is_rename(*entry.node);
    Cut& cut = result_.cuts.emplace_back();
    cut.root = i;
    cut.reason = reason;
    growing_.emplace_back();
    if (!reads_stored(entry)) growing_.back().frontier.reserve(kMaxRegionBuffers);
    const bool is_reduction = info(entry.node->op).fusion == Fusion::reduction;
    if (is_reduction) open_columns(entry.cut, *entry.node, Shape2D::rows);
    if (info(entry.node->op).fusion == Fusion::contraction) cut.domain.product = entry.node;
    take(i, is_reduction ? kElementBase : kRootBase);
  }

  void open_columns(int cut, const Node& reduction, Shape2D layout) {
    Domain& domain = result_.cuts[cut].domain;
    if (domain.first_reduction == nullptr) {
      domain.layout = layout;
      domain.first_reduction = &reduction;
    }
    ++domain.reductions;
  }

  // Entry i joins its region; its inputs are read at `input_path`, extended if it is a view.
  void take(int i, int input_path) {
    const Entry& entry = entries()[i];
    const Node& node = *entry.node;
    Growing& region = growing_[entry.cut];
    const bool needs_storage = reads_stored(entries()[result_.cuts[entry.cut].root]);
    std::erase(region.frontier, &node);
    ++region.ops;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      Node* input = node.inputs[k].get();
      // The zeros around windows: no kernel of products reads them.
      if (needs_storage && node.op == Op::pad && k == 1 && i != result_.cuts[entry.cut].root) {
        continue;
      }
      // What is stored into a value is computed before, if that takes other elements of the value.
      const bool is_apart = node.op == Op::overwrite && k > 0 && may_read(*input, *node.inputs[0]);
      const bool dense = reads_dense(node, k) || is_apart;
      if (!needs_storage && (dense || info(input->op).fusion != Fusion::generator) &&
          std::find(region.frontier.begin(), region.frontier.end(), input) ==
              region.frontier.end()) {
        region.frontier.push_back(input);
      }
      if (is_boundary(*input)) continue;
      Reader& reader = readers_[input->scratch];
      int at = input_path;
      if (info(node.op).fusion == Fusion::view) at = extend(input_path, node, static_cast<int>(k));
      if (entry.is_shared) at = kManyPaths;
      if (reader.cut == -1) {
        reader = {entry.cut, entry.is_shared, false, false, at};
      } else {
        reader.several |= entry.is_shared || reader.cut != entry.cut;
        reader.path = join(reader.path, at);
      }
      // Loops and branches take numbers as they are.
      if (info(node.op).fusion == Fusion::control && input->count == 1 && is_number(*input)) {
        continue;
      }
      reader.needs_storage |= needs_storage || dense;
      reader.needs_dense |= dense;
    }
  }

  int extend(int path, const Node& view, int input) {
    if (is_many(path)) return path;
    paths_.push_back({&view, input, path, 0});
    bases_.push_back(path < 0 ? path : bases_[path]);
    if (path < 0) paths_.back().parent = -1;
    return static_cast<int>(paths_.size()) - 1;
  }
  int base(int path) const { return path < 0 ? path : bases_[path]; }

  void place(int i) {
    Entry& entry = entries()[i];
    const Node& node = *entry.node;
    const Reader reader = readers_[i];
    const Fusion fusion = info(node.op).fusion;
    const bool is_apart = node.count <= options_.apart_elements;
    if (fusion == Fusion::generator && !reader.needs_storage && !is_apart) {
      entry.is_shared = true;  // costs nothing to name twice
      return;
    }
    if (node.op == Op::constant && node.count <= options_.supplied_elements) {
      entry.is_stored = true;
      return;
    }
    if (fusion == Fusion::contraction) return start_region(i, SplitReason::contraction);
    if (fusion == Fusion::library) return start_region(i, SplitReason::library);
    if (fusion == Fusion::control) return start_region(i, SplitReason::control);
    if (fusion == Fusion::overwrite) return start_region(i, SplitReason::overwrite);
    if (stays_apart(node, options_)) return start_region(i, SplitReason::no_fusion);
    if (reader.needs_storage) {
      // A matmul reads views by their strides, and casts of bytes; an alias has no kernel to inline
      // into.
      const Entry& root = entries()[result_.cuts[reader.cut].root];
      if (!root.is_alias && !reader.several && !reader.needs_dense && !is_many(reader.path) &&
          (composes(node, reader.path) || (is_product(root) && gathers(node, reader.path)) ||
           narrows(root, node))) {
        return inline_into(i, reader.cut, reader.path);
      }
      return start_region(i, root.is_alias ? root_reason(root) : SplitReason::materialized);
    }
    if (fusion == Fusion::reduction) return place_reduction(i, reader);
    if (reader.several) {
      if (is_cheap(node)) {
        entry.is_shared = true;
        entry.cut = reader.cut;
        return take(i, kManyPaths);
      }
      return start_region(i, SplitReason::shared);
    }
    // Computed at each place, and so would be all that it needs: copies would double at each such
    // value.
    if (reader.path == kManyViews && !is_cheap(node)) return start_region(i, SplitReason::shared);
    if (info(node.op).fusion != Fusion::view &&
        ((repeats(reader.path) && !is_cheap(node)) ||
         (is_part(reader.path) && is_dear(node, will_be_stored())) ||
         is_worth_a_kernel(node, reader.path))) {
      return start_region(i, SplitReason::repeated);
    }
    if (!fits(reader.cut, node) || ends_rounds(i, growing_[reader.cut])) {
      const bool ops = growing_[reader.cut].ops >= kMaxRegionOps || has_buffers(reader.cut, node);
      return start_region(i, ops ? SplitReason::too_many_ops : SplitReason::too_many_buffers);
    }
    inline_into(i, reader.cut, reader.path);
  }

  // What several read that is not cheap.
  std::function<bool(const Node&)> will_be_stored() {
    return [this](const Node& node) {
      return node.scratch >= 0 && entries()[node.scratch].readers > 1 && !is_cheap(node);
    };
  }

  // Whether overlapping windows read each element several times.
  bool repeats(int path) const {
    for (; path >= 0; path = paths_[path].parent) {
      const auto* attr = std::get_if<WindowsAttr>(&paths_[path].view->attributes);
      for (size_t d = 0; attr != nullptr && d < attr->window.size(); ++d) {
        const int64_t window = attr->window[d];
        if (window > 1 && window * attr->dilations[d] > attr->strides[d]) return true;
      }
    }
    return false;
  }

  // Whether broadcasts make the region compute it so often for each of its elements that a kernel
  // of its own takes less. Where a reduction below may join the region, each row has it once.
  bool is_worth_a_kernel(const Node& node, int path) const {
    constexpr double kRepeats = 64, kSaved = 0x1p29;  // times, instructions
    double times = 1;
    for (int at = path; at >= 0; at = paths_[at].parent) {
      const Node& view = *paths_[at].view;
      if (view.op == Op::broadcast && view.count > 0) {
        times *= static_cast<double>(view.count) / static_cast<double>(view.inputs[0]->count);
      }
    }
    return times >= kRepeats &&
           static_cast<double>(node.count) * times * info(node.op).cost >= kSaved &&
           !may_have_rows(node);
  }

  // Whether a reduction that rows may wait for is among what it is computed from.
  bool may_have_rows(const Node& node) const {
    constexpr size_t kMost = 32;
    std::vector<const Node*> nodes = {&node};
    for (size_t i = 0; i < nodes.size(); ++i) {
      for (const NodeRef& input : nodes[i]->inputs) {
        const Fusion fusion = info(input->op).fusion;
        if (is_boundary(*input)) continue;
        if (fusion == Fusion::reduction) {
          const int64_t columns = input->inputs[0]->count / std::max<int64_t>(input->count, 1);
          if (columns <= options_.max_row_program_columns) return true;
          continue;
        }
        if (fusion != Fusion::pointwise && fusion != Fusion::view) continue;
        if (nodes.size() == kMost) return true;
        nodes.push_back(input.get());
      }
    }
    return false;
  }

  // Whether it is a part of a concatenation, which computes each part for all of its elements.
  bool is_part(int path) const {
    for (; path >= 0; path = paths_[path].parent) {
      const Node& view = *paths_[path].view;
      if (view.op == Op::concatenate && view.inputs.size() > 1) return true;
    }
    return false;
  }

  SplitReason root_reason(const Entry& root) const { return result_.cuts[root.cut].reason; }

  void inline_into(int i, int region, int input_path) {
    entries()[i].cut = region;
    take(i, input_path);
  }

  // Whether strides express the view of a contiguous value, seen through the path.
  bool composes(const Node& view, int path) const {
    if (!is_strided_view(view.op)) return false;
    int end = path;
    while (end >= 0 && is_rename(*paths_[end].view)) end = paths_[end].parent;
    if (end < 0 && is_rename(view)) return true;
    const auto layout = apply_view(view, 0, Layout::contiguous(view.inputs[0]->shape));
    return layout && apply_path(paths_, path, *layout);
  }

  static bool is_product(const Entry& root) {
    return info(root.node->op).fusion == Fusion::contraction;
  }

  // Whether a product reads what the node casts instead.
  bool narrows(const Entry& root, const Node& node) const {
    return options_.narrow_factors && is_product(root) && widens_bytes(node) &&
           reads_bytes(result_.entries, *root.node);
  }

  // Whether the kernel of a product finds the view's elements itself, seen through the path.
  bool gathers(const Node& view, int path) {
    if (!is_strided_view(view.op) && view.op != Op::pad) return false;
    const int end = extend(path, view, 0);
    const auto factor = gathered_factor(paths_, end, false);
    return factor && (factor->shape().is_matrices() || has_windows(paths_, end));
  }

  bool fits(int region, const Node& node) const {
    return growing_[region].ops < kMaxRegionOps && has_buffers(region, node);
  }

  // Rounds of a loop that are written out, each of which begins with the value that the one before
  // it made: whether there is no room for another one as long as the last two. A cut in its midst
  // would store several values, by kernels of a few operations.
  bool ends_rounds(int i, Growing& region) const {
    const Node& node = *entries()[i].node;
    const bool begins = entries()[i].readers > 1 &&
                        std::all_of(region.frontier.begin(), region.frontier.end(),
                                    [&](const Node* n) { return n == &node || is_at_hand(*n); });
    if (!begins) return false;
    const int round = region.ops - std::exchange(region.round_start, region.ops);
    return std::exchange(region.round, round) == round && region.ops + round > kMaxRegionOps;
  }

  // A value or a number, or a view of one.
  static bool is_at_hand(const Node& node) {
    const Node* n = &node;
    while (info(n->op).fusion == Fusion::view && n->inputs.size() == 1 && !is_value(*n)) {
      n = n->inputs[0].get();
    }
    return is_value(*n) || info(n->op).fusion == Fusion::generator;
  }

  bool has_buffers(int region, const Node& node) const {
    const Growing& growing = growing_[region];
    size_t buffers = growing.frontier.size();
    if (std::find(growing.frontier.begin(), growing.frontier.end(), &node) !=
        growing.frontier.end()) {
      --buffers;
    }
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      const NodeRef& input = node.inputs[k];
      const bool known = std::find(growing.frontier.begin(), growing.frontier.end(), input.get()) !=
                         growing.frontier.end();
      const bool stored = reads_dense(node, k) || info(input->op).fusion != Fusion::generator;
      if (!known && stored) ++buffers;
    }
    return buffers <= static_cast<size_t>(kMaxRegionBuffers);
  }

  // A reduction joins its reader when each row of the reader needs its result for that row alone.
  void place_reduction(int i, const Reader& reader) {
    const Node& node = *entries()[i].node;
    if (entries()[result_.cuts[reader.cut].root].node->op == Op::overwrite) {
      return start_region(i, SplitReason::reduction);
    }
    if (reader.several || is_many(reader.path) || !fits(reader.cut, node)) {
      return start_region(i, SplitReason::reduction);
    }
    const Domain& domain = result_.cuts[reader.cut].domain;
    const Node& root = *entries()[result_.cuts[reader.cut].root].node;
    const int path = reader.path < 0 ? -1 : reader.path;
    const std::optional<Layout> layout = compose(paths_, path, node.shape);
    if (!layout) return start_region(i, SplitReason::reduction);

    const int at = base(reader.path);
    const bool at_row = at == kRootBase && domain.layout != Shape2D::elements &&
                        layout->is_contiguous() && layout->offset == 0 &&
                        layout->count() == node.count;
    if (domain.layout == Shape2D::none && at_row) {
      open_columns(reader.cut, node, Shape2D::rows);
      return inline_into(i, reader.cut, kElementBase);
    }
    const int64_t columns = node.inputs[0]->count / node.count;
    if (columns > options_.max_row_program_columns ||
        domain.reductions >= options_.max_row_program_reductions ||
        straddles_words(root, columns)) {
      return start_region(i, SplitReason::reduction);
    }
    if (domain.layout == Shape2D::none || domain.layout == Shape2D::elements) {
      if (at == kRootBase && node.inputs[0]->shape == root.shape && same_columns(domain, node) &&
          is_row_broadcast(*layout, node)) {
        open_columns(reader.cut, node, Shape2D::elements);
        return inline_into(i, reader.cut, kRootBase);
      }
    } else if (same_columns(domain, node) &&
               node.inputs[0]->shape == domain.first_reduction->inputs[0]->shape &&
               domain.first_reduction->inputs[0]->count / domain.first_reduction->count <=
                   options_.max_row_program_columns) {
      if (at_row || (at == kElementBase && is_row_broadcast(*layout, node))) {
        open_columns(reader.cut, node, Shape2D::rows);
        return inline_into(i, reader.cut, kElementBase);
      }
    }
    start_region(i, SplitReason::reduction);
  }

  // Rows of narrow elements that share a word of the output cannot be stored apart.
  static bool straddles_words(const Node& root, int64_t columns) {
    return storage_bytes(root.dtype) < 4 && columns % 4 != 0;
  }

  // Row programs fold the last axes, and all their reductions the same ones.
  static bool same_columns(const Domain& domain, const Node& reduction) {
    const Axes& axes = reduction.attribute<ReduceAttr>().axes;
    const auto rank = static_cast<int64_t>(reduction.inputs[0]->shape.size());
    for (size_t k = 0; k < axes.size(); ++k) {
      if (axes[axes.size() - 1 - k] != rank - 1 - static_cast<int64_t>(k)) return false;
    }
    return domain.first_reduction == nullptr ||
           domain.first_reduction->attribute<ReduceAttr>().axes == axes;
  }

  // The reduction's result, over the shape of its input.
  static bool is_row_broadcast(const Layout& layout, const Node& reduction) {
    const Shape& shape = reduction.inputs[0]->shape;
    const size_t rows = shape.size() - reduction.attribute<ReduceAttr>().axes.size();
    return layout.shape == shape && schedule::is_row_broadcast(layout, rows);
  }

  static constexpr int32_t kVisiting = 0x7fffffff;

  const Options& options_;
  Partition result_;
  std::vector<Reader> readers_;
  std::vector<Growing> growing_;
  std::vector<PathStep> paths_;
  std::vector<int> bases_;
};

}  // namespace

bool stays_apart(const Node& node, const Options& options) {
  return !options.fuse || node.count <= options.apart_elements;
}

bool reads_stored(const Entry& root) {
  const Fusion fusion = info(root.node->op).fusion;
  return root.is_alias || fusion == Fusion::contraction || fusion == Fusion::library ||
         fusion == Fusion::control;
}

Partition partition(std::span<Node* const> roots, const Options& options) {
  return Partitioner(roots, options).run();
}

Partition::~Partition() {
  for (const Entry& entry : entries) entry.node->scratch = -1;
}

}  // namespace nxv::schedule
