#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "build_case.h"
#include "nxv/nxv.h"
#include "target.h"

namespace nxv::conformance {
namespace {

struct Release {
  void operator()(nxv_tensor* t) const { nxv_release(t); }
};
using Tensor = std::shared_ptr<nxv_tensor>;

void check(nxv_status status) {
  if (status == NXV_OK) return;
  const std::string message = nxv_last_error();
  if (status == NXV_UNSUPPORTED) throw Unsupported(message);
  throw Error(static_cast<Status>(status), std::string(nxv_status_name(status)) + ": " + message);
}

nxv_dtype c_type(DType t) { return static_cast<nxv_dtype>(t); }
int length(const std::vector<int64_t>& list) { return static_cast<int>(list.size()); }

// Calls of the C interface.
class CallBuilder {
 public:
  using Value = Tensor;

  explicit CallBuilder(nxv_engine* engine) : engine_(engine) {}

  Value data(const HostTensor& t) {
    std::vector<std::byte> packed(nxv_host_bytes(c_type(t.dtype), t.count()));
    pack_elements(t.dtype, t.bytes.data(), t.count(), packed.data());
    return made([&](nxv_tensor** out) {
      return nxv_from_host(engine_, c_type(t.dtype), length(t.shape), t.shape.data(), packed.data(),
                           packed.size(), nullptr, nullptr, out);
    });
  }
  Value constant(DType type, const Shape& shape, int64_t value) {
    return made([&](nxv_tensor** out) {
      return nxv_constant_s64(engine_, c_type(type), value, length(shape), shape.data(), out);
    });
  }
  Value constant(DType type, const Shape& shape, std::complex<double> value) {
    return made([&](nxv_tensor** out) {
      return nxv_constant_f64(engine_, c_type(type), value.real(), value.imag(), length(shape),
                              shape.data(), out);
    });
  }
  Value iota(DType type, const Shape& shape, int64_t axis) {
    return made([&](nxv_tensor** out) {
      return nxv_iota(engine_, c_type(type), length(shape), shape.data(), axis >= 0,
                      static_cast<int>(std::max<int64_t>(axis, 0)), out);
    });
  }
  Value eye(DType type, const Shape& shape) {
    return made([&](nxv_tensor** out) {
      return nxv_eye(engine_, c_type(type), length(shape), shape.data(), out);
    });
  }
  Value apply(Op op, const std::vector<Value>& operands) {
    const int index = nxv_op_find(std::string(name(op)).c_str());
    if (index < 0) throw Unsupported("no operation " + std::string(name(op)));
    return made([&](nxv_tensor** out) {
      return nxv_apply(index, static_cast<int>(operands.size()), handles(operands).data(), out);
    });
  }
  Value cast(const Value& x, DType type) {
    return made([&](nxv_tensor** out) { return nxv_cast(x.get(), c_type(type), out); });
  }
  Value reshape(const Value& x, const Shape& shape) {
    return made(
        [&](nxv_tensor** out) { return nxv_reshape(x.get(), length(shape), shape.data(), out); });
  }
  Value squeeze(const Value& x, const Axes& axes) {
    return made(
        [&](nxv_tensor** out) { return nxv_squeeze(x.get(), length(axes), axes.data(), out); });
  }
  Value broadcast(const Value& x, const Shape& shape, const Axes& axes) {
    return made([&](nxv_tensor** out) {
      // A scalar has no axes to name.
      return nxv_broadcast(x.get(), length(shape), shape.data(),
                           axes.empty() ? nullptr : axes.data(), out);
    });
  }
  Value transpose(const Value& x, const Axes& axes) {
    return made([&](nxv_tensor** out) { return nxv_transpose(x.get(), axes.data(), out); });
  }
  Value reverse(const Value& x, const Axes& axes) {
    return made(
        [&](nxv_tensor** out) { return nxv_reverse(x.get(), length(axes), axes.data(), out); });
  }
  Value slice(const Value& x, const std::vector<int64_t>& starts,
              const std::vector<int64_t>& lengths, const std::vector<int64_t>& strides) {
    return made([&](nxv_tensor** out) {
      return nxv_slice(x.get(), starts.data(), lengths.data(), strides.data(), out);
    });
  }
  Value pad(const Value& x, const Value& value, const PadAmounts& amounts) {
    return made([&](nxv_tensor** out) {
      return nxv_pad(x.get(), value.get(), amounts.low.data(), amounts.high.data(),
                     amounts.interior.data(), out);
    });
  }
  Value concatenate(const std::vector<Value>& parts, int64_t axis) {
    return made([&](nxv_tensor** out) {
      return nxv_concatenate(static_cast<int>(parts.size()), handles(parts).data(),
                             static_cast<int>(axis), out);
    });
  }
  Value reduce(Op op, const Value& x, const std::optional<Axes>& axes, bool keep_axes) {
    const int index = nxv_op_find(std::string(name(op)).c_str());
    return made([&](nxv_tensor** out) {
      return nxv_reduce(index, x.get(), axes ? length(*axes) : -1, axes ? axes->data() : nullptr,
                        keep_axes, out);
    });
  }
  Value dot(const Value& a, const Value& b, const Axes& contract_a, const Axes& contract_b,
            const Axes& batch_a, const Axes& batch_b) {
    return made([&](nxv_tensor** out) {
      return nxv_dot(a.get(), b.get(), length(contract_a), contract_a.data(), contract_b.data(),
                     length(batch_a), batch_a.data(), batch_b.data(), out);
    });
  }
  Value parameter(DType type) {
    return made(
        [&](nxv_tensor** out) { return nxv_parameter(engine_, c_type(type), 0, nullptr, out); });
  }
  std::vector<Value> call(const std::string& name, const std::vector<Value>& operands,
                          const std::vector<library::Option>& options) {
    std::vector<nxv_option> list;
    for (const library::Option& o : options) {
      const bool reals = !o.reals.empty();
      list.push_back({o.name.c_str(), static_cast<int>(reals ? o.reals.size() : o.integers.size()),
                      reals ? nullptr : o.integers.data(), reals ? o.reals.data() : nullptr});
    }
    nxv_tensor* outs[4];
    int count = 0;
    check(nxv_call(name.c_str(), static_cast<int>(operands.size()), handles(operands).data(),
                   static_cast<int>(list.size()), list.data(), 4, outs, &count));
    std::vector<Value> results;
    for (int i = 0; i < count; ++i) results.emplace_back(outs[i], Release{});
    return results;
  }

