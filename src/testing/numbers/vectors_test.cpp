#include "testing/numbers/vectors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "base/error.h"

namespace nxv {
namespace {

using nlohmann::json;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

HostTensor floats(std::initializer_list<double> values, DType dtype = DType::f32) {
  HostTensor t(dtype, {static_cast<int64_t>(values.size())});
  int64_t i = 0;
  for (double v : values) t.set(i++, make_scalar(dtype, v));
  return t;
}

VectorCase wanting(HostTensor want, bool is_exact, double atol = 0, double rtol = 0) {
  VectorCase c;
  c.outputs.push_back(std::move(want));
  c.is_exact = is_exact;
  c.atol = atol;
  c.rtol = rtol;
  return c;
}

TEST(Vectors, Base64) {
  const auto text = [](std::string_view encoded) {
    std::string s;
    for (std::byte b : decode_base64(encoded)) s += static_cast<char>(b);
    return s;
  };
  EXPECT_EQ(text(""), "");
  EXPECT_EQ(text("Zg=="), "f");
  EXPECT_EQ(text("Zm8="), "fo");
  EXPECT_EQ(text("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decode_base64("+/8=")[0], std::byte{0xfb});
  EXPECT_THROW(decode_base64("a*b="), Error);
}

TEST(Vectors, TensorsUnpack) {
  // <<0b01_10_11_00, 0b10_000000>>
  const HostTensor t = parse_tensor({{"type", "s2"}, {"shape", {5}}, {"data", "bIA="}});
  EXPECT_EQ(to_string(t), "s2 {5} [1, -2, -1, 0, -2]");
  EXPECT_THROW(parse_tensor({{"type", "s2"}, {"shape", {9}}, {"data", "bIA="}}), Error);
  EXPECT_THROW(parse_tensor({{"type", "s3"}, {"shape", {5}}, {"data", "bIA="}}), Error);
  // Nothing is allocated for what no bytes are there for.
  for (const char* shape : {"[4611686018427387904, 4]", "[1099511627776]", "[-5]", "[5.5]",
                            "[1e300]", "5", "\"five\""}) {
    EXPECT_THROW(parse_tensor({{"type", "u8"}, {"shape", json::parse(shape)}, {"data", "bIA="}}),
                 Error)
        << shape;
  }
}

TEST(Vectors, ExactMeansBits) {
  const VectorCase c = wanting(floats({0.0, kNaN, 1.0, kInfinity}), true);
  EXPECT_TRUE(compare_output(c, 0, floats({0.0, -kNaN, 1.0, kInfinity})).matches());
  const Comparison d = compare_output(c, 0, floats({-0.0, kNaN, 1.0 + 0x1p-23, kInfinity}));
  EXPECT_EQ(d.mismatches, 2);
  EXPECT_EQ(d.first, 0);
  EXPECT_EQ(d.max_ulp, 1);
  EXPECT_FALSE(compare_output(c, 0, floats({0.0, 1.0, 1.0, kInfinity})).matches());
  EXPECT_FALSE(compare_output(c, 0, floats({0.0, kNaN, kNaN, kInfinity})).matches());
}

TEST(Vectors, CloseIsPerComponent) {
  const VectorCase c = wanting(floats({100.0, 0.0, kInfinity}), false, 0.5, 0.01);
  EXPECT_TRUE(compare_output(c, 0, floats({101.5, -0.5, kInfinity})).matches());
  EXPECT_EQ(compare_output(c, 0, floats({101.6, 0.6, -kInfinity})).mismatches, 3);
  EXPECT_FALSE(compare_output(c, 0, floats({100.0, kNaN, kInfinity})).matches());
  HostTensor z(DType::c64, {1});
  z.set(0, make_scalar(DType::c64, std::complex<double>(1, 2)));
  HostTensor far = z;
  far.set(0, make_scalar(DType::c64, std::complex<double>(1, 2.5)));
  EXPECT_FALSE(compare_output(wanting(z, false, 0.1, 0.1), 0, far).matches());
  EXPECT_TRUE(compare_output(wanting(z, false, 0.5, 0.1), 0, far).matches());
}

TEST(Vectors, TypeAndShapeMatter) {
  const VectorCase c = wanting(floats({1.0}), true);
  EXPECT_FALSE(compare_output(c, 0, floats({1.0}, DType::f64)).matches());
  EXPECT_FALSE(compare_output(c, 0, floats({1.0, 1.0})).matches());
}

TEST(Vectors, SubnormalMismatchesAreTold) {
  VectorCase c = wanting(floats({0x1p-130, 2.0}), true);
  EXPECT_TRUE(compare_output(c, 0, floats({0.0, 2.0})).only_subnormal());
  EXPECT_FALSE(compare_output(c, 0, floats({0.0, 3.0})).only_subnormal());
  EXPECT_FALSE(compare_output(c, 0, floats({0x1p-130, 2.0})).only_subnormal());
  c.inputs.push_back(floats({1.0, 0x1p-140}));
  EXPECT_TRUE(compare_output(c, 0, floats({0.0, 3.0})).only_subnormal());
}

TEST(Vectors, UlpCountsRepresentableNumbers) {
  const auto distance = [](DType t, double a, double b) {
    return ulp_distance(make_scalar(t, a), make_scalar(t, b));
  };
  EXPECT_EQ(distance(DType::f32, -0x1p-149, 0x1p-149), 2);
  EXPECT_EQ(distance(DType::f32, -0.0, 0.0), 0);
  EXPECT_EQ(distance(DType::f16, 1.0, 1.0 + 0x1p-9), 2);
  EXPECT_EQ(distance(DType::s32, -3, 4), 7);
  EXPECT_EQ(distance(DType::f64, 1.0, 1.0 + 0x1p-51), 2);
  EXPECT_EQ(distance(DType::f64, -0x1p-1074, 0x1p-1074), 2);
  EXPECT_EQ(distance(DType::f64, kNaN, kNaN), 0);
  EXPECT_EQ(distance(DType::f64, kNaN, 1), kInfinity);
}

TEST(Vectors, FilesAreReadLineByLine) {
  const auto folder = std::filesystem::temp_directory_path() / "nxv_vectors_test";
  std::filesystem::create_directories(folder);
  const json line = {{"id", "sum-1"},
                     {"op", "sum"},
                     {"class", "finite"},
                     {"cmp", "close"},
                     {"atol", 0.5},
                     {"rtol", 0.25},
                     {"opts", {{"axes", nullptr}}},
                     {"inputs", json::array({{{"type", "u8"}, {"shape", {1}}, {"data", "AQ=="}}})},
                     {"outputs", json::array()}};
  std::ofstream(folder / "sum.jsonl") << line.dump() << "\n" << line.dump() << "\n";
  std::ofstream(folder / "notes.jsonl") << "{}\n";
  EXPECT_EQ(vector_families(folder), std::vector<std::string>{"sum"});
  int cases = 0;
  read_vectors(folder / "sum.jsonl", [&](const VectorCase& c) {
    ++cases;
    EXPECT_EQ(c.family, "sum");
    EXPECT_EQ(c.atol, 0.5);
    EXPECT_FALSE(c.is_exact);
    EXPECT_EQ(to_string(c.inputs[0]), "u8 {1} [1]");
  });
  EXPECT_EQ(cases, 2);
  std::ofstream(folder / "sum.jsonl") << "{}\n";
  EXPECT_THROW(read_vectors(folder / "sum.jsonl", [](const VectorCase&) {}), Error);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace nxv
