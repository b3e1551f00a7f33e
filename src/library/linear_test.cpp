// What the builders of linear algebra make and refuse.
#include <gtest/gtest.h>

#include "graph/build.h"
#include "library/registry.h"
#include "testing/reference/reference.h"

namespace nxv::library {
namespace {

class LinearLibrary : public ::testing::Test {
 protected:
  NodeRef tensor(DType type, Shape shape) { return iota(owner_, type, std::move(shape), -1); }
  const std::shared_ptr<Graveyard> owner_ = host_graveyard();
};

std::string refusal(const char* name, const std::vector<NodeRef>& operands,
                    const std::vector<Option>& options = {}) {
  try {
    call(name, operands, options);
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}

struct Result {
  DType type;
  Shape shape;
  bool operator==(const Result&) const = default;
};
std::vector<Result> results(const char* name, const std::vector<NodeRef>& operands,
                            const std::vector<Option>& options = {}) {
  std::vector<Result> list;
  for (const NodeRef& n : call(name, operands, options)) list.push_back({n->dtype, n->shape});
  return list;
}

TEST_F(LinearLibrary, TypesAndShapes) {
  const DType f32 = DType::f32, f16 = DType::f16, s32 = DType::s32;
  const Option complete{"complete", {1}, {}}, reduced{"full_matrices", {0}, {}};
  using List = std::vector<Result>;
  EXPECT_EQ(results("lu", {tensor(s32, {2, 3, 3})}),
            (List{{s32, {2, 3, 3}}, {f32, {2, 3, 3}}, {f32, {2, 3, 3}}}));
  EXPECT_EQ(results("qr", {tensor(f16, {2, 5, 3})}), (List{{f16, {2, 5, 3}}, {f16, {2, 3, 3}}}));
  EXPECT_EQ(results("qr", {tensor(f16, {3, 5})}), (List{{f16, {3, 3}}, {f16, {3, 5}}}));
  EXPECT_EQ(results("qr", {tensor(f16, {5, 3})}, {complete}), (List{{f16, {5, 5}}, {f16, {5, 3}}}));
  EXPECT_EQ(results("eigh", {tensor(DType::c64, {4, 3, 3})}),
            (List{{DType::c64, {4, 3}}, {DType::c64, {4, 3, 3}}}));
  EXPECT_EQ(results("svd", {tensor(s32, {2, 5})}),
            (List{{f32, {2, 2}}, {f32, {2}}, {f32, {5, 5}}}));
  EXPECT_EQ(results("svd", {tensor(s32, {7, 2, 5})}, {reduced}),
            (List{{f32, {7, 2, 2}}, {f32, {7, 2}}, {f32, {7, 2, 5}}}));
  EXPECT_EQ(results("determinant", {tensor(DType::u8, {6, 2, 2})}), (List{{f32, {6}}}));
  EXPECT_EQ(results("solve", {tensor(f16, {2, 3, 3}), tensor(DType::f64, {2, 3})}),
            (List{{DType::f64, {2, 3}}}));
  EXPECT_EQ(results("invert", {tensor(DType::bf16, {3, 3})}), (List{{DType::bf16, {3, 3}}}));
}

TEST_F(LinearLibrary, Refusals) {
  const NodeRef square = tensor(DType::f32, {2, 2}), wide = tensor(DType::f32, {2, 3});
  EXPECT_EQ(refusal("cholesky", {wide}),
            "cholesky: needs a square matrix or a batch of square matrices, got f32{2, 3}");
  EXPECT_EQ(refusal("qr", {tensor(DType::f32, {4})}), "qr: needs at least 2 axes, got f32{4}");
  EXPECT_EQ(refusal("svd", {tensor(DType::c64, {2, 2})}),
            "svd: takes real matrices only, got c64{2, 2}");
  EXPECT_EQ(refusal("solve", {square, tensor(DType::f32, {3})}),
            "solve: b does not fit a: f32{3} beside f32{2, 2}; b needs a's batch axes and 2 rows, "
            "or is a vector for each matrix");
  EXPECT_EQ(refusal("triangular_solve", {square, wide}, {{"left_side", {0}, {}}}),
            "triangular_solve: b does not fit a: f32{2, 3} beside f32{2, 2}; b needs a's batch "
            "axes and 2 columns, or is a vector for each matrix");
  EXPECT_EQ(refusal("triangular_solve", {square, wide}, {{"transform", {3}, {}}}),
            "triangular_solve: transform is 0 (none), 1 (transpose) or 2 (conjugate), got 3");
  const HostTensor zeros(DType::f32, {2, 2});
  EXPECT_EQ(
      refusal("triangular_solve", {host_value(owner_, DType::f32, {2, 2}, zeros.bytes), wide}),
      "triangular_solve: can't solve for singular matrix");
}

}  // namespace
}  // namespace nxv::library
