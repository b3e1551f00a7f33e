#include "schedule/region_builder.h"

#include <algorithm>
#include <optional>

#include "graph/function.h"
#include "schedule/paths.h"
#include "schedule/scalars.h"

namespace nxv::schedule {
namespace {

// Of each operand its offset and three strides, then batch, m, n and k.
constexpr size_t kMatmulWords = 12;

// An index into a node's elements, before the spaces are collapsed and words assigned.
struct Address {
  Level level = Level::row;
  Addressing addressing = Addressing::linear;
  Layout layout;  // strided: over row dims, or over row and column dims
  int path = -1;  // mapped
};

class RegionBuilder {
 public:
  RegionBuilder(const Partition& parts, int cut, Region& region)
      : parts_(parts),
        cut_(parts.cuts[cut]),
        index_(cut),
        root_(*parts.entries[cut_.root].node),
        region_(region) {}

  void run() {
    region_.root = NodeRef::share(&root_);
    region_.reason = cut_.reason;
    if (info(root_.op).fusion == Fusion::contraction) {
      build_matmul();
    } else if (info(root_.op).fusion == Fusion::library) {
      build_library();
    } else {
      set_spaces();
      expr(root_, kRootBase);
      region_.fixed_columns = has_small_window();
    }
    assign_words();
    write_key();
  }

 private:
  struct Memo {
    const Node* node;
    int path;
    int16_t expr;
  };

  // ---- Spaces ----

  void set_spaces() {
    if (cut_.layout == Shape2D::none) {
      region_.kind = RegionKind::pointwise;
      region_.row_count = root_.count;
      row_shape_ = root_.shape;
      return;
    }
    const Node& reduction = *cut_.first_reduction;
    const Shape& input = reduction.inputs[0]->shape;
    const Axes& axes = reduction.attribute<ReduceAttr>().axes;
    Axes order;
    for (int64_t i = 0; i < static_cast<int64_t>(input.size()); ++i) {
      if (!std::binary_search(axes.begin(), axes.end(), i)) order.push_back(i);
    }
    row_dims_ = order.size();
    order.insert(order.end(), axes.begin(), axes.end());
    region_.element_row_rank = row_dims_;
    region_.element_axes.resize(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
      element_shape_.push_back(input[order[i]]);
      region_.element_axes[order[i]] = static_cast<int64_t>(i);
    }
    order_ = order;
    row_shape_.assign(element_shape_.begin(), element_shape_.begin() + row_dims_);
    region_.row_count = reduction.count;
    region_.col_count = reduction.inputs[0]->count / reduction.count;
    region_.root_level = cut_.layout == Shape2D::elements ? Level::element : Level::row;
    region_.kind = region_.root_level == Level::row && cut_.reductions == 1
                       ? RegionKind::reduction
                       : RegionKind::row_program;
  }

  bool has_small_window() const {
    if (cut_.layout == Shape2D::none || region_.col_count > kMaxFixedColumns) return false;
    for (size_t i = 0; i < region_.paths.size(); ++i) {
      if (region_.paths[i].view->op == Op::windows && base_level(bases_[i]) == Level::element) {
        return true;
      }
    }
    return false;
  }

  Level base_level(int base) const {
    if (base == kElementBase) return Level::element;
    return region_.root_level;
  }

  // ---- Expressions ----

  bool is_inside(const Node& n) const {
    if (n.op == Op::data || !n.is_pending() || n.scratch < 0) return false;
    const Entry& entry = parts_.entries[n.scratch];
    if (&n == &root_) return true;
    return !entry.is_stored && (entry.is_shared || entry.region == index_);
  }

  int extend(int path, const Node& view, int input) {
    for (size_t i = 0; i < region_.paths.size(); ++i) {
      const PathStep& step = region_.paths[i];
      if (step.view == &view && step.input == input && parent_of_[i] == path) {
        return static_cast<int>(i);
      }
    }
    region_.paths.push_back({&view, static_cast<uint8_t>(input), std::max(path, -1), 0});
    parent_of_.push_back(path);
    bases_.push_back(path < 0 ? path : bases_[path]);
    return static_cast<int>(region_.paths.size()) - 1;
  }
  int base(int path) const { return path < 0 ? path : bases_[path]; }

