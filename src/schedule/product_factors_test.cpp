// What products read of 8-bit integers that casts have widened.
#include "graph/region_words.h"
#include "schedule/fixture_test.h"
#include "schedule/schedule.h"

namespace nxv::schedule {
namespace {

class ProductFactors : public Graphs {
 protected:
  static std::vector<Region> regions(const NodeRef& root, bool narrow = true) {
    Options options;
    options.narrow_factors = narrow;
    std::vector<Region> list;
    for (Item& item : make_schedule(root, options)) {
      if (!item.is_alias) list.push_back(std::move(item.region));
    }
    return list;
  }
  NodeRef bytes(Shape shape, DType type = DType::s8) { return data(std::move(shape), type); }
};

TEST_F(ProductFactors, ByteFactorsAreReadBehindCasts) {
  const auto product = [&] {
    return matmul(cast(bytes({20, 32}), DType::s32), cast(bytes({32, 40}, DType::u8), DType::s32));
  };
  const auto list = regions(product());
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].operands[0].node->dtype, DType::s8);
  EXPECT_EQ(list[0].operands[1].node->dtype, DType::u8);
  EXPECT_EQ(list[0].exprs[static_cast<size_t>(list[0].contraction())].dtype, DType::s32);
  EXPECT_EQ(regions(product(), false).size(), 3u) << "where devices gain nothing by it";
}

TEST_F(ProductFactors, ViewsMayStandOnEitherSideOfACast) {
  const NodeRef a = cast(transpose(bytes({32, 20}), {1, 0}), DType::f32);
  const NodeRef b = transpose(cast(bytes({40, 32}), DType::f32), {1, 0});
  const auto list = regions(matmul(a, b));
  ASSERT_EQ(list.size(), 1u);
  const auto words = record_at<ProductWords>(list[0].words, 0);
  EXPECT_EQ(words.a.row_stride, 1u);
  EXPECT_EQ(words.a.column_stride, 20u);
  EXPECT_EQ(words.b.row_stride, 1u);
  EXPECT_EQ(words.b.column_stride, 32u);
}

TEST_F(ProductFactors, OthersAreStored) {
  const auto count = [&](DType from, DType to, int64_t k) {
    return regions(matmul(cast(bytes({4, k}, from), to), cast(bytes({k, 4}, from), to))).size();
  };
  EXPECT_EQ(count(DType::s8, DType::f32, 1024), 1u);
  EXPECT_EQ(count(DType::s8, DType::f32, 1028), 3u) << "sums round";
  EXPECT_EQ(count(DType::u8, DType::s64, 33024), 1u);
  EXPECT_EQ(count(DType::u8, DType::s64, 33028), 3u) << "sums have more than 32 bits";
  EXPECT_EQ(count(DType::s16, DType::s32, 32), 3u);
  EXPECT_EQ(count(DType::s8, DType::u32, 32), 3u) << "a cast that changes numbers";
  EXPECT_EQ(count(DType::s8, DType::f8_e5m2, 32), 3u) << "a cast that rounds";
  EXPECT_EQ(count(DType::s8, DType::s32, 33), 3u) << "rows that are no whole words";
  // One factor alone.
  EXPECT_EQ(regions(matmul(cast(bytes({4, 32}), DType::f32), data({32, 4}))).size(), 2u);
}

TEST_F(ProductFactors, ACastThatOthersReadIsStored) {
  const NodeRef a = cast(bytes({20, 20}), DType::s32), b = cast(bytes({20, 20}), DType::s32);
  EXPECT_EQ(regions(add(matmul(a, b), a)).size(), 3u) << "both, and the sum";
}

}  // namespace
}  // namespace nxv::schedule
