#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "capi/fixture_test.h"

namespace {

TEST(CApiTables, NamesAndRows) {
  EXPECT_STREQ(nxv_status_name(NXV_ALLOC_FAILED), "alloc_failed");
  EXPECT_STREQ(nxv_status_name(NXV_NEGATIVE_SHIFT), "negative_shift");
  EXPECT_STREQ(nxv_status_name(NXV_SINGULAR), "singular");
  EXPECT_STREQ(nxv_status_name(static_cast<nxv_status>(99)), "unknown");
  for (int i = 0; i <= NXV_C128; ++i) {
    nxv_dtype back;
    ASSERT_EQ(nxv_dtype_from_name(nxv_dtype_name(static_cast<nxv_dtype>(i)), &back), NXV_OK);
    EXPECT_EQ(back, i);
  }
  nxv_dtype none;
  EXPECT_EQ(nxv_dtype_from_name("f12", &none), NXV_INVALID_ARGUMENT);
  EXPECT_STREQ(nxv_last_error(), "no type is named f12");
  EXPECT_EQ(nxv_host_bytes(NXV_U2, 5), 2u);
  EXPECT_EQ(nxv_host_bytes(NXV_C64, 3), 24u);
  EXPECT_EQ(nxv_op_find("no such operation"), -1);
  for (int i = 0; i < nxv_op_count(); ++i) {
    nxv_op_row row;
    ASSERT_EQ(nxv_op_info(i, &row), NXV_OK);
    EXPECT_EQ(nxv_op_find(row.name), i);
  }
  nxv_op_row row;
  EXPECT_EQ(nxv_op_info(-1, &row), NXV_INVALID_ARGUMENT);
  nxv_release(nullptr);
  nxv_engine_close(nullptr);
}

TEST(CApiTables, CallsAndTheirOptions) {
  std::string options;
  for (int i = 0; i < nxv_call_count(); ++i) {
    nxv_call_row row;
    ASSERT_EQ(nxv_call_info(i, &row), NXV_OK);
    EXPECT_STRNE(row.summary, "") << row.name;
    if (std::strcmp(row.name, "argsort") != 0) continue;
    EXPECT_EQ(row.operands, 1);
    EXPECT_EQ(row.is_primitive, 0);
    for (int j = 0; j < row.option_count; ++j) {
      nxv_call_option option;
      ASSERT_EQ(nxv_call_option_info(i, j, &option), NXV_OK);
      options += std::string(option.name) + ":" + option.kind + " ";
    }
    nxv_call_option option;
    EXPECT_EQ(nxv_call_option_info(i, row.option_count, &option), NXV_INVALID_ARGUMENT);
  }
  EXPECT_EQ(options, "axis:integer descending:flag type:type ");
  nxv_call_row row;
  EXPECT_EQ(nxv_call_info(nxv_call_count(), &row), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_call_info(0, nullptr), NXV_INVALID_ARGUMENT);
}

TEST_F(CApi, CreatesByName) {
  const int64_t shape = 3;
  const nxv_option options[] = {{"shape", 1, &shape, nullptr}, {"axes", 1, &shape, nullptr}};
  nxv_tensor* counts = nullptr;
  ASSERT_EQ(nxv_create(engine_, "iota", 1, options, &counts), NXV_OK) << nxv_last_error();
  EXPECT_EQ(read(apply("divide", {keep(counts), vector({2})})), (std::vector<float>{0, 0.5, 1}));
  EXPECT_EQ(nxv_create(engine_, "iota", 2, options, &counts), NXV_INVALID_ARGUMENT);
  EXPECT_STREQ(nxv_last_error(), "iota: has no option 'axes'; it takes shape, axis, type");
  EXPECT_EQ(nxv_create(engine_, "exp", 0, nullptr, &counts), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_create(engine_, nullptr, 0, nullptr, &counts), NXV_INVALID_ARGUMENT);
}

TEST_F(CApi, FindsDevicesByIndexAndName) {
  nxv_device_info opened;
  ASSERT_EQ(nxv_engine_device(engine_, &opened), NXV_OK);
  int index = -1;
  ASSERT_EQ(nxv_device_find(nullptr, &index), NXV_OK) << nxv_last_error();
  nxv_device_info info;
  ASSERT_EQ(nxv_device_get(index, &info), NXV_OK);
  EXPECT_STREQ(info.name, opened.name);
  ASSERT_EQ(nxv_device_find(opened.name, &index), NXV_OK);
  ASSERT_EQ(nxv_device_get(index, &info), NXV_OK);
  EXPECT_STREQ(info.name, opened.name);
  ASSERT_EQ(nxv_device_find("0", &index), NXV_OK);
  EXPECT_EQ(index, 0);
  EXPECT_EQ(nxv_device_find("no such device", &index), NXV_NO_DEVICE);
  EXPECT_EQ(nxv_device_find(nullptr, nullptr), NXV_INVALID_ARGUMENT);
}

TEST_F(CApi, AddsAndReads) {
  nxv_tensor* a = vector({1, 2, 3, 4});
  EXPECT_EQ(read(apply("add", {a, a})), (std::vector<float>{2, 4, 6, 8}));
  EXPECT_EQ(nxv_tensor_dtype(a), NXV_F32);
  EXPECT_EQ(nxv_tensor_rank(a), 1);
  EXPECT_EQ(nxv_tensor_shape(a)[0], 4);
}

TEST_F(CApi, DataThatIsWrongIsAStatusOfTheRead) {
  nxv_tensor *minus = nullptr, *shifted = nullptr, *zeros = nullptr, *solved = nullptr;
  const int64_t one = 1, matrix[] = {2, 2};
  ASSERT_EQ(nxv_constant_s64(engine_, NXV_S32, -1, 1, &one, &minus), NXV_OK);
  nxv_tensor* both[] = {keep(minus), minus};
  ASSERT_EQ(nxv_apply(nxv_op_find("left_shift"), 2, both, &shifted), NXV_OK);
  int32_t number = 0;
  EXPECT_EQ(nxv_read(keep(shifted), &number, sizeof number), NXV_NEGATIVE_SHIFT);
  EXPECT_STREQ(nxv_last_error(),
               "negative shift amount in left_shift at element 0 of a result of shape {1}");
  ASSERT_EQ(nxv_constant_f64(engine_, NXV_F32, 0, 0, 2, matrix, &zeros), NXV_OK);
  nxv_tensor* system[] = {keep(zeros), vector({1, 2})};
  int count = 0;
  ASSERT_EQ(nxv_call("triangular_solve", 2, system, 0, nullptr, 1, &solved, &count), NXV_OK)
      << nxv_last_error();
  float x[2];
  EXPECT_EQ(nxv_read(keep(solved), x, sizeof x), NXV_SINGULAR);
  EXPECT_STREQ(nxv_last_error(), "can't solve for singular matrix in triangular_solve at matrix 0");
}

TEST_F(CApi, MistakesAreStatuses) {
  nxv_tensor* out = nullptr;
  nxv_tensor *a = vector({1, 2, 3}), *b = vector({1, 2});
  nxv_tensor* both[] = {a, b};
  EXPECT_EQ(nxv_apply(nxv_op_find("add"), 2, both, &out), NXV_SIZE_MISMATCH);
  EXPECT_STREQ(nxv_last_error(), "add: cannot broadcast f32{3} and f32{2}");
  EXPECT_EQ(nxv_apply(nxv_op_find("sum"), 1, both, &out), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_apply(12345, 1, both, &out), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_apply(nxv_op_find("add"), 2, nullptr, &out), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_cast(nullptr, NXV_F32, &out), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_cast(a, static_cast<nxv_dtype>(99), &out), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_cast(a, NXV_F32, nullptr), NXV_INVALID_ARGUMENT);
  const int64_t empty = 0;
  EXPECT_EQ(nxv_constant_f64(engine_, NXV_F32, 1, 0, 1, &empty, &out), NXV_EMPTY_TENSOR);
  float small[2];
  EXPECT_EQ(nxv_read(a, small, sizeof small), NXV_SIZE_MISMATCH);
  EXPECT_EQ(nxv_read_async(a, -1, nullptr, nullptr), NXV_INVALID_ARGUMENT);
  nxv_engine_options options{};
  nxv_engine* engine = nullptr;
  EXPECT_EQ(nxv_engine_open(&options, &engine), NXV_INVALID_ARGUMENT);
}

TEST_F(CApi, UploadsReleaseTheirBytesOnce) {
  const auto count = [](void* context) { ++*static_cast<std::atomic<int>*>(context); };
  for (int64_t n : {4, 100000}) {
    std::atomic<int> released{0};
    const std::vector<float> values(static_cast<size_t>(n), 3);
    nxv_tensor* t = nullptr;
    ASSERT_EQ(nxv_from_host(engine_, NXV_F32, 1, &n, values.data(), values.size() * 4, count,
                            &released, &t),
              NXV_OK);
    keep(t);
    EXPECT_EQ(read(t), values);
    EXPECT_EQ(released, 1);
    EXPECT_EQ(nxv_from_host(engine_, NXV_F32, 1, &n, values.data(), 3, count, &released, &t),
              NXV_SIZE_MISMATCH);
    EXPECT_EQ(released, 2) << "also when the call fails";
  }
}

TEST_F(CApi, SubByteTypesArePackedOutside) {
  const unsigned char packed[] = {0x1b, 0x40};  // 0, 1, 2, 3, 1
  const int64_t n = 5;
  nxv_tensor* t = nullptr;
  ASSERT_EQ(nxv_from_host(engine_, NXV_U2, 1, &n, packed, 2, nullptr, nullptr, &t), NXV_OK);
  keep(t);
  unsigned char back[2] = {};
  ASSERT_EQ(nxv_read(apply("add", {t, t}), back, 2), NXV_OK) << nxv_last_error();
  EXPECT_EQ(back[0], 0x22);  // 0, 2, 0, 2 of two bits
  EXPECT_EQ(back[1], 0x80);
}

// Larger ones are taken apart by the engine's thread.
TEST_F(CApi, LargeSubByteTensorsComeBack) {
  const int64_t n = 300'001;
  std::vector<unsigned char> packed(nxv_host_bytes(NXV_U4, n));
  for (size_t i = 0; i < packed.size(); ++i) packed[i] = static_cast<unsigned char>(i * 37);
  packed.back() &= 0xf0;  // one element is in it
  for (const bool is_released : {false, true}) {
    std::atomic<int> released{0};
    const auto count = [](void* context) { ++*static_cast<std::atomic<int>*>(context); };
    nxv_tensor* t = build([&](nxv_tensor** out) {
      return nxv_from_host(engine_, NXV_U4, 1, &n, packed.data(), packed.size(),
                           is_released ? +count : nullptr, &released, out);
    });
    std::vector<unsigned char> back(packed.size());
    ASSERT_EQ(nxv_read(t, back.data(), back.size()), NXV_OK) << nxv_last_error();
    EXPECT_EQ(back, packed);
    EXPECT_EQ(released, is_released ? 1 : 0);
  }
}

TEST_F(CApi, AsynchronousReadsAnswerOnce) {
  struct Answer {
    std::atomic<int> calls{0};
    nxv_status status = NXV_OK;
    size_t size = 0;
  } answer;
  nxv_tensor* sum = apply("add", {vector({1, 2, 3}), vector({4, 5, 6})});
  ASSERT_EQ(nxv_read_async(
                sum, 2,
                [](void* context, nxv_status status, const void*, size_t size, const char*) {
                  auto* a = static_cast<Answer*>(context);
                  a->status = status;
                  a->size = size;
                  ++a->calls;
                },
                &answer),
            NXV_OK);
  EXPECT_EQ(nxv_wait(sum), NXV_OK);
  nxv_engine_close(std::exchange(engine_, nullptr));  // answers what was asked for
  EXPECT_EQ(answer.calls, 1);
  EXPECT_EQ(answer.status, NXV_OK);
  EXPECT_EQ(answer.size, 8u);
  float rest[3];
  EXPECT_EQ(nxv_read(sum, rest, sizeof rest), NXV_DEVICE_LOST);
}

TEST_F(CApi, ErrorsBelongToTheirThread) {
  nxv_tensor* out = nullptr;
  EXPECT_EQ(nxv_cast(nullptr, NXV_F32, &out), NXV_INVALID_ARGUMENT);
  const std::string mine = nxv_last_error();
  std::thread([] { EXPECT_STREQ(nxv_last_error(), ""); }).join();
  EXPECT_EQ(mine, nxv_last_error());
}

TEST_F(CApi, CountersMemoryAndText) {
  nxv_tensor* x = apply("exp", {vector({1, 2, 3})});
  char* text = nullptr;
  ASSERT_EQ(nxv_explain(x, &text), NXV_OK) << nxv_last_error();
  EXPECT_NE(std::string(text).find("pointwise region"), std::string::npos);
  EXPECT_EQ(std::string(text).find("param out"), std::string::npos);
  nxv_free_text(text);
  ASSERT_EQ(nxv_explain_ir(x, &text), NXV_OK) << nxv_last_error();
  EXPECT_NE(std::string(text).find("param out: buffer"), std::string::npos);
  nxv_free_text(text);
  nxv_counters before, after;
  ASSERT_EQ(nxv_counters_get(engine_, &before), NXV_OK);
  read(x);
  ASSERT_EQ(nxv_counters_get(engine_, &after), NXV_OK);
  EXPECT_EQ(after.dispatches - before.dispatches, 1u);
  EXPECT_LE(after.module_cache_hits, after.kernels_compiled);
  nxv_memory_stats memory;
  ASSERT_EQ(nxv_memory_stats_get(engine_, &memory), NXV_OK);
  EXPECT_GT(memory.in_use, 0u);
  EXPECT_EQ(memory.nodes, 2);
  ASSERT_EQ(nxv_engine_describe(engine_, &text), NXV_OK);
  EXPECT_NE(std::string(text).find("Capabilities"), std::string::npos);
  nxv_free_text(text);
  EXPECT_EQ(nxv_trim(engine_), NXV_OK);
}

}  // namespace
