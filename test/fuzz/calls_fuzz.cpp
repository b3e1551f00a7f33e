// The C interface, called in any order with any arguments that its header lets callers pass: every
// call answers, no answer is an internal error, every accepted read is answered once, and once all
// is released nothing is left.
//
// The first byte says whether values are computed. Where they are, sizes are small; elsewhere they
// are of any size.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <numeric>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "nxv/nxv.h"

namespace {

constexpr int kMost = 8;             // of what is counted
constexpr int kEntries = kMost + 1;  // of every array: branches have a function more
constexpr size_t kBytes = size_t{64} << 10;
constexpr int64_t kComputed = 1 << 12;  // elements at most, where values are computed
constexpr size_t kHeld = 32;

std::atomic<int64_t> reads_answered, bytes_released;

void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s; the last error: %s\n", what, nxv_last_error());
  std::abort();
}

// What nxv_call knows, by name.
struct Table {
  struct Row {
    std::string name;
    int operands;
    std::vector<std::string> options;
  };
  std::vector<Row> rows;
  Table() {
    for (int i = 0; i < nxv_call_count(); ++i) {
      nxv_call_row call;
      demand(nxv_call_info(i, &call) == NXV_OK, "a row");
      Row& row = rows.emplace_back(Row{call.name, std::abs(call.operands), {}});
      for (int j = 0; j < call.option_count; ++j) {
        nxv_call_option option;
        demand(nxv_call_option_info(i, j, &option) == NXV_OK, "an option");
        row.options.emplace_back(option.name);
      }
    }
  }
};
const Table& table() {
  static const Table all;
  return all;
}

class Sequence {
 public:
  Sequence(nxv_engine* engine, FuzzedDataProvider& in, bool computes)
      : engine_(engine), in_(in), computes_(computes) {}
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;
  ~Sequence() {
    for (nxv_tensor* t : tensors_) nxv_release(t);
    for (nxv_function* f : functions_) nxv_function_release(f);
  }

  void run();
  int64_t reads_accepted() const { return reads_; }
  int64_t bytes_given() const { return given_; }

 private:
  // What one call is given lives until it has returned.
  struct Given {
    std::deque<std::array<nxv_tensor*, kEntries>> tensors;
    std::deque<std::array<nxv_function*, kEntries>> functions;
    std::deque<std::array<int64_t, kEntries>> integers;
    std::deque<std::array<double, kEntries>> reals;
    std::deque<std::array<nxv_option, kEntries>> options;
    std::deque<std::array<int, kEntries>> numbers;
    std::deque<std::string> texts;
    std::deque<nxv_explain_options> explain;
    std::array<nxv_tensor*, kEntries> outs = {};
    nxv_function* function = nullptr;
    std::array<char*, 2> written = {};
    size_t next_written = 0;
    int number = 0;
    nxv_dtype type = NXV_F32;
    nxv_op_row op_row;
    nxv_call_row call_row;
    nxv_call_option call_option;
    nxv_device_info device;
    nxv_memory_stats memory;
    nxv_counters counters;
  };

  bool rarely() { return in_.ConsumeIntegralInRange<int>(0, 31) == 0; }

