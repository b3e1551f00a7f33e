// What the tests of this folder share: an engine, and tensors that are released with it.
#pragma once

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "nxv/nxv.h"

class CApi : public ::testing::Test {
 protected:
  void SetUp() override { open(nullptr); }
  void TearDown() override {
    for (nxv_tensor* t : made_) nxv_release(t);
    nxv_engine_close(engine_);
  }

  // Skips the test where there is no device.
  void open(const nxv_engine_options* options) {
    nxv_engine_close(std::exchange(engine_, nullptr));
    const nxv_status status = nxv_engine_open(options, &engine_);
    if (status == NXV_NO_DEVICE) GTEST_SKIP() << nxv_last_error();
    ASSERT_EQ(status, NXV_OK) << nxv_last_error();
  }

  nxv_tensor* keep(nxv_tensor* t) {
    made_.push_back(t);
    return t;
  }
  // What `make(&tensor)` builds.
  template <typename Make>
  nxv_tensor* build(Make make) {
    nxv_tensor* t = nullptr;
    EXPECT_EQ(make(&t), NXV_OK) << nxv_last_error();
    return keep(t);
  }
  nxv_tensor* vector(const std::vector<float>& values) {
    const auto n = static_cast<int64_t>(values.size());
    return build([&](nxv_tensor** out) {
      return nxv_from_host(engine_, NXV_F32, 1, &n, values.data(), values.size() * 4, nullptr,
                           nullptr, out);
    });
  }
  // 0, 1, 2, ...
  nxv_tensor* iota(const std::vector<int64_t>& shape) {
    return build([&](nxv_tensor** out) {
      return nxv_iota(engine_, NXV_F32, static_cast<int>(shape.size()), shape.data(), 0, 0, out);
    });
  }
  nxv_tensor* apply(const char* op, std::vector<nxv_tensor*> operands) {
    return build([&](nxv_tensor** out) {
      return nxv_apply(nxv_op_find(op), static_cast<int>(operands.size()), operands.data(), out);
    });
  }
  std::vector<float> read(nxv_tensor* t) {
    std::vector<float> values(static_cast<size_t>(nxv_tensor_count(t)));
    EXPECT_EQ(nxv_read(t, values.data(), values.size() * 4), NXV_OK) << nxv_last_error();
    return values;
  }

  nxv_engine* engine_ = nullptr;
  std::vector<nxv_tensor*> made_;
};
