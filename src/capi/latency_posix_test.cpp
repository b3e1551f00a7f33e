// What the NIF calls on ordinary schedulers waits for nothing, least of all for a kernel that is
// being compiled: every function that is not dirty returns within a millisecond.
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "capi/fixture_test.h"
#include "capi/handles.h"

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Names of the functions that the files of the NIF register without a flag: function<f>("f") and
// not function<f>("f", kWaits).
std::set<std::string> ordinary_functions() {
  constexpr std::string_view kOpens = ">(\"", kCloses = "\")";  // function<f>("name"): no flags
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(NXV_NIF_FOLDER)) {
    if (entry.path().extension() != ".cpp") continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      for (size_t at = line.find("function<"); at != std::string::npos;
           at = line.find("function<", at + 1)) {
        const size_t opens = line.find(kOpens, at);
        if (opens == std::string::npos) break;
        const size_t name = opens + kOpens.size(), quote = line.find('"', name);
        if (line.compare(quote, kCloses.size(), kCloses) == 0) {
          names.insert(line.substr(name, quote - name));
        }
      }
    }
  }
  return names;
}

// Holds the compilation of every kernel while it is closed.
class Compiler {
 public:
  int enter(const char* call) {
    if (std::strcmp(call, "vkCreateComputePipelines") != 0) return 0;
    std::unique_lock lock(mutex_);
    is_held_ = is_closed_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !is_closed_; });
    return 0;
  }
  void close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  void open() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = false;
    }
    changed_.notify_all();
  }
  bool wait_until_held() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, milliseconds(10'000), [&] { return is_held_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_closed_ = false, is_held_ = false;
};

class Latency : public CApi {
 protected:
  void SetUp() override {
    nxv::runtime::EngineOptions options = nxv::runtime::EngineOptions::from_environment();
    options.device.inject = [this](const char* call) { return compiler_.enter(call); };
    options.callers_may_sleep = false;  // as the NIF wants it
    try {
      engine_ =
          std::make_unique<nxv_engine>(nxv_engine{nxv::runtime::Engine::open(options)}).release();
    } catch (const nxv::Error& e) {
      if (e.status() != nxv::Status::no_device) throw;
      GTEST_SKIP() << e.what();
    }
  }
  void TearDown() override {
    compiler_.open();
    CApi::TearDown();
  }

  // An operation's result, dropped as a dead term drops it.
  template <typename Make>
  std::function<nxv_status()> building(Make make) {
    return [make]() mutable {
      nxv_tensor* out = nullptr;
      const nxv_status status = make(&out);
      nxv_release(out);
      return status;
    };
  }

  Compiler compiler_;
};

// How often this thread has waited, and how long it has computed: what takes long without either is
// other programs that have the processor.
struct Usage {
  long waits = 0;
  std::chrono::nanoseconds computed{};
};
Usage usage() {
#if defined(RUSAGE_THREAD)
  rusage u{};
  getrusage(RUSAGE_THREAD, &u);
  // What it says of time may be in steps of milliseconds.
  timespec computed{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &computed);
  return {u.ru_nvcsw,
          std::chrono::seconds(computed.tv_sec) + std::chrono::nanoseconds(computed.tv_nsec)};
#else
  static long calls = 0;
  return {++calls, {}};
#endif
}

constexpr milliseconds kLimit(NXV_LATENCY_MS);

// Of 10 000 calls at most 10 may wait or compute for that long.
testing::AssertionResult is_quick(const std::function<nxv_status()>& call) {
  constexpr int kCalls = 10'000, kSlow = kCalls / 1000;
  int slow = 0;
  Clock::duration longest{};
  for (int i = 0; i < kCalls && slow <= kSlow; ++i) {
    const Usage before = usage();
    const auto start = Clock::now();
    const nxv_status status = call();
    const auto took = Clock::now() - start;
    if (status != NXV_OK) return testing::AssertionFailure() << nxv_last_error();
    if (took < kLimit) continue;
    const Usage after = usage();
    if (after.waits == before.waits && after.computed - before.computed < kLimit) continue;
    ++slow;
    longest = std::max(longest, took);
  }
  if (slow <= kSlow) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "too many calls take " << kLimit.count() << " ms or more, the longest of "
         << std::chrono::duration_cast<std::chrono::microseconds>(longest).count() << " us";
}

