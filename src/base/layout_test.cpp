#include "base/layout.h"

#include <gtest/gtest.h>

#include <functional>
#include <numeric>
#include <random>

namespace nxv {
namespace {

// Storage positions of a view's elements in row-major order: what a layout means.
std::vector<int64_t> positions(const Layout& l) {
  std::vector<int64_t> result;
  std::vector<int64_t> index(l.shape.size(), 0);
  for (int64_t n = 0; n < l.count(); ++n) {
    int64_t p = l.offset;
    for (size_t d = 0; d < index.size(); ++d) p += index[d] * l.strides[d];
    result.push_back(p);
    for (size_t d = index.size(); d-- > 0;) {
      if (++index[d] < l.shape[d]) break;
      index[d] = 0;
    }
  }
  return result;
}

class Draw {
 public:
  explicit Draw(uint32_t seed) : engine_(seed) {}
  int64_t below(int64_t n) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(n)); }

  Shape shape() {
    Shape s(below(5));
    for (int64_t& d : s) d = 1 + below(4);
    return s;
  }
  Axes permutation(size_t rank) {
    Axes axes(rank);
    std::iota(axes.begin(), axes.end(), 0);
    for (size_t i = rank; i > 1; --i) std::swap(axes[i - 1], axes[below(static_cast<int64_t>(i))]);
    return axes;
  }
  Axes some_axes(size_t rank) {
    Axes axes;
    for (size_t i = 0; i < rank; ++i) {
      if (below(2) == 0) axes.push_back(static_cast<int64_t>(i));
    }
    return axes;
  }
  // A layout after a few views of contiguous storage.
  Layout layout() {
    Layout l = Layout::contiguous(shape());
    for (int64_t steps = below(4); steps > 0; --steps) l = view(l);
    return l;
  }

 private:
  Layout view(const Layout& l) {
    switch (below(4)) {
      case 0:
        return l.transpose(permutation(l.shape.size()));
      case 1:
        return l.reverse(some_axes(l.shape.size()));
      case 2: {
        std::vector<int64_t> starts, lengths, steps;
        for (int64_t d : l.shape) {
          starts.push_back(below(d));
          steps.push_back(1 + below(2));
          lengths.push_back(1 + (d - 1 - starts.back()) / steps.back());
        }
        return l.slice(starts, lengths, steps);
      }
      default: {
        Shape to = l.shape;
        to.insert(to.begin(), 1 + below(3));
        Axes axes(l.shape.size());
        std::iota(axes.begin(), axes.end(), 1);
        return l.broadcast(to, axes);
      }
    }
  }

  std::mt19937 engine_;
};

constexpr uint32_t kSeeds = 2000;

