#include "schedule/region_builder.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "graph/attention.h"
#include "graph/fault.h"
#include "graph/region_words.h"
#include "schedule/cost.h"
#include "schedule/gathered_factor.h"
#include "schedule/mirrored.h"
#include "schedule/paths.h"
#include "schedule/region_draft.h"

namespace nxv::schedule {
namespace {

class RegionBuilder {
 public:
  RegionBuilder(const Partition& partition, int part, Region& region)
      : partition_(partition),
        part_(partition.parts[part]),
        domain_(part_.domain),
        index_(part),
        root_(root_of_points()),
        region_(region),
        draft_(region, root_, domain_) {}

  void sketch() {
    region_.reason = reason();
    if (info(root_.op).fusion == Fusion::library) return build_library();
    if (root_.op == Op::overwrite) return build_overwrite();
    set_spaces();
    for (const Part::Root& root : part_.roots) {
      Node* node = partition_.entries[root.entry].node;
      const bool is_of_rows = base_level(root.base) == Level::row;
      if (is_of_rows && draft_.row_root == nullptr) {
        draft_.row_root = domain_.product ? &root_ : node;
      }
      if (!root.is_stored) continue;
      const int16_t value = expr(*node, root.base);
      region_.add_root(NodeRef::share(node), value, base_level(root.base));
    }
    region_.fixed_columns = has_small_window();
  }

  void finish() {
    share_kernel(draft_);
    assign_words(draft_);
    write_key(draft_);
  }

 private:
  struct Memo {
    const Node* node;
    int path;
    bool is_inside;  // computed, and not loaded
    int16_t expr;
  };

  SplitReason reason() const {
    SplitReason first = partition_.cuts[part_.cuts[0]].reason;
    for (int cut : part_.cuts) {
      if (partition_.cuts[cut].reason == SplitReason::root) first = SplitReason::root;
    }
    return first;
  }

  // ---- Spaces ----

  // The first root; of a product the first that is made of it, where there is one: paths start from
  // the coordinates that those share.
  Node& root_of_points() const {
    Node& first = *partition_.entries[part_.roots[0].entry].node;
    for (const Part::Root& root : part_.roots) {
      Node& node = *partition_.entries[root.entry].node;
      if (domain_.product && &node != domain_.product) return node;
    }
    return first;
  }

  void set_spaces() {
    if (domain_.layout == Shape2D::none) {
      region_.kind = domain_.product ? RegionKind::matmul : RegionKind::pointwise;
      region_.row_count = root_.count;
      draft_.row_shape = root_.shape;
      return;
    }
    const Node& reduction = *domain_.first_reduction;
    const Shape& input = reduction.inputs[0]->shape;
    const Axes& axes = reduction.attribute<ReduceAttr>().axes;
    Axes order;
    for (int64_t i = 0; i < static_cast<int64_t>(input.size()); ++i) {
      if (!std::binary_search(axes.begin(), axes.end(), i)) order.push_back(i);
    }
    draft_.row_dims = order.size();
    order.insert(order.end(), axes.begin(), axes.end());
    region_.element_row_rank = draft_.row_dims;
    region_.element_axes.resize(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
      draft_.element_shape.push_back(input[order[i]]);
      region_.element_axes[order[i]] = static_cast<int64_t>(i);
    }
    draft_.order = order;
    draft_.row_shape.assign(draft_.element_shape.begin(),
                            draft_.element_shape.begin() + draft_.row_dims);
    region_.row_count = reduction.count;
    region_.col_count = reduction.inputs[0]->count / reduction.count;
    region_.root_level = domain_.layout == Shape2D::elements ? Level::element : Level::row;
    region_.kind = region_.root_level == Level::row && domain_.reductions == 1
                       ? RegionKind::reduction
                       : RegionKind::row_program;
  }

  bool has_small_window() const {
    if (domain_.layout == Shape2D::none || region_.col_count > kMaxFixedColumns) return false;
    for (size_t i = 0; i < region_.paths.size(); ++i) {
      if (region_.paths[i].view->op == Op::windows &&
          draft_.base_level(draft_.bases[i]) == Level::element) {
        return true;
      }
    }
    return false;
  }

