#include "kernels/common/region_emitter.h"

#include <algorithm>

#include "base/error.h"
#include "graph/region_words.h"
#include "ir/ops/pick.h"

namespace nxv::kernels {

using ir::Number;
using ir::Value;

namespace {

// Whether integers become floats in the kernel's arithmetic.
bool converts_to_float(const Region& region) {
  for (const Expr& e : region.exprs) {
    if (is_integer(e.dtype)) continue;
    if (e.op == Op::iota || e.op == Op::eye) return true;
    if (e.kind != ExprKind::compute) continue;
    for (int16_t arg : e.args) {
      if (arg >= 0 && is_integer(region.exprs[arg].dtype)) return true;
    }
  }
  return false;
}

ArgumentOptions with_zero(ArgumentOptions options, const Region& region) {
  options.has_zero = converts_to_float(region);
  return options;
}

// Whether the kernel computes it, and sets its value.
bool is_given(const Expr& e) { return e.kind == ExprKind::reduce || e.kind == ExprKind::contract; }

}  // namespace

RegionEmitter::RegionEmitter(ir::Builder& builder, const Region& region,
                             const ir::math::MathOptions& math, uint32_t words, int workspaces)
    : RegionEmitter(
          builder, region, math, words,
          {.overlap = Overlap::in_place, .reads_output = false, .workspaces = workspaces}) {}

RegionEmitter::RegionEmitter(ir::Builder& builder, const Region& region,
                             const ir::math::MathOptions& math, uint32_t words,
                             const ArgumentOptions& options)
    : b_(builder),
      region_(region),
      math_(math),
      arguments_(builder, region, words, with_zero(options, region)),
      addresses_(builder, region, arguments_),
      generators_(builder, math, arguments_),
      values_(region.exprs.size()) {
  if (region.can_fault()) faults_.emplace(b_, region, arguments_.fault_slot());
}

const Number& RegionEmitter::value(int expr, int lane) const {
  const Lanes& lanes = values_[expr];
  return lanes[lanes.size() == 1 ? 0 : lane];
}

void RegionEmitter::set(int expr, Number value) { values_[expr] = {value}; }

void RegionEmitter::forget(Level level) {
  for (size_t i = 0; i < values_.size(); ++i) {
    if (region_.exprs[i].level == level) values_[i].clear();
  }
  addresses_.forget(level);
}

void RegionEmitter::forget_all() {
  for (Lanes& lanes : values_) lanes.clear();
  addresses_.forget_all();
}

std::vector<int> RegionEmitter::reductions() const {
  std::vector<int> found;
  for (size_t i = 0; i < region_.exprs.size(); ++i) {
    if (region_.exprs[i].kind == ExprKind::reduce) found.push_back(static_cast<int>(i));
  }
  return found;
}

void RegionEmitter::evaluate(int wanted, const Points& points) {
  if (!values_[wanted].empty()) return;
  const Expr& e = region_.exprs[wanted];
  for (int16_t arg : e.args) {
    if (arg >= 0 && !is_given(e)) evaluate(arg, points);
  }
  make(wanted, points);
}

bool RegionEmitter::comes_in_groups(const Expr& e, const Points& points) const {
  const bool is_grouped =
      e.level == Level::row ? points.row_group.exists() : !points.element_groups.empty();
  if (e.kind == ExprKind::load) {
    return is_grouped && region_.operands[e.operand].addressing == Addressing::linear;
  }
  return is_grouped && (e.op == Op::random_uniform || e.op == Op::random_normal) &&
         e.addressing == Addressing::linear;
}

void RegionEmitter::prepare(int id, Level level, const Points& points) {
  if (!values_[id].empty()) return;
  const Expr& e = region_.exprs[id];
  if (e.level != level) return evaluate(id, points);
  bool is_uniform = e.addressing == Addressing::uniform;
  switch (e.kind) {
    case ExprKind::load:
      is_uniform = region_.operands[e.operand].addressing == Addressing::uniform;
      break;
    case ExprKind::generate:
      is_uniform |= e.op == Op::constant;
      break;
    case ExprKind::compute:
      is_uniform = true;
      [[fallthrough]];
    case ExprKind::choose:
    case ExprKind::gather:
      for (int16_t arg : e.args) {
        if (arg < 0) continue;
        prepare(arg, level, points);
        is_uniform &= values_[arg].size() == 1;
      }
      break;
    case ExprKind::inside:
    case ExprKind::reduce:
    case ExprKind::contract:
      break;
  }
  const bool may_be_grouped = e.kind == ExprKind::load || e.kind == ExprKind::generate;
  if (is_uniform || (may_be_grouped && comes_in_groups(e, points))) make(id, points);
}

void RegionEmitter::evaluate_in_turn(int wanted, const Points& points,
                                     const std::function<void(Value, const Number&)>& use) {
  evaluate_in_turn(std::span(&wanted, 1), region_.exprs[wanted].level, points,
                   [&](Value lane) { use(lane, value(wanted, 0)); });
}

void RegionEmitter::evaluate_in_turn(std::span<const int> wanted, Level level, const Points& points,
                                     const std::function<void(Value)>& use) {
  in_turn_ = true;
  for (int id : wanted) prepare(id, level, points);
  const std::vector<Lanes> values = values_;
  const RegionAddresses::Known known = addresses_.known();
  const auto count = static_cast<uint32_t>(lane_count(level, points));
  const auto point = [&](Value lane) {
    Points one = points;
    std::vector<Value>& at = level == Level::row ? one.rows : one.cols;
    at = {pick(at, lane)};
    one.fixed_cols.clear();
    if (level == Level::row && points.row_group.exists()) {
      one.real_row = (points.row_group << 2) + lane;
    }
    one.row_group = {};
    one.element_groups.clear();
    for (size_t i = 0; i < values.size(); ++i) {
      if (region_.exprs[i].level == level && values[i].size() > 1) {
        values_[i] = {pick(values[i], lane)};
      }
    }
    addresses_.forget(level);
    for (int id : wanted) evaluate(id, one);
    use(lane);
  };
  b_.for_range(b_.u32(0), b_.u32(count), b_.u32(1), point, ir::Unrolling::never);
  values_ = values;
  addresses_.restore(known);
  in_turn_ = false;
}

void RegionEmitter::make(int id, const Points& points) {
  const Expr& e = region_.exprs[id];
  Lanes result;
  switch (e.kind) {
    case ExprKind::load:
      result = load(e, points);
      break;
    case ExprKind::generate:
      result = generate(e, points);
      break;
    case ExprKind::inside:
      for (int lane = 0; lane < lane_count(e.level, points); ++lane) {
        const Value inside = addresses_.inside_step(e.path, e.level, points, lane);
        result.push_back({DType::u8, b_.convert(inside, ir::kU32), {}});
      }
      break;
    case ExprKind::choose:
      for (int lane = 0; lane < lane_count(e.level, points); ++lane) {
        const Value condition = value(e.args[0], lane).re != 0u;
        const Number &yes = value(e.args[1], lane), &no = value(e.args[2], lane);
        Number n{e.dtype, b_.select(condition, yes.re, no.re), {}};
        if (yes.im) n.im = b_.select(condition, yes.im, no.im);
        result.push_back(n);
      }
      break;
    case ExprKind::compute:
      if (e.args[1] < 0 && values_[e.args[0]].size() > 1) {
        result = ir::emit_together(e.op, e.dtype, values_[e.args[0]], math_);
        if (!result.empty()) break;
      }
      for (int lane = 0; lane < lane_count(e.level, points); ++lane) {
        std::vector<Number> args;
        bool uniform = true;  // operands that serve every lane give a result that does
        for (int16_t arg : e.args) {
          if (arg < 0) continue;
          args.push_back(is_integer(e.dtype) ? value(arg, lane)
                                             : arguments_.hidden(value(arg, lane)));
          uniform &= values_[arg].size() == 1;
        }
        const int end = uniform ? lane_count(e.level, points) : lane + 1;
        const ir::EmitContext context{math_, [&](Value condition) {
                                        for (int i = lane; i < end; ++i) {
                                          fault(e, condition, points, i);
                                          if (e.path < 0) break;  // alike at all points
                                        }
                                      }};
        result.push_back(ir::emit(e.op, e.dtype, args, context));
        if (uniform) break;
      }
      break;
    case ExprKind::gather: {
      // Clamped whatever the index says: an address out of range ends the process or the device.
      const Value last = arguments_.region_words_as<GatherWords>(e.words)[&GatherWords::last];
      for (const Number& index : values_[e.args[0]]) {
        const Value at = b_.binary(ir::Opcode::min, b_.convert(index.re, ir::kU32), last);
        result.push_back(load_element(arguments_.operand(e.operand), at, e.dtype));
      }
      break;
    }
    case ExprKind::reduce:
    case ExprKind::contract:
      throw Error(Status::internal, "a reduction or product is read before it is computed");
  }
  values_[id] = std::move(result);
}

RegionEmitter::Lanes RegionEmitter::load(const Expr& e, const Points& points) {
  const Operand& operand = region_.operands[e.operand];
  const Value buffer = arguments_.operand(e.operand);
  const DType t = e.dtype;
  if (operand.addressing == Addressing::uniform) {
    return {load_element(buffer, addresses_.index(RegionAddress(operand), points, 0), t)};
  }
  if (operand.addressing == Addressing::linear) {
    const bool by_row = operand.level == Level::row;
    Lanes all;
    for (const Value& group : by_row ? std::vector{points.row_group} : points.element_groups) {
      if (!group.exists()) continue;
      const Group g = load_group(buffer, group, t);
      all.insert(all.end(), g.begin(), g.end());
    }
    if (!all.empty()) return all;
  }
  Lanes result;
  for (int lane = 0; lane < lane_count(operand.level, points); ++lane) {
    const Value index = addresses_.index(RegionAddress(operand), points, lane);
    result.push_back(load_element(buffer, index, t));
  }
  return result;
}

RegionEmitter::Lanes RegionEmitter::generate(const Expr& e, const Points& points) {
  if (e.op == Op::constant) return {generators_.constant(e)};
  if (comes_in_groups(e, points)) {
    const bool by_row = e.level == Level::row;
    return generators_.groups(e, by_row ? std::vector{points.row_group} : points.element_groups,
                              in_turn_);
  }
  Lanes result;
  for (int lane = 0; lane < lane_count(e.level, points); ++lane) {
    const Value index = addresses_.index(RegionAddress(e), points, lane);
    result.push_back(generators_.at(e, index));
    if (e.addressing == Addressing::uniform) break;
  }
  return result;
}

void RegionEmitter::fault(const Expr& e, Value condition, const Points& points, int lane) {
  if (e.path >= 0) condition = condition & addresses_.inside_path(e.path, e.level, points, lane);
  Value at;
  if (region_.root_level == Level::element) {
    at = e.level == Level::element ? points.element_base + points.cols[lane]
                                   : points.rows[0] * points.col_end;
  } else {
    at = points.real_row.exists() ? points.real_row
         : points.row_group       ? (points.row_group << 2) + static_cast<uint32_t>(lane)
                                  : points.rows[points.rows.size() == 1 ? 0 : lane];
    if (points.row_end) condition = condition & (at < points.row_end);
  }
  faults_->add(e.op, condition, at);
}

}  // namespace nxv::kernels
