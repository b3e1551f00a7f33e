#include "schedule/joint_roots.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "graph/fault.h"
#include "schedule/cost.h"
#include "schedule/joint_domain.h"
#include "schedule/part_graph.h"
#include "schedule/region_builder.h"

namespace nxv::schedule {
namespace {

// Parts of small results run earlier so as to run beside others, at most so many before their time:
// larger ones fill a device by themselves, and would be kept for longer.
constexpr size_t kAhead = 12;
constexpr int64_t kSmallBytes = 1 << 20;

// Of one cut. An operand that very many regions read must not make a schedule slow.
constexpr int kMostAttempts = 8;
// Operands of one element for all points, which cost a region no more than a word does.
constexpr int64_t kMostScalars = 4;
// By the op table, of what is made of an element of a product. Its code is there for each of up to
// 128 elements that an invocation stores: with a tanh in it products of bf16 measure slower on an
// H200 than the tanh takes by itself.
constexpr int kMostStoreCost = 40;
// A product that reads so many times as much as it stores takes as long as reading its factors, and
// a pass over its result takes no time to speak of.
constexpr int64_t kMemoryBound = 64;

// What a cut reads that others store.
struct Reads {
  std::vector<int> entries;           // of other cuts
  std::vector<const Node*> operands;  // those and boundaries
};

class Reader {
 public:
  explicit Reader(const Partition& partition)
      : partition_(partition), seen_(partition.entries.size(), -1) {}

  Reads of(int cut) {
    Reads reads;
    std::vector<const Node*> stack = {node_of(partition_.cuts[cut].root)};
    while (!stack.empty()) {
      const Node* node = stack.back();
      stack.pop_back();
      for (const NodeRef& input : node->inputs) {
        const Node* n = input.get();
        if (is_boundary(*n)) {
          add(reads.operands, n);
          continue;
        }
        if (seen_[n->scratch] == cut) continue;
        seen_[n->scratch] = cut;
        if (!partition_.entries[n->scratch].is_stored) {
          stack.push_back(n);
          continue;
        }
        reads.entries.push_back(n->scratch);
        reads.operands.push_back(n);
      }
    }
    return reads;
  }

 private:
  const Node* node_of(int entry) const { return partition_.entries[entry].node; }
  static void add(std::vector<const Node*>& list, const Node* node) {
    if (std::find(list.begin(), list.end(), node) == list.end()) list.push_back(node);
  }

  const Partition& partition_;
  std::vector<int> seen_;  // by which cut
};

// The cut that stores a value: its own or, of a result, that of its loop or branch.
int stored_by(const Partition& partition, int entry) {
  const Entry& e = partition.entries[entry];
  if (e.node->op != Op::result) return e.cut;
  const Node& control = *e.node->inputs[0];
  return control.scratch < 0 ? -1 : partition.entries[control.scratch].cut;
}

class Joiner {
 public:
  Joiner(Partition& partition, const Options& options)
      : partition_(partition), options_(options), graph_(read()) {}

  void run() {
    for (int cut = static_cast<int>(cuts().size()) - 1; cut >= 0; --cut) {
      const int root = cuts()[cut].root;
      attempts_ = 0;
      if (!may_join(cut)) continue;
      if (is_kept(root)) {
        for (int reader : readers_of_[node_of(root)]) try_join(cut, reader);
      }
      for (const Node* operand : reads_[cut].operands) {
        if (operand->count != points_of(cut)) continue;
        for (int other : readers_of_[operand]) try_join(cut, other);
      }
    }
    for (int cut = static_cast<int>(cuts().size()) - 1; cut >= 0; --cut) join_product(cut);
    for (Part& part : partition_.parts) {
      for (const Part::Root& root : part.roots) {
        if (!root.is_stored) partition_.entries[root.entry].is_stored = false;
      }
    }
    for (int cut = 0; cut < static_cast<int>(cuts().size()); ++cut) {
      const Op op = root_of(cut).op;
      if (op == Op::overwrite || op == Op::scatter_add) {
        put_readers_first(cut, *root_of(cut).inputs[0]);
      }
    }
    std::vector<PartGraph::Traits> traits(cuts().size());
    for (size_t cut = 0; cut < cuts().size(); ++cut) {
      const Entry& root = partition_.entries[cuts()[cut].root];
      traits[cut] = {root.is_alias, root.node->storage_size() <= kSmallBytes};
    }
    partition_.order = graph_.concurrent_order(traits, kAhead);
  }

 private:
  std::vector<Cut>& cuts() { return partition_.cuts; }
  const Node* node_of(int entry) const { return partition_.entries[entry].node; }
  const Node& root_of(int cut) { return *node_of(cuts()[cut].root); }

  std::vector<std::vector<int>> read() {
    Reader reader(partition_);
    std::vector<std::vector<int>> inputs(cuts().size());
    reads_.resize(cuts().size());
    for (int cut = static_cast<int>(cuts().size()) - 1; cut >= 0; --cut) {
      reads_[cut] = reader.of(cut);
      for (const Node* operand : reads_[cut].operands) readers_of_[operand].push_back(cut);
      for (int entry : reads_[cut].entries) {
        const int by = stored_by(partition_, entry);
        if (by >= 0 && by != cut) inputs[cut].push_back(by);
      }
    }
    return inputs;
  }

