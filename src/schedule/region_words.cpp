// Writes the words of a region (graph/region_words.h): sizes, strides, offsets, scalars.
#include <algorithm>

#include "graph/region_words.h"
#include "schedule/paths.h"
#include "schedule/region_draft.h"
#include "schedule/scalars.h"

namespace nxv::schedule {
namespace {

constexpr size_t kCopyRank = 4;

class WordWriter {
 public:
  explicit WordWriter(RegionDraft& draft) : draft_(draft), region_(draft.region) {}

  void run() {
    if (region_.kind == RegionKind::library) return;
    collapse_rows();
    collapse_elements();
    for (size_t i = 0; i < region_.operands.size(); ++i) {
      Operand& operand = region_.operands[i];
      // The words of factors are those of their product.
      if (region_.kind == RegionKind::matmul && operand.level == Level::element) continue;
      const Address& address = draft_.operand_addresses[i];
      operand.words = push_address(address, operand.node->shape);
      operand.start = address.layout.offset;
      operand.unit_columns = address.level == Level::element && !address.layout.strides.empty() &&
                             address.addressing == Addressing::strided &&
                             region_.element_cols.dims.size() == 1 &&
                             address.layout.strides.back() == 1;
    }
    for (size_t i = 0; i < region_.exprs.size(); ++i) {
      Expr& e = region_.exprs[i];
      if (e.kind == ExprKind::generate) assign_generator(e, draft_.addresses[i]);
      if (e.kind == ExprKind::gather) {
        e.words = draft_.next_word();
        draft_.push(GatherWords{word(region_.operands[e.operand].node->count - 1)});
      }
    }
    bool maps_rows = false, maps_elements = false;
    for (size_t i = 0; i < region_.paths.size(); ++i) {
      if (!draft_.is_mapped(static_cast<int>(i))) continue;
      push_path(region_.paths[i]);
      (draft_.base_level(draft_.bases[i]) == Level::row ? maps_rows : maps_elements) = true;
    }
    if (maps_rows) push_space(region_.row_base, draft_.row_root->shape);
    if (maps_elements) push_space(region_.element_base, draft_.element_shape);
  }

 private:
  static Divisor divisor(int64_t d) { return Divisor(static_cast<uint64_t>(d)); }

  void push_space(Space& space, const Shape& dims) {
    space.dims = dims;
    space.words = draft_.next_word();
    for (size_t d = 1; d < dims.size(); ++d) draft_.push(divisor(dims[d]));
  }

  template <typename F>
  void each_strided(Level level, F&& f) {
    for (auto& address : draft_.operand_addresses) {
      if (address.addressing == Addressing::strided && address.level == level) f(address);
    }
    for (size_t i = 0; i < draft_.addresses.size(); ++i) {
      if (region_.exprs[i].kind == ExprKind::generate &&
          draft_.addresses[i].addressing == Addressing::strided &&
          draft_.addresses[i].level == level) {
        f(draft_.addresses[i]);
      }
    }
  }

  // All strided operands of a level step through the same collapsed dimensions.
  void collapse_rows() {
    std::vector<Layout*> layouts;
    each_strided(Level::row, [&](Address& a) { layouts.push_back(&a.layout); });
    if (layouts.empty()) return;
    Shape dims = collapse(layouts);
    if (draft_.is_small_copy && dims.size() < kCopyRank) pad(dims, *layouts[0]);
    push_space(region_.rows, dims);
  }

  // The rank of all small copies: to kernels their lengths are any.
  void pad(Shape& dims, Layout& layout) {
    const auto more = static_cast<std::ptrdiff_t>(kCopyRank - dims.size());
    dims.insert(dims.begin(), more, 1);
    layout.shape = dims;
    layout.strides.insert(layout.strides.begin(), more, 0);
    region_.rows.of_any_lengths = true;
  }