TEST_F(Latency, OrdinaryFunctionsDoNotWaitForACompiler) {
  const int64_t shape[] = {2, 3}, starts[] = {0, 0}, lengths[] = {1, 2}, axes[] = {0, 1};
  const int64_t one = 1, count = 6, many = 1 << 16;
  const std::vector<float> values(static_cast<size_t>(many), 1);
  nxv_tensor *x = iota({2, 3}), *y = iota({2, 3}), *number = iota({});
  nxv_tensor* both[] = {x, y, y};
  const int add = nxv_op_find("add"), exp = nxv_op_find("exp"), select = nxv_op_find("select");
  const int sum = nxv_op_find("sum");

  const auto define = [](nxv_tensor* from, nxv_tensor* to) {
    nxv_function* f = nullptr;
    EXPECT_EQ(nxv_function_create(1, &from, 1, &to, &f), NXV_OK) << nxv_last_error();
    return std::unique_ptr<nxv_function, void (*)(nxv_function*)>(f, nxv_function_release);
  };
  nxv_tensor* parameter =
      build([&](nxv_tensor** out) { return nxv_parameter(engine_, NXV_F32, 2, shape, out); });
  nxv_tensor* state =
      build([&](nxv_tensor** out) { return nxv_parameter(engine_, NXV_F32, 0, nullptr, out); });
  nxv_tensor* result = apply("exp", {parameter});
  const auto function = define(parameter, result);
  const auto condition = define(state, apply("less", {state, number}));
  const auto body = define(state, apply("negate", {state}));

  const std::map<std::string, std::function<nxv_status()>> calls = {
      {"device", [] { return NXV_OK; }},
      {"engine_device",
       [&] {
         nxv_device_info info;
         return nxv_engine_device(engine_, &info);
       }},
      {"memory_stats",
       [&] {
         nxv_memory_stats stats;
         return nxv_memory_stats_get(engine_, &stats);
       }},
      {"counters",
       [&] {
         nxv_counters counters;
         return nxv_counters_get(engine_, &counters);
       }},
      {"pressure", [&] { return nxv_pressure(engine_), NXV_OK; }},
      {"pressure_relieved", [&] { return nxv_pressure_relieved(engine_), NXV_OK; }},
      {"behind?", [&] { return nxv_is_behind(engine_), NXV_OK; }},
      {"ops",
       [] {
         nxv_op_row row;
         for (int i = 0; i < nxv_op_count(); ++i) {
           if (nxv_op_info(i, &row) != NXV_OK) return NXV_INTERNAL;
         }
         return NXV_OK;
       }},
      {"calls",
       [] {
         nxv_call_row row;
         nxv_call_option option;
         for (int i = 0; i < nxv_call_count(); ++i) {
           if (nxv_call_info(i, &row) != NXV_OK) return NXV_INTERNAL;
           for (int j = 0; j < row.option_count; ++j) {
             if (nxv_call_option_info(i, j, &option) != NXV_OK) return NXV_INTERNAL;
           }
         }
         return NXV_OK;
       }},
      {"functions", [] { return NXV_OK; }},
      {"from_binary", building([&, large = false](nxv_tensor** out) mutable {
         // Small ones are copied, large ones wait for the engine.
         large = !large;
         const int64_t n = large ? many : 3;
         return nxv_from_host(
             engine_, NXV_F32, 1, &n, values.data(), static_cast<size_t>(n) * 4, [](void*) {},
             nullptr, out);
       })},
      {"constant", building([&](nxv_tensor** out) {
         return nxv_constant_f64(engine_, NXV_F32, 1, 0, 2, shape, out);
       })},
      {"iota",
       building([&](nxv_tensor** out) { return nxv_iota(engine_, NXV_F32, 2, shape, 1, 1, out); })},
      {"eye", building([&](nxv_tensor** out) { return nxv_eye(engine_, NXV_F32, 2, shape, out); })},
      {"random_uniform", building([&](nxv_tensor** out) {
         return nxv_random_uniform(engine_, NXV_F32, 2, shape, 1, 0, 0, 1, out);
       })},
      {"random_normal", building([&](nxv_tensor** out) {
         return nxv_random_normal(engine_, NXV_F32, 2, shape, 1, 0, 0, 1, out);
       })},
      {"unary", building([&](nxv_tensor** out) { return nxv_apply(exp, 1, both, out); })},
      {"binary", building([&](nxv_tensor** out) { return nxv_apply(add, 2, both, out); })},
      {"ternary", building([&](nxv_tensor** out) { return nxv_apply(select, 3, both, out); })},
      {"cast", building([&](nxv_tensor** out) { return nxv_cast(x, NXV_F16, out); })},
      {"reshape", building([&](nxv_tensor** out) { return nxv_reshape(x, 1, &count, out); })},
      {"broadcast",
       building([&](nxv_tensor** out) { return nxv_broadcast(number, 2, shape, nullptr, out); })},
      {"transpose", building([&](nxv_tensor** out) { return nxv_transpose(x, nullptr, out); })},
      {"slice",
       building([&](nxv_tensor** out) { return nxv_slice(x, starts, lengths, nullptr, out); })},
      {"reverse", building([&](nxv_tensor** out) { return nxv_reverse(x, 2, axes, out); })},
      {"squeeze", building([&](nxv_tensor** out) { return nxv_squeeze(x, -1, nullptr, out); })},
      {"pad", building([&](nxv_tensor** out) {
         return nxv_pad(x, number, lengths, lengths, starts, out);
       })},
      {"concatenate", building([&](nxv_tensor** out) { return nxv_concatenate(2, both, 0, out); })},
      {"reduce",
       building([&](nxv_tensor** out) { return nxv_reduce(sum, x, -1, nullptr, 0, out); })},
      {"dot", building([&](nxv_tensor** out) {
         return nxv_dot(x, y, 1, &one, &one, 0, nullptr, nullptr, out);
       })},
      {"matmul", building([&](nxv_tensor** out) {
         nxv_tensor* transposed = nullptr;
         if (nxv_transpose(y, nullptr, &transposed) != NXV_OK) return NXV_INTERNAL;
         const nxv_status status = nxv_matmul(x, transposed, out);
         nxv_release(transposed);
         return status;
       })},
      {"call", building([&](nxv_tensor** out) {
         int results = 0;
         return nxv_call("cumulative_sum", 1, both, 0, nullptr, 1, out, &results);
       })},
      {"create", building([&](nxv_tensor** out) {
         const nxv_option option = {"shape", 2, shape, nullptr};
         return nxv_create(engine_, "iota", 1, &option, out);
       })},
      {"parameter", building([&](nxv_tensor** out) {
         return nxv_parameter(engine_, NXV_F32, 0, nullptr, out);
       })},
      {"profile_phase", [&] { return nxv_profile_phase(engine_, "a phase"); }},
      {"read",
       [&] {
         return nxv_read_async(
             x, -1, [](void*, nxv_status, const void*, size_t, const char*) {}, nullptr);
       }},
      {"evaluate", [&] { return nxv_evaluate(x); }},
      {"evaluate_all", [&] { return nxv_evaluate_all(2, both); }},
      {"name_function", [&] { return nxv_function_set_name(function.get(), "named"); }},
      {"invoke",
       building([&](nxv_tensor** out) { return nxv_function_call(function.get(), 1, &x, out); })},
      {"while", building([&](nxv_tensor** out) {
         return nxv_while(1, &state, condition.get(), body.get(), out);
       })},
      {"cond", building([&](nxv_tensor** out) {
         nxv_function* const functions[] = {body.get(), body.get()};
         return nxv_cond(1, &state, functions, 1, &state, out);
       })},
      {"deallocate",
       [&] {
         nxv_tensor* t = nullptr;
         if (nxv_iota(engine_, NXV_F32, 2, shape, 1, 1, &t) != NXV_OK) return NXV_INTERNAL;
         const nxv_status status = nxv_deallocate(t);
         nxv_release(t);
         return status;
       }},
  };

  std::set<std::string> covered;
  for (const auto& [name, call] : calls) covered.insert(name);
  ASSERT_EQ(covered, ordinary_functions())
      << "add what a new function of the NIF calls, or mark it dirty if that waits";

  compiler_.close();
  ASSERT_EQ(nxv_evaluate(apply("sin", {iota({7})})), NXV_OK);
  ASSERT_TRUE(compiler_.wait_until_held());
  // What waits nevertheless is let go in the end.
  std::promise<void> done;
  auto was_rescued = std::async(std::launch::async, [&, finished = done.get_future()] {
    const bool waits = finished.wait_for(std::chrono::minutes(1)) == std::future_status::timeout;
    if (waits) compiler_.open();
    return waits;
  });
  for (const auto& [name, call] : calls) EXPECT_TRUE(is_quick(call)) << name;
  done.set_value();
  EXPECT_FALSE(was_rescued.get()) << "one of them waited for the compiler";
  compiler_.open();
  nxv_engine_close(std::exchange(engine_, nullptr));  // it reads what is above
}