  // ---- Expressions ----

  bool is_inside(const Node& n) const {
    if (n.op == Op::data || !n.is_pending() || n.scratch < 0) return false;
    const Entry& entry = partition_.entries[n.scratch];
    return !entry.is_stored &&
           (entry.is_shared || (entry.cut >= 0 && partition_.cuts[entry.cut].part == index_));
  }

  const Part::Root* root_of(const Node& n) const {
    const auto at = std::find_if(part_.roots.begin(), part_.roots.end(), [&](const auto& root) {
      return partition_.entries[root.entry].node == &n;
    });
    return at == part_.roots.end() ? nullptr : &*at;
  }

  // Whether the path leads each point to the root's element of that point, or of its row.
  bool leads_to_own(int path, const Node& node, const Part::Root& root) const {
    const bool is_turned = domain_.is_transposed && &node == domain_.product;
    if (path == root.base && !is_turned) return true;
    auto layout = compose(region_.paths, path < 0 ? -1 : path, node.shape);
    if (!layout || layout->offset != 0) return false;
    if (is_turned) return is_transposed(*layout, node.shape);
    const Level from = base_level(path);
    if (draft_.base(path) == kElementBase) layout = layout->transpose(draft_.order);
    if (from == base_level(root.base)) {
      return layout->is_contiguous() && layout->count() == node.count;
    }
    return from == Level::element && layout->shape == draft_.element_shape &&
           is_row_broadcast(*layout, draft_.row_dims);
  }

  // Whether the layout, but for its shape, is that of matrices of a contiguous value of that shape
  // with their rows and columns swapped.
  static bool is_transposed(const Layout& layout, const Shape& shape) {
    Axes axes(shape.size());
    std::iota(axes.begin(), axes.end(), 0);
    std::swap(axes.back(), axes[axes.size() - 2]);
    Layout all = layout;
    std::optional<Layout> turned = Layout::contiguous(shape).transpose(axes).reshape(layout.shape);
    if (!turned) return false;
    Layout* const both[] = {&all, &*turned};
    for (Layout* l : both) {
      for (size_t d = 0; d < l->shape.size(); ++d) {
        if (l->shape[d] == 1) l->strides[d] = 0;
      }
    }
    return all == *turned;
  }

  int extend(int path, const Node& view, int input) {
    for (size_t i = 0; i < region_.paths.size(); ++i) {
      const PathStep& step = region_.paths[i];
      if (step.view == &view && step.input == input && draft_.parents[i] == path) {
        return static_cast<int>(i);
      }
    }
    region_.paths.push_back({&view, input, std::max(path, -1), 0});
    draft_.parents.push_back(path);
    draft_.bases.push_back(path < 0 ? path : draft_.bases[path]);
    return static_cast<int>(region_.paths.size()) - 1;
  }

  int16_t expr(const Node& start, int path) {
    const Node* node = &start;
    bool inside = false;
    while (true) {
      const Part::Root* root = root_of(*node);
      inside = root ? leads_to_own(path, *node, *root) : is_inside(*node);
      if (!inside) break;
      if (root) path = root->base;
      if (!is_strided_view(node->op)) break;
      path = extend(path, *node, 0);
      node = node->inputs[0].get();
    }
    // Of a row there is one result.
    if (inside && info(node->op).fusion == Fusion::reduction) path = kRootBase;
    for (const Memo& memo : memos_) {
      if (memo.node == node && memo.path == path && memo.is_inside == inside) return memo.expr;
    }
    const int16_t id = inside ? make_expr(*node, path) : load(*node, path);
    memos_.push_back({node, path, inside, id});
    return id;
  }

  int16_t make_expr(const Node& node, int path) {
    switch (info(node.op).fusion) {
      case Fusion::generator:
        return generate(node, path);
      case Fusion::view:
        return node.op == Op::pad ? pad(node, path) : concatenate(node, path);
      case Fusion::gather:
        return gather(node, path);
      case Fusion::contraction:
        return contract(node);
      case Fusion::reduction: {
        const int at = domain_.layout == Shape2D::elements ? kRootBase : kElementBase;
        Expr e = expr_of(node, ExprKind::reduce, Level::row);
        e.args[0] = expr(*node.inputs[0], at);
        return push(e);
      }
      default:
        return compute(node, path);
    }
  }

