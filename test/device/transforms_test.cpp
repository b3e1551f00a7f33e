// Fourier transforms on whatever device is there, against a host transform in long double.
#include <map>
#include <random>
#include <sstream>

#include "library/registry.h"
#include "testing/driver/engine_fixture.h"
#include "testing/reference/fourier.h"

namespace nxv::runtime {
namespace {

constexpr double kBoundC64 = 1e-6, kBoundC128 = 1e-14;
double bound(DType t) { return t == DType::c64 ? kBoundC64 : kBoundC128; }

HostTensor noise(DType type, Shape shape, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> real(-1, 1);
  HostTensor t(type, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) {
    t.set(i, make_scalar(type, std::complex<double>(real(random), real(random))));
  }
  return t;
}

NodeRef upload(Engine& engine, const HostTensor& t) {
  auto kept = std::make_shared<std::vector<std::byte>>(t.bytes);
  return engine.upload(t.dtype, t.shape, std::span(*kept), [kept] {});
}

using Options = std::vector<library::Option>;
NodeRef call(std::string_view name, const NodeRef& x, const Options& options = {}) {
  return library::call(name, std::span(&x, 1), options).at(0);
}

class Transforms : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = open_or_null();
    if (!engine_) GTEST_SKIP() << "no Vulkan device here";
    types_ = {DType::c64};
    if (engine_->plan().has.f64) types_.push_back(DType::c128);
  }
  void TearDown() override {
    if (!engine_) return;
    for (DType t : types_) {
      std::ostringstream error;
      error << worst_[t];
      RecordProperty(std::string(name(t)) + "_error", error.str());
    }
  }

  // Of the rows of a random tensor.
  double error(DType type, const Shape& shape, bool inverse, int64_t step = 1) {
    const HostTensor x = noise(type, shape, static_cast<uint32_t>(shape.back()));
    const NodeRef y = call(inverse ? "ifft" : "fft", upload(*engine_, x), {{"eps", {}, {0}}});
    const double e = reference::fourier_error(value(*engine_, y), x, inverse, step);
    worst_[type] = std::max(worst_[type], e);
    return e;
  }
  void check_length(int64_t n) {
    for (DType type : types_) {
      for (bool inverse : {false, true}) check_length(n, type, inverse);
    }
  }
  void check_length(int64_t n, DType type, bool inverse) {
    ASSERT_LE(error(type, {1, n}, inverse), bound(type))
        << name(type) << " of " << n << (inverse ? ", inverse" : "");
  }

  std::shared_ptr<Engine> engine_;
  std::vector<DType> types_;
  std::map<DType, double> worst_;
};

TEST_F(Transforms, LengthsTo4096) {
  for (int64_t n = 1; n <= 128; ++n) check_length(n);
  for (int64_t n = 129; n <= 4096; n += 127) check_length(n);
  for (int64_t n : {255, 256, 257, 1023, 1024, 1025, 2187, 2401, 3125, 4093, 4095, 4096}) {
    check_length(n);
  }
}

TEST_F(Transforms, DISABLED_LongEveryLengthTo4096) {
  for (int64_t n = 1; n <= 4096; ++n) check_length(n);
}

TEST_F(Transforms, LongOnes) {
  for (DType type : types_) {
    check_length(1 << 20, type, type == DType::c128);
    check_length(1000003, type, type == DType::c64);
  }
}

TEST_F(Transforms, OfManyRows) {
  for (DType type : types_) {
    EXPECT_LE(error(type, {7, 13, 60}, false), bound(type));
    EXPECT_LE(error(type, {1000, 17}, true), bound(type));
    // More rows than a slab has, direct and by convolution.
    EXPECT_LE(error(type, {67, 32768}, false, 11), bound(type));
    EXPECT_LE(error(type, {129, 4099}, true, 16), bound(type));
  }
}

