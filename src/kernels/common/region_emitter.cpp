#include "kernels/common/region_emitter.h"

#include <algorithm>

#include "base/error.h"
#include "ir/pick.h"
#include "ir/random.h"

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

// What a random expression draws from, and what it makes of a sample.
struct Random {
  ir::Philox stream;
  DType dtype;
  ir::Type type;  // of samples
  Value low, scale;

  Random(ir::Builder& b, std::span<const Value> words, const Expr& e) : dtype(e.dtype) {
    const DType compute = e.dtype == DType::f64 ? DType::f64 : DType::f32;
    type = ir::compute_type(compute);
    words = words.subspan(e.extra);
    stream = {words[0], words[1], words[2], words[3]};
    const int scalar = ir::scalar_words(compute);
    low = ir::from_words(b, compute, words.subspan(4, scalar)).re;
    scale = ir::from_words(b, compute, words.subspan(4 + scalar, scalar)).re;
  }

  Number scaled(Value sample) const { return {dtype, ir::wrap(sample * scale + low, dtype), {}}; }
};

}  // namespace

int cost_of(const Region& region, Level level) {
  int cost = 0;
  for (const Expr& e : region.exprs) {
    // The operation of a load is what made the operand.
    if (e.level == level && e.kind != ExprKind::load) cost += info(e.op).cost;
  }
  return cost;
}

bool is_heavy(const Region& region, Level level, const plan::DevicePlan& plan) {
  return plan.profile == plan::Profile::cpu && cost_of(region, level) >= kHeavyCost;
}

uint32_t iterations_in_turn(const Region& region) {
  uint32_t count = kGroup;
  for (const Expr& e : region.exprs) {
    if (e.kind == ExprKind::generate && e.op == Op::random_normal) count += ir::kIterationsInTurn;
  }
  return count;
}

RegionEmitter::RegionEmitter(ir::Builder& builder, const Region& region,
                             const ir::math::MathOptions& math, uint32_t words, int workspaces)
    : b_(builder),
      region_(region),
      math_(math),
      arguments_(builder, region, words,
                 {.overlap = Overlap::in_place,
                  .reads_output = false,
                  .workspaces = workspaces,
                  .has_zero = converts_to_float(region)}),
      words_(arguments_.region_words()),
      values_(region.exprs.size()) {
  if (region.can_fault()) faults_.emplace(b_, region, arguments_.fault_slot());
}

Value RegionEmitter::divide(Value n, WordIndex i) {
  return kernels::divide(n, words_.subspan(i, 3));
}

Value RegionEmitter::modulo(Value n, WordIndex i) {
  return kernels::modulo(n, words_.subspan(i, 3));
}

int RegionEmitter::lanes(Level level, const Points& points) const {
  return static_cast<int>(level == Level::row ? points.rows.size() : points.cols.size());
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
  std::erase_if(coordinates_, [&](const Coordinates& c) { return c.level == level; });
}

void RegionEmitter::forget_all() {
  for (Lanes& lanes : values_) lanes.clear();
  coordinates_.clear();
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
    if (arg >= 0 && e.kind != ExprKind::reduce) evaluate(arg, points);
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
      break;
  }
  const bool may_be_grouped = e.kind == ExprKind::load || e.kind == ExprKind::generate;
  if (is_uniform || (may_be_grouped && comes_in_groups(e, points))) make(id, points);
}