  template <typename T>
  T* one_of(const std::vector<T*>& held) {
    if (held.empty() || rarely()) return nullptr;
    return held[in_.ConsumeIntegralInRange<size_t>(0, held.size() - 1)];
  }
  int64_t integer() {
    static constexpr int64_t kAny[] = {
        16,         255,       INT64_C(1) << 31, INT64_C(1) << 32,
        UINT32_MAX, INT32_MAX, INT64_C(1) << 47, INT64_C(1) << 48,
        INT64_MAX,  INT64_MIN, INT32_MIN,        -(INT64_C(1) << 32)};
    if (computes_ || !rarely()) return in_.ConsumeIntegralInRange<int64_t>(-2, 6);
    return in_.PickValueInArray(kAny);
  }
  // Lengths, axes, or numbers of any kind.
  void fill(std::array<int64_t, kEntries>& list) {
    switch (in_.ConsumeIntegralInRange<int>(0, 3)) {
      case 0:
        for (int64_t& n : list) n = in_.ConsumeIntegralInRange<int64_t>(1, 4);
        return;
      case 1:
        std::iota(list.begin(), list.end(), in_.ConsumeIntegralInRange<int64_t>(-2, 2));
        return;
      case 2:
        list.fill(integer());
        return;
      default:
        for (int64_t& n : list) n = integer();
    }
  }
  template <typename T>
  const T& pick(const std::vector<T>& list) {
    return list[in_.ConsumeIntegralInRange<size_t>(0, list.size() - 1)];
  }
  const char* text() {
    if (!rarely()) return pick(table().rows).name.c_str();
    return given_now_->texts.emplace_back(in_.ConsumeRandomLengthString(16)).c_str();
  }
  // Most options are one number.
  nxv_option option(const std::vector<std::string>& known) {
    const char* name = known.empty() || rarely() ? text() : pick(known).c_str();
    const bool real = in_.ConsumeIntegralInRange<int>(0, 7) == 0;
    const int count = in_.ConsumeBool() ? 1 : in_.ConsumeIntegralInRange<int>(-1, kMost);
    return {name, count, real ? nullptr : argument<const int64_t*>(),
            real ? argument_reals() : nullptr};
  }
  const double* argument_reals() {
    auto& list = given_now_->reals.emplace_back();
    for (double& x : list) x = in_.ConsumeFloatingPoint<double>();
    return list.data();
  }

  template <typename T>
  T argument() {
    Given& g = *given_now_;
    if constexpr (std::is_pointer_v<T>) {
      if (rarely()) return nullptr;
    }
    if constexpr (std::is_same_v<T, nxv_engine*>) return engine_;
    if constexpr (std::is_same_v<T, nxv_tensor*> || std::is_same_v<T, const nxv_tensor*>) {
      return one_of(tensors_);
    }
    if constexpr (std::is_same_v<T, nxv_function*> || std::is_same_v<T, const nxv_function*>) {
      return one_of(functions_);
    }
    if constexpr (std::is_same_v<T, nxv_tensor* const*>) {
      auto& list = g.tensors.emplace_back();
      for (nxv_tensor*& t : list) t = one_of(tensors_);
      return list.data();
    }
    if constexpr (std::is_same_v<T, nxv_function* const*>) {
      auto& list = g.functions.emplace_back();
      for (nxv_function*& f : list) f = one_of(functions_);
      return list.data();
    }
    if constexpr (std::is_same_v<T, const int64_t*>) {
      auto& list = g.integers.emplace_back();
      fill(list);
      return list.data();
    }
    if constexpr (std::is_same_v<T, const nxv_option*>) {
      auto& list = g.options.emplace_back();
      for (nxv_option& o : list) o = nxv_option{"axis", 0, nullptr, nullptr};
      for (int i = 0; i < 2; ++i) list[i] = option(pick(table().rows).options);
      return list.data();
    }
    if constexpr (std::is_same_v<T, const nxv_explain_options*>) {
      auto& numbers = g.numbers.emplace_back();
      return &g.explain.emplace_back(
          nxv_explain_options{argument<nxv_explain_format>(), text(), numbers.data()});
    }
    if constexpr (std::is_same_v<T, const void*> || std::is_same_v<T, void*>) return bytes_.data();
    if constexpr (std::is_same_v<T, const char*>) return text();
    if constexpr (std::is_same_v<T, nxv_tensor**>) return g.outs.data();
    if constexpr (std::is_same_v<T, nxv_function**>) return &g.function;
    if constexpr (std::is_same_v<T, char**>) return &g.written[g.next_written++];
    if constexpr (std::is_same_v<T, int*>) return &g.number;
    if constexpr (std::is_same_v<T, nxv_dtype*>) return &g.type;
    if constexpr (std::is_same_v<T, nxv_op_row*>) return &g.op_row;
    if constexpr (std::is_same_v<T, nxv_call_row*>) return &g.call_row;
    if constexpr (std::is_same_v<T, nxv_call_option*>) return &g.call_option;
    if constexpr (std::is_same_v<T, nxv_device_info*>) return &g.device;
    if constexpr (std::is_same_v<T, nxv_memory_stats*>) return &g.memory;
    if constexpr (std::is_same_v<T, nxv_counters*>) return &g.counters;
    if constexpr (std::is_same_v<T, nxv_release_fn>) return [](void*) { ++bytes_released; };
    if constexpr (std::is_same_v<T, nxv_read_fn>) {
      return [](void*, nxv_status, const void*, size_t, const char*) { ++reads_answered; };
    }
    if constexpr (std::is_same_v<T, double>) return in_.ConsumeFloatingPoint<double>();
    if constexpr (std::is_same_v<T, int>) {
      return rarely() ? INT_MIN : in_.ConsumeIntegralInRange<int>(-2, kMost);
    }
    if constexpr (std::is_same_v<T, int64_t>) return integer();
    if constexpr (std::is_same_v<T, uint64_t>) return in_.ConsumeIntegral<uint64_t>();
    if constexpr (std::is_enum_v<T>) {
      if (rarely()) return static_cast<T>(in_.ConsumeIntegral<int>());
      return static_cast<T>(in_.ConsumeIntegralInRange<int>(0, NXV_C128));
    }
  }
  // An operation is rather one of those that there are.
  int operation() { return in_.ConsumeIntegralInRange<int>(-1, nxv_op_count()); }