  int16_t expr(const Node& start, int path) {
    const Node* node = &start;
    while (is_inside(*node) && is_strided_view(node->op)) {
      path = extend(path, *node, 0);
      node = node->inputs[0].get();
    }
    for (const Memo& memo : memos_) {
      if (memo.node == node && memo.path == path) return memo.expr;
    }
    const int16_t id = make_expr(*node, path);
    memos_.push_back({node, path, id});
    return id;
  }

  int16_t make_expr(const Node& node, int path) {
    if (!is_inside(node)) return load(node, path);
    switch (info(node.op).fusion) {
      case Fusion::generator:
        return generate(node, path);
      case Fusion::view:
        return node.op == Op::pad ? pad(node, path) : concatenate(node, path);
      case Fusion::gather:
        return gather(node, path);
      case Fusion::reduction: {
        const int at = cut_.layout == Shape2D::elements ? kRootBase : kElementBase;
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
    e.op = node.op;
    e.dtype = node.dtype;
    e.node = &node;
    return e;
  }

  int16_t push(const Expr& e) {
    region_.exprs.push_back(e);
    addresses_.emplace_back();
    return static_cast<int16_t>(region_.exprs.size() - 1);
  }

  int16_t compute(const Node& node, int path) {
    Expr e = expr_of(node, ExprKind::compute, Level::row);
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      e.args[k] = expr(*node.inputs[k], path);
      if (region_.exprs[e.args[k]].level == Level::element) e.level = Level::element;
    }
    region_.can_fault |= may_fault(node);
    return push(e);
  }

  static bool may_fault(const Node& node) {
    switch (node.op) {
      case Op::quotient:
      case Op::bounded_index:
      case Op::triangular_solve:
      case Op::last_update:
      case Op::scatter_add:
        return true;
      case Op::remainder:
      case Op::pow:
        return is_integer(node.dtype);
      case Op::fold: {
        const auto& attr = node.attribute<FoldAttr>();
        const FunctionBody body = function_body(attr.result, attr.parameters);
        return std::any_of(body.nodes.begin(), body.nodes.end(),
                           [](const Node* n) { return may_fault(*n); });
      }
      case Op::left_shift:
      case Op::right_shift:
        return is_signed_int(node.inputs[1]->dtype);
      default:
        return false;
    }
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
    operand_addresses_.emplace_back();
    return static_cast<int16_t>(region_.operands.size() - 1);
  }

  int16_t load(const Node& node, int path) {
    Operand operand;
    operand.node = NodeRef::share(const_cast<Node*>(&node));
    const Address address = locate(node.shape, path);
    // The same elements read through two equal views are one operand.
    for (size_t i = 0; i < region_.operands.size(); ++i) {
      const Address& known = operand_addresses_[i];
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
    operand_addresses_.push_back(address);
    Expr e = expr_of(node, ExprKind::load, address.level);
    e.operand = static_cast<int16_t>(region_.operands.size() - 1);
    return push(e);
  }

  int16_t generate(const Node& node, int path) {
    Expr e = expr_of(node, ExprKind::generate, Level::row);
    if (node.op == Op::constant) return push(e);
    const Address address = locate(node.shape, path);
    e.level = address.level;
    e.addressing = address.addressing;
    e.path = address.path;
    const int16_t id = push(e);
    addresses_[id] = address;
    return id;
  }

  int16_t inside(const Node& node, int step) {
    Expr e = expr_of(node, ExprKind::inside, base_level(base(step)));
    e.dtype = DType::u8;
    e.addressing = Addressing::mapped;
    e.path = step;
    return push(e);
  }

  int16_t choose(const Node& node, int16_t condition, int16_t yes, int16_t no) {
    Expr e = expr_of(node, ExprKind::choose, region_.exprs[condition].level);
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

  // ---- Addresses ----

  Address locate(const Shape& shape, int path) {
    const int from = base(path);
    Address a;
    a.level = base_level(from);
    std::optional<Layout> layout = compose(region_.paths, path, shape);
    if (!layout) {
      a.addressing = Addressing::mapped;
      a.path = path;
      return a;
    }
    if (a.level == Level::element) {
      if (from == kElementBase) layout = layout->transpose(order_);
      const bool same_in_row =
          std::all_of(layout->strides.begin() + row_dims_, layout->strides.end(),
                      [](int64_t s) { return s == 0; }) ||
          region_.col_count == 1;
      if (same_in_row) {
        a.level = Level::row;
        layout->shape.resize(row_dims_);
        layout->strides.resize(row_dims_);
      }
    } else if (cut_.layout == Shape2D::rows) {
      // Root coordinates; rows have those of the reductions.
      layout = layout->reshape(row_shape_);
      if (!layout) {
        a.addressing = Addressing::mapped;
        a.path = path;
        return a;
      }
    }
    a.layout = std::move(*layout);
    normalize(a.layout);
    if (std::all_of(a.layout.strides.begin(), a.layout.strides.end(),
                    [](int64_t s) { return s == 0; })) {
      a.addressing = Addressing::uniform;
      a.level = Level::row;
    } else if (a.layout.offset == 0 && a.layout.is_contiguous()) {
      a.addressing = Addressing::linear;
    } else {
      a.addressing = Addressing::strided;
    }
    return a;
  }

  // Strides of unit dimensions say nothing.
  static void normalize(Layout& layout) {
    for (size_t d = 0; d < layout.shape.size(); ++d) {
      if (layout.shape[d] == 1) layout.strides[d] = 0;
    }
  }

  // ---- Matmul ----

  void build_matmul() {
    region_.kind = RegionKind::matmul;
    region_.row_count = root_.count;
    region_.operands.reserve(root_.inputs.size());
    region_.words.reserve(kMatmulWords);
    const bool is_batched = root_.shape.size() == 3;
    std::vector<PathStep> views;  // from the product to a stored value
    for (const NodeRef& input : root_.inputs) {
      views.clear();
      const Node* node = input.get();
      for (; is_inside(*node); node = node->inputs[0].get()) {
        views.push_back({node, 0, static_cast<int>(views.size()) - 1, 0});
      }
      const Layout layout = *compose(views, static_cast<int>(views.size()) - 1, node->shape);
      Operand& operand = region_.operands.emplace_back();
      operand.node = NodeRef::share(const_cast<Node*>(node));
      operand.addressing = Addressing::strided;
      operand.words = next_word();
      push_word(layout.offset);
      if (!is_batched) push_word(0);
      for (int64_t s : layout.strides) push_word(s);
      // Which of rows and columns lie next to each other decides how tiles are loaded.
      operand.unit_columns = layout.strides.back() == 1 || layout.shape.back() == 1;
    }
    if (!is_batched) push_word(1);
    for (int64_t d : root_.shape) push_word(d);
    push_word(root_.inputs[0]->shape.back());
  }

  // ---- Operations with kernels of their own ----

  void build_library() {
    region_.kind = RegionKind::library;
    region_.row_count = root_.count;
    region_.can_fault = may_fault(root_);
    region_.operands.reserve(root_.inputs.size());
    for (const NodeRef& input : root_.inputs) region_.operands.emplace_back().node = input;
  }

  // ---- Words ----

  void push_word(int64_t v) { region_.words.push_back(static_cast<uint32_t>(v)); }
  WordIndex next_word() const { return static_cast<WordIndex>(region_.words.size()); }

  WordIndex push_divisor(int64_t d) {
    const WordIndex at = next_word();
    for (uint32_t w : divisor_words(static_cast<uint64_t>(d))) region_.words.push_back(w);
    return at;
  }

  void push_space(Space& space, const Shape& dims) {
    space.dims = dims;
    space.words = next_word();
    for (size_t d = 1; d < dims.size(); ++d) push_divisor(dims[d]);
  }

  template <typename F>
  void each_strided(Level level, F&& f) {
    for (size_t i = 0; i < operand_addresses_.size(); ++i) {
      if (operand_addresses_[i].addressing == Addressing::strided &&
          operand_addresses_[i].level == level) {
        f(operand_addresses_[i]);
      }
    }
    for (size_t i = 0; i < addresses_.size(); ++i) {
      if (region_.exprs[i].kind == ExprKind::generate &&
          addresses_[i].addressing == Addressing::strided && addresses_[i].level == level) {
        f(addresses_[i]);
      }
    }
  }

  void assign_words() {
    if (region_.kind == RegionKind::matmul || region_.kind == RegionKind::library) return;
    collapse_rows();
    collapse_elements();
    for (size_t i = 0; i < region_.operands.size(); ++i) {
      Operand& operand = region_.operands[i];
      const Address& address = operand_addresses_[i];
      operand.words = push_address(address, operand.node->shape);
      operand.unit_columns = address.level == Level::element && !address.layout.strides.empty() &&
                             address.addressing == Addressing::strided &&
                             region_.element_cols.dims.size() == 1 &&
                             address.layout.strides.back() == 1;
    }
    for (size_t i = 0; i < region_.exprs.size(); ++i) {
      Expr& e = region_.exprs[i];
      if (e.kind == ExprKind::generate) assign_generator(e, addresses_[i]);
      if (e.kind == ExprKind::gather) {
        e.words = next_word();
        push_word(region_.operands[e.operand].node->count - 1);
      }
    }
    bool maps_rows = false, maps_elements = false;
    for (size_t i = 0; i < region_.paths.size(); ++i) {
      if (!is_mapped(static_cast<int>(i))) continue;
      push_path(region_.paths[i]);
      (base_level(bases_[i]) == Level::row ? maps_rows : maps_elements) = true;
    }
    if (maps_rows) push_space(region_.row_base, root_.shape);
    if (maps_elements) push_space(region_.element_base, element_shape_);
  }

  // All strided operands of a level step through the same collapsed dimensions.
  void collapse_rows() {
    std::vector<Layout*> layouts;
    each_strided(Level::row, [&](Address& a) { layouts.push_back(&a.layout); });
    if (layouts.empty()) return;
    push_space(region_.rows, collapse(layouts));
  }

  void collapse_elements() {
    std::vector<Address*> addresses;
    each_strided(Level::element, [&](Address& a) { addresses.push_back(&a); });
    if (addresses.empty()) return;
    std::vector<Layout> rows, cols;
    for (Address* a : addresses) {
      const Layout& l = a->layout;
      rows.push_back({Shape(l.shape.begin(), l.shape.begin() + row_dims_),
                      {l.strides.begin(), l.strides.begin() + row_dims_},
                      0});
      cols.push_back({Shape(l.shape.begin() + row_dims_, l.shape.end()),
                      {l.strides.begin() + row_dims_, l.strides.end()},
                      0});
    }
    std::vector<Layout*> row_ptrs, col_ptrs;
    for (Layout& l : rows) row_ptrs.push_back(&l);
    for (Layout& l : cols) col_ptrs.push_back(&l);
    push_space(region_.element_rows, collapse(row_ptrs));
    push_space(region_.element_cols, collapse(col_ptrs));
    for (size_t i = 0; i < addresses.size(); ++i) {
      Layout& l = addresses[i]->layout;
      l.shape = rows[i].shape;
      l.shape.insert(l.shape.end(), cols[i].shape.begin(), cols[i].shape.end());
      l.strides = rows[i].strides;
      l.strides.insert(l.strides.end(), cols[i].strides.begin(), cols[i].strides.end());
    }
  }

  WordIndex push_address(const Address& address, const Shape& shape) {
    const WordIndex at = next_word();
    if (address.addressing == Addressing::uniform || address.addressing == Addressing::strided) {
      push_word(address.layout.offset);
    }
    if (address.addressing == Addressing::strided) {
      for (int64_t s : address.layout.strides) push_word(s);
    }
    if (address.addressing == Addressing::mapped) {
      for (int64_t s : row_major_strides(shape)) push_word(s);
    }
    return at;
  }

  void assign_generator(Expr& e, const Address& address) {
    if (e.op == Op::constant) {
      e.words = next_word();
      return append_scalars(*e.node, region_.words);
    }
    e.words = push_address(address, e.node->shape);
    const Shape& shape = e.node->shape;
    e.extra = next_word();
    if (e.op == Op::iota) {
      const int64_t axis = e.node->attribute<IotaAttr>().axis;
      if (axis < 0) return;
      int64_t inner = 1;
      for (size_t d = axis + 1; d < shape.size(); ++d) inner *= shape[d];
      push_divisor(inner);
      push_divisor(shape[axis]);
    } else if (e.op == Op::eye) {
      push_divisor(shape[shape.size() - 1]);
      push_divisor(shape[shape.size() - 2]);
    } else {
      append_scalars(*e.node, region_.words);
    }
  }

  // Row-major strides of the axes of each run.
  static std::vector<int64_t> strides_in_runs(const Shape& shape, const std::vector<int>& runs) {
    std::vector<int64_t> strides(shape.size(), 0);
    int64_t stride = 1;
    int run = -1;
    for (size_t d = shape.size(); d-- > 0;) {
      if (runs[d] < 0) continue;
      if (runs[d] != run) stride = 1;
      run = runs[d];
      strides[d] = stride;
      stride *= shape[d];
    }
    return strides;
  }

  bool is_mapped(int path) const {
    const auto leads_through = [&](int end) {
      for (; end >= 0; end = parent_of_[end]) {
        if (end == path) return true;
      }
      return false;
    };
    for (const Operand& o : region_.operands) {
      if (o.addressing == Addressing::mapped && leads_through(o.path)) return true;
    }
    for (const Expr& e : region_.exprs) {
      if (e.addressing == Addressing::mapped && leads_through(e.path)) return true;
    }
    return false;
  }

  void push_path(PathStep& step) {
    step.words = next_word();
    const Node& view = *step.view;
    const Shape& input = view.inputs[step.input]->shape;
    switch (view.op) {
      case Op::slice: {
        const auto& attr = view.attribute<SliceAttr>();
        for (size_t d = 0; d < input.size(); ++d) {
          push_word(attr.starts[d]);
          push_word(attr.strides[d]);
        }
        break;
      }
      case Op::reverse:
        for (int64_t a : view.attribute<AxesAttr>().axes) push_word(input[a]);
        break;
      case Op::reshape:
        for (int64_t s : strides_in_runs(view.shape, reshape_runs(view.shape, input).from)) {
          push_word(s);
        }
        for (int64_t d : input) push_divisor(d);
        break;
      case Op::windows: {
        const auto& attr = view.attribute<WindowsAttr>();
        for (size_t d = 0; d < input.size(); ++d) {
          push_word(attr.strides[d]);
          push_word(attr.dilations[d]);
        }
        break;
      }
      case Op::pad: {
        if (step.input == 1) break;
        const auto& attr = view.attribute<PadAttr>();
        for (size_t d = 0; d < input.size(); ++d) {
          push_word(attr.low[d]);
          push_divisor(attr.interior[d] + 1);
          push_word(input[d]);
        }
        break;
      }
      case Op::concatenate: {
        const int64_t axis = view.attribute<ConcatenateAttr>().axis;
        int64_t first = 0;
        for (int k = 0; k < step.input; ++k) first += view.inputs[k]->shape[axis];
        push_word(first);
        push_word(input[axis]);
        break;
      }
      default:
        break;
    }
  }

  // ---- Key ----

  void byte(int64_t v) { region_.key.push_back(static_cast<char>(v)); }

  void write_key() {
    byte(static_cast<int>(region_.kind));
    byte(static_cast<int>(root_.dtype));
    byte(static_cast<int>(region_.root_level));
    byte(region_.can_fault);
    if (region_.kind == RegionKind::library) byte(static_cast<int>(root_.op));
    if (region_.kind == RegionKind::matmul || region_.kind == RegionKind::library) {
      for (const Operand& o : region_.operands) {
        byte(static_cast<int>(o.node->dtype));
        byte(o.unit_columns);
      }
      return;
    }
    region_.key.reserve(64 + 8 * region_.exprs.size());
    for (const Space* space : {&region_.rows, &region_.element_rows, &region_.element_cols,
                               &region_.row_base, &region_.element_base}) {
      byte(static_cast<int>(space->dims.size()));
      for (int64_t d : space->dims) byte(d == 1);
    }
    byte(static_cast<int64_t>(region_.element_row_rank));
    byte(region_.fixed_columns);
    if (region_.fixed_columns) {
      for (size_t d = row_dims_; d < element_shape_.size(); ++d) byte(element_shape_[d]);
      for (int64_t d : region_.element_cols.dims) byte(d);
    }
    for (int64_t a : region_.element_axes) byte(a);
    byte(static_cast<int>(region_.operands.size()));
    for (const Operand& o : region_.operands) {
      byte(static_cast<int>(o.node->dtype));
      byte(static_cast<int>(o.level) | static_cast<int>(o.addressing) << 1 | o.unit_columns << 4);
      byte(o.path);
    }
    byte(static_cast<int>(region_.paths.size()));
    for (size_t i = 0; i < region_.paths.size(); ++i) {
      if (is_mapped(static_cast<int>(i))) key_of_path(static_cast<int>(i));
    }
    for (const Expr& e : region_.exprs) {
      byte(static_cast<int>(e.kind) | static_cast<int>(e.level) << 4 |
           static_cast<int>(e.addressing) << 5);
      byte(static_cast<int>(e.op));
      byte(static_cast<int>(e.dtype));
      if (e.kind == ExprKind::load || e.kind == ExprKind::gather) byte(e.operand);
      if (e.addressing == Addressing::mapped) byte(e.path);
      if (e.op == Op::iota) byte(e.node->attribute<IotaAttr>().axis >= 0);
      for (int16_t a : e.args) {
        byte(a & 0xff);
        byte(a >> 8);
      }
    }
  }

  void key_of_path(int i) {
    const PathStep& step = region_.paths[i];
    const Node& view = *step.view;
    byte(i);
    byte(static_cast<int>(view.op));
    byte(step.input);
    byte(step.parent);
    byte(bases_[i]);
    byte(static_cast<int>(view.shape.size()));
    const Shape& input = view.inputs[step.input]->shape;
    byte(static_cast<int>(input.size()));
    if (const auto* attr = std::get_if<AxesAttr>(&view.attributes)) {
      for (int64_t a : attr->axes) byte(a);
    }
    if (view.op == Op::broadcast) {
      for (int64_t d : input) byte(d == 1);
    }
    if (view.op == Op::reshape) {
      const ReshapeRuns runs = reshape_runs(view.shape, input);
      for (int run : runs.from) byte(run);
      for (int run : runs.to) byte(run);
    }
    if (const auto* attr = std::get_if<WindowsAttr>(&view.attributes)) {
      for (int64_t d : attr->window) byte(d == 1);
    }
    if (const auto* attr = std::get_if<PadAttr>(&view.attributes); attr && step.input == 0) {
      for (size_t d = 0; d < input.size(); ++d) byte(static_cast<int>(pad_kind(*attr, d)));
    }
    if (const auto* attr = std::get_if<ConcatenateAttr>(&view.attributes)) byte(attr->axis);
  }

  const Partition& parts_;
  const Cut& cut_;
  const int index_;
  Node& root_;
  Region& region_;
  Shape row_shape_;      // of rows
  Shape element_shape_;  // rows, then columns
  Axes order_;           // element_shape_[i] is axis order_[i] of the reductions' input
  size_t row_dims_ = 0;
  std::vector<Memo> memos_;
  std::vector<Address> addresses_;          // of each expression
  std::vector<Address> operand_addresses_;  // of each operand
  std::vector<int> parent_of_,
      bases_;  // of each path step; parents keep which base they start from
};

}  // namespace

Region build_region(const Partition& partition, int cut) {
  Region region;
  RegionBuilder(partition, cut, region).run();
  return region;
}

}  // namespace nxv::schedule