void RegionEmitter::evaluate_in_turn(int wanted, const Points& points,
                                     const std::function<void(Value, const Number&)>& use) {
  const Level level = region_.exprs[wanted].level;
  in_turn_ = true;
  prepare(wanted, level, points);
  const std::vector<Lanes> values = values_;
  const std::vector<Coordinates> coordinates = coordinates_;
  const auto count = static_cast<uint32_t>(lanes(level, points));
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
    std::erase_if(coordinates_, [&](const Coordinates& c) { return c.level == level; });
    evaluate(wanted, one);
    use(lane, value(wanted, 0));
  };
  b_.for_range(b_.u32(0), b_.u32(count), b_.u32(1), point, ir::Unrolling::never);
  values_ = values;
  coordinates_ = coordinates;
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
      for (int lane = 0; lane < lanes(e.level, points); ++lane) {
        const Value inside = coordinates(e.path, e.level, points, lane).inside;
        result.push_back({DType::u8, b_.convert(inside, ir::kU32), {}});
      }
      break;
    case ExprKind::choose:
      for (int lane = 0; lane < lanes(e.level, points); ++lane) {
        const Value condition = value(e.args[0], lane).re != 0u;
        const Number &yes = value(e.args[1], lane), &no = value(e.args[2], lane);
        Number n{e.dtype, b_.select(condition, yes.re, no.re), {}};
        if (yes.im) n.im = b_.select(condition, yes.im, no.im);
        result.push_back(n);
      }
      break;
    case ExprKind::compute:
      for (int lane = 0; lane < lanes(e.level, points); ++lane) {
        std::vector<Number> args;
        bool uniform = true;  // operands that serve every lane give a result that does
        for (int16_t arg : e.args) {
          if (arg < 0) continue;
          args.push_back(is_integer(e.dtype) ? value(arg, lane) : hide(value(arg, lane)));
          uniform &= values_[arg].size() == 1;
        }
        const int end = uniform ? lanes(e.level, points) : lane + 1;
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
      const Value last = words_[e.words];
      for (const Number& index : values_[e.args[0]]) {
        const Value at = b_.binary(ir::Opcode::min, b_.convert(index.re, ir::kU32), last);
        result.push_back(load_element(arguments_.operand(e.operand), at, e.dtype));
      }
      break;
    }
    case ExprKind::reduce:
      throw Error(Status::internal, "a reduction is read before it is computed");
  }
  values_[id] = std::move(result);
}