  // What else reads the target of an update comes before it where it can: the target's storage is
  // then free to be taken over.
  void put_readers_first(int update, const Node& target) {
    for (const Node* node = &target;; node = node->inputs[0].get()) {
      for (int reader : readers_of_[node]) {
        graph_.put_before(graph_.find(reader), graph_.find(update));
      }
      if (is_boundary(*node) || !partition_.entries[node->scratch].is_alias) return;
    }
  }

  // Asked for, or read by several.
  bool is_kept(int entry) {
    if (partition_.entries[entry].is_root) return true;
    const auto readers = readers_of_.find(node_of(entry));
    return readers != readers_of_.end() && readers->second.size() > 1;
  }

  // What is made of a product, element by element, and then of that. Its readers have joined each
  // other by now: those that see it transposed can do so only together.
  void join_product(int product) {
    if (!cuts()[product].domain.product || stays_apart(root_of(product), options_)) return;
    attempts_ = 0;
    for (size_t i = 0; i < part_of(product).cuts.size(); ++i) {
      const int cut = part_of(product).cuts[i];
      if (cut != product && !is_kept(cuts()[cut].root)) continue;
      for (int reader : readers_of_[&root_of(cut)]) {
        if (!waits_for_another(reader, product)) try_join(product, reader);
      }
    }
  }

  // Whether a memory-bound product could run beside another that the reader reads as well. In the
  // store of one of them the reader would have it wait for the other.
  bool waits_for_another(int reader, int product) {
    if (!options_.overlaps || !is_memory_bound(product)) return false;
    return std::any_of(reads_[reader].entries.begin(), reads_[reader].entries.end(), [&](int e) {
      const int other = partition_.entries[e].cut;
      return other != product && is_memory_bound(other) &&
             graph_.level(graph_.find(other)) >= graph_.level(graph_.find(product));
    });
  }
  bool is_memory_bound(int cut) {
    if (!cuts()[cut].domain.product) return false;
    const Node& node = *cuts()[cut].domain.product;
    int64_t read = 0;
    for (const NodeRef& factor : node.inputs) read += factor->storage_size();
    return read >= kMemoryBound * node.storage_size();
  }
  const Part& part_of(int cut) const { return partition_.parts[graph_.find(cut)]; }

  bool may_join(int cut) {
    return !reads_stored(partition_.entries[cuts()[cut].root]) &&
           root_of(cut).op != Op::overwrite && !stays_apart(root_of(cut), options_);
  }

  // Of the elements of a cut.
  int64_t points_of(int cut) {
    const Domain& domain = cuts()[cut].domain;
    return domain.layout == Shape2D::none ? root_of(cut).count
                                          : domain.first_reduction->inputs[0]->count;
  }

  void try_join(int a, int b) {
    if (attempts_ >= kMostAttempts || !may_join(b)) return;
    const int to = graph_.find(a), from = graph_.find(b);
    if (to == from) return;
    std::optional<Part> joint = joined(partition_.parts[to], partition_.parts[from]);
    if (!joint) return;
    ++attempts_;
    if (!graph_.can_join(to, from)) return;
    for (Part::Root& root : joint->roots) root.is_stored = is_needed(root.entry, *joint);
    if (become(to, from, *joint)) return;
    if (!joint->domain.product || partition_.parts[to].cuts.size() > 1) return;
    joint->domain.is_transposed = true;
    become(to, from, *joint);
  }

  // Makes `joint` of the two parts, if it keeps within the limits.
  bool become(int to, int from, Part& joint) {
    const std::vector<int> moved = partition_.parts[from].cuts;
    const auto assign = [&](int part) {
      for (int cut : moved) cuts()[cut].part = part;
    };
    std::swap(partition_.parts[to], joint);
    assign(to);
    if (!is_within_limits(sketch_region(partition_, to), partition_.parts[to])) {
      std::swap(partition_.parts[to], joint);
      assign(from);
      return false;
    }
    partition_.parts[from] = {};
    graph_.join(to, from);
    return true;
  }

  // Both, if they have the same points.
  std::optional<Part> joined(const Part& a, const Part& b) const {
    const auto domain = joint_domain(partition_, a, b, options_);
    if (!domain) return std::nullopt;
    Part joint;
    joint.domain = *domain;
    for (const Part* part : {&a, &b}) {
      joint.cuts.insert(joint.cuts.end(), part->cuts.begin(), part->cuts.end());
      for (Part::Root root : part->roots) {
        root.base = base_in(partition_, *part, root, *domain);
        joint.roots.push_back(root);
      }
    }
    std::sort(joint.roots.begin(), joint.roots.end(),
              [](const auto& x, const auto& y) { return x.entry < y.entry; });
    return joint;
  }

  // Whether somebody outside reads the value.
  bool is_needed(int entry, const Part& part) {
    if (partition_.entries[entry].is_root) return true;
    const std::vector<int>& readers = readers_of_[node_of(entry)];
    return !std::all_of(readers.begin(), readers.end(), [&](int reader) {
      return std::find(part.cuts.begin(), part.cuts.end(), reader) != part.cuts.end();
    });
  }

