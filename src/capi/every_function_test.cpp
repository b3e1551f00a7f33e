// Every function of the interface with arguments that make no sense: NULL for all pointers, NULL
// for each by itself, numbers below every range. A status or a value comes back, and nothing is
// written where nothing was made.
#include <array>
#include <climits>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <tuple>

#include "capi/fixture_test.h"

namespace {

// What the functions may be given, by type; made anew for each call.
class Arguments {
 public:
  explicit Arguments(nxv_engine* engine) : engine_(engine) {
    outs_.fill(poison<nxv_tensor>());
    texts_.fill(poison<char>());
    for (nxv_tensor*& t : tensors_) {
      const float one = 1;
      const int64_t length = 1;
      nxv_from_host(engine, NXV_F32, 1, &length, &one, sizeof one, nullptr, nullptr, &t);
    }
    nxv_parameter(engine, NXV_F32, 1, dims_.data(), &parameter_);
    for (nxv_function*& f : functions_) nxv_function_create(1, &parameter_, 1, &parameter_, &f);
  }
  ~Arguments() {
    for (nxv_tensor* t : tensors_) nxv_release(t);
    for (nxv_tensor* t : outs_) {
      if (t != poison<nxv_tensor>()) nxv_release(t);
    }
    for (char* t : texts_) {
      if (t != poison<char>()) nxv_free_text(t);
    }
    for (nxv_function* f : functions_) nxv_function_release(f);
    if (function_out_ != poison<nxv_function>()) nxv_function_release(function_out_);
    if (engine_out_ != poison<nxv_engine>()) nxv_engine_close(engine_out_);
    nxv_release(parameter_);
  }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  template <typename T>
  T get() {
    if constexpr (std::is_same_v<T, nxv_engine*>) return engine_;
    if constexpr (std::is_same_v<T, nxv_tensor*>) return tensors_[0];
    if constexpr (std::is_same_v<T, const nxv_tensor*>) return tensors_[0];
    if constexpr (std::is_same_v<T, nxv_tensor* const*>) return tensors_.data();
    if constexpr (std::is_same_v<T, nxv_function*>) return functions_[0];
    if constexpr (std::is_same_v<T, const nxv_function*>) return functions_[0];
    if constexpr (std::is_same_v<T, nxv_function* const*>) return functions_.data();
    if constexpr (std::is_same_v<T, nxv_tensor**>) return outs_.data();
    if constexpr (std::is_same_v<T, nxv_function**>) return &function_out_;
    if constexpr (std::is_same_v<T, nxv_engine**>) return &engine_out_;
    if constexpr (std::is_same_v<T, char**>) return &texts_[next_text_++];
    if constexpr (std::is_same_v<T, const char*>) return "exp";
    if constexpr (std::is_same_v<T, char*>) return nullptr;
    if constexpr (std::is_same_v<T, const int64_t*>) return dims_.data();
    if constexpr (std::is_same_v<T, const void*>) return bytes_.data();
    if constexpr (std::is_same_v<T, void*>) return bytes_.data();
    if constexpr (std::is_same_v<T, int*>) return &number_;
    if constexpr (std::is_same_v<T, nxv_dtype*>) return &type_;
    if constexpr (std::is_same_v<T, nxv_op_row*>) return &op_row_;
    if constexpr (std::is_same_v<T, nxv_call_row*>) return &call_row_;
    if constexpr (std::is_same_v<T, nxv_call_option*>) return &call_option_;
    if constexpr (std::is_same_v<T, nxv_device_info*>) return &device_;
    if constexpr (std::is_same_v<T, nxv_memory_stats*>) return &memory_;
    if constexpr (std::is_same_v<T, nxv_counters*>) return &counters_;
    if constexpr (std::is_same_v<T, const nxv_engine_options*>) return &engine_options_;
    if constexpr (std::is_same_v<T, const nxv_explain_options*>) return &explain_options_;
    if constexpr (std::is_same_v<T, const nxv_option*>) return &option_;
    if constexpr (std::is_same_v<T, nxv_release_fn>) return [](void*) {};
    if constexpr (std::is_same_v<T, nxv_read_fn>) {
      return [](void*, nxv_status, const void*, size_t, const char*) {};
    }
    if constexpr (std::is_same_v<T, size_t>) return sizeof(float);
    if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, size_t>) return T{1};
    if constexpr (std::is_same_v<T, nxv_dtype>) return NXV_F32;
    if constexpr (std::is_same_v<T, nxv_status>) return NXV_OK;
  }