TEST(Layout, ContiguousIsRowMajor) {
  const Layout l = Layout::contiguous({2, 3});
  EXPECT_EQ(positions(l), (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_TRUE(l.is_contiguous());
  EXPECT_EQ(Layout::contiguous({}).count(), 1);
  EXPECT_EQ(to_string(l.shape), "{2, 3}");
  EXPECT_EQ(to_string(Shape{}), "{}");
}

TEST(Layout, TransposeSliceReverseBroadcast) {
  const Layout l = Layout::contiguous({2, 3});
  EXPECT_EQ(positions(l.transpose(Axes{1, 0})), (std::vector<int64_t>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(positions(l.reverse(Axes{1})), (std::vector<int64_t>{2, 1, 0, 5, 4, 3}));
  EXPECT_EQ(positions(l.slice(Axes{1, 0}, Axes{1, 2}, Axes{1, 2})), (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(positions(l.slice(Axes{0, 2}, Axes{2, 3}, Axes{1, -1})),
            (std::vector<int64_t>{2, 1, 0, 5, 4, 3}));
  const Layout row = Layout::contiguous({1, 3}).broadcast(Shape{2, 2, 3}, Axes{1, 2});
  EXPECT_EQ(positions(row), (std::vector<int64_t>{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2}));
}

TEST(Layout, Windows) {
  const Layout row = Layout::contiguous({5}).windows(Axes{2}, Axes{1}, Axes{2});
  EXPECT_EQ(row.shape, (Shape{3, 2}));
  EXPECT_EQ(positions(row), (std::vector<int64_t>{0, 2, 1, 3, 2, 4}));
  const Layout block = Layout::contiguous({3, 4}).windows(Axes{2, 1}, Axes{1, 3}, Axes{1, 1});
  EXPECT_EQ(block.shape, (Shape{2, 2, 2, 1}));
  EXPECT_EQ(positions(block), (std::vector<int64_t>{0, 4, 3, 7, 4, 8, 7, 11}));
  EXPECT_EQ(window_count(5, 3, 2, 2), 1);
  EXPECT_EQ(window_count(4, 3, 1, 2), 0);
}

TEST(Layout, ReshapeRunsAreTheShortest) {
  const auto runs = [](Shape from, Shape to) { return reshape_runs(from, to); };
  const ReshapeRuns split = runs({6, 1, 4}, {2, 3, 4});
  EXPECT_EQ(split.from, (std::vector<int>{0, -1, 1}));
  EXPECT_EQ(split.to, (std::vector<int>{0, 0, 1}));
  EXPECT_EQ(split.count, 2);
  const ReshapeRuns crossed = runs({4, 6, 5}, {1, 6, 4, 5});
  EXPECT_EQ(crossed.from, (std::vector<int>{0, 0, 1}));
  EXPECT_EQ(crossed.to, (std::vector<int>{-1, 0, 0, 1}));
  EXPECT_EQ(runs({}, {1, 1}).count, 0);
  EXPECT_EQ(runs({1, 7, 1}, {7}).from, (std::vector<int>{-1, 0, -1}));
}

// Reading a transposed view at a permuted index reads the original.
TEST(Layout, ViewsComposeAsFunctions) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    Draw draw(seed);
    const Layout l = draw.layout();
    const Axes axes = draw.permutation(l.shape.size());
    Axes inverse(axes.size());
    for (size_t i = 0; i < axes.size(); ++i) inverse[axes[i]] = static_cast<int64_t>(i);
    EXPECT_EQ(l.transpose(axes).transpose(inverse), l);
    const Axes flipped = draw.some_axes(l.shape.size());
    EXPECT_EQ(positions(l.reverse(flipped).reverse(flipped)), positions(l));
  }
}

TEST(Layout, IsContiguousMeansPositionsCountUp) {
  int contiguous = 0;
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    const Layout l = Draw(seed).layout();
    std::vector<int64_t> expected(l.count());
    std::iota(expected.begin(), expected.end(), l.offset);
    EXPECT_EQ(l.is_contiguous(), positions(l) == expected) << seed;
    contiguous += l.is_contiguous();
  }
  EXPECT_GT(contiguous, 100);
}

// All shapes of as many elements, up to a rank.
void for_each_shape(int64_t count, size_t rank, const std::function<void(const Shape&)>& visit) {
  const std::function<void(const Shape&, int64_t)> extend = [&](const Shape& s, int64_t left) {
    if (left == 1) visit(s);
    if (s.size() == rank) return;
    for (int64_t d = 1; d <= left; ++d) {
      if (left % d != 0) continue;
      Shape longer = s;
      longer.push_back(d);
      extend(longer, left / d);
    }
  };
  extend({}, count);
}

// A reshape keeps the order of elements; one that answers nothing has no strides that would.
TEST(Layout, ReshapeAgainstBruteForce) {
  int refused = 0;
  int expressed = 0;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    const Layout l = Draw(seed).layout();
    if (l.count() > 48) continue;
    const std::vector<int64_t> order = positions(l);
    for_each_shape(l.count(), 4, [&](const Shape& to) {
      const auto reshaped = l.reshape(to);
      if (reshaped) {
        ++expressed;
        EXPECT_EQ(reshaped->shape, to);
        EXPECT_EQ(positions(*reshaped), order) << seed << to_string(to);
        return;
      }
      ++refused;
      // The only strides that could work are the differences to the first element.
      Layout candidate{to, std::vector<int64_t>(to.size(), 0), l.offset};
      const std::vector<int64_t> steps = row_major_strides(to);
      for (size_t d = 0; d < to.size(); ++d) {
        if (to[d] > 1) candidate.strides[d] = order[steps[d]] - order[0];
      }
      EXPECT_NE(positions(candidate), order) << seed << to_string(l.shape) << to_string(to);
    });
  }
  EXPECT_GT(refused, 50);
  EXPECT_GT(expressed, 1000);
}

TEST(Layout, CollapseKeepsEveryOperandsElements) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    Draw draw(seed);
    Layout a = draw.layout();
    Layout b = Layout::contiguous(a.shape);
    Layout c{a.shape, std::vector<int64_t>(a.shape.size(), 0), 3};
    const auto before = std::vector{positions(a), positions(b), positions(c)};
    Layout* all[] = {&a, &b, &c};
    const Shape shape = collapse(all);
    ASSERT_FALSE(shape.empty());
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(all[i]->shape, shape);
      EXPECT_EQ(positions(*all[i]), before[i]) << seed;
    }
  }
}

TEST(Layout, CollapseMergesAllItCan) {
  Layout a = Layout::contiguous({2, 1, 3, 4});
  Layout b = Layout::contiguous({2, 1, 3, 4});
  Layout* both[] = {&a, &b};
  EXPECT_EQ(collapse(both), (Shape{24}));
  Layout c = Layout::contiguous({2, 3, 4});
  Layout d = Layout::contiguous({1, 3, 4}).broadcast(Shape{2, 3, 4}, Axes{0, 1, 2});
  Layout* rows[] = {&c, &d};
  EXPECT_EQ(collapse(rows), (Shape{2, 12}));
  EXPECT_EQ(d.strides, (std::vector<int64_t>{0, 1}));
  Layout scalar = Layout::contiguous({});
  Layout* one[] = {&scalar};
  EXPECT_EQ(collapse(one), (Shape{1}));
}

}  // namespace
}  // namespace nxv