  void keep(const Given& given);
  template <typename R, typename... P>
  nxv_status call(R (*function)(P...) noexcept);
  template <typename Function>
  std::function<nxv_status()> drawn(Function function) {
    return [this, function] { return call(function); };
  }
  nxv_status upload();
  nxv_status call_by_name();
  nxv_status define();
  nxv_status read();
  nxv_status read_async();
  nxv_status release();

  nxv_engine* const engine_;
  FuzzedDataProvider& in_;
  const bool computes_;
  std::vector<nxv_tensor*> tensors_;
  std::vector<nxv_function*> functions_;
  std::vector<std::byte> bytes_ = std::vector<std::byte>(kBytes);
  Given* given_now_ = nullptr;
  int64_t reads_ = 0, given_ = 0;
};

// Takes over what a call made.
void Sequence::keep(const Given& given) {
  for (nxv_tensor* t : given.outs) {
    if (t == nullptr) continue;
    if (tensors_.size() < kHeld && (!computes_ || nxv_tensor_count(t) <= kComputed)) {
      tensors_.push_back(t);
    } else {
      nxv_release(t);
    }
  }
  if (given.function != nullptr) functions_.push_back(given.function);
  for (char* text : given.written) nxv_free_text(text);
}

template <typename R, typename... P>
nxv_status Sequence::call(R (*function)(P...) noexcept) {
  Given given;
  given_now_ = &given;
  std::tuple<P...> arguments{argument<P>()...};
  nxv_status status = NXV_OK;
  if constexpr (std::is_same_v<R, nxv_status>) {
    status = std::apply(function, arguments);
  } else {
    std::apply(function, arguments);
  }
  keep(given);
  return status;
}

// Of as many bytes as it should be, but for a few.
nxv_status Sequence::upload() {
  Given given;
  given_now_ = &given;
  const auto type = argument<nxv_dtype>();
  const int rank = in_.ConsumeIntegralInRange<int>(0, 4);
  const auto* shape = argument<const int64_t*>();
  int64_t count = 1;
  for (int i = 0; i < rank && shape != nullptr && count < kComputed; ++i) {
    count *= std::clamp<int64_t>(shape[i], 1, kComputed);
  }
  const size_t size = std::min(nxv_host_bytes(type, count), kBytes);
  const auto release = argument<nxv_release_fn>();
  if (release != nullptr) ++given_;
  const nxv_status status =
      nxv_from_host(argument<nxv_engine*>(), type, rank, shape, argument<const void*>(), size,
                    release, nullptr, given.outs.data());
  keep(given);
  return status;
}

