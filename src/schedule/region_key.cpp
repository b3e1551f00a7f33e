// The key of a region: kernels are generated once a key.
#include <unordered_map>

#include "graph/scalar_function.h"
#include "schedule/paths.h"
#include "schedule/region_draft.h"

namespace nxv::schedule {
namespace {

class Key {
 public:
  explicit Key(RegionDraft& draft) : draft_(draft), region_(draft.region) {}

  void run() {
    number(static_cast<int>(region_.kind));
    number(static_cast<int64_t>(region_.roots.size()));
    for (const Root& root : region_.roots) {
      number(storage_bytes(root.node->dtype));
      number(root.expr);
      number(static_cast<int>(root.level));
      if (region_.kind != RegionKind::overwrite) continue;
      number(root.place);
      number(root.target);
    }
    number(static_cast<int>(region_.root_level));
    number(region_.can_fault());
    if (region_.kind == RegionKind::library) {
      number(static_cast<int>(draft_.root.op));
      for (const Root& root : region_.roots) number(static_cast<int>(root.node->dtype));
      for (const Operand& o : region_.operands) number(static_cast<int>(o.node->dtype));
      if (const auto* fold = std::get_if<FoldAttr>(&draft_.root.attributes)) key_of_fold(*fold);
      if (const auto* system = std::get_if<TriangularAttr>(&draft_.root.attributes)) {
        number(system->conjugate);
      }
      return;
    }
    region_.key.reserve(64 + 8 * region_.exprs.size());
    for (const Space* space : {&region_.rows, &region_.element_rows, &region_.element_cols,
                               &region_.row_base, &region_.element_base}) {
      number(static_cast<int64_t>(space->dims.size()));
      for (size_t d = 0; d < space->dims.size(); ++d) number(space->is_unit(d));
    }
    number(region_.fixed_columns);
    if (region_.fixed_columns) {
      for (size_t d = draft_.row_dims; d < draft_.element_shape.size(); ++d)
        number(draft_.element_shape[d]);
      for (int64_t d : region_.element_cols.dims) number(d);
    }
    if (region_.fixed_columns || !region_.element_base.dims.empty()) {
      number(static_cast<int64_t>(region_.element_row_rank));
      for (int64_t a : region_.element_axes) number(a);
    }
    const std::vector<int> mapped = mapped_paths();
    number(static_cast<int64_t>(region_.operands.size()));
    for (const Operand& o : region_.operands) {
      number(storage_bytes(o.node->dtype));
      number(static_cast<int>(o.level) | static_cast<int>(o.addressing) << 1 | o.unit_columns << 4);
      if (o.addressing == Addressing::mapped) number(number_of(o.path));
      if (o.addressing == Addressing::gathered) {
        for (size_t i = 0; i < o.gathered.digits.size(); ++i) {
          number(o.gathered.digits[i]);
          for (size_t d = 0; d < o.gathered.digits[i]; ++d) number(o.gathered.moves[i][d]);
        }
        number(o.gathered.axes);
        number(o.gathered.dilated);
      }
    }
    number(static_cast<int64_t>(mapped.size()));
    for (int path : mapped) key_of_path(path);
    for (const Expr& e : region_.exprs) {
      number(static_cast<int>(e.kind) | static_cast<int>(e.level) << 4 |
             static_cast<int>(e.addressing) << 5 | e.is_transposed << 7 |
             static_cast<int>(e.precision) << 8);
      number(static_cast<int>(e.op));
      number(static_cast<int>(e.dtype));
      if (e.kind == ExprKind::load || e.kind == ExprKind::gather) number(e.operand);
      if (e.addressing == Addressing::mapped) number(number_of(e.path));
      if (e.op == Op::iota) number(e.node->attribute<IotaAttr>().axis >= 0);
      for (int16_t a : e.args) number(a);
    }
  }

 private:
  void number(int64_t n) { append_to_key(region_.key, n); }

  // The steps of paths that kernels walk; those that strides express leave no trace in a kernel.
  std::vector<int> mapped_paths() {
    std::vector<int> mapped;
    numbers_.assign(region_.paths.size(), -1);
    for (int i = 0; i < static_cast<int>(region_.paths.size()); ++i) {
      if (!draft_.is_mapped(i)) continue;
      numbers_[i] = static_cast<int>(mapped.size());
      mapped.push_back(i);
    }
    return mapped;
  }
  int number_of(int path) const { return path < 0 ? -1 : numbers_[path]; }

  // The structure of the function's body; its constants are words.
  void key_of_fold(const FoldAttr& fold) {
    number(static_cast<int64_t>(fold.rows.shape.size()));
    number(static_cast<int64_t>(fold.columns.shape.size()));
    const FunctionBody body = function_body(fold.result, fold.parameters);
    std::unordered_map<const Node*, int64_t> numbers;
    for (const Node* node : body.captured) numbers.emplace(node, numbers.size());
    number(static_cast<int64_t>(body.captured.size()));
    number(static_cast<int64_t>(body.nodes.size()));
    for (const Node* node : body.nodes) {
      number(static_cast<int>(node->op));
      number(static_cast<int>(node->dtype));
      number(node == fold.parameters[0].get());
      number(static_cast<int64_t>(node->inputs.size()));
      for (const NodeRef& input : node->inputs) number(numbers.at(input.get()));
      numbers.emplace(node, numbers.size());
    }
    number(numbers.at(body.result));
  }

  void key_of_path(int i) {
    const PathStep& step = region_.paths[i];
    const Node& view = *step.view;
    number(static_cast<int>(view.op));
    number(step.input);
    number(number_of(step.parent));
    number(draft_.bases[i]);
    number(static_cast<int>(view.shape.size()));
    const Shape& input = view.inputs[step.input]->shape;
    number(static_cast<int64_t>(input.size()));
    if (const auto* attr = std::get_if<AxesAttr>(&view.attributes)) {
      for (int64_t a : attr->axes) number(a);
    }
    if (view.op == Op::broadcast) {
      for (int64_t d : input) number(d == 1);
    }
    if (view.op == Op::reshape) {
      const ReshapeRuns runs = reshape_runs(view.shape, input);
      for (int run : runs.from) number(run);
      for (int run : runs.to) number(run);
    }
    if (const auto* attr = std::get_if<WindowsAttr>(&view.attributes)) {
      for (int64_t d : attr->window) number(d == 1);
    }
    if (const auto* attr = std::get_if<PadAttr>(&view.attributes); attr && step.input == 0) {
      for (size_t d = 0; d < input.size(); ++d) number(static_cast<int>(pad_kind(*attr, d)));
    }
    if (const auto* attr = std::get_if<ConcatenateAttr>(&view.attributes)) number(attr->axis);
  }

  RegionDraft& draft_;
  Region& region_;
  std::vector<int> numbers_;  // of mapped paths, in the key
};

}  // namespace

void write_key(RegionDraft& draft) { Key(draft).run(); }

}  // namespace nxv::schedule
