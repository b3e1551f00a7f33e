#include "base/dtype.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nxv {
namespace {

DType type(std::string_view name) { return dtype_from_name(name).value(); }

std::vector<DType> all_types() {
  std::vector<DType> types;
  for (int i = 0; i < kDTypeCount; ++i) types.push_back(static_cast<DType>(i));
  return types;
}

TEST(DType, NamesAreFoundAgain) {
  for (DType t : all_types()) EXPECT_EQ(dtype_from_name(name(t)), t);
  EXPECT_EQ(dtype_from_name("f8_e5m2"), std::nullopt);  // Nx prints it as f8
  EXPECT_EQ(dtype_from_name(""), std::nullopt);
}

TEST(DType, StorageHoldsTheBits) {
  for (DType t : all_types()) {
    EXPECT_GE(storage_bytes(t) * 8, bits(t)) << name(t);
    if (bits(t) >= 8) {
      EXPECT_EQ(storage_bytes(t) * 8, bits(t)) << name(t);
    }
  }
}

TEST(Merge, IsCommutativeAndIdempotent) {
  for (DType a : all_types()) {
    EXPECT_EQ(merge(a, a), a);
    for (DType b : all_types()) EXPECT_EQ(merge(a, b), merge(b, a)) << name(a) << " " << name(b);
  }
}

// u + s is s of max(2u, s) bits, at most 64.
TEST(Merge, IntegersOfMixedSign) {
  const std::vector<int> widths = {2, 4, 8, 16, 32, 64};
  for (int u : widths) {
    for (int s : widths) {
      const DType merged = merge(type("u" + std::to_string(u)), type("s" + std::to_string(s)));
      EXPECT_TRUE(is_signed_int(merged));
      EXPECT_EQ(bits(merged), std::min(64, std::max(2 * u, s))) << u << " " << s;
    }
  }
  EXPECT_EQ(merge(type("u2"), type("s2")), type("s4"));
  EXPECT_EQ(merge(type("u64"), type("s64")), type("s64"));
}

TEST(Merge, FloatsAndIntegers) {
  for (DType t : all_types()) {
    if (is_integer(t)) continue;
    for (DType n : all_types()) {
      if (is_integer(n)) {
        EXPECT_EQ(merge(n, t), t) << name(n) << " " << name(t);
      }
    }
  }
  EXPECT_EQ(merge(type("bf16"), type("f16")), type("f16"));
  EXPECT_EQ(merge(type("f8"), type("bf16")), type("bf16"));
  EXPECT_EQ(merge(type("f32"), type("f64")), type("f64"));
  for (const char* other : {"f8", "bf16", "f16", "f32", "f64"}) {
    EXPECT_EQ(merge(type("f8_e4m3fn"), type(other)), type("f8_e4m3fn")) << other;
  }
}

TEST(Merge, ComplexHoldsTheRealPart) {
  for (const char* real : {"u8", "s64", "f8_e4m3fn", "f8", "bf16", "f16", "f32"}) {
    EXPECT_EQ(merge(type("c64"), type(real)), type("c64")) << real;
  }
  EXPECT_EQ(merge(type("c64"), type("f64")), type("c128"));
  EXPECT_EQ(merge(type("c64"), type("c128")), type("c128"));
}

TEST(Promote, FollowsNx) {
  const struct {
    const char *type, *floating, *aggregate, *complex, *real;
  } rows[] = {
      {"u2", "f32", "u32", "c64", "u2"},       {"u32", "f32", "u32", "c64", "u32"},
      {"u64", "f32", "s64", "c64", "u64"},     {"s2", "f32", "s32", "c64", "s2"},
      {"s32", "f32", "s32", "c64", "s32"},     {"s64", "f32", "s64", "c64", "s64"},
      {"bf16", "bf16", "bf16", "c64", "bf16"}, {"f64", "f64", "f64", "c128", "f64"},
      {"c64", "c64", "c64", "c64", "f32"},     {"c128", "c128", "c128", "c128", "f64"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(to_floating(type(row.type)), type(row.floating)) << row.type;
    EXPECT_EQ(to_aggregate(type(row.type)), type(row.aggregate)) << row.type;
    EXPECT_EQ(to_complex(type(row.type)), type(row.complex)) << row.type;
    EXPECT_EQ(to_real(type(row.type)), type(row.real)) << row.type;
  }
}

TEST(PackedBytes, RoundsUpToBytes) {
  EXPECT_EQ(packed_bytes(type("u2"), 4), 1);
  EXPECT_EQ(packed_bytes(type("u2"), 5), 2);
  EXPECT_EQ(packed_bytes(type("s4"), 3), 2);
  EXPECT_EQ(packed_bytes(type("c128"), 3), 48);
}

}  // namespace
}  // namespace nxv
