#include "base/scalar.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace nxv {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct NarrowFormat {
  DType dtype;
  int bits;
  uint16_t largest;  // bits of the largest finite number
};
constexpr NarrowFormat kNarrow[] = {{DType::f8_e4m3fn, 8, 0x7e},
                                    {DType::f8_e5m2, 8, 0x7b},
                                    {DType::bf16, 16, 0x7f7f},
                                    {DType::f16, 16, 0x7bff}};

uint16_t sign_bit(const NarrowFormat& f) { return static_cast<uint16_t>(1U << (f.bits - 1)); }

TEST(Narrow, EveryNumberRoundTrips) {
  for (const NarrowFormat& f : kNarrow) {
    for (uint32_t code = 0; code < (1U << f.bits); ++code) {
      const double value = decode_narrow(f.dtype, static_cast<uint16_t>(code));
      const uint16_t back = encode_narrow(f.dtype, value);
      if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(decode_narrow(f.dtype, back))) << code;
      } else {
        ASSERT_EQ(back, code) << name(f.dtype) << " " << value;
      }
    }
  }
}

// bf16 is the upper half of f32: an independent way to decode it.
TEST(Narrow, Bfloat16IsHalfOfFloat) {
  for (uint32_t code = 0; code < 0x10000; ++code) {
    const float value = std::bit_cast<float>(code << 16);
    if (std::isnan(value)) continue;
    ASSERT_EQ(decode_narrow(DType::bf16, static_cast<uint16_t>(code)), value);
  }
}

// Between neighbours the nearer one wins, in the middle the even one.
TEST(Narrow, RoundsToNearestEven) {
  for (const NarrowFormat& f : kNarrow) {
    for (uint16_t code = 0; code < f.largest; ++code) {
      const double low = decode_narrow(f.dtype, code);
      const double high = decode_narrow(f.dtype, code + 1);
      ASSERT_LT(low, high);
      const double middle = low + (high - low) / 2;
      const uint16_t even = code % 2 == 0 ? code : code + 1;
      ASSERT_EQ(encode_narrow(f.dtype, middle), even) << name(f.dtype) << " " << middle;
      ASSERT_EQ(encode_narrow(f.dtype, std::nextafter(middle, low)), code);
      ASSERT_EQ(encode_narrow(f.dtype, std::nextafter(middle, high)), code + 1);
      ASSERT_EQ(encode_narrow(f.dtype, -middle), even | sign_bit(f));
    }
  }
}

TEST(Narrow, OverflowsAsIeeeButE4m3fnSaturates) {
  for (const NarrowFormat& f : kNarrow) {
    const double largest = decode_narrow(f.dtype, f.largest);
    const double step = largest - decode_narrow(f.dtype, f.largest - 1);
    EXPECT_EQ(encode_narrow(f.dtype, largest + step * 0.49), f.largest) << name(f.dtype);
    const bool saturates = f.dtype == DType::f8_e4m3fn;
    for (double big : {largest + step * 0.5, largest * 1e6, kInfinity}) {
      const uint16_t code = encode_narrow(f.dtype, big);
      EXPECT_EQ(decode_narrow(f.dtype, code), saturates ? largest : kInfinity) << name(f.dtype);
      EXPECT_EQ(encode_narrow(f.dtype, -big), code | sign_bit(f));
    }
    EXPECT_TRUE(std::isnan(decode_narrow(f.dtype, encode_narrow(f.dtype, kNaN))));
  }
}

TEST(Narrow, KnownValues) {
  EXPECT_EQ(encode_narrow(DType::f16, 1.0), 0x3c00);
  EXPECT_EQ(encode_narrow(DType::f16, 65504.0), 0x7bff);
  EXPECT_EQ(encode_narrow(DType::f16, -0.0), 0x8000);
  EXPECT_EQ(decode_narrow(DType::f16, 0x0001), 0x1p-24);
  EXPECT_EQ(decode_narrow(DType::f8_e4m3fn, 0x7e), 448.0);
  EXPECT_EQ(decode_narrow(DType::f8_e4m3fn, 0x01), 0x1p-9);
  EXPECT_EQ(decode_narrow(DType::f8_e5m2, 0x01), 0x1p-16);
  EXPECT_EQ(decode_narrow(DType::f8_e5m2, 0x7b), 57344.0);
}

TEST(Integers, WrapToTheirWidth) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const DType t = static_cast<DType>(i);
    if (!is_integer(t) || bits(t) == 64) continue;
    const int64_t span = int64_t{1} << bits(t);
    const int64_t lowest = is_unsigned(t) ? 0 : -span / 2;
    for (int64_t x : {lowest, lowest + 1, int64_t{0}, int64_t{1}, lowest + span - 1}) {
      for (int64_t turns : {-2, -1, 0, 1, 3}) {
        EXPECT_EQ(to_int64(make_scalar(t, x + turns * span)), x) << name(t);
      }
    }
  }
  EXPECT_EQ(to_int64(make_scalar(DType::s64, ~uint64_t{0})), -1);
  EXPECT_EQ(make_scalar(DType::u64, int64_t{-1}).lo, ~uint64_t{0});
}

TEST(Integers, SubByteTypesFillTheirByte) {
  EXPECT_EQ(make_scalar(DType::s4, int64_t{-1}).lo, 0xffU);
  EXPECT_EQ(make_scalar(DType::s2, int64_t{2}).lo, 0xfeU);
  EXPECT_EQ(make_scalar(DType::u4, int64_t{-1}).lo, 0x0fU);
}