  Expr expr_of(const Node& node, ExprKind kind, Level level) const {
    Expr e{kind, level};
    // Of stored values, whatever made them: kernels do not depend on it.
    e.op = kind == ExprKind::load ? Op::data : node.op;
    e.dtype = node.dtype;
    e.node = &node;
    return e;
  }

  // Operands are no more than expressions: each has one that reads it.
  int16_t push(const Expr& e) {
    if (region_.exprs.size() > std::numeric_limits<int16_t>::max()) {
      throw Error(Status::internal, "a region has too many expressions");
    }
    region_.exprs.push_back(e);
    draft_.addresses.emplace_back();
    return static_cast<int16_t>(region_.exprs.size() - 1);
  }

  // Whether it has no operation, which may fault, in this region.
  bool is_leaf(const Node& n) const {
    return info(n.op).fusion == Fusion::generator || !is_inside(n);
  }

  // Whether its two operands change places: less, and constants last. Of two that may fault the
  // first goes first.
  bool is_turned(const Node& node, std::optional<Op> mirror) const {
    if (!mirror) return false;
    const Node &a = *node.inputs[0], &b = *node.inputs[1];
    if (!is_leaf(a) && !is_leaf(b)) return false;
    if (*mirror != node.op) return *mirror == Op::less || *mirror == Op::less_equal;
    return a.op == Op::constant && b.op != Op::constant;
  }

  int16_t compute(const Node& node, int path) {
    Expr e = expr_of(node, ExprKind::compute, Level::row);
    const std::optional<Op> mirror = mirrored(node.op, node.dtype);
    const bool turned = is_turned(node, mirror);
    if (turned) e.op = *mirror;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      e.args[k] = expr(*node.inputs[turned ? 1 - k : k], path);
      if (region_.exprs[e.args[k]].level == Level::element) e.level = Level::element;
    }
    add_faulting(node, region_.faults);
    if (fault_of(node) != Fault::none && leaves_out(path) && base_level(path) == e.level) {
      e.addressing = Addressing::mapped;
      e.path = path;
    }
    return push(e);
  }

  Level base_level(int path) const { return draft_.base_level(draft_.base(path)); }

  // Whether the path leads some points nowhere.
  bool leaves_out(int path) const {
    for (; path >= 0; path = draft_.parents[path]) {
      const Op op = region_.paths[path].view->op;
      if (op == Op::concatenate || (op == Op::pad && region_.paths[path].input == 0)) return true;
    }
    return false;
  }

  int16_t gather(const Node& node, int path) {
    const int16_t index = expr(*node.inputs[1], path);
    Expr e = expr_of(node, ExprKind::gather, region_.exprs[index].level);
    e.args[0] = index;
    e.operand = dense_operand(*node.inputs[0]);
    return push(e);
  }

  // An operand that is addressed by data.
  int16_t dense_operand(const Node& node) {
    Operand& operand = region_.operands.emplace_back();
    operand.node = NodeRef::share(const_cast<Node*>(&node));
    draft_.operand_addresses.emplace_back();
    return static_cast<int16_t>(region_.operands.size() - 1);
  }

  int16_t load(const Node& node, int path) {
    Operand operand;
    operand.node = NodeRef::share(const_cast<Node*>(&node));
    const Address address = locate(draft_, node.shape, path);
    // The same elements read through two equal views are one operand.
    for (size_t i = 0; i < region_.operands.size(); ++i) {
      const Address& known = draft_.operand_addresses[i];
      if (region_.operands[i].node.get() == &node && known.level == address.level &&
          known.addressing == address.addressing && known.path == address.path &&
          known.layout == address.layout) {
        for (size_t e = 0; e < region_.exprs.size(); ++e) {
          const bool is_load = region_.exprs[e].kind == ExprKind::load;
          if (is_load && region_.exprs[e].operand == static_cast<int16_t>(i))
            return static_cast<int16_t>(e);
        }
      }
    }
    operand.level = address.level;
    operand.addressing = address.addressing;
    operand.path = address.path;
    region_.operands.push_back(std::move(operand));
    draft_.operand_addresses.push_back(address);
    Expr e = expr_of(node, ExprKind::load, address.level);
    e.operand = static_cast<int16_t>(region_.operands.size() - 1);
    return push(e);
  }