// With as many operands as it should have, and options that it knows.
nxv_status Sequence::call_by_name() {
  Given given;
  given_now_ = &given;
  const Table::Row& row = pick(table().rows);
  auto& options = given.options.emplace_back();
  const int count = in_.ConsumeIntegralInRange<int>(0, 3);
  for (int i = 0; i < count; ++i) options[i] = option(row.options);
  int results = 0;
  const nxv_status status =
      row.operands == 0
          ? nxv_create(engine_, row.name.c_str(), count, options.data(), given.outs.data())
          : nxv_call(row.name.c_str(), row.operands, argument<nxv_tensor* const*>(), count,
                     options.data(), kEntries, given.outs.data(), &results);
  demand(status != NXV_OK || row.operands == 0 || (0 < results && results <= kEntries),
         "a number of results");
  keep(given);
  return status;
}

// A function of something of a tensor's type and shape, by an operation.
nxv_status Sequence::define() {
  Given given;
  given_now_ = &given;
  nxv_tensor *like = one_of(tensors_), *parameter = nullptr;
  const nxv_status status = nxv_parameter(engine_, nxv_tensor_dtype(like), nxv_tensor_rank(like),
                                          nxv_tensor_shape(like), &parameter);
  if (status != NXV_OK) return status;
  nxv_tensor* const operands[] = {parameter, parameter};
  if (nxv_apply(operation(), in_.ConsumeIntegralInRange<int>(1, 2), operands, given.outs.data()) ==
      NXV_OK) {
    nxv_function_create(1, &parameter, 1, given.outs.data(), &given.function);
  }
  if (computes_ && given.function != nullptr) {
    nxv_function_call(given.function, 1, &like, &given.outs[1]);
  }
  keep(given);
  nxv_release(parameter);
  return NXV_OK;
}

nxv_status Sequence::read() {
  nxv_tensor* t = one_of(tensors_);
  const size_t size = std::min(nxv_host_bytes(nxv_tensor_dtype(t), nxv_tensor_count(t)), kBytes);
  return nxv_read(t, bytes_.data(), rarely() ? 1 : size);
}

nxv_status Sequence::read_async() {
  Given given;
  given_now_ = &given;
  const auto done = argument<nxv_read_fn>();
  const nxv_status status = nxv_read_async(one_of(tensors_), integer(), done, nullptr);
  if (status == NXV_OK) ++reads_;
  return status;
}

nxv_status Sequence::release() {
  if (tensors_.empty()) return NXV_OK;
  std::swap(tensors_[in_.ConsumeIntegralInRange<size_t>(0, tensors_.size() - 1)], tensors_.back());
  if (in_.ConsumeBool() && tensors_.size() < kHeld) {
    nxv_retain(tensors_.back());
    tensors_.push_back(tensors_.back());
  } else {
    nxv_release(tensors_.back());
    tensors_.pop_back();
  }
  return NXV_OK;
}