TEST(RealToInteger, TruncatesThenWraps) {
  const auto cast = [](DType t, double x) { return to_int64(make_scalar(t, x)); };
  EXPECT_EQ(cast(DType::s32, -2.9), -2);
  EXPECT_EQ(cast(DType::u8, 300.7), 44);
  EXPECT_EQ(cast(DType::u8, -1.5), 255);
  EXPECT_EQ(cast(DType::s8, 200.0), -56);
  EXPECT_EQ(cast(DType::s2, 2.0), -2);
  EXPECT_EQ(cast(DType::s64, 0x1p63), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(cast(DType::s64, 0x1p64), 0);
  EXPECT_EQ(cast(DType::s64, static_cast<double>(1e20F)), 7766281635539976192);
  EXPECT_EQ(cast(DType::s64, -0x1.fffffffffffffp65), 0x2000);
  EXPECT_EQ(cast(DType::s32, 1e300), 0);
  EXPECT_EQ(cast(DType::s32, 0x1p-1074), 0);
}

TEST(RealToInteger, SpecialValues) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const DType t = static_cast<DType>(i);
    if (!is_integer(t)) continue;
    const int width = bits(t) - (is_unsigned(t) ? 0 : 1);
    const auto highest = static_cast<int64_t>(~uint64_t{0} >> (64 - width));
    const int64_t lowest = is_unsigned(t) ? 0 : -highest - 1;
    EXPECT_EQ(to_int64(make_scalar(t, kNaN)), 0) << name(t);
    EXPECT_EQ(to_int64(make_scalar(t, kInfinity)), highest) << name(t);
    EXPECT_EQ(to_int64(make_scalar(t, -kInfinity)), lowest) << name(t);
  }
}

TEST(IntegerToReal, RoundsOnceFrom64Bits) {
  // One above a tie between two f32 numbers: a double cannot hold it.
  const uint64_t above = (uint64_t{0x1000001} << 39) + 1;
  EXPECT_EQ(to_double(make_scalar(DType::f32, above)), std::ldexp(0x1000002, 39));
  EXPECT_EQ(to_double(make_scalar(DType::f32, above - 1)), std::ldexp(0x1000000, 39));
}

TEST(Complex, KeepsBothParts) {
  const std::complex<double> z(1.5, -0.25);
  for (DType t : {DType::c64, DType::c128}) EXPECT_EQ(to_complex_double(make_scalar(t, z)), z);
  EXPECT_EQ(to_double(make_scalar(DType::f32, z)), 1.5);
  EXPECT_EQ(to_int64(make_scalar(DType::s8, z)), 1);
  EXPECT_EQ(to_complex_double(make_scalar(DType::c64, 2.0)), std::complex<double>(2, 0));
}

TEST(Storage, LoadsWhatWasStored) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const DType t = static_cast<DType>(i);
    std::vector<std::byte> bytes(3 * storage_bytes(t));
    for (int64_t k = 0; k < 3; ++k) store_scalar(make_scalar(t, int64_t{k == 1}), bytes.data(), k);
    for (int64_t k = 0; k < 3; ++k) {
      EXPECT_EQ(load_scalar(t, bytes.data(), k), make_scalar(t, int64_t{k == 1})) << name(t);
    }
  }
}

// s4 [1, -1, 3] is <<31, 3::4>>.
TEST(Packing, MostSignificantBitsFirst) {
  const DType t = DType::s4;
  std::vector<std::byte> storage(3);
  const int64_t values[] = {1, -1, 3};
  for (int64_t i = 0; i < 3; ++i) store_scalar(make_scalar(t, values[i]), storage.data(), i);
  std::vector<std::byte> packed(packed_bytes(t, 3), std::byte{0xff});
  pack_elements(t, storage.data(), 3, packed.data());
  EXPECT_EQ(packed, (std::vector{std::byte{0x1f}, std::byte{0x30}}));
}

// Element i of a byte is at its bits from the top, whatever stands beside it.
TEST(Packing, EveryByteOfEveryType) {
  for (DType t : {DType::u2, DType::s2, DType::u4, DType::s4}) {
    const int width = bits(t), per_byte = 8 / width;
    std::vector<std::byte> packed(256), storage(256 * per_byte), expected(storage.size());
    for (int b = 0; b < 256; ++b) packed[b] = static_cast<std::byte>(b);
    for (int k = 0; k < 256 * per_byte; ++k) {
      const int64_t above = k / per_byte >> (8 - width * (k % per_byte + 1));
      store_scalar(make_scalar(t, above), expected.data(), k);
    }
    unpack_elements(t, packed.data(), 256 * per_byte, storage.data());
    EXPECT_EQ(storage, expected) << name(t);
    std::vector<std::byte> again(256);
    pack_elements(t, storage.data(), 256 * per_byte, again.data());
    EXPECT_EQ(again, packed) << name(t);
  }
}

TEST(Packing, RoundTrips) {
  for (DType t : {DType::u2, DType::s2, DType::u4, DType::s4, DType::u8, DType::c64}) {
    for (int64_t count = 1; count <= 9; ++count) {
      std::vector<std::byte> storage(count * storage_bytes(t));
      for (int64_t i = 0; i < count; ++i) {
        store_scalar(make_scalar(t, i * 7 - 3), storage.data(), i);
      }
      std::vector<std::byte> packed(packed_bytes(t, count)), back(storage.size());
      pack_elements(t, storage.data(), count, packed.data());
      unpack_elements(t, packed.data(), count, back.data());
      EXPECT_EQ(back, storage) << name(t) << " " << count;
    }
  }
}

}  // namespace
}  // namespace nxv