  int16_t generate(const Node& node, int path) {
    Expr e = expr_of(node, ExprKind::generate, Level::row);
    if (is_number(node)) {
      e.op = Op::constant;  // the words of either are filled in
      return push(e);
    }
    const Address address = locate(draft_, node.shape, path);
    e.level = address.level;
    e.addressing = address.addressing;
    e.path = address.path;
    const int16_t id = push(e);
    draft_.addresses[id] = address;
    return id;
  }

  int16_t inside(const Node& node, int step) {
    Expr e = expr_of(node, ExprKind::inside, base_level(step));
    e.dtype = DType::u8;
    e.addressing = Addressing::mapped;
    e.path = step;
    return push(e);
  }

  int16_t choose(const Node& node, int16_t condition, int16_t yes, int16_t no) {
    Expr e = expr_of(node, ExprKind::choose, region_.exprs[condition].level);
    e.op = Op::select;
    e.args = {condition, yes, no};
    return push(e);
  }

  int16_t pad(const Node& node, int path) {
    const int step = extend(path, node, 0);
    const int16_t value = expr(*node.inputs[1], extend(path, node, 1));
    const int16_t x = expr(*node.inputs[0], step);
    return choose(node, inside(node, step), x, value);
  }

  int16_t concatenate(const Node& node, int path) {
    const int last = static_cast<int>(node.inputs.size()) - 1;
    int16_t result = expr(*node.inputs[last], extend(path, node, last));
    for (int k = last - 1; k >= 0; --k) {
      const int step = extend(path, node, k);
      const int16_t part = expr(*node.inputs[k], step);
      result = choose(node, inside(node, step), part, result);
    }
    return result;
  }

  // ---- Matrix products ----

  int16_t contract(const Node& node) {
    Expr e = expr_of(node, ExprKind::contract, Level::row);
    e.is_transposed = domain_.is_transposed;  // C^T = B^T A^T
    e.precision = node.attribute<DotAttr>().precision;
    const Shape& shape = node.shape;
    const Node& a = *node.inputs[e.is_transposed ? 1 : 0];
    const Node& b = *node.inputs[e.is_transposed ? 0 : 1];
    ProductWords words;
    e.words = draft_.next_word();
    e.args[0] = factor(a, words.a, e.words + word_offset(&ProductWords::a), e.is_transposed);
    e.args[1] = factor(b, words.b, e.words + word_offset(&ProductWords::b), !e.is_transposed);
    words.batch = shape.size() == 3 ? word(shape[0]) : 1;
    words.m = word(shape[shape.size() - 2]);
    words.n = word(shape.back());
    words.k = word(node.inputs[0]->shape.back());
    if (e.is_transposed) {
      std::swap(words.m, words.n);
      std::swap(words.a.row_stride, words.a.column_stride);
      std::swap(words.b.row_stride, words.b.column_stride);
    }
    draft_.push(words);
    for (size_t i = 0; i < 2; ++i) {
      if (!gathered_[i]) continue;
      Operand& operand = region_.operands[region_.exprs[e.args[i]].operand];
      operand.addressing = Addressing::gathered;
      operand.gathered = gathered_[i]->shape();
      operand.words = draft_.next_word();
      gathered_[i]->append_to(region_.words);
    }
    return push(e);
  }

  struct Stored {
    const Node* node;
    Layout layout;
  };
  // The stored value behind strided views, and how they lie in it.
  Stored stored_behind(const Node& input) const {
    std::vector<PathStep> views;  // from the reader to the stored value
    const Node* node = &input;
    for (; is_inside(*node); node = node->inputs[0].get()) {
      views.push_back({node, 0, static_cast<int>(views.size()) - 1, 0});
    }
    return {node, *compose(views, static_cast<int>(views.size()) - 1, node->shape)};
  }

