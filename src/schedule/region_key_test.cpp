// Which graphs share a kernel.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "schedule/fixture_test.h"
#include "schedule/schedule.h"

namespace nxv::schedule {
namespace {

class RegionKeys : public Graphs {
 protected:
  // Of the last region.
  static std::string key(const NodeRef& root) {
    std::vector<Item> items = make_schedule(root, {});
    while (items.back().is_alias) items.pop_back();
    return items.back().region.key;
  }

  // A value that an evaluation stored: its node still says what made it.
  static NodeRef stored(NodeRef node) {
    node->set_stored(nullptr);
    return node;
  }

  static NodeRef first(const NodeRef& x) {
    const Shape starts(x->shape.size(), 0), ones(x->shape.size(), 1);
    return reshape(slice(x, starts, ones, ones), {});
  }
};

TEST_F(RegionKeys, AreSharedByWhatDiffersOnlyInHowItCameAbout) {
  struct Pair {
    const char* what;
    std::function<NodeRef()> a, b;
  };
  const auto x = [&](Shape shape) { return data(std::move(shape)); };
  const auto of = [&](DType type) { return data({3}, type); };
  const auto negated = [&](const NodeRef& v) { return elementwise(Op::negate, {v}); };
  const std::vector<Pair> pairs = {
      {"sizes", [&] { return negated(x({7})); }, [&] { return negated(x({9000})); }},
      {"ranks", [&] { return add(x({24}), x({24})); },
       [&] {
         return add(x({2, 3, 4}), x({2, 3, 4}));
       }},
      {"unit axes", [&] { return add(x({24}), x({24})); },
       [&] {
         return reshape(add(x({1, 24}), x({1, 24})), {24});
       }},
      {"unit axes of what is read by strides",
       [&] {
         return transpose(add(transpose(x({5, 7}), {1, 0}), x({7, 5})), {1, 0});
       },
       [&] {
         return add(reshape(x({1, 5, 7}), {5, 7}), transpose(x({7, 5}), {1, 0}));
       }},
      {"ranks of reductions",
       [&] {
         return reduce(Op::sum, negated(x({24, 10})), Axes{1}, false);
       },
       [&] {
         return reduce(Op::sum, negated(x({2, 3, 4, 10})), Axes{3}, false);
       }},
      {"axes that are kept",
       [&] {
         return reduce(Op::sum, x({24, 10}), Axes{1}, false);
       },
       [&] {
         return reduce(Op::sum, x({24, 10}), Axes{1}, true);
       }},
      {"what made an operand", [&] { return add(x({24}), x({24})); },
       [&] { return add(stored(negated(x({24}))), stored(iota(owner_, DType::f32, {24}, 0))); }},
      {"views on the way to one element",
       [&] { return add(x({24}), broadcast(first(x({40})), {24})); },
       [&] {
         return add(x({24}), broadcast(first(x({5, 6})), {24}));
       }},
      {"views that strides express beside a pad",
       [&] {
         return add(pad(x({5}), number(1), {{1}, {1}, {0}}), x({7}));
       },
       [&] {
         const NodeRef one = broadcast(first(x({3, 3})), {7});
         return add(pad(x({5}), number(1), {{1}, {1}, {0}}), stored(negated(one)));
       }},
      {"views of equal ranks that strides express",
       [&] {
         return add(x({6, 4}), transpose(x({4, 6}), {1, 0}));
       },
       [&] {
         return add(x({6, 4}), broadcast(x({4}), {6, 4}));
       }},
      {"types that are only moved",
       [&] {
         return concatenate(std::vector{x({3}), x({3})}, 0);
       },
       [&] {
         return concatenate(std::vector{of(DType::s32), of(DType::s32)}, 0);
       }},
      {"types that are only moved, of 64 bits",
       [&] {
         return elementwise(Op::select, {of(DType::u8), of(DType::f64), of(DType::f64)});
       },
       [&] {
         return elementwise(Op::select, {of(DType::u8), of(DType::s64), of(DType::s64)});
       }},
      {"types that are only moved beside others",
       [&] {
         return elementwise(Op::select, {elementwise(Op::less, {x({3}), x({3})}), x({3}), x({3})});
       },
       [&] {
         return elementwise(
             Op::select, {elementwise(Op::less, {x({3}), x({3})}), of(DType::u32), of(DType::u32)});
       }},
      {"one element and many, of one operation", [&] { return add(x({24}), number(1)); },
       [&] { return add(stored(negated(x({}))), number(1)); }},
      {"ranks of small copies",
       [&] {
         return transpose(x({5, 7}), {1, 0});
       },
       [&] { return broadcast(x({}), {3}); }},
      {"ranks of small copies, of more axes",
       [&] {
         return transpose(x({5, 7}), {1, 0});
       },
       [&] {
         return transpose(x({2, 3, 4, 5}), {3, 1, 2, 0});
       }},
      {"few elements with themselves and with others",
       [&] {
         const NodeRef v = x({24});
         return elementwise(Op::multiply, {v, v});
       },
       [&] {
         return elementwise(Op::multiply, {x({24}), x({24})});
       }},
      {"one element wherever a path leads",
       [&] {
         return concatenate(std::vector{x({1}), x({1})}, 0);
       },
       [&] {
         return concatenate(std::vector{reshape(stored(negated(x({}))), {1}), x({1})}, 0);
       }},
      {"integers and floats of the same value",
       [&] {
         return elementwise(Op::less, {x({24}), number(2)});
       },
       [&] {
         return elementwise(Op::less, {x({24}), number(2, DType::s32)});
       }},
      {"comparisons from either side",
       [&] {
         return elementwise(Op::less, {x({24}), x({24})});
       },
       [&] {
         return elementwise(Op::greater, {x({24}), x({24})});
       }},
      {"constants before and behind",
       [&] {
         return elementwise(Op::multiply, {of(DType::s32), number(2, DType::s32)});
       },
       [&] {
         return elementwise(Op::multiply, {number(2, DType::s32), of(DType::s32)});
       }},
      {"constants compared from either side",
       [&] {
         return elementwise(Op::greater_equal, {number(2), negated(x({24}))});
       },
       [&] {
         return elementwise(Op::less_equal, {negated(x({24})), number(2)});
       }},
      {"an axis that counts all elements",
       [&] { return negated(iota(owner_, DType::f32, {24}, -1)); },
       [&] {
         return negated(iota(owner_, DType::f32, {1, 24}, 1));
       }},
  };
  for (const Pair& pair : pairs) EXPECT_EQ(key(pair.a()), key(pair.b())) << pair.what;
}

TEST_F(RegionKeys, DifferWhereTheCodeDoes) {
  const NodeRef x = data({6, 4}), y = data({6, 4}), many = data({600, 40});
  const PadAttr ends{{1, 0}, {1, 0}, {0, 0}}, interior{{0, 0}, {0, 0}, {1, 0}};
  const std::vector<NodeRef> roots = {
      add(x, y),
      elementwise(Op::subtract, {x, y}),
      add(many, many),
      add(x, number(1)),
      add(number(1), x),  // of two NaN the first may be the result
      add(x, transpose(data({4, 6}), {1, 0})),
      add(x, broadcast(data({}), {6, 4})),
      pad(x, number(1), ends),
      pad(x, number(1), interior),
      concatenate(std::vector{x, y}, 0),
      concatenate(std::vector{x, y}, 1),
      concatenate(std::vector{data({6, 4}, DType::f64), data({6, 4}, DType::f64)}, 0),
      concatenate(std::vector{data({6, 4}, DType::u16), data({6, 4}, DType::u16)}, 0),
      concatenate(std::vector{data({6, 4}, DType::c64), data({6, 4}, DType::c64)}, 0),
      elementwise(Op::select, {x, x, y}),
      elementwise(Op::select, {data({6, 4}, DType::s32), x, y}),
      elementwise(Op::select, {x, data({6, 4}, DType::s32), y}),
      elementwise(Op::max, {x, y}),
      elementwise(Op::max, {data({6, 4}, DType::s32), data({6, 4}, DType::s32)}),
      gather(x, data({6, 4}, DType::s32)),
      iota(owner_, DType::f32, {6, 4}, 0),
      iota(owner_, DType::f32, {6, 4}, -1),
      reduce(Op::sum, x, Axes{1}, false),
      reduce(Op::sum, x, Axes{0}, false),
      reduce(Op::sum, pad(x, number(1), ends), Axes{0}, false),
      reduce(Op::sum, pad(x, number(1), ends), Axes{1}, false),
  };
  std::vector<std::string> keys;
  for (const NodeRef& root : roots) keys.push_back(key(root));
  for (size_t i = 0; i < keys.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(keys[i], keys[j]) << i << " and " << j;
  }
}

// Of two operands that may fault, the first one's fault comes first, whatever is made of them.
TEST_F(RegionKeys, KeepTheOrderOfFaults) {
  const NodeRef x = data({6}, DType::s32), y = data({6}, DType::s32);
  const NodeRef a = elementwise(Op::quotient, {x, y}), b = elementwise(Op::left_shift, {x, y});
  for (const Op op : {Op::less, Op::greater, Op::add}) {
    EXPECT_EQ(make_schedule(elementwise(op, {a, b}), {}).back().region.faults,
              (std::vector<Op>{Op::quotient, Op::left_shift}));
    EXPECT_EQ(make_schedule(elementwise(op, {b, a}), {}).back().region.faults,
              (std::vector<Op>{Op::left_shift, Op::quotient}));
  }
}

}  // namespace
}  // namespace nxv::schedule