  bool is_within_limits(const Region& region, const Part& part) const {
    const auto is_root = [&](const Node* node) {
      return std::any_of(part.roots.begin(), part.roots.end(),
                         [&](const auto& root) { return node_of(root.entry) == node; });
    };
    for (const Operand& operand : region.operands) {
      if (is_root(operand.node.get())) return false;
    }
    if (part.domain.is_transposed && is_stored(part, part.domain.product)) return false;
    if (region.fixed_columns || !store_whole_words(region)) return false;
    if (has_mapped_rows(region) && !have_equal_rows(part)) return false;
    const auto ops = std::count_if(region.exprs.begin(), region.exprs.end(), [](const Expr& e) {
      return e.kind != ExprKind::load && e.kind != ExprKind::generate;
    });
    return ops <= kMaxRegionOps && !has_too_many_buffers(region) && !is_dear_store(region) &&
           have_equal_faults(region);
  }

  // Factors of products and a few scalars do not count.
  static bool has_too_many_buffers(const Region& region) {
    auto buffers = static_cast<int64_t>(region.operands.size() + region.roots.size());
    const int64_t scalars =
        std::count_if(region.operands.begin(), region.operands.end(),
                      [](const Operand& o) { return o.addressing == Addressing::uniform; });
    buffers -= std::min(scalars, kMostScalars);
    if (region.kind == RegionKind::matmul) buffers -= 2;
    return buffers > kMaxRegionBuffers;
  }

  static bool is_dear_store(const Region& region) {
    if (region.kind != RegionKind::matmul) return false;
    int cost = 0;
    for (const Expr& e : region.exprs) cost += e.level == Level::row ? info(e.op).cost : 0;
    return cost > kMostStoreCost;
  }

  bool is_stored(const Part& part, const Node* node) const {
    return std::any_of(part.roots.begin(), part.roots.end(), [&](const Part::Root& root) {
      return node_of(root.entry) == node && root.is_stored;
    });
  }

  // Whether an invocation owns whole words of every output. A team that stores the elements of a
  // row has no others, but a single row has its word for itself.
  static bool store_whole_words(const Region& region) {
    const bool has_rows = region.root_level == Level::row || region.row_count == 1;
    int narrow = 0;  // bytes of an element
    for (const Root& root : region.roots) {
      const int bytes = storage_bytes(root.node->dtype);
      if (root.level == Level::element) {
        if (bytes < 4 && region.col_count % 4 != 0) return false;
        continue;
      }
      if (bytes >= 4 || region.kind == RegionKind::pointwise || region.kind == RegionKind::matmul) {
        continue;
      }
      if (!has_rows || (narrow != 0 && narrow != bytes)) return false;
      narrow = bytes;
    }
    return true;
  }

  // Whether paths that start from rows start from the same coordinates.
  bool have_equal_rows(const Part& part) const {
    const Node* first = nullptr;
    for (const Part::Root& root : part.roots) {
      if (part.domain.layout == Shape2D::elements && root.base != kRowBase) continue;
      const Node* node = node_of(root.entry);
      if (node == part.domain.product) continue;
      if (first != nullptr && first->shape != node->shape) return false;
      first = node;
    }
    return true;
  }

  static bool has_mapped_rows(const Region& region) {
    const auto is_mapped = [](const auto& x) {
      return x.level == Level::row && x.addressing == Addressing::mapped;
    };
    return std::any_of(region.operands.begin(), region.operands.end(), is_mapped) ||
           std::any_of(region.exprs.begin(), region.exprs.end(), is_mapped);
  }

  // A root must not fail for what only others need, nor at a place that is not its own.
  static bool have_equal_faults(const Region& region) {
    if (!region.can_fault()) return true;
    for (const Root& root : region.roots) {
      if (root.node->shape != region.root->shape) return false;
      const Dependencies needs = dependencies_of(region, root);
      for (size_t i = 0; i < region.exprs.size(); ++i) {
        const Expr& e = region.exprs[i];
        const bool may_fault = e.kind == ExprKind::compute && fault_of(*e.node) != Fault::none;
        if (may_fault && !needs.exprs[i]) return false;
      }
    }
    return true;
  }

  Partition& partition_;
  const Options& options_;
  std::vector<Reads> reads_;                                      // of each cut
  std::unordered_map<const Node*, std::vector<int>> readers_of_;  // cuts, in their order
  PartGraph graph_;
  int attempts_ = 0;
};

}  // namespace

void join_roots(Partition& partition, const Options& options) {
  const int count = static_cast<int>(partition.cuts.size());
  partition.parts.resize(partition.cuts.size());
  for (int i = 0; i < count; ++i) {
    Cut& cut = partition.cuts[i];
    cut.part = i;
    partition.parts[i] = {{i}, {{cut.root}}, cut.domain};
  }
  if (options.fuse && count > 1) return Joiner(partition, options).run();
  for (int i = count - 1; i >= 0; --i) partition.order.push_back(i);
}

}  // namespace nxv::schedule
