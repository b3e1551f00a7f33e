// The precision of products, by the C interface and the C++ one.
#include <gtest/gtest.h>

#include <string>

#include "capi/fixture_test.h"
#include "nxv/nxv.hpp"

namespace {

class CPrecision : public CApi {
 protected:
  nxv_status call(const char* name, nxv_tensor* a, nxv_tensor* b, int64_t precision,
                  nxv_tensor** out) {
    nxv_tensor* operands[] = {a, b};
    const nxv_option option{"precision", 1, &precision, nullptr};
    int count = 0;
    return nxv_call(name, 2, operands, 1, &option, 1, out, &count);
  }
  nxv_tensor* product(nxv_tensor* a, nxv_tensor* b, nxv_precision precision) {
    return build([&](nxv_tensor** out) { return call("matmul", a, b, precision, out); });
  }
  std::string explained(nxv_tensor* t) {
    char* text = nullptr;
    EXPECT_EQ(nxv_explain(t, &text), NXV_OK) << nxv_last_error();
    std::string s = text;
    nxv_free_text(text);
    return s;
  }
};

TEST_F(CPrecision, IsOneOfTwo) {
  nxv_tensor *x = iota({4, 4}), *out = nullptr;
  for (const char* name : {"matmul", "dot"}) {
    EXPECT_EQ(call(name, x, x, 2, &out), NXV_INVALID_ARGUMENT);
    EXPECT_EQ(std::string(nxv_last_error()),
              std::string(name) + ": option 'precision' is 0 (accurate) or 1 (fast), not 2");
  }
  nxv_tensor *image = iota({1, 2, 5}), *kernel = iota({3, 2, 3});
  EXPECT_EQ(call("conv", image, kernel, -1, &out), NXV_INVALID_ARGUMENT);
  EXPECT_STREQ(nxv_last_error(), "conv: option 'precision' is 0 (accurate) or 1 (fast), not -1");
  for (int row = 0; row < nxv_call_count(); ++row) {
    nxv_call_row info;
    ASSERT_EQ(nxv_call_info(row, &info), NXV_OK);
    const std::string name = info.name;
    for (int i = 0; i < info.option_count; ++i) {
      nxv_call_option option;
      ASSERT_EQ(nxv_call_option_info(row, i, &option), NXV_OK);
      const bool is_precision = std::string(option.kind) == "precision";
      EXPECT_EQ(std::string(option.name) == "precision", is_precision);
      EXPECT_TRUE(!is_precision || name == "dot" || name == "matmul" || name == "conv") << name;
    }
  }
}

// Small products are computed as accurate ones are, but the graph has them apart.
TEST_F(CPrecision, TellsProductsApart) {
  nxv_tensor* x = iota({4, 4});
  nxv_tensor *accurate = product(x, x, NXV_ACCURATE), *fast = product(x, x, NXV_FAST);
  const std::string text = explained(apply("add", {accurate, fast}));
  EXPECT_NE(text.find("fast dot"), std::string::npos) << text;
  EXPECT_EQ(explained(accurate).find("fast"), std::string::npos);
  EXPECT_EQ(read(accurate), read(fast));
  // In a program, too, where what is computed twice is computed once.
  nxv_tensor* p = nullptr;
  const int64_t shape[] = {4, 4};
  ASSERT_EQ(nxv_parameter(engine_, NXV_F32, 2, shape, &p), NXV_OK);
  keep(p);
  const auto products = [&](nxv_precision a, nxv_precision b) {
    nxv_tensor* sum = apply("add", {product(p, p, a), product(p, p, b)});
    nxv_function* f = nullptr;
    EXPECT_EQ(nxv_function_create(1, &p, 1, &sum, &f), NXV_OK) << nxv_last_error();
    char* text = nullptr;
    EXPECT_EQ(nxv_function_explain(f, nullptr, &text), NXV_OK) << nxv_last_error();
    const std::string s = text;
    nxv_free_text(text);
    nxv_function_release(f);
    int count = 0;
    for (size_t at = s.find("kernel matmul_"); at != std::string::npos;
         at = s.find("kernel matmul_", at + 1)) {
      ++count;
    }
    return count;
  };
  EXPECT_EQ(products(NXV_FAST, NXV_FAST), 1);
  EXPECT_EQ(products(NXV_ACCURATE, NXV_ACCURATE), 1);
  EXPECT_EQ(products(NXV_ACCURATE, NXV_FAST), 2);
  // Of other types there is one precision.
  nxv_tensor* half = build([&](nxv_tensor** out) { return nxv_cast(x, NXV_F16, out); });
  EXPECT_EQ(explained(product(half, half, NXV_FAST)).find("fast"), std::string::npos);
}

TEST_F(CPrecision, OfTheCppInterface) {
  const nxv::Engine engine;
  const nxv::Tensor x = engine.tensor<float>({1, 2, 3, 4}, {2, 2});
  const nxv::ProductOptions fast{nxv::Precision::fast};
  const nxv::Tensor product = nxv::matmul(x, x, fast);
  EXPECT_NE(product.explain().find("fast dot"), std::string::npos);
  EXPECT_EQ(product.to_vector<float>(), (std::vector<float>{7, 10, 15, 22}));
  EXPECT_EQ(nxv::matmul(x, x).explain().find("fast"), std::string::npos);
  const nxv::Tensor turned = nxv::dot(x, {0}, x, {1}, {}, {}, fast);
  EXPECT_NE(turned.explain().find("fast dot"), std::string::npos);
  EXPECT_EQ(turned.to_vector<float>(), (std::vector<float>{7, 15, 10, 22}));
  EXPECT_EQ(nxv::dot(x, {0}, x, {1}).to_vector<float>(), turned.to_vector<float>());
  const nxv::Tensor image = nxv::reshape(x, {1, 2, 2}), kernel = nxv::reshape(x, {2, 2, 1});
  nxv::ConvOptions options;
  options.precision = nxv::Precision::fast;
  EXPECT_NE(nxv::conv(image, kernel, options).explain().find("fast dot"), std::string::npos);
  EXPECT_EQ(nxv::conv(image, kernel, options).to_vector<float>(),
            nxv::conv(image, kernel).to_vector<float>());
}

}  // namespace
