// Calls at the wrong place: inside of callbacks, of other engines' tensors. An error
// each, and no deadlock.
#include <future>
#include <string>

#include "capi/fixture_test.h"

namespace {

class Misuse : public CApi {};

// What functions that wait answer inside of a callback, and outside.
struct Waits {
  nxv_engine* engine;
  nxv_tensor *tensor, *other;
  nxv_function* function;
  std::promise<std::vector<nxv_status>> answers;

  std::vector<nxv_status> call_all() {
    float value[3];
    char* text = nullptr;
    std::vector<nxv_status> list = {nxv_read(other, value, sizeof value), nxv_wait(other),
                                    nxv_trim(engine)};
    for (const auto explain : {nxv_explain, nxv_explain_ir}) {
      list.push_back(explain(other, &text));
      nxv_free_text(text);
    }
    list.push_back(nxv_function_explain(function, nullptr, &text));
    nxv_free_text(text);
    list.push_back(nxv_engine_describe(engine, &text));
    nxv_free_text(text);
    list.push_back(nxv_profile_begin(engine));
    list.push_back(nxv_profile_end(engine, nullptr, nullptr));
    return list;
  }
};

TEST_F(Misuse, CallbacksMustNotWait) {
  nxv_tensor* parameter = build([&](nxv_tensor** out) {
    const int64_t n = 3;
    return nxv_parameter(engine_, NXV_F32, 1, &n, out);
  });
  nxv_function* function = nullptr;
  ASSERT_EQ(nxv_function_create(1, &parameter, 1, &parameter, &function), NXV_OK);
  const auto called_back = [](Waits& w) {
    std::vector<nxv_status> list = w.call_all();
    list.push_back(nxv_engine_close(w.engine));
    w.answers.set_value(list);
  };
  // Computed, known to the host, and failed: answered by different threads.
  nxv_tensor* computed = apply("exp", {vector({1, 2, 3})});
  nxv_tensor* known = vector({1, 2, 3});
  nxv_tensor* taken = build([&](nxv_tensor** out) {
    const int64_t n = int64_t{1} << 33;
    return nxv_constant_f64(engine_, NXV_F32, 1, 0, 1, &n, out);
  });
  for (nxv_tensor* t : {computed, known, taken}) {
    Waits waits{engine_, t, apply("exp", {vector({3, 2, 1})}), function, {}};
    struct Context {
      Waits& waits;
      decltype(called_back)& call;
    } context{waits, called_back};
    ASSERT_EQ(nxv_read_async(
                  t, -1,
                  [](void* c, nxv_status, const void*, size_t, const char*) {
                    static_cast<Context*>(c)->call(static_cast<Context*>(c)->waits);
                  },
                  &context),
              NXV_OK);
    for (nxv_status status : waits.answers.get_future().get()) {
      EXPECT_EQ(status, NXV_INVALID_ARGUMENT);
    }
  }
  // Bytes that are given back, at once and on the engine's thread.
  for (int64_t n : {3, 100000}) {
    Waits waits{engine_, nullptr, apply("exp", {vector({3, 2, 1})}), function, {}};
    struct Context {
      Waits& waits;
      decltype(called_back)& call;
    } context{waits, called_back};
    const std::vector<float> values(static_cast<size_t>(n), 1);
    build([&](nxv_tensor** out) {
      return nxv_from_host(
          engine_, NXV_F32, 1, &n, values.data(), values.size() * 4,
          [](void* c) { static_cast<Context*>(c)->call(static_cast<Context*>(c)->waits); },
          &context, out);
    });
    for (nxv_status status : waits.answers.get_future().get()) {
      EXPECT_EQ(status, NXV_INVALID_ARGUMENT);
    }
  }
  Waits outside{engine_, nullptr, apply("exp", {vector({3, 2, 1})}), function, {}};
  for (nxv_status status : outside.call_all()) EXPECT_EQ(status, NXV_OK) << nxv_last_error();
  nxv_function_release(function);
}

TEST_F(Misuse, TensorsOfOtherEngines) {
  nxv_engine* other = nullptr;
  ASSERT_EQ(nxv_engine_open(nullptr, &other), NXV_OK) << nxv_last_error();
  const float values[] = {1, 2, 3};
  const int64_t n = 3;
  nxv_tensor *stranger = nullptr, *out = nullptr, *parameter = nullptr;
  ASSERT_EQ(
      nxv_from_host(other, NXV_F32, 1, &n, values, sizeof values, nullptr, nullptr, &stranger),
      NXV_OK);
  nxv_tensor* both[] = {vector({1, 2, 3}), stranger};
  EXPECT_EQ(nxv_evaluate_all(2, both), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_apply(nxv_op_find("add"), 2, both, &out), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_matmul(both[0], both[1], &out), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_pad(both[0], both[1], &n, &n, &n, &out), NXV_INVALID_ARGUMENT);
  ASSERT_EQ(nxv_parameter(engine_, NXV_F32, 1, &n, &parameter), NXV_OK);
  keep(parameter);
  nxv_tensor* mixed[] = {parameter, stranger};
  nxv_function* function = nullptr;
  EXPECT_EQ(nxv_function_create(1, &parameter, 2, mixed, &function), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_function_create(1, &parameter, 1, &stranger, &function), NXV_INVALID_ARGUMENT);
  ASSERT_EQ(nxv_function_create(1, &parameter, 1, &parameter, &function), NXV_OK);
  EXPECT_EQ(nxv_function_call(function, 1, &stranger, &out), NXV_INVALID_ARGUMENT);
  nxv_tensor* results[] = {nullptr};
  EXPECT_EQ(nxv_while(1, &stranger, function, function, results), NXV_INVALID_ARGUMENT);
  nxv_function* functions[] = {function, function};
  EXPECT_EQ(nxv_cond(1, &both[0], functions, 1, &stranger, results), NXV_INVALID_ARGUMENT);
  nxv_function_release(function);
  nxv_release(stranger);
  nxv_engine_close(other);
  EXPECT_EQ(read(both[0]), (std::vector<float>{1, 2, 3}));
}

TEST_F(Misuse, ByteCountsThatDoNotFit) {
  EXPECT_EQ(nxv_host_bytes(NXV_C128, INT64_MAX), 0u);
  EXPECT_EQ(nxv_host_bytes(NXV_C128, int64_t{1} << 60), 0u);
  EXPECT_EQ(nxv_host_bytes(NXV_U2, int64_t{1} << 62), 0u);
  EXPECT_EQ(nxv_host_bytes(NXV_C128, int64_t{1} << 48), size_t{1} << 52);
  EXPECT_EQ(nxv_host_bytes(NXV_F32, -1), 0u);
  EXPECT_EQ(nxv_host_bytes(static_cast<nxv_dtype>(-1), 4), 0u);
}

}  // namespace