 private:
  template <typename Call>
  static Value made(Call call) {
    nxv_tensor* tensor = nullptr;
    check(call(&tensor));
    return Tensor(tensor, Release{});
  }
  static std::vector<nxv_tensor*> handles(const std::vector<Value>& values) {
    std::vector<nxv_tensor*> raw;
    for (const Value& v : values) raw.push_back(v.get());
    return raw;
  }

  nxv_engine* engine_;
};

// The reads of one case. Whoever finishes the last one answers.
struct Pending {
  std::mutex mutex;
  size_t remaining = 0;
  Result result;
  std::promise<Result> promise;

  void fail(nxv_status status, const std::string& message) {
    const std::scoped_lock lock(mutex);
    result.kind = status == NXV_UNSUPPORTED ? Result::Kind::unsupported : Result::Kind::failed;
    result.message = std::string(nxv_status_name(status)) + ": " + message;
  }
  void finish_one() {
    const std::scoped_lock lock(mutex);
    if (--remaining == 0) promise.set_value(std::move(result));
  }
};

struct Read {
  std::shared_ptr<Pending> pending;
  size_t output;
};

void read_done(void* context, nxv_status status, const void* data, size_t size,
               const char* message) {
  const std::unique_ptr<Read> read(static_cast<Read*>(context));
  Pending& pending = *read->pending;
  if (status == NXV_OK) {
    HostTensor& out = pending.result.outputs[read->output];
    if (size == static_cast<size_t>(packed_bytes(out.dtype, out.count()))) {
      unpack_elements(out.dtype, static_cast<const std::byte*>(data), out.count(),
                      out.bytes.data());
    } else {
      pending.fail(NXV_SIZE_MISMATCH, "a read gave " + std::to_string(size) + " bytes");
    }
  } else {
    pending.fail(status, message != nullptr ? message : "");
  }
  pending.finish_one();
}

HostTensor empty_like(nxv_tensor* t) {
  const int64_t* shape = nxv_tensor_shape(t);
  return {static_cast<DType>(nxv_tensor_dtype(t)), Shape(shape, shape + nxv_tensor_rank(t))};
}

class DeviceTarget : public Target {
 public:
  explicit DeviceTarget(int index) {
    nxv_engine_options options{};
    options.struct_size = sizeof options;
    options.device_index = index;
    check(nxv_engine_open(&options, &engine_));
  }
  DeviceTarget(const DeviceTarget&) = delete;
  DeviceTarget& operator=(const DeviceTarget&) = delete;
  ~DeviceTarget() override { nxv_engine_close(engine_); }

  std::future<Result> start(const VectorCase& c) override {
    auto pending = std::make_shared<Pending>();
    std::future<Result> future = pending->promise.get_future();
    try {
      CallBuilder builder(engine_);
      read(pending, build_case(builder, c));
    } catch (const Unsupported& e) {
      pending->promise.set_value({Result::Kind::unsupported, {}, e.what()});
    } catch (const Error& e) {
      pending->promise.set_value({Result::Kind::failed, {}, e.what()});
    }
    return future;
  }

  // False where it cannot be measured: nothing is excused then.
  bool flushes_subnormals() override {
    try {
      return measure_flushing();
    } catch (const std::exception&) {
      return false;
    }
  }

  std::string description() override {
    nxv_device_info device{};
    check(nxv_engine_device(engine_, &device));
    return std::string(device.name) + ", " + device.driver;
  }

 private:
  bool measure_flushing() {
    CallBuilder builder(engine_);
    HostTensor tiny(DType::f32, {1}), scale(DType::f32, {1});
    tiny.set(0, make_scalar(DType::f32, 0x1p-130));
    // A subnormal result, and a subnormal operand of a normal result.
    for (const double factor : {2.0, 0x1p60}) {
      scale.set(0, make_scalar(DType::f32, factor));
      const Tensor product = builder.apply(Op::multiply, {builder.data(tiny), builder.data(scale)});
      float value = 0;
      check(nxv_read(product.get(), &value, sizeof value));
      if (value == 0) return true;
    }
    return false;
  }

  static void read(const std::shared_ptr<Pending>& pending, const std::vector<Tensor>& outputs) {
    for (const Tensor& t : outputs) pending->result.outputs.push_back(empty_like(t.get()));
    pending->remaining = outputs.size();
    for (size_t i = 0; i < outputs.size(); ++i) {
      auto context = std::make_unique<Read>(Read{pending, i});
      const nxv_status status = nxv_read_async(outputs[i].get(), -1, read_done, context.get());
      if (status == NXV_OK) {
        static_cast<void>(context.release());  // read_done owns it, and may have freed it already
      } else {
        pending->fail(status, nxv_last_error());
        pending->finish_one();
      }
    }
  }

  nxv_engine* engine_ = nullptr;
};

}  // namespace

std::unique_ptr<Target> open_device(int index) { return std::make_unique<DeviceTarget>(index); }

}  // namespace nxv::conformance
