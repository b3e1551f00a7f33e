// The key of a region: kernels are generated once a key.
#include <unordered_map>

#include "graph/function.h"
#include "schedule/paths.h"
#include "schedule/region_draft.h"

namespace nxv::schedule {
namespace {

class Key {
 public:
  explicit Key(RegionDraft& draft) : draft_(draft), region_(draft.region) {}

  void run() {
    byte(static_cast<int>(region_.kind));
    byte(static_cast<int>(draft_.root.dtype));
    byte(static_cast<int>(region_.root_level));
    byte(region_.can_fault());
    if (region_.kind == RegionKind::library) byte(static_cast<int>(draft_.root.op));
    if (region_.kind == RegionKind::matmul || region_.kind == RegionKind::library) {
      for (const Operand& o : region_.operands) {
        byte(static_cast<int>(o.node->dtype));
        byte(o.unit_columns);
      }
      if (const auto* fold = std::get_if<FoldAttr>(&draft_.root.attributes)) key_of_fold(*fold);
      if (const auto* system = std::get_if<TriangularAttr>(&draft_.root.attributes)) {
        byte(system->conjugate);
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
      for (size_t d = draft_.row_dims; d < draft_.element_shape.size(); ++d)
        byte(draft_.element_shape[d]);
      for (int64_t d : region_.element_cols.dims) byte(d);
    }
    for (int64_t a : region_.element_axes) byte(a);
    byte(static_cast<int>(region_.operands.size()));
    for (const Operand& o : region_.operands) {
      byte(static_cast<int>(o.node->dtype));
      byte(static_cast<int>(o.level) | static_cast<int>(o.addressing) << 1 | o.unit_columns << 4);
      path(o.path);
    }
    path(static_cast<int>(region_.paths.size()));
    for (size_t i = 0; i < region_.paths.size(); ++i) {
      if (draft_.is_mapped(static_cast<int>(i))) key_of_path(static_cast<int>(i));
    }
    for (const Expr& e : region_.exprs) {
      byte(static_cast<int>(e.kind) | static_cast<int>(e.level) << 4 |
           static_cast<int>(e.addressing) << 5);
      byte(static_cast<int>(e.op));
      byte(static_cast<int>(e.dtype));
      if (e.kind == ExprKind::load || e.kind == ExprKind::gather) byte(e.operand);
      if (e.addressing == Addressing::mapped || e.kind == ExprKind::compute) path(e.path);
      if (e.op == Op::iota) byte(e.node->attribute<IotaAttr>().axis >= 0);
      for (int16_t a : e.args) {
        byte(a & 0xff);
        byte(a >> 8);
      }
    }
  }

 private:
  void byte(int64_t v) { region_.key.push_back(static_cast<char>(v)); }
  void path(int i) {
    byte(i & 0xff);
    byte(i >> 8);
  }
  void number(size_t v) {
    for (int shift = 0; shift < 32; shift += 8) byte(static_cast<int64_t>(v >> shift & 0xff));
  }

  // The structure of the function's body; its constants are words.
  void key_of_fold(const FoldAttr& fold) {
    byte(static_cast<int64_t>(fold.rows.shape.size()));
    byte(static_cast<int64_t>(fold.columns.shape.size()));
    const FunctionBody body = function_body(fold.result, fold.parameters);
    std::unordered_map<const Node*, size_t> numbers;
    for (const Node* node : body.captured) numbers.emplace(node, numbers.size());
    number(body.captured.size());
    number(body.nodes.size());
    for (const Node* node : body.nodes) {
      byte(static_cast<int>(node->op));
      byte(static_cast<int>(node->dtype));
      byte(node == fold.parameters[0].get());
      byte(static_cast<int64_t>(node->inputs.size()));
      for (const NodeRef& input : node->inputs) number(numbers.at(input.get()));
      numbers.emplace(node, numbers.size());
    }
    number(numbers.at(body.result));
  }

  void key_of_path(int i) {
    const PathStep& step = region_.paths[i];
    const Node& view = *step.view;
    path(i);
    byte(static_cast<int>(view.op));
    byte(step.input);
    path(step.parent);
    byte(draft_.bases[i]);
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

  RegionDraft& draft_;
  Region& region_;
};

}  // namespace

void write_key(RegionDraft& draft) { Key(draft).run(); }

}  // namespace nxv::schedule