  // The load of a stored value, through strided views of two or three axes, its words will be at
  // `at`; or gathered. `is_b`: what the graph multiplies with, on the right.
  int16_t factor(const Node& input, MatrixWords& words, WordIndex at, bool is_b) {
    std::vector<PathStep> views;  // from the product to the stored value
    const Node* node = &input;
    for (; is_inside(*node); node = node->inputs[0].get()) {
      if (node->op == Op::cast) continue;  // what it widens is loaded as it is
      views.push_back({node, 0, static_cast<int>(views.size()) - 1, 0});
    }
    const int path = static_cast<int>(views.size()) - 1;
    const bool is_left = is_b == domain_.is_transposed;
    int64_t start = 0;
    if (const auto layout = compose(views, path, node->shape)) {
      const size_t rank = layout->strides.size();
      start = layout->offset;
      words = {offset_word(start), rank == 3 ? word(layout->strides[0]) : 0,
               word(layout->strides[rank - 2]), word(layout->strides[rank - 1])};
    } else {
      gathered_[is_left ? 0 : 1] = gathered_factor(views, path, is_b);
    }
    Operand& operand = region_.operands.emplace_back();
    operand.node = NodeRef::share(const_cast<Node*>(node));
    operand.level = Level::element;
    operand.addressing = Addressing::strided;
    operand.words = at;
    operand.start = start;
    draft_.operand_addresses.emplace_back().level = Level::element;
    Expr e = expr_of(*node, ExprKind::load, Level::element);
    e.operand = static_cast<int16_t>(region_.operands.size() - 1);
    return push(e);
  }

  // ---- Elements stored into a value ----

  void build_overwrite() {
    const Node& index = *root_.inputs[1];
    region_.kind = RegionKind::overwrite;
    region_.row_count = index.count;
    draft_.row_shape = index.shape;
    draft_.row_root = &index;
    const int16_t place = expr(index, kRootBase);
    const int16_t element = expr(*root_.inputs[2], kRootBase);
    region_.add_root(NodeRef::share(&root_), element);
    region_.roots[0].place = place;
    region_.roots[0].target = dense_operand(*root_.inputs[0]);
  }

  // ---- Operations with kernels of their own ----

  void build_library() {
    region_.kind = RegionKind::library;
    for (const Entry& entry : partition_.entries) {
      if (entry.node->op != Op::result || entry.node->inputs[0].get() != &root_) continue;
      region_.add_root(NodeRef::share(entry.node), -1);
    }
    if (region_.roots.empty()) region_.add_root(NodeRef::share(&root_), -1);
    region_.row_count = region_.root->count;
    add_faulting(root_, region_.faults);
    region_.operands.reserve(root_.inputs.size());
    for (const NodeRef& input : root_.inputs) {
      Operand& operand = region_.operands.emplace_back();
      operand.node = input;
      if (reads_strided(root_.op)) place_in_memory(operand, *input);
    }
  }

  // An operand through strided views: OffsetWords, and the stride of each axis of the views.
  void place_in_memory(Operand& operand, const Node& input) {
    const auto [node, layout] = stored_behind(input);
    operand.node = NodeRef::share(const_cast<Node*>(node));
    operand.addressing = Addressing::strided;
    operand.words = draft_.next_word();
    draft_.push(OffsetWords{word(layout.offset)});
    for (int64_t stride : layout.strides) draft_.push_word(stride);
  }

  const Partition& partition_;
  const Part& part_;
  const Domain& domain_;
  const int index_;
  Node& root_;
  Region& region_;
  RegionDraft draft_;
  std::vector<Memo> memos_;
  std::array<std::optional<GatheredFactor>, 2> gathered_;  // factors of the product
};

}  // namespace

Region build_region(const Partition& partition, int part) {
  Region region;
  RegionBuilder builder(partition, part, region);
  builder.sketch();
  builder.finish();
  return region;
}

Region sketch_region(const Partition& partition, int part) {
  Region region;
  RegionBuilder(partition, part, region).sketch();
  return region;
}

}  // namespace nxv::schedule
