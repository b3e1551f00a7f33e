// What a case computes, in terms of a builder: the same mapping drives the C interface and graphs
// of Nodes.
#pragma once

#include <algorithm>
#include <complex>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "library_case.h"
#include "ops/op_table.h"
#include "testing/numbers/vectors.h"

namespace nxv::conformance {

// Thrown for a case that the builder offers no operation for.
class Unsupported : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A case that is an operation of the library; nothing for others.
template <typename Builder>
std::optional<std::vector<typename Builder::Value>> build_library_case(
    Builder& builder, const VectorCase& c, const std::vector<typename Builder::Value>& inputs) {
  const std::optional<LibraryCall> call = library_call(c);
  if (!call) return std::nullopt;
  std::vector<typename Builder::Value> operands;
  for (const int i : call->operands) {
    operands.push_back(i >= 0 ? inputs[i] : builder.data(call->extra[-1 - i]));
  }
  if (!call->function.empty()) {
    const auto x = builder.parameter(call->function_type);
    const auto acc = builder.parameter(call->function_type);
    const auto op = op_from_name(call->function);
    if (!op) throw Unsupported("no function " + call->function);
    operands.insert(operands.end(), {x, acc, builder.apply(*op, {x, acc})});
  }
  return builder.call(call->name, operands, call->options);
}

struct PadAmounts {
  std::vector<int64_t> low, high, interior;
};

// The start of a slice: a number, or the value of a scalar tensor.
inline int64_t parse_start(const nlohmann::json& start) {
  if (start.is_number()) return start.get<int64_t>();
  const Scalar s = parse_tensor(start.at("dynamic")).at(0);
  constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(s.dtype == DType::u64 ? std::min(s.lo, kLargest) : to_int64(s));
}

inline std::optional<Axes> parse_axes(const nlohmann::json& axes) {
  return axes.is_null() ? std::nullopt : std::optional(axes.get<Axes>());
}

// Results of one case, in the order of its outputs.
//
// Builder offers Value (a copyable handle), its functions below, and is the only thing that knows
// types and shapes of values: nothing here looks at the outputs but for the arguments that Nx
// itself takes from the output template (type of a cast, shape of a reshape).
template <typename Builder>
class CaseBuilder {
 public:
  using Value = typename Builder::Value;

  CaseBuilder(Builder& builder, const VectorCase& c) : builder_(builder), case_(c) {}

  std::vector<Value> build() {
    for (const HostTensor& t : case_.inputs) inputs_.push_back(builder_.data(t));
    if (std::optional<std::vector<Value>> results = build_library_case(builder_, case_, inputs_)) {
      return std::move(*results);
    }
    return {result()};
  }

 private:
  const nlohmann::json& opt(const char* key) const { return case_.opts.at(key); }
  std::vector<int64_t> list(const char* key) const { return opt_as<std::vector<int64_t>>(key); }
  int64_t integer(const char* key) const { return opt_as<int64_t>(key); }
  bool flag(const char* key) const { return opt_as<bool>(key); }
  std::string text(const char* key) const { return opt_as<std::string>(key); }
  template <typename T>
  T opt_as(const char* key) const {
    return opt(key).template get<T>();
  }
  DType type() const { return case_.outputs[0].dtype; }
  const Shape& shape() const { return case_.outputs[0].shape; }

  Value result() {
    const std::string& op = case_.op;
    if (op == "as_type") return builder_.cast(inputs_[0], type());
    if (op == "constant") return constant();
    if (op == "iota") {
      return builder_.iota(type(), shape(), opt("axis").is_null() ? -1 : integer("axis"));
    }
    if (op == "eye") return builder_.eye(type(), shape());
    if (op == "reshape") return builder_.reshape(inputs_[0], shape());
    if (op == "squeeze") return builder_.squeeze(inputs_[0], list("axes"));
    if (op == "broadcast") return builder_.broadcast(inputs_[0], shape(), list("axes"));
    if (op == "transpose") return builder_.transpose(inputs_[0], list("axes"));
    if (op == "reverse") return builder_.reverse(inputs_[0], list("axes"));
    if (op == "pad") return pad();
    if (op == "slice") return slice();
    if (op == "concatenate") return builder_.concatenate(inputs_, integer("axis"));
    if (op == "stack") return stack();
    if (op == "dot") return dot();
    if (op == "block") return block();
    const auto row = op_from_name(op);
    if (row && info(*row).fusion == Fusion::pointwise) return apply(*row);
    if (row && info(*row).fusion == Fusion::reduction) {
      return builder_.reduce(*row, inputs_[0], parse_axes(opt("axes")), flag("keep_axes"));
    }
    throw Unsupported("no operation for " + op);
  }

  Value apply(Op op) {
    if (op != Op::atan2 || !is_complex(type())) return builder_.apply(op, inputs_);
    // Of numbers that are complex in type only.
    std::vector<Value> parts;
    for (const Value& x : inputs_) parts.push_back(builder_.apply(Op::real, {x}));
    return builder_.cast(builder_.apply(op, parts), type());
  }

  Value constant() {
    const nlohmann::json& value = opt("value");
    if (value.is_number_unsigned()) {
      return builder_.constant(type(), shape(), static_cast<int64_t>(value.get<uint64_t>()));
    }
    if (value.is_number_integer()) {
      return builder_.constant(type(), shape(), value.get<int64_t>());
    }
    std::complex<double> z;
    if (value.is_object()) {
      z = {parse_real(value.at("re")), parse_real(value.at("im"))};
    } else {
      z = parse_real(value);
    }
    return builder_.constant(type(), shape(), z);
  }

  Value pad() {
    PadAmounts amounts;
    for (const nlohmann::json& axis : opt("padding_config")) {
      amounts.low.push_back(axis.at(0));
      amounts.high.push_back(axis.at(1));
      amounts.interior.push_back(axis.at(2));
    }
    return builder_.pad(inputs_[0], inputs_[1], amounts);
  }

  Value slice() {
    std::vector<int64_t> starts;
    for (const nlohmann::json& start : opt("start_indices")) starts.push_back(parse_start(start));
    const auto lengths = list("lengths");
    return builder_.slice(inputs_[0], starts, lengths, list("strides"));
  }

  Value stack() {
    const auto axis = integer("axis");
    std::vector<Value> parts;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      Shape with_axis = case_.inputs[i].shape;
      with_axis.insert(with_axis.begin() + axis, 1);
      parts.push_back(builder_.reshape(inputs_[i], with_axis));
    }
    return builder_.concatenate(parts, axis);
  }

  Value dot() {
    return builder_.dot(inputs_[0], inputs_[1], list("contract_axes1"), list("contract_axes2"),
                        list("batch_axes1"), list("batch_axes2"));
  }

  Value block() {
    const auto block = text("block");
    if (block == "LogicalNot") return builder_.apply(Op::logical_not, inputs_);
    if (block == "Phase") {
      const DType t = case_.inputs[0].dtype;
      const Value z = is_complex(t) ? inputs_[0] : builder_.cast(inputs_[0], to_complex(t));
      return builder_.apply(Op::atan2,
                            {builder_.apply(Op::imag, {z}), builder_.apply(Op::real, {z})});
    }
    throw Unsupported("no operation for block " + block);
  }

  Builder& builder_;
  const VectorCase& case_;
  std::vector<Value> inputs_;
};

template <typename Builder>
std::vector<typename Builder::Value> build_case(Builder& builder, const VectorCase& c) {
  return CaseBuilder<Builder>(builder, c).build();
}

}  // namespace nxv::conformance