RegionEmitter::Lanes RegionEmitter::load(const Expr& e, const Points& points) {
  const Operand& operand = region_.operands[e.operand];
  const Value buffer = arguments_.operand(e.operand);
  const DType t = operand.node->dtype;
  if (operand.addressing == Addressing::uniform) {
    return {load_element(buffer, words_[operand.words], t)};
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
  for (int lane = 0; lane < lanes(operand.level, points); ++lane) {
    const Value index = index_of(operand.level, operand.addressing, operand.words, operand.path,
                                 operand.node->shape.size(), points, lane);
    result.push_back(load_element(buffer, index, t));
  }
  return result;
}

Value RegionEmitter::index_of(Level level, Addressing addressing, WordIndex words, int path,
                              size_t rank, const Points& points, int lane) {
  const Value row = level == Level::row ? points.rows[lane] : points.rows[0];
  switch (addressing) {
    case Addressing::uniform:
      return words_[words];
    case Addressing::linear:
      return level == Level::row ? row : points.element_base + points.cols[lane];
    case Addressing::mapped: {
      const std::vector<Value>& at = coordinates(path, level, points, lane).at;
      Value index = b_.u32(0);
      for (size_t d = 0; d < rank; ++d) index = index + at[d] * words_[words + d];
      return index;
    }
    case Addressing::strided:
      break;
  }
  const auto add = [&](Value index, const std::vector<Value>& at, WordIndex strides) {
    for (size_t d = 0; d < at.size(); ++d) index = index + at[d] * words_[strides + d];
    return index;
  };
  if (level == Level::row) {
    return add(words_[words], unravel(row, region_.rows, 0, region_.rows.dims.size()), words + 1);
  }
  const size_t row_dims = region_.element_rows.dims.size();
  const Value base = add(words_[words], unravel(row, region_.element_rows, 0, row_dims), words + 1);
  return add(base, unravel_column(region_.element_cols, 0, points, lane),
             words + 1 + static_cast<WordIndex>(row_dims));
}

// Coordinates first .. last - 1 of a space from the linear index over them.
std::vector<Value> RegionEmitter::unravel(Value index, const Space& space, size_t first,
                                          size_t last) {
  std::vector<Value> at(last - first);
  size_t outermost = first;  // of the axes that have more than one coordinate
  while (outermost + 1 < last && space.dims[outermost] == 1) ++outermost;
  for (size_t d = last; d-- > first;) {
    if (d == outermost) {
      at[d - first] = index;
    } else if (space.dims[d] == 1) {
      at[d - first] = b_.u32(0);
    } else {
      const WordIndex divisor = space.words + 3 * static_cast<WordIndex>(d - 1);
      const Value quotient = divide(index, divisor);
      at[d - first] = index - quotient * words_[divisor];
      index = quotient;
    }
  }
  return at;
}

std::vector<Value> RegionEmitter::unravel_column(const Space& space, size_t first,
                                                 const Points& points, int lane) {
  if (points.fixed_cols.empty()) {
    return unravel(points.cols[lane], space, first, space.dims.size());
  }
  std::vector<Value> at(space.dims.size() - first);
  int64_t index = points.fixed_cols[lane];
  for (size_t d = space.dims.size(); d-- > first;) {
    auto coordinate = static_cast<uint32_t>(index % space.dims[d]);
    if (d + 1 == space.dims.size() && !points.beyond.empty()) coordinate += points.beyond[lane];
    at[d - first] = b_.u32(coordinate);
    index /= space.dims[d];
  }
  return at;
}

const RegionEmitter::Coordinates& RegionEmitter::coordinates(int path, Level level,
                                                             const Points& points, int lane) {
  for (const Coordinates& c : coordinates_) {
    if (c.path == path && c.lane == lane && c.level == level) return c;
  }
  Coordinates c{path, lane, level, {}, {}};
  if (path < 0) {
    if (level == Level::row) {
      c.at = unravel(points.rows[lane], region_.row_base, 0, region_.row_base.dims.size());
    } else {
      const Space& base = region_.element_base;
      const size_t row_dims = region_.element_row_rank;
      std::vector<Value> at = unravel(points.rows[0], base, 0, row_dims);
      const std::vector<Value> cols = unravel_column(base, row_dims, points, lane);
      at.insert(at.end(), cols.begin(), cols.end());
      for (int64_t from : region_.element_axes) c.at.push_back(at[from]);
    }
  } else {
    const PathStep& s = region_.paths[path];
    const std::vector<Value> from = coordinates(s.parent, level, points, lane).at;
    step(s, c, from);
  }
  coordinates_.push_back(std::move(c));
  return coordinates_.back();
}

void RegionEmitter::step(const PathStep& s, Coordinates& to, const std::vector<Value>& from) {
  const Node& view = *s.view;
  const Shape& input = view.inputs[s.input]->shape;
  const size_t rank = input.size();
  std::vector<Value>& at = to.at;
  to.inside = b_.boolean(true);
  switch (view.op) {
    case Op::broadcast: {
      const Axes& axes = view.attribute<AxesAttr>().axes;
      for (size_t d = 0; d < rank; ++d) at.push_back(input[d] == 1 ? b_.u32(0) : from[axes[d]]);
      break;
    }
    case Op::transpose: {
      at.resize(rank);
      const Axes& axes = view.attribute<AxesAttr>().axes;
      for (size_t d = 0; d < rank; ++d) at[axes[d]] = from[d];
      break;
    }
    case Op::slice:
      for (size_t d = 0; d < rank; ++d) {
        const WordIndex w = s.words + 2 * static_cast<WordIndex>(d);
        at.push_back(from[d] * words_[w + 1] + words_[w]);
      }
      break;
    case Op::reverse: {
      at = from;
      const Axes& axes = view.attribute<AxesAttr>().axes;
      for (size_t i = 0; i < axes.size(); ++i) {
        at[axes[i]] = words_[s.words + i] - 1u - from[axes[i]];
      }
      break;
    }
    case Op::reshape: {
      // Run by run; of a run of one axis each the coordinate stays as it is.
      const ReshapeRuns runs = reshape_runs(view.shape, input);
      at.assign(rank, b_.u32(0));
      const WordIndex divisors = s.words + static_cast<WordIndex>(from.size());
      size_t first = 0, end = 0;  // axes of the view, of the input
      for (int run = 0; run < runs.count; ++run) {
        Value index;
        for (size_t d = first; d < from.size(); ++d) {
          if (runs.from[d] != run) continue;
          first = d + 1;
          const bool is_last = std::find(runs.from.begin() + static_cast<std::ptrdiff_t>(first),
                                         runs.from.end(), run) == runs.from.end();
          const Value part = is_last ? from[d] : from[d] * words_[s.words + d];
          index = index ? index + part : part;
        }
        std::vector<size_t> axes;
        for (; end < rank && runs.to[end] <= run; ++end) {
          if (runs.to[end] == run) axes.push_back(end);
        }
        for (size_t i = axes.size(); i-- > 1;) {
          const WordIndex divisor = divisors + 3 * static_cast<WordIndex>(axes[i]);
          const Value quotient = divide(index, divisor);
          at[axes[i]] = index - quotient * words_[divisor];
          index = quotient;
        }
        at[axes[0]] = index;
      }
      break;
    }
    case Op::windows: {
      const std::vector<int64_t>& window = view.attribute<WindowsAttr>().window;
      for (size_t d = 0; d < rank; ++d) {
        const WordIndex w = s.words + 2 * static_cast<WordIndex>(d);
        const Value start = from[d] * words_[w];
        at.push_back(window[d] == 1 ? start : start + from[rank + d] * words_[w + 1]);
      }
      break;
    }
    case Op::pad:
      if (s.input == 1) break;  // the value's only element
      for (size_t d = 0; d < rank; ++d) {
        const WordIndex w = s.words + 5 * static_cast<WordIndex>(d);
        const PadKind kind = pad_kind(view.attribute<PadAttr>(), d);
        if (kind == PadKind::none) {
          at.push_back(from[d]);
          continue;
        }
        // Before the first element the difference wraps to a huge number.
        const Value shifted = from[d] - words_[w];
        if (kind == PadKind::ends) {
          const Value inside = shifted < words_[w + 4];
          to.inside = to.inside & inside;
          at.push_back(b_.select(inside, shifted, b_.u32(0)));
          continue;
        }
        const Value below = (shifted >> 31) != 0u;
        const Value safe = b_.select(below, b_.u32(0), shifted);
        const Value quotient = divide(safe, w + 1);
        const Value exact = safe == quotient * words_[w + 1];
        const Value inside = exact & (quotient < words_[w + 4]) & !below;
        to.inside = to.inside & inside;
        at.push_back(b_.select(inside, quotient, b_.u32(0)));
      }
      break;
    case Op::concatenate: {
      at = from;
      const int64_t axis = view.attribute<ConcatenateAttr>().axis;
      const Value shifted = from[axis] - words_[s.words];
      to.inside = shifted < words_[s.words + 1];
      at[axis] = b_.select(to.inside, shifted, b_.u32(0));
      break;
    }
    default:
      throw Error(Status::internal, "not a view: " + std::string(name(view.op)));
  }
}

RegionEmitter::Lanes RegionEmitter::generate(const Expr& e, const Points& points) {
  if (e.op == Op::constant) {
    const int count = ir::scalar_words(e.dtype);
    return {ir::from_words(b_, e.dtype, words_.subspan(e.words, count))};
  }
  if (comes_in_groups(e, points)) return random_groups(e, points);
  Lanes result;
  for (int lane = 0; lane < lanes(e.level, points); ++lane) {
    const Value index =
        index_of(e.level, e.addressing, e.words, e.path, e.node->shape.size(), points, lane);
    result.push_back(generated(e, index));
    if (e.addressing == Addressing::uniform) break;
  }
  return result;
}

Number RegionEmitter::generated(const Expr& e, Value index) {
  const auto number = [&](Value u) {
    const Number n{DType::u32, u, {}};
    return ir::cast(is_integer(e.dtype) ? n : hide(n), e.dtype, math_);
  };
  if (e.op == Op::iota) {
    if (e.node->attribute<IotaAttr>().axis < 0) return number(index);
    return number(modulo(divide(index, e.extra), e.extra + 3));
  }
  if (e.op == Op::eye) {
    const Value outer = divide(index, e.extra);
    const Value column = index - outer * words_[e.extra];
    const Value row = modulo(outer, e.extra + 3);
    return number(b_.convert(row == column, ir::kU32));
  }
  const Random random(b_, words_, e);
  return random.scaled(e.op == Op::random_uniform
                           ? ir::random_uniform(random.stream, index, random.type)
                           : ir::random_normal(random.stream, index, random.type, math_));
}

RegionEmitter::Lanes RegionEmitter::random_groups(const Expr& e, const Points& points) {
  const Random random(b_, words_, e);
  Lanes result;
  const bool by_row = e.level == Level::row;
  for (const Value& group : by_row ? std::vector{points.row_group} : points.element_groups) {
    const std::array<Value, kGroup> samples =
        e.op == Op::random_uniform
            ? ir::random_uniforms(random.stream, group, random.type)
            : ir::random_normals(random.stream, group, random.type, math_, in_turn_);
    for (const Value& sample : samples) result.push_back(random.scaled(sample));
  }
  return result;
}

Number RegionEmitter::hide(Number n) {
  if (is_integer(n.dtype)) n.re = n.re + b_.convert(arguments_.zero(), n.re.type());
  return n;
}

void RegionEmitter::fault(const Expr& e, Value condition, const Points& points, int lane) {
  if (e.path >= 0) condition = condition & inside_path(e.path, e.level, points, lane);
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

Value RegionEmitter::inside_path(int path, Level level, const Points& points, int lane) {
  Value inside = coordinates(path, level, points, lane).inside;
  for (path = region_.paths[path].parent; path >= 0; path = region_.paths[path].parent) {
    inside = inside & coordinates(path, level, points, lane).inside;
  }
  return inside;
}

}  // namespace nxv::kernels
