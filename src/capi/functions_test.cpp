#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "capi/fixture_test.h"

namespace {

class CFunctions : public CApi {
 protected:
  nxv_tensor* parameter(std::vector<int64_t> shape) {
    nxv_tensor* out = nullptr;
    EXPECT_EQ(nxv_parameter(engine_, NXV_F32, static_cast<int>(shape.size()), shape.data(), &out),
              NXV_OK);
    return keep(out);
  }
};

TEST_F(CFunctions, CallsAnswerEachResult) {
  nxv_tensor* parameters[] = {parameter({2}), parameter({2})};
  nxv_tensor* sum = apply("add", {parameters[0], parameters[1]});
  nxv_tensor* results[] = {sum, apply("multiply", {sum, parameters[0]})};
  nxv_function* f = nullptr;
  ASSERT_EQ(nxv_function_create(2, parameters, 2, results, &f), NXV_OK) << nxv_last_error();
  EXPECT_EQ(nxv_function_parameter_count(f), 2);
  EXPECT_EQ(nxv_function_result_count(f), 2);
  nxv_tensor* arguments[] = {vector({1, 2}), vector({3, 4})};
  nxv_tensor* values[2];
  ASSERT_EQ(nxv_function_call(f, 2, arguments, values), NXV_OK) << nxv_last_error();
  EXPECT_EQ(read(keep(values[0])), (std::vector<float>{4, 6}));
  EXPECT_EQ(read(keep(values[1])), (std::vector<float>{4, 12}));
  nxv_function_retain(f);
  nxv_function_release(f);
  EXPECT_EQ(nxv_function_call(f, 1, arguments, values), NXV_INVALID_ARGUMENT);
  EXPECT_STREQ(nxv_last_error(), "arguments of a function: 1 where 2 are expected");
  nxv_tensor* wrong[] = {arguments[0], vector({1, 2, 3})};
  EXPECT_EQ(nxv_function_call(f, 2, wrong, values), NXV_INVALID_ARGUMENT);
  EXPECT_STREQ(nxv_last_error(), "arguments of a function: number 1 is f32{3}, expected f32{2}");
  nxv_function_release(f);
}

TEST_F(CFunctions, ConditionsChooseAFunction) {
  nxv_tensor* x = parameter({2});
  nxv_function* functions[2] = {};
  const char* names[] = {"exp", "negate"};
  for (int i = 0; i < 2; ++i) {
    nxv_tensor* y = apply(names[i], {x});
    ASSERT_EQ(nxv_function_create(1, &x, 1, &y, &functions[i]), NXV_OK);
  }
  for (float predicate : {0.0F, 0.5F}) {
    nxv_tensor* p = nullptr;
    ASSERT_EQ(nxv_constant_f64(engine_, NXV_F32, predicate, 0, 0, nullptr, &p), NXV_OK);
    keep(p);
    nxv_tensor *argument = vector({0, 0}), *value = nullptr;
    ASSERT_EQ(nxv_cond(1, &p, functions, 1, &argument, &value), NXV_OK) << nxv_last_error();
    const float expected = predicate != 0 ? 1.0F : -0.0F;
    EXPECT_EQ(read(keep(value)), (std::vector<float>{expected, expected}));
  }
  for (nxv_function* f : functions) nxv_function_release(f);
}

TEST_F(CFunctions, ExplainThemselves) {
  nxv_tensor* x = parameter({2});
  nxv_tensor* y = apply("exp", {x});
  nxv_function* f = nullptr;
  ASSERT_EQ(nxv_function_create(1, &x, 1, &y, &f), NXV_OK);
  char* text = nullptr;
  ASSERT_EQ(nxv_function_explain(f, nullptr, &text), NXV_OK) << nxv_last_error();
  EXPECT_EQ(std::string(text).find("program 1 step, 1 kernel"), 0u) << text;
  nxv_free_text(text);
  const int number = 5;
  nxv_explain_options options{NXV_EXPLAIN_SVG, "the <name>", &number};
  ASSERT_EQ(nxv_function_explain(f, &options, &text), NXV_OK) << nxv_last_error();
  EXPECT_NE(std::string(text).find("the &lt;name&gt;"), std::string::npos) << text;
  EXPECT_NE(std::string(text).find("argument 5 f32{2}"), std::string::npos) << text;
  nxv_free_text(text);
  options.format = static_cast<nxv_explain_format>(7);
  EXPECT_EQ(nxv_function_explain(f, &options, &text), NXV_INVALID_ARGUMENT);
  EXPECT_STREQ(nxv_last_error(), "not an nxv_explain_format: 7");
  EXPECT_EQ(nxv_function_explain(f, nullptr, nullptr), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_function_explain(nullptr, nullptr, &text), NXV_INVALID_ARGUMENT);
  nxv_function_release(f);
}

TEST_F(CFunctions, AreProfiledByTheirNames) {
  nxv_tensor* x = parameter({3});
  nxv_tensor* y = apply("exp", {x});
  nxv_function* f = nullptr;
  ASSERT_EQ(nxv_function_create(1, &x, 1, &y, &f), NXV_OK);
  ASSERT_EQ(nxv_function_set_name(f, "the \"exp\" of it"), NXV_OK);
  ASSERT_EQ(nxv_profile_begin(engine_), NXV_OK) << nxv_last_error();
  EXPECT_EQ(nxv_profile_begin(engine_), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_profile_phase(engine_, "calling"), NXV_OK);
  nxv_tensor *argument = vector({0, 0, 0}), *value = nullptr;
  ASSERT_EQ(nxv_function_call(f, 1, &argument, &value), NXV_OK);
  keep(value);
  char *table = nullptr, *trace = nullptr;
  ASSERT_EQ(nxv_profile_end(engine_, &table, &trace), NXV_OK) << nxv_last_error();
  EXPECT_NE(std::string(table).find("step 1 pointwise: exp -> f32{3}  [the \"exp\" of it]"),
            std::string::npos)
      << table;
  EXPECT_NE(std::string(table).find("calling"), std::string::npos) << table;
  EXPECT_NE(std::string(trace).find("\"name\":\"record\""), std::string::npos) << trace;
  nxv_free_text(table);
  nxv_free_text(trace);
  EXPECT_EQ(nxv_profile_end(engine_, &table, nullptr), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_profile_phase(engine_, "nobody listens"), NXV_OK);
  ASSERT_EQ(nxv_profile_begin(engine_), NXV_OK);
  EXPECT_EQ(nxv_profile_end(engine_, nullptr, nullptr), NXV_OK);
  EXPECT_EQ(nxv_profile_begin(nullptr), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_profile_phase(engine_, nullptr), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_profile_end(nullptr, nullptr, nullptr), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_function_set_name(f, nullptr), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_function_set_name(nullptr, "x"), NXV_INVALID_ARGUMENT);
  nxv_function_release(f);
}

TEST_F(CFunctions, NullsAreRefused) {
  nxv_tensor *x = parameter({2}), *out = nullptr;
  nxv_function* f = nullptr;
  EXPECT_EQ(nxv_function_create(1, nullptr, 1, &x, &f), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_function_create(1, &x, 0, nullptr, &f), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_function_create(1, &x, 1, &x, nullptr), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_function_call(nullptr, 1, &x, &out), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_while(1, &x, nullptr, nullptr, &out), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_cond(1, &x, nullptr, 1, &x, &out), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_evaluate_all(1, nullptr), NXV_INVALID_ARGUMENT);
  EXPECT_EQ(nxv_evaluate_all(1, &x), NXV_OK);  // what cannot be read answers when it is
  nxv_function_release(nullptr);
  nxv_function_retain(nullptr);
  EXPECT_EQ(nxv_function_parameter_count(nullptr), 0);
  EXPECT_EQ(nxv_function_result_count(nullptr), 0);
}

}  // namespace