  // Whether each handle that could have been written was left alone or is NULL.
  bool are_outs_empty() const {
    const auto is_empty = [](auto* p) {
      return p == nullptr || p == poison<std::remove_pointer_t<decltype(p)>>();
    };
    return is_empty(outs_[0]) && is_empty(texts_[0]) && is_empty(texts_[1]) &&
           is_empty(function_out_) && is_empty(engine_out_);
  }
  // Whether nothing holds what nobody wrote, where a place for it was given.
  bool is_poisoned(nxv_tensor** given) const {
    return given != nullptr && outs_[0] == poison<nxv_tensor>();
  }

 private:
  template <typename T>
  static T* poison() {
    return reinterpret_cast<T*>(uintptr_t{0x5a5a5a50});
  }

  nxv_engine* engine_;
  std::array<nxv_tensor*, 2> tensors_ = {};
  nxv_tensor* parameter_ = nullptr;
  std::array<nxv_function*, 2> functions_ = {};
  std::array<nxv_tensor*, 4> outs_ = {};
  std::array<char*, 2> texts_ = {};
  size_t next_text_ = 0;
  nxv_function* function_out_ = poison<nxv_function>();
  nxv_engine* engine_out_ = poison<nxv_engine>();
  std::array<int64_t, 4> dims_ = {1, 1, 1, 1};
  std::array<std::byte, 64> bytes_ = {};
  int number_ = 0;
  nxv_dtype type_ = NXV_F32;
  nxv_op_row op_row_{};
  nxv_call_row call_row_{};
  nxv_call_option call_option_{};
  nxv_device_info device_{};
  nxv_memory_stats memory_{};
  nxv_counters counters_{};
  nxv_engine_options engine_options_{sizeof(nxv_engine_options), -1, 0, 0, 0, 0};
  nxv_explain_options explain_options_{};
  nxv_option option_{"no option", 1, dims_.data(), nullptr};
};

// How one function is tried.
struct Trial {
  // With NULL and 0 everywhere. What it answers, NXV_ANY_STATUS where it answers no status.
  std::function<nxv_status()> with_nothing;
  // With sense but for one argument, which is NULL or below its range: for each argument and value
  // the text of what was wrong with what it did, or nothing.
  std::function<std::string(nxv_engine*)> with_one_wrong;
};

template <typename R, typename... P>
nxv_status status_of(R (*function)(P...) noexcept, P... arguments) {
  if constexpr (std::is_same_v<R, nxv_status>)
    return function(arguments...);
  else if constexpr (std::is_void_v<R>)
    return function(arguments...), NXV_ANY_STATUS;
  else
    return static_cast<void>(function(arguments...)), NXV_ANY_STATUS;
}

template <typename T>
std::vector<T> wrong_values() {
  if constexpr (std::is_pointer_v<T>) return {nullptr};
  if constexpr (std::is_same_v<T, int>) return {-1, -2, INT_MIN};
  if constexpr (std::is_same_v<T, int64_t>) return {-1, INT64_MIN, INT64_MAX};
  if constexpr (std::is_same_v<T, size_t>) return {0, SIZE_MAX};
  if constexpr (std::is_enum_v<T>) return {static_cast<T>(-1), static_cast<T>(1000)};
  return {};
}