  void collapse_elements() {
    std::vector<Address*> addresses;
    each_strided(Level::element, [&](Address& a) { addresses.push_back(&a); });
    if (addresses.empty()) return;
    std::vector<Layout> rows, cols;
    for (Address* a : addresses) {
      const Layout& l = a->layout;
      rows.push_back({Shape(l.shape.begin(), l.shape.begin() + draft_.row_dims),
                      {l.strides.begin(), l.strides.begin() + draft_.row_dims},
                      0});
      cols.push_back({Shape(l.shape.begin() + draft_.row_dims, l.shape.end()),
                      {l.strides.begin() + draft_.row_dims, l.strides.end()},
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
    const WordIndex at = draft_.next_word();
    if (address.addressing == Addressing::uniform || address.addressing == Addressing::strided) {
      draft_.push(OffsetWords{offset_word(address.layout.offset)});
    }
    if (address.addressing == Addressing::strided) {
      for (int64_t s : address.layout.strides) draft_.push_word(s);
    }
    if (address.addressing == Addressing::mapped) {
      for (int64_t s : row_major_strides(shape)) draft_.push_word(s);
    }
    return at;
  }

  void assign_generator(Expr& e, const Address& address) {
    if (e.op == Op::constant) {
      e.words = draft_.next_word();
      return append_scalars(*e.node, region_.words);
    }
    e.words = push_address(address, e.node->shape);
    const Shape& shape = e.node->shape;
    e.extra = draft_.next_word();
    if (e.op == Op::iota) {
      const int64_t axis = e.node->attribute<IotaAttr>().axis;
      if (axis < 0) return;
      int64_t inner = 1;
      for (size_t d = axis + 1; d < shape.size(); ++d) inner *= shape[d];
      draft_.push(IotaWords{divisor(inner), divisor(shape[axis])});
    } else if (e.op == Op::eye) {
      draft_.push(EyeWords{divisor(shape[shape.size() - 1]), divisor(shape[shape.size() - 2])});
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

  void push_path(PathStep& step) {
    step.words = draft_.next_word();
    const Node& view = *step.view;
    const Shape& input = view.inputs[step.input]->shape;
    // Coordinates on both sides are words, too.
    for (const Shape* shape : {&view.shape, &input}) {
      for (int64_t extent : *shape) word(extent);
    }
    switch (view.op) {
      case Op::slice: {
        const auto& attr = view.attribute<SliceAttr>();
        for (size_t d = 0; d < input.size(); ++d) {
          draft_.push(SlicedAxis{word(attr.starts[d]), word(attr.strides[d])});
        }
        break;
      }
      case Op::reverse:
        for (int64_t a : view.attribute<AxesAttr>().axes) {
          draft_.push(ReversedAxis{word(input[a])});
        }
        break;
      case Op::reshape:
        for (int64_t s : strides_in_runs(view.shape, reshape_runs(view.shape, input).from)) {
          draft_.push_word(s);
        }
        for (int64_t d : input) draft_.push(divisor(d));
        break;
      case Op::windows: {
        const auto& attr = view.attribute<WindowsAttr>();
        for (size_t d = 0; d < input.size(); ++d) {
          draft_.push(WindowedAxis{word(attr.strides[d]), word(attr.dilations[d])});
        }
        break;
      }
      case Op::pad: {
        if (step.input == 1) break;
        const auto& attr = view.attribute<PadAttr>();
        for (size_t d = 0; d < input.size(); ++d) {
          word(view.shape[d] - attr.low[d]);  // the farthest from the input's first element
          draft_.push(PaddedAxis{word(attr.low[d]), divisor(attr.interior[d] + 1), word(input[d])});
        }
        break;
      }
      case Op::concatenate: {
        const int64_t axis = view.attribute<ConcatenateAttr>().axis;
        int64_t first = 0;
        for (int k = 0; k < step.input; ++k) first += view.inputs[k]->shape[axis];
        draft_.push(ConcatenatedPart{word(first), word(input[axis])});
        break;
      }
      default:
        break;
    }
  }

  RegionDraft& draft_;
  Region& region_;
};

}  // namespace

void assign_words(RegionDraft& draft) { WordWriter(draft).run(); }

}  // namespace nxv::schedule