void Sequence::run() {
  const std::function<nxv_status()> operation_of[] = {
      [this] { return upload(); },
      [this] { return release(); },
      [this] { return define(); },
      [this] { return call_by_name(); },
      [this] { return call_by_name(); },
      [this] {
        Given given;
        given_now_ = &given;
        const nxv_status status = nxv_apply(operation(), in_.ConsumeIntegralInRange<int>(-1, 3),
                                            argument<nxv_tensor* const*>(), given.outs.data());
        keep(given);
        return status;
      },
      [this] {
        Given given;
        given_now_ = &given;
        const nxv_status status =
            nxv_reduce(operation(), argument<nxv_tensor*>(), argument<int>(),
                       argument<const int64_t*>(), argument<int>(), given.outs.data());
        keep(given);
        return status;
      },
      drawn(nxv_dtype_from_name),
      drawn(nxv_host_bytes),
      drawn(nxv_op_info),
      drawn(nxv_op_find),
      drawn(nxv_engine_device),
      drawn(nxv_memory_stats_get),
      drawn(nxv_counters_get),
      drawn(nxv_pressure),
      drawn(nxv_pressure_relieved),
      drawn(nxv_is_behind),
      drawn(nxv_tensor_shape),
      drawn(nxv_constant_f64),
      drawn(nxv_constant_s64),
      drawn(nxv_iota),
      drawn(nxv_eye),
      drawn(nxv_random_uniform),
      drawn(nxv_random_normal),
      drawn(nxv_cast),
      drawn(nxv_reshape),
      drawn(nxv_broadcast),
      drawn(nxv_transpose),
      drawn(nxv_slice),
      drawn(nxv_reverse),
      drawn(nxv_squeeze),
      drawn(nxv_pad),
      drawn(nxv_concatenate),
      drawn(nxv_dot),
      drawn(nxv_matmul),
      drawn(nxv_call_info),
      drawn(nxv_call_option_info),
      drawn(nxv_call),
      drawn(nxv_create),
      drawn(nxv_parameter),
      drawn(nxv_function_create),
      drawn(nxv_function_set_name),
      drawn(nxv_function_parameter_count),
      drawn(nxv_function_result_count),
      drawn(nxv_deallocate),
      drawn(nxv_profile_phase),
      // What computes comes last. Not nxv_while: loops need not end.
      drawn(nxv_function_call),
      drawn(nxv_cond),
      [this] { return read(); },
      [this] { return read_async(); },
      drawn(nxv_evaluate),
      drawn(nxv_evaluate_all),
      drawn(nxv_wait),
      drawn(nxv_trim),
      drawn(nxv_explain),
      drawn(nxv_function_explain),
      drawn(nxv_profile_begin),
      drawn(nxv_profile_end),
  };
  constexpr size_t kComputing = 12;
  const size_t kinds = std::size(operation_of) - (computes_ ? 0 : kComputing);
  while (in_.remaining_bytes() != 0) {
    const nxv_status status = operation_of[in_.ConsumeIntegralInRange<size_t>(0, kinds - 1)]();
    demand(status != NXV_INTERNAL, "an internal error");
    demand(status != NXV_DEVICE_LOST, "the device is lost");
  }
}

// Opened anew now and then: kernels are kept.
nxv_engine* engine(bool computes) {
  static nxv_engine* opened = nullptr;
  static int computed = 0;
  if (computes && ++computed % 256 == 0) {
    demand(nxv_engine_close(opened) == NXV_OK, "closing");
    opened = nullptr;
  }
  if (opened == nullptr) {
    nxv_engine_options options = {sizeof options, -1, uint64_t{64} << 20, 0, 0, 1};
    demand(nxv_engine_open(&options, &opened) == NXV_OK, "opening");
  }
  return opened;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider in(data, size);
  const bool computes = in.ConsumeIntegralInRange<int>(0, 7) == 0;
  nxv_engine* const e = engine(computes);
  reads_answered = 0;
  bytes_released = 0;
  int64_t reads = 0, given = 0;
  {
    Sequence sequence(e, in, computes);
    sequence.run();
    reads = sequence.reads_accepted();
    given = sequence.bytes_given();
  }
  nxv_profile_end(e, nullptr, nullptr);
  demand(nxv_trim(e) == NXV_OK, "trimming");
  while (reads_answered < reads || bytes_released < given) std::this_thread::yield();
  demand(reads_answered == reads, "reads are answered once");
  demand(bytes_released == given, "bytes are given back once");
  demand(nxv_trim(e) == NXV_OK, "trimming");
  nxv_memory_stats memory;
  demand(nxv_memory_stats_get(e, &memory) == NXV_OK, "asking for memory");
  demand(memory.nodes == 0, "nodes are left");
  demand(memory.in_use == 0, "memory is left");
  return 0;
}