// The least that a call takes, which other programs do not add to.
Clock::duration least(const std::function<nxv_status()>& call) {
  auto shortest = Clock::duration::max();
  for (int i = 0; i < 100; ++i) {
    const auto start = Clock::now();
    EXPECT_EQ(call(), NXV_OK) << nxv_last_error();
    shortest = std::min(shortest, Clock::now() - start);
  }
  return shortest;
}

// What is copied at once is also unpacked at once, and packed where it is read.
TEST_F(Latency, PackedElementsAreQuick) {
  for (const nxv_dtype type : {NXV_U2, NXV_S4}) {
    const std::vector<unsigned char> bytes(1 << 16, 0x1b);
    const int64_t count = (int64_t{1} << 16) * (type == NXV_U2 ? 4 : 2);
    const auto upload = [&](nxv_tensor** out) {
      return nxv_from_host(engine_, type, 1, &count, bytes.data(), bytes.size(), nullptr, nullptr,
                           out);
    };
    EXPECT_LT(least(building(upload)), kLimit);
    nxv_tensor* x = build(upload);
    const auto read = [&] {
      return nxv_read_async(
          x, -1, [](void*, nxv_status, const void*, size_t, const char*) {}, nullptr);
    };
    EXPECT_LT(least(read), kLimit);
  }
}

}  // namespace
