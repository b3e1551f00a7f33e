// Operations by name that are one node of the op table, for callers that know them by name only.
#include <algorithm>
#include <functional>
#include <numeric>

#include "graph/build.h"
#include "library/registry.h"

namespace nxv::library {
namespace {

using Results = std::vector<NodeRef>;

Results elementwise_op(const Arguments& a) {
  return {elementwise(*op_from_name(a.operation()), a.tensors())};
}

Results cast_op(const Arguments& a) { return {cast(a.tensor(0), a.type("type"))}; }

// ---- Views ----

Results reshape_op(const Arguments& a) { return {reshape(a.tensor(0), a.integers("shape"))}; }

Results broadcast_op(const Arguments& a) {
  const NodeRef& x = a.tensor(0);
  if (!a.has("axes")) return {broadcast(x, a.integers("shape"))};
  return {broadcast(x, a.integers("shape"), a.integers("axes"))};
}

Results transpose_op(const Arguments& a) {
  if (a.has("axes")) return {transpose(a.tensor(0), a.integers("axes"))};
  Axes reversed(a.tensor(0)->shape.size());
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  return {transpose(a.tensor(0), reversed)};
}

Results slice_op(const Arguments& a) {
  return {slice(a.tensor(0), a.integers("starts"), a.integers("lengths"),
                a.for_each_axis("strides", 1))};
}

Results reverse_op(const Arguments& a) {
  Axes all(a.tensor(0)->shape.size());
  std::iota(all.begin(), all.end(), 0);
  return {reverse(a.tensor(0), a.has("axes") ? a.integers("axes") : all)};
}

Results squeeze_op(const Arguments& a) {
  if (a.has("axes") && a.integers("axes").empty()) return {a.tensor(0)};
  return {squeeze(a.tensor(0), a.optional_integers("axes"))};
}

Results pad_op(const Arguments& a) {
  return {
      pad(a.tensor(0), a.tensor(1),
          {a.for_each_axis("low", 0), a.for_each_axis("high", 0), a.for_each_axis("interior", 0)})};
}

Results concatenate_op(const Arguments& a) {
  return {concatenate(a.tensors(), a.integer("axis", 0))};
}

// ---- Reductions and products ----

Results reduction_op(const Arguments& a) {
  std::optional<Axes> axes;
  if (a.has("axes")) axes = a.integers("axes");
  return {reduce(*op_from_name(a.operation()), a.tensor(0), std::move(axes), a.flag("keep_axes"))};
}

Results dot_op(const Arguments& a) {
  return {dot(a.tensor(0), a.tensor(1),
              {a.optional_integers("contract_a"), a.optional_integers("contract_b"),
               a.optional_integers("batch_a"), a.optional_integers("batch_b"), a.precision()})};
}

Results matmul_op(const Arguments& a) { return {matmul(a.tensor(0), a.tensor(1), a.precision())}; }

// ---- Generators ----

Results constant_op(const Arguments& a) {
  return {constant(a.owner(), a.number("value", a.type("type")), a.optional_integers("shape"))};
}

Results iota_op(const Arguments& a) {
  const Shape shape = a.integers("shape");
  const auto rank = static_cast<int64_t>(shape.size());
  int64_t axis = -1;
  if (a.has("axis")) {
    const int64_t given = a.integer("axis");
    axis = given < 0 ? given + rank : given;
    if (axis < 0 || axis >= rank) a.fail("axis " + std::to_string(given) + " is out of range");
  }
  return {iota(a.owner(), a.type("type", DType::s32), shape, axis)};
}

Results eye_op(const Arguments& a) {
  return {eye(a.owner(), a.type("type", DType::s32), a.integers("shape"))};
}

Results random_op(const Arguments& a, Op op, double first, double second) {
  const auto counter = [&](const char* name, int64_t otherwise) {
    return static_cast<uint64_t>(a.integer(name, otherwise));
  };
  return {random(a.owner(), op, a.type("type", DType::f32), a.integers("shape"),
                 {static_cast<uint64_t>(a.integer("seed")), counter("offset", 0), first, second})};
}
Results random_uniform_op(const Arguments& a) {
  return random_op(a, Op::random_uniform, a.real("low", 0.0), a.real("high", 1.0));
}
Results random_normal_op(const Arguments& a) {
  return random_op(a, Op::random_normal, a.real("mean", 0.0), a.real("deviation", 1.0));
}

Results parameter_op(const Arguments& a) { return {parameter(a.owner(), a.type("type"))}; }

// ---- The table ----

using enum OptionKind;
constexpr OptionRow kType[] = {{"type", type}};
constexpr OptionRow kShape[] = {{"shape", integers}};
constexpr OptionRow kAxes[] = {{"axes", integers}};
constexpr OptionRow kAxis[] = {{"axis", integer}};
constexpr OptionRow kBroadcast[] = {{"shape", integers}, {"axes", integers}};
constexpr OptionRow kPart[] = {{"starts", integers}, {"lengths", integers}, {"strides", integers}};
constexpr OptionRow kPadding[] = {{"low", integers}, {"high", integers}, {"interior", integers}};
constexpr OptionRow kReduction[] = {{"axes", integers}, {"keep_axes", flag}};
constexpr OptionRow kDot[] = {{"contract_a", integers},
                              {"contract_b", integers},
                              {"batch_a", integers},
                              {"batch_b", integers},
                              {"precision", precision}};
constexpr OptionRow kMatmul[] = {{"precision", precision}};
constexpr OptionRow kConstant[] = {{"value", number}, {"type", type}, {"shape", integers}};
constexpr OptionRow kIota[] = {{"shape", integers}, {"axis", integer}, {"type", type}};
constexpr OptionRow kEye[] = {{"shape", integers}, {"type", type}};
constexpr OptionRow kUniform[] = {{"shape", integers}, {"seed", integer}, {"offset", integer},
                                  {"low", real},       {"high", real},    {"type", type}};
constexpr OptionRow kNormal[] = {{"shape", integers}, {"seed", integer},   {"offset", integer},
                                 {"mean", real},      {"deviation", real}, {"type", type}};

constexpr Row kNamed[] = {
    {"cast", 1, kType, cast_op, "x; type. Another element type"},
    {"reshape", 1, kShape, reshape_op, "x; shape, of as many elements"},
    {"broadcast", 1, kBroadcast, broadcast_op,
     "x; shape, axes (the last ones). Repeats along new axes and those of length 1"},
    {"transpose", 1, kAxes, transpose_op, "x; axes (reversed): the input axis of each output axis"},
    {"slice", 1, kPart, slice_op,
     "x; starts, lengths, strides (1). Starts are moved so that the part lies inside"},
    {"reverse", 1, kAxes, reverse_op, "x; axes (all)"},
    {"squeeze", 1, kAxes, squeeze_op, "x; axes of length 1 to remove (all)"},
    {"pad", 2, kPadding, pad_op, "x, value; low, high, interior (0): an entry for each axis"},
    {"concatenate", -1, kAxis, concatenate_op, "tensors; axis (0)"},
    {"dot", 2, kDot, dot_op,
     "a, b; contract_a, contract_b, batch_a, batch_b (none): axes in pairs; precision (accurate)"},
    {"matmul", 2, kMatmul, matmul_op,
     "a, b -> products of the last two axes; others broadcast; precision (accurate)"},
    {"constant", 0, kConstant, constant_op, "value, type, shape (a scalar)"},
    {"iota", 0, kIota, iota_op, "shape, axis (absent: flat), type (s32). Counts from 0"},
    {"eye", 0, kEye, eye_op, "shape, type (s32). Ones on the diagonal of the last two axes"},
    {"random_uniform", 0, kUniform, random_uniform_op,
     "shape, seed, offset (0), low (0.0), high (1.0), type (f32)"},
    {"random_normal", 0, kNormal, random_normal_op,
     "shape, seed, offset (0), mean (0.0), deviation (1.0), type (f32)"},
    {"parameter", 0, kType, parameter_op,
     "type. A scalar that stands for an argument of the functions of reduce and window_reduce"},
};

// What `elementwise` and `reduce` take follows from the op table. The type of a cast and the bound
// of an index are attributes.
constexpr bool is_derived(Op op) {
  if (op == Op::cast || op == Op::bitcast || op == Op::bounded_index) return false;
  return info(op).fusion == Fusion::pointwise || info(op).fusion == Fusion::reduction;
}

constexpr Row derive(Op op) {
  if (info(op).fusion == Fusion::reduction) {
    return {name(op), 1, kReduction, reduction_op,
            "x; axes (all), keep_axes. Along the axes, which keep_axes leaves with length 1"};
  }
  return {name(op), info(op).arity, {}, elementwise_op, "elementwise; operands broadcast"};
}

constexpr size_t kDerived = [] {
  size_t count = 0;
  for (int i = 0; i < kOpCount; ++i) count += is_derived(static_cast<Op>(i)) ? 1 : 0;
  return count;
}();

constexpr auto kRows = [] {
  std::array<Row, kDerived + std::size(kNamed)> rows{};
  auto next = std::copy(std::begin(kNamed), std::end(kNamed), rows.begin());
  for (int i = 0; i < kOpCount; ++i) {
    if (const auto op = static_cast<Op>(i); is_derived(op)) *next++ = derive(op);
  }
  return rows;
}();

}  // namespace

std::span<const Row> primitive_rows() { return kRows; }

bool is_primitive(const Row& row) {
  return std::greater_equal<>()(&row, kRows.data()) &&
         std::less<>()(&row, kRows.data() + kRows.size());
}

}  // namespace nxv::library