template <size_t i, typename R, typename... P>
std::string try_argument(nxv_engine* engine, R (*function)(P...) noexcept) {
  using T = std::tuple_element_t<i, std::tuple<P...>>;
  std::string wrong;
  for (const T value : wrong_values<T>()) {
    Arguments given(engine);
    std::tuple<P...> list{given.get<P>()...};
    std::get<i>(list) = value;
    const nxv_status status = std::apply([&](P... p) { return status_of(function, p...); }, list);
    const bool failed = status != NXV_OK && status != NXV_ANY_STATUS;
    const std::string what = " argument " + std::to_string(i);
    if (status == NXV_INTERNAL) wrong += what + " is an internal error";
    if (failed && !given.are_outs_empty()) wrong += what + " leaves a handle";
    if (failed && std::string(nxv_last_error()).empty()) wrong += what + " has no message";
    // Of functions with several results their number must be known.
    constexpr bool is_number = std::is_same_v<T, int> || std::is_same_v<T, nxv_function*> ||
                               std::is_same_v<T, nxv_function* const*>;
    if constexpr ((std::is_same_v<P, nxv_tensor**> || ...) && !is_number) {
      if (failed && given.is_poisoned(std::get<nxv_tensor**>(list))) {
        wrong += what + " leaves what was there";
      }
    }
  }
  return wrong;
}

template <typename R, typename... P>
Trial trial(R (*function)(P...) noexcept) {
  return {[=] { return status_of(function, P{}...); },
          [=](nxv_engine* engine) {
            return [&]<size_t... i>(std::index_sequence<i...>) {
              return (std::string() + ... + try_argument<i>(engine, function));
            }
            (std::index_sequence_for<P...>());
          }};
}

