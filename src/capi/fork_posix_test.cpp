// Calls in a child that was forked: an error each, and no deadlock.
#include <sys/wait.h>
#include <unistd.h>

#include "capi/fixture_test.h"

namespace {

class Fork : public CApi {};

// Runs `body` in a child and answers its exit status, -1 where it hung or died.
template <typename Body>
int in_child(Body body) {
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    _exit(body());
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(Fork, AChildThatWasForkedGetsErrors) {
  nxv_tensor *x = vector({1, 2, 3}), *y = apply("exp", {x});
  nxv_tensor* parameter = build([&](nxv_tensor** out) {
    const int64_t n = 3;
    return nxv_parameter(engine_, NXV_F32, 1, &n, out);
  });
  nxv_function* function = nullptr;
  ASSERT_EQ(nxv_function_create(1, &parameter, 1, &parameter, &function), NXV_OK);
  EXPECT_EQ(
      in_child([&] {
        float values[3];
        char* text = nullptr;
        nxv_tensor* out = nullptr;
        nxv_memory_stats stats;
        nxv_counters counters;
        const int64_t n = 3;
        const nxv_status answers[] = {
            nxv_read(x, values, sizeof values),
            nxv_read(y, values, sizeof values),
            nxv_wait(y),
            nxv_evaluate(y),
            nxv_evaluate_all(1, &y),
            nxv_read_async(
                y, -1, [](void*, nxv_status, const void*, size_t, const char*) {}, nullptr),
            nxv_trim(engine_),
            nxv_memory_stats_get(engine_, &stats),
            nxv_counters_get(engine_, &counters),
            nxv_explain(y, &text),
            nxv_engine_describe(engine_, &text),
            nxv_apply(nxv_op_find("exp"), 1, &x, &out),
            nxv_iota(engine_, NXV_F32, 1, &n, 0, 0, &out),
            nxv_from_host(engine_, NXV_F32, 1, &n, values, sizeof values, nullptr, nullptr, &out),
            nxv_function_call(function, 1, &x, &out),
            nxv_function_explain(function, nullptr, &text),
            nxv_profile_begin(engine_),
            nxv_profile_end(engine_, &text, &text),
            nxv_deallocate(x)};
        int number = 1;
        for (nxv_status status : answers) {
          if (status != NXV_DEVICE_LOST) return number;
          ++number;
        }
        nxv_release(y);
        nxv_function_release(function);
        nxv_engine_close(engine_);
        return 0;
      }),
      0)
      << "the number of the call that answered something else";
  EXPECT_EQ(read(x), (std::vector<float>{1, 2, 3})) << "the parent goes on";
  nxv_function_release(function);
}

}  // namespace