TEST_F(Transforms, RoundTrip) {
  for (int64_t n : {1, 49, 1000, 4099}) {
    const NodeRef x = upload(*engine_, noise(DType::c64, {3, n}, 5));
    const HostTensor back = value(*engine_, call("ifft", call("fft", x))),
                     want = value(*engine_, x);
    for (int64_t i = 0; i < want.count(); ++i) {
      ASSERT_LE(std::abs(to_complex_double(back.at(i)) - to_complex_double(want.at(i))), 2e-6) << n;
    }
  }
}

// Axes, lengths, other types: as composed by the reference.
TEST_F(Transforms, AsTheReference) {
  struct Case {
    const char* name;
    DType type;
    Shape shape;
    Options options;
  };
  const Case cases[] = {
      {"fft", DType::s32, {4, 3, 5}, {{"axis", {0}, {}}}},
      {"fft", DType::f32, {4, 30, 5}, {{"axis", {1}, {}}, {"length", {17}, {}}}},
      {"ifft", DType::f16, {4, 30, 5}, {{"axis", {1}, {}}, {"length", {48}, {}}}},
      {"fft2", DType::f32, {2, 12, 10}, {{"axes", {0, 1}, {}}, {"lengths", {3, 17}, {}}}},
      {"ifft2", DType::c64, {20, 31}, {}},
      {"rfft", DType::f32, {6, 37}, {{"axis", {0}, {}}, {"length", {9}, {}}}},
      {"irfft", DType::c64, {6, 9}, {{"length", {40}, {}}}},
      {"irfft", DType::c64, {21, 3}, {{"axis", {0}, {}}, {"length", {15}, {}}}},
      {"irfft", DType::c64, {3}, {{"length", {1}, {}}}},
  };
  for (const Case& c : cases) {
    HostTensor x = noise(to_complex(c.type), c.shape, 3);
    HostTensor in(c.type, c.shape);
    for (int64_t i = 0; i < in.count(); ++i) {
      const std::complex<double> v = 8.0 * to_complex_double(x.at(i));
      in.set(i, is_complex(c.type) ? make_scalar(c.type, v) : make_scalar(c.type, v.real()));
    }
    const HostTensor got = value(*engine_, call(c.name, upload(*engine_, in), c.options));
    const NodeRef host = host_value(host_graveyard(), c.type, c.shape, in.bytes);
    const HostTensor want = reference_evaluate(*call(c.name, host, c.options));
    ASSERT_EQ(got.shape, want.shape);
    for (int64_t i = 0; i < want.count(); ++i) {
      ASSERT_LE(std::abs(to_complex_double(got.at(i)) - to_complex_double(want.at(i))), 1e-4)
          << c.name << " of " << to_string(c.shape) << ", element " << i;
    }
  }
}

TEST_F(Transforms, SmallPartsBecomeZero) {
  HostTensor x(DType::c64, {4});
  x.set(0, make_scalar(DType::c64, std::complex<double>(0x1p-10, 0)));
  x.set(1, make_scalar(DType::c64, std::complex<double>(1, 0)));
  const HostTensor got = value(*engine_, call("fft", upload(*engine_, x), {{"eps", {}, {0.01}}}));
  const std::complex<double> want[] = {1 + 0x1p-10, {0, -1}, -1 + 0x1p-10, {0, 1}};
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(got.at(i), make_scalar(DType::c64, want[i])) << i;
  }
}

TEST_F(Transforms, NanReachesEveryElement) {
  for (int64_t n : {5, 64, 37}) {
    HostTensor x = noise(DType::c64, {2, n}, 1);
    x.set(1, make_scalar(DType::c64, std::complex<double>(NAN, 0)));
    const HostTensor got = value(*engine_, call("fft", upload(*engine_, x)));
    for (int64_t i = 0; i < 2 * n; ++i) {
      EXPECT_EQ(std::isnan(to_complex_double(got.at(i)).real()), i < n) << n << ", " << i;
    }
  }
}

}  // namespace
}  // namespace nxv::runtime