#define NXV_TRIAL(name) \
  { #name, trial(&name) }
const std::map<std::string, Trial>& trials() {
  static const std::map<std::string, Trial> all = {
      NXV_TRIAL(nxv_last_error),
      NXV_TRIAL(nxv_status_name),
      NXV_TRIAL(nxv_dtype_name),
      NXV_TRIAL(nxv_dtype_from_name),
      NXV_TRIAL(nxv_host_bytes),
      NXV_TRIAL(nxv_op_count),
      NXV_TRIAL(nxv_op_info),
      NXV_TRIAL(nxv_op_find),
      NXV_TRIAL(nxv_device_count),
      NXV_TRIAL(nxv_device_get),
      NXV_TRIAL(nxv_device_find),
      NXV_TRIAL(nxv_engine_open),
      NXV_TRIAL(nxv_engine_close),
      NXV_TRIAL(nxv_engine_device),
      NXV_TRIAL(nxv_memory_stats_get),
      NXV_TRIAL(nxv_trim),
      NXV_TRIAL(nxv_counters_get),
      NXV_TRIAL(nxv_pressure),
      NXV_TRIAL(nxv_pressure_relieved),
      NXV_TRIAL(nxv_is_behind),
      NXV_TRIAL(nxv_retain),
      NXV_TRIAL(nxv_release),
      NXV_TRIAL(nxv_tensor_dtype),
      NXV_TRIAL(nxv_tensor_rank),
      NXV_TRIAL(nxv_tensor_shape),
      NXV_TRIAL(nxv_tensor_count),
      NXV_TRIAL(nxv_from_host),
      NXV_TRIAL(nxv_read),
      NXV_TRIAL(nxv_read_async),
      NXV_TRIAL(nxv_evaluate),
      NXV_TRIAL(nxv_evaluate_all),
      NXV_TRIAL(nxv_wait),
      NXV_TRIAL(nxv_deallocate),
      NXV_TRIAL(nxv_constant_f64),
      NXV_TRIAL(nxv_constant_s64),
      NXV_TRIAL(nxv_iota),
      NXV_TRIAL(nxv_eye),
      NXV_TRIAL(nxv_random_uniform),
      NXV_TRIAL(nxv_random_normal),
      NXV_TRIAL(nxv_apply),
      NXV_TRIAL(nxv_cast),
      NXV_TRIAL(nxv_reshape),
      NXV_TRIAL(nxv_broadcast),
      NXV_TRIAL(nxv_transpose),
      NXV_TRIAL(nxv_slice),
      NXV_TRIAL(nxv_reverse),
      NXV_TRIAL(nxv_squeeze),
      NXV_TRIAL(nxv_pad),
      NXV_TRIAL(nxv_concatenate),
      NXV_TRIAL(nxv_reduce),
      NXV_TRIAL(nxv_dot),
      NXV_TRIAL(nxv_matmul),
      NXV_TRIAL(nxv_call_count),
      NXV_TRIAL(nxv_call_info),
      NXV_TRIAL(nxv_call_option_info),
      NXV_TRIAL(nxv_call),
      NXV_TRIAL(nxv_create),
      NXV_TRIAL(nxv_parameter),
      NXV_TRIAL(nxv_function_create),
      NXV_TRIAL(nxv_function_retain),
      NXV_TRIAL(nxv_function_release),
      NXV_TRIAL(nxv_function_set_name),
      NXV_TRIAL(nxv_function_call),
      NXV_TRIAL(nxv_function_parameter_count),
      NXV_TRIAL(nxv_while),
      NXV_TRIAL(nxv_function_result_count),
      NXV_TRIAL(nxv_cond),
      NXV_TRIAL(nxv_explain),
      NXV_TRIAL(nxv_explain_ir),
      NXV_TRIAL(nxv_function_explain),
      NXV_TRIAL(nxv_engine_describe),
      NXV_TRIAL(nxv_doctor),
      NXV_TRIAL(nxv_free_text),
      NXV_TRIAL(nxv_profile_begin),
      NXV_TRIAL(nxv_profile_phase),
      NXV_TRIAL(nxv_profile_end),
  };
  return all;
}
#undef NXV_TRIAL

// The functions that the header declares.
std::set<std::string> declared() {
  std::ifstream file(NXV_HEADER);
  EXPECT_TRUE(file) << NXV_HEADER;
  std::stringstream text;
  text << file.rdbuf();
  std::set<std::string> names;
  const std::string header = text.str();
  for (size_t at = 0; (at = header.find("\nNXV_API ", at)) != std::string::npos; ++at) {
    const size_t open = header.find('(', at);
    const size_t first = header.rfind("nxv_", open);
    names.insert(header.substr(first, open - first));
  }
  return names;
}

TEST(EveryFunction, IsTried) {
  std::set<std::string> tried;
  for (const auto& [name, trial] : trials()) tried.insert(name);
  EXPECT_EQ(tried, declared());
}

TEST(EveryFunction, AnswersNothingAtAll) {
  for (const auto& [name, trial] : trials()) {
    const nxv_status status = trial.with_nothing();
    const bool is_silent = status == NXV_ANY_STATUS || name == "nxv_engine_close";
    if (is_silent) continue;
    EXPECT_EQ(status, NXV_INVALID_ARGUMENT) << name;
    EXPECT_STRNE(nxv_last_error(), "") << name;
  }
}

class EveryFunctionOfAnEngine : public CApi {};

TEST_F(EveryFunctionOfAnEngine, AnswersOneArgumentThatIsWrong) {
  // Take away what they are given.
  const std::set<std::string> ends = {"nxv_engine_close",  "nxv_release",    "nxv_function_release",
                                      "nxv_free_text",     "nxv_retain",     "nxv_function_retain",
                                      "nxv_profile_begin", "nxv_engine_open"};
  for (const auto& [name, trial] : trials()) {
    if (ends.count(name) != 0) continue;
    EXPECT_EQ(trial.with_one_wrong(engine_), "") << name;
  }
  EXPECT_EQ(read(vector({1, 2})), (std::vector<float>{1, 2}));
}

}  // namespace
