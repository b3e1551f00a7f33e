// A device with matrix units that is not there, and how far off their products are.
#pragma once

#include "kernels/matmul/matmul_problem_test.h"

namespace nxv::kernels {

struct UnitDevice : Device {
  explicit UnitDevice(uint32_t subgroup = 32) : Device(plan::Profile::discrete, false) {
    using plan::MatrixType;
    plan.has.coopmat = plan.has.bf16 = plan.has.subgroup_arithmetic = true;
    plan.subgroup_size = plan.matrix_subgroup_size = plan.min_subgroup_size =
        plan.max_subgroup_size = subgroup;
    plan.matrix_shapes = {{16, 16, 16, MatrixType::f16, MatrixType::f16, MatrixType::f32},
                          {16, 16, 16, MatrixType::bf16, MatrixType::bf16, MatrixType::f32}};
  }
  std::vector<MatmulTile> tiles() const {
    std::vector<MatmulTile> all;
    for (const MatmulTile& t : candidate_tiles(target)) {
      if (t.kind == MatmulTile::Kind::units) all.push_back(t);
    }
    return all;
  }
  // The smallest, of all steps along k or of a part of them.
  MatmulTile tile(bool split = false) const {
    MatmulTile tile;
    for (const MatmulTile& t : tiles()) {
      if (t.split == split) tile = t;
    }
    return tile;
  }
};

inline constexpr DType kTypes[] = {DType::f16, DType::bf16, DType::f32};

inline std::string name_of(const Problem& p) {
  return std::string(name(p.out)) + " " + std::to_string(p.batch) + "x" + std::to_string(p.m) +
         "x" + std::to_string(p.n) + "x" + std::to_string(p.k);
}

inline double number(const Bytes& c, DType t, int64_t i) {
  return to_double(load_scalar(t, c.data(), i));
}

// ||c - product|| / ||product|| and the same of a chain of fma, for f32.
struct Errors {
  double units, chain;
};
inline Errors errors(const Problem& p, const Bytes& c) {
  double units = 0, chain = 0, norm = 0;
  for (int64_t i = 0; i < p.batch * p.m * p.n; ++i) {
    const int64_t batch = i / (p.m * p.n), row = i / p.n % p.m, column = i % p.n;
    double exact = 0;
    float fma = 0;
    for (int64_t k = 0; k < p.k; ++k) {
      const double x = to_double(p.x(batch, row, k)), y = to_double(p.y(batch, k, column));
      exact += x * y;
      fma = std::fma(static_cast<float>(x), static_cast<float>(y), fma);
    }
    units += std::pow(number(c, p.out, i) - exact, 2);
    chain += std::pow(fma - exact, 2);
    norm += exact * exact;
  }
  return {std::sqrt(units / norm), std::sqrt(chain / norm)};
}

}  // namespace nxv::kernels
