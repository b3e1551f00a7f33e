#include "base/error.h"
#include "build_case.h"
#include "graph/build.h"
#include "library/registry.h"
#include "target.h"

namespace nxv::conformance {
namespace {

// Graphs of Nodes.
class NodeBuilder {
 public:
  using Value = NodeRef;

  Value data(const HostTensor& t) { return host_value(owner_, t.dtype, t.shape, t.bytes); }
  template <typename Number>
  Value constant(DType type, const Shape& shape, Number value) {
    return nxv::constant(owner_, make_scalar(type, value), shape);
  }
  Value iota(DType type, const Shape& shape, int64_t axis) {
    return nxv::iota(owner_, type, shape, axis);
  }
  Value eye(DType type, const Shape& shape) { return nxv::eye(owner_, type, shape); }
  Value apply(Op op, const std::vector<Value>& operands) { return elementwise(op, operands); }
  Value cast(const Value& x, DType type) { return nxv::cast(x, type); }
  Value reshape(const Value& x, const Shape& shape) { return nxv::reshape(x, shape); }
  Value squeeze(const Value& x, const Axes& axes) { return nxv::squeeze(x, axes); }
  Value broadcast(const Value& x, const Shape& shape, const Axes& axes) {
    return nxv::broadcast(x, shape, axes);
  }
  Value transpose(const Value& x, const Axes& axes) { return nxv::transpose(x, axes); }
  Value reverse(const Value& x, const Axes& axes) { return nxv::reverse(x, axes); }
  Value slice(const Value& x, const std::vector<int64_t>& starts,
              const std::vector<int64_t>& lengths, const std::vector<int64_t>& strides) {
    return nxv::slice(x, starts, lengths, strides);
  }
  Value pad(const Value& x, const Value& value, const PadAmounts& amounts) {
    return nxv::pad(x, value, PadAttr{amounts.low, amounts.high, amounts.interior});
  }
  Value concatenate(const std::vector<Value>& parts, int64_t axis) {
    return nxv::concatenate(parts, axis);
  }
  Value reduce(Op op, const Value& x, const std::optional<Axes>& axes, bool keep_axes) {
    return nxv::reduce(op, x, axes, keep_axes);
  }
  Value dot(const Value& a, const Value& b, const Axes& contract_a, const Axes& contract_b,
            const Axes& batch_a, const Axes& batch_b) {
    return nxv::dot(a, b, {contract_a, contract_b, batch_a, batch_b});
  }
  Value parameter(DType type) { return nxv::parameter(owner_, type); }
  std::vector<Value> call(const std::string& name, const std::vector<Value>& operands,
                          const std::vector<library::Option>& options) {
    return library::call(name, operands, options);
  }

 private:
  GraveyardRef owner_ = host_graveyard();
};

class ReferenceTarget : public Target {
 public:
  std::future<Result> start(const VectorCase& c) override {
    std::promise<Result> promise;
    promise.set_value(evaluate_reference(c));
    return promise.get_future();
  }
  bool flushes_subnormals() override { return false; }
  std::string description() override { return "reference evaluator"; }
};

}  // namespace

Result evaluate_reference(const VectorCase& c) {
  try {
    NodeBuilder builder;
    return {Result::Kind::values, reference_evaluate(build_case(builder, c)), ""};
  } catch (const Unsupported& e) {
    return {Result::Kind::unsupported, {}, e.what()};
  } catch (const std::exception& e) {
    return {Result::Kind::failed, {}, e.what()};
  }
}

std::unique_ptr<Target> open_reference() { return std::make_unique<ReferenceTarget>(); }

}  // namespace nxv::conformance
