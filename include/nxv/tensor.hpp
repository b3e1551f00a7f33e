// Tensors and engines. Part of nxv/nxv.hpp.
#ifndef NXV_TENSOR_HPP_
#define NXV_TENSOR_HPP_

#include <cstdint>
#include <cstring>
#include <future>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "nxv/nxv.h"

namespace nxv {
// Keeps these names apart from those of the library's own objects where both are linked statically.
inline namespace cpp {

class Exception : public std::runtime_error {
 public:
  Exception(nxv_status status, const std::string& message)
      : std::runtime_error(message), status_(status) {}
  // NXV_SIZE_MISMATCH, NXV_ALLOC_FAILED, NXV_DEVICE_LOST, ...
  nxv_status status() const noexcept { return status_; }

 private:
  nxv_status status_;
};

using Shape = std::vector<int64_t>;
using Axes = std::vector<int64_t>;

enum class DType {
  u2 = NXV_U2,
  u4 = NXV_U4,
  u8 = NXV_U8,
  u16 = NXV_U16,
  u32 = NXV_U32,
  u64 = NXV_U64,
  s2 = NXV_S2,
  s4 = NXV_S4,
  s8 = NXV_S8,
  s16 = NXV_S16,
  s32 = NXV_S32,
  s64 = NXV_S64,
  f8_e4m3fn = NXV_F8_E4M3FN,
  f8_e5m2 = NXV_F8_E5M2,
  bf16 = NXV_BF16,
  f16 = NXV_F16,
  f32 = NXV_F32,
  f64 = NXV_F64,
  c64 = NXV_C64,
  c128 = NXV_C128
};

// How products of f32 are computed; see nxv_precision.
enum class Precision { accurate = NXV_ACCURATE, fast = NXV_FAST };

namespace detail {

inline void check(nxv_status status) {
  if (status != NXV_OK) throw Exception(status, nxv_last_error());
}
// What `write(&text)` allocates.
template <typename Write>
std::string text(Write&& write) {
  char* raw = nullptr;
  check(write(&raw));
  const std::unique_ptr<char, void (*)(char*)> owned(raw, nxv_free_text);
  return owned.get();
}
inline nxv_dtype raw(DType type) { return static_cast<nxv_dtype>(type); }
template <typename List>
int size_of(const List& list) {
  return static_cast<int>(list.size());
}

// Shared by an Engine and its tensors.
struct EngineHandle {
  nxv_engine* engine = nullptr;
  EngineHandle() = default;
  EngineHandle(const EngineHandle&) = delete;
  EngineHandle& operator=(const EngineHandle&) = delete;
  ~EngineHandle() { nxv_engine_close(engine); }
};

template <typename T>
constexpr DType dtype_of() {
  static_assert(
      std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, long double>,
      "elements are integers of 8 to 64 bits, float or double");
  if constexpr (std::is_floating_point_v<T>) {
    return sizeof(T) == 4 ? DType::f32 : DType::f64;
  } else if constexpr (std::is_signed_v<T>) {
    return sizeof(T) == 1   ? DType::s8
           : sizeof(T) == 2 ? DType::s16
           : sizeof(T) == 4 ? DType::s32
                            : DType::s64;
  } else {
    return sizeof(T) == 1   ? DType::u8
           : sizeof(T) == 2 ? DType::u16
           : sizeof(T) == 4 ? DType::u32
                            : DType::u64;
  }
}

}  // namespace detail

// A lazy value. A default-constructed one is empty and may only be assigned to.
class Tensor {
 public:
  Tensor() = default;
  Tensor(const Tensor& other) : engine_(other.engine_), tensor_(other.tensor_) {
    nxv_retain(tensor_);
  }
  Tensor(Tensor&& other) noexcept
      : engine_(std::move(other.engine_)), tensor_(std::exchange(other.tensor_, nullptr)) {}
  Tensor& operator=(Tensor other) noexcept {
    std::swap(engine_, other.engine_);
    std::swap(tensor_, other.tensor_);
    return *this;
  }
  ~Tensor() { nxv_release(tensor_); }

  bool is_empty() const noexcept { return tensor_ == nullptr; }
  DType dtype() const { return static_cast<DType>(nxv_tensor_dtype(get())); }
  int rank() const { return nxv_tensor_rank(get()); }
  Shape shape() const {
    const int64_t* dims = nxv_tensor_shape(get());
    return Shape(dims, dims + rank());
  }
  int64_t count() const { return nxv_tensor_count(get()); }

  // The elements in row-major order; computes and waits. T must be the tensor's type (c64, f16 and
  // other types without a C++ counterpart come as bytes()).
  template <typename T>
  std::vector<T> to_vector() const {
    check_type<T>();
    std::vector<T> values(static_cast<size_t>(count()));
    detail::check(nxv_read(get(), values.data(), values.size() * sizeof(T)));
    return values;
  }
  // The same without waiting; the future carries the failure.
  template <typename T>
  std::future<std::vector<T>> read_async() const {
    check_type<T>();
    auto promise = std::make_unique<std::promise<std::vector<T>>>();
    std::future<std::vector<T>> future = promise->get_future();
    detail::check(nxv_read_async(get(), -1, &finish<T>, promise.get()));
    static_cast<void>(promise.release());  // finish() takes it back, exactly once
    return future;
  }
  // The only element.
  template <typename T>
  T item() const {
    if (count() != 1) throw Exception(NXV_SIZE_MISMATCH, "item: the tensor has several elements");
    return to_vector<T>()[0];
  }
  // In the host layout of nxv_host_bytes.
  std::vector<unsigned char> bytes() const {
    std::vector<unsigned char> data(nxv_host_bytes(nxv_tensor_dtype(get()), count()));
    detail::check(nxv_read(get(), data.data(), data.size()));
    return data;
  }

  // Starts computing, without waiting; wait() also waits.
  const Tensor& evaluate() const {
    detail::check(nxv_evaluate(get()));
    return *this;
  }
  const Tensor& wait() const {
    detail::check(nxv_wait(get()));
    return *this;
  }
  // Gives the value up now; every later use of this Tensor and its copies fails with
  // NXV_DEALLOCATED. What was built of it keeps its value.
  void deallocate() { detail::check(nxv_deallocate(get())); }
  // Regions and kernels of what evaluating the value would run; with their KernelIR if `ir`.
  std::string explain(bool ir = false) const {
    return detail::text(
        [&](char** out) { return ir ? nxv_explain_ir(get(), out) : nxv_explain(get(), out); });
  }

  nxv_engine* engine() const {
    static_cast<void>(get());
    return engine_->engine;
  }
  // The handle of the C interface; it stays this Tensor's.
  nxv_tensor* get() const {
    if (tensor_ == nullptr) throw Exception(NXV_INVALID_ARGUMENT, "an empty nxv::Tensor is used");
    return tensor_;
  }
  // Takes over a handle that `make(&handle)` returns; `owner` is a tensor of the same engine.
  template <typename Make>
  static Tensor make(const Tensor& owner, Make&& make) {
    return make_in(owner.engine_, std::forward<Make>(make));
  }
  // A scalar beside this tensor: integers take its type (s32 for negative ones beside unsigned
  // types), other numbers too unless it is an integer, then f32.
  Tensor constant(double value, bool is_integral) const {
    const DType own = dtype();
    const bool is_float = own >= DType::f8_e4m3fn;
    DType type = own;
    if (!is_float && !is_integral) type = DType::f32;
    if (is_integral && value < 0 && own <= DType::u64) type = DType::s32;
    return make(*this, [&](nxv_tensor** out) {
      return nxv_constant_f64(engine_->engine, detail::raw(type), value, 0, 0, nullptr, out);
    });
  }

 private:
  friend class Engine;

  template <typename Make>
  static Tensor make_in(const std::shared_ptr<detail::EngineHandle>& engine, Make&& make) {
    Tensor t;
    t.engine_ = engine;
    detail::check(make(&t.tensor_));
    return t;
  }
  template <typename T>
  void check_type() const {
    if (detail::dtype_of<T>() != dtype()) {
      throw Exception(NXV_INVALID_ARGUMENT,
                      std::string("a tensor of ") + nxv_dtype_name(nxv_tensor_dtype(get())) +
                          " is read as " + nxv_dtype_name(detail::raw(detail::dtype_of<T>())));
    }
  }
  template <typename T>
  static void finish(void* context, nxv_status status, const void* data, size_t size,
                     const char* message) {
    const std::unique_ptr<std::promise<std::vector<T>>> promise(
        static_cast<std::promise<std::vector<T>>*>(context));
    try {
      if (status != NXV_OK) throw Exception(status, message);
      std::vector<T> values(size / sizeof(T));
      std::memcpy(values.data(), data, size);
      promise->set_value(std::move(values));
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  }

  std::shared_ptr<detail::EngineHandle> engine_;
  nxv_tensor* tensor_ = nullptr;
};

namespace detail {

inline std::vector<nxv_tensor*> handles(const std::vector<Tensor>& tensors) {
  std::vector<nxv_tensor*> list;
  for (const Tensor& t : tensors) list.push_back(t.get());
  return list;
}

// Takes over handles of the C interface; `owner` is a tensor of the same engine.
inline std::vector<Tensor> adopted(const Tensor& owner, nxv_tensor* const* raw, size_t count) {
  std::vector<Tensor> tensors;
  tensors.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    tensors.push_back(Tensor::make(owner, [&](nxv_tensor** out) {
      *out = raw[i];
      return NXV_OK;
    }));
  }
  return tensors;
}

}  // namespace detail

// A device, opened. Copies share it; it closes with the last Engine and Tensor.
class Engine {
 public:
  // The device that NXV_DEVICE names, else the best one. Throws with NXV_NO_DEVICE.
  Engine() : Engine(defaults()) {}
  explicit Engine(const nxv_engine_options& options)
      : handle_(std::make_shared<detail::EngineHandle>()) {
    detail::check(nxv_engine_open(&options, &handle_->engine));
  }
  static nxv_engine_options defaults() {
    nxv_engine_options options{};
    options.struct_size = sizeof options;
    options.device_index = -1;
    return options;
  }

  std::string device_name() const {
    nxv_device_info info;
    detail::check(nxv_engine_device(get(), &info));
    return info.name;
  }
  nxv_memory_stats memory() const {
    nxv_memory_stats stats;
    detail::check(nxv_memory_stats_get(get(), &stats));
    return stats;
  }
  nxv_counters counters() const {
    nxv_counters counters;
    detail::check(nxv_counters_get(get(), &counters));
    return counters;
  }
  // Measures what is done from now on: nxv_profile_begin. What the caller does from now on has a
  // name of its choice; the end waits for the device.
  void begin_profile() const { detail::check(nxv_profile_begin(get())); }
  void profile_phase(const char* name) const { detail::check(nxv_profile_phase(get(), name)); }
  struct Profile {
    std::string table;  // for people
    std::string trace;  // JSON for chrome://tracing and Perfetto
  };
  Profile end_profile() const {
    Profile profile;
    profile.table = detail::text([&](char** table) {
      char* trace = nullptr;
      const nxv_status status = nxv_profile_end(get(), table, &trace);
      if (status == NXV_OK) profile.trace = trace;
      nxv_free_text(trace);
      return status;
    });
    return profile;
  }

  // Gives memory that is not in use back to the driver.
  void trim() const { detail::check(nxv_trim(get())); }
  nxv_engine* get() const { return handle_->engine; }

  // From host values in row-major order, which are copied. NXV_SIZE_MISMATCH when there are more or
  // fewer of them than the shape has elements. Without a shape: a vector.
  template <typename T>
  Tensor tensor(const std::vector<T>& values, const Shape& shape) const {
    return make([&](nxv_tensor** out) {
      return nxv_from_host(get(), detail::raw(detail::dtype_of<T>()), detail::size_of(shape),
                           shape.data(), values.data(), values.size() * sizeof(T), nullptr, nullptr,
                           out);
    });
  }
  template <typename T>
  Tensor tensor(const std::vector<T>& values) const {
    return tensor(values, Shape{static_cast<int64_t>(values.size())});
  }
  template <typename T>
  Tensor tensor(std::initializer_list<T> values, const Shape& shape) const {
    return tensor(std::vector<T>(values), shape);
  }
  template <typename T>
  Tensor tensor(std::initializer_list<T> values) const {
    return tensor(std::vector<T>(values));
  }

  // `value` in every element.
  Tensor full(const Shape& shape, double value, DType type = DType::f32) const {
    return make([&](nxv_tensor** out) {
      return nxv_constant_f64(get(), detail::raw(type), value, 0, detail::size_of(shape),
                              shape.data(), out);
    });
  }
  Tensor zeros(const Shape& shape, DType type = DType::f32) const { return full(shape, 0, type); }
  Tensor ones(const Shape& shape, DType type = DType::f32) const { return full(shape, 1, type); }
  // Counts along an axis, or over all elements in row-major order.
  Tensor iota(const Shape& shape, DType type = DType::s32) const {
    return make([&](nxv_tensor** out) {
      return nxv_iota(get(), detail::raw(type), detail::size_of(shape), shape.data(), 0, 0, out);
    });
  }
  Tensor iota(const Shape& shape, int axis, DType type = DType::s32) const {
    return make([&](nxv_tensor** out) {
      return nxv_iota(get(), detail::raw(type), detail::size_of(shape), shape.data(), 1, axis, out);
    });
  }
  // Ones where the last two of at least two indices agree.
  Tensor eye(const Shape& shape, DType type = DType::s32) const {
    return make([&](nxv_tensor** out) {
      return nxv_eye(get(), detail::raw(type), detail::size_of(shape), shape.data(), out);
    });
  }
  // Philox 4x32-10: the same seed and offset give the same numbers. Real floating types. `offset`
  // counts blocks of four elements.
  Tensor random_uniform(const Shape& shape, uint64_t seed, double low = 0, double high = 1,
                        DType type = DType::f32, uint64_t offset = 0) const {
    return make([&](nxv_tensor** out) {
      return nxv_random_uniform(get(), detail::raw(type), detail::size_of(shape), shape.data(),
                                seed, offset, low, high, out);
    });
  }
  Tensor random_normal(const Shape& shape, uint64_t seed, double mean = 0, double deviation = 1,
                       DType type = DType::f32, uint64_t offset = 0) const {
    return make([&](nxv_tensor** out) {
      return nxv_random_normal(get(), detail::raw(type), detail::size_of(shape), shape.data(), seed,
                               offset, mean, deviation, out);
    });
  }

 private:
  template <typename Make>
  Tensor make(Make&& make) const {
    return Tensor::make_in(handle_, std::forward<Make>(make));
  }
  std::shared_ptr<detail::EngineHandle> handle_;
};

}  // namespace cpp
}  // namespace nxv

#endif  // NXV_TENSOR_HPP_
