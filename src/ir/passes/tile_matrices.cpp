#include "ir/passes/tile_matrices.h"

#include <vector>

#include "base/error.h"

namespace nxv::ir {
namespace {

class Tiler {
 public:
  Tiler(const Kernel& kernel, MatrixSides sides)
      : k_(kernel), sides_(sides), tiles_(kernel.body.size()) {}

  Kernel run() {
    Kernel tiled = k_;
    tiled.body.clear();
    body_ = &tiled.body;
    for (at_ = 0; at_ < k_.body.size(); ++at_) {
      const Inst& inst = k_.body[at_];
      takes_matrices(inst.op) && concerns_matrix(inst) ? split(inst) : copy(inst);
    }
    return tiled;
  }

 private:
  // What stands for a value: its tiles row by row, or the one value.
  using Tiles = std::vector<uint32_t>;

  bool concerns_matrix(const Inst& inst) const {
    if (is_matrix(inst.type)) return true;
    return operand_count(inst) > 0 && is_matrix(k_.body[inst.args[0]].type);
  }

  Type matrix_type(const Inst& inst) const {
    return is_matrix(inst.type) ? inst.type : k_.body[inst.args[0]].type;
  }
  // Of a tile. A factor has the rows or the columns of its sum.
  Type tile_of(Type t) const {
    if (t.matrix != Matrix::b) t.m = static_cast<uint8_t>(sides_.rows);
    if (t.matrix != Matrix::a) t.n = static_cast<uint8_t>(sides_.columns);
    return t;
  }
  static uint32_t down(Type whole, Type tile) { return rows(whole) / rows(tile); }
  static uint32_t across(Type whole, Type tile) { return columns(whole) / columns(tile); }

  uint32_t append(const Inst& inst) {
    body_->push_back(inst);
    return static_cast<uint32_t>(body_->size() - 1);
  }
  uint32_t number(uint32_t n) { return append({Opcode::constant, kU32, none(), n}); }
  uint32_t binary(Opcode op, uint32_t x, uint32_t y) {
    return append({op, kU32, {x, y, kNone, kNone}, 0});
  }
  static std::array<uint32_t, 4> none() { return {kNone, kNone, kNone, kNone}; }

  uint32_t arg(const Inst& inst, size_t i, size_t tile = 0) const {
    return tiles_[inst.args[i]].at(tile);
  }
  void copy(const Inst& inst) {
    Inst own = inst;
    const auto count = static_cast<size_t>(operand_count(inst));
    for (size_t i = 0; i < count; ++i) own.args[i] = arg(inst, i);
    tiles_[at_] = {append(own)};
  }

  void split(const Inst& inst) {
    const Type whole = matrix_type(inst), tile = tile_of(whole);
    const uint32_t rows_of_tiles = down(whole, tile), columns_of_tiles = across(whole, tile);
    if (inst.op == Opcode::element_load || inst.op == Opcode::element_store) {
      return element(inst, tile);
    }
    for (uint32_t r = 0; r < rows_of_tiles; ++r) {
      for (uint32_t c = 0; c < columns_of_tiles; ++c) {
        Inst own = inst;
        own.type = is_matrix(inst.type) ? tile : inst.type;
        const size_t i = r * columns_of_tiles + c;
        switch (inst.op) {
          case Opcode::matrix_fill:
            own.args[0] = arg(inst, 0);
            break;
          case Opcode::matrix_load:
            place(own, inst, r * rows(tile), c * columns(tile));
            break;
          case Opcode::matrix_store:
            place(own, inst, r * rows(tile), c * columns(tile));
            own.args[2] = arg(inst, 2, i);
            break;
          case Opcode::matrix_multiply_add:
            own.args = {arg(inst, 0, r), arg(inst, 1, c), arg(inst, 2, i), kNone};
            break;
          default:  // element by element, variables
            for (size_t a = 0; a < static_cast<size_t>(operand_count(inst)); ++a) {
              own.args[a] = arg(inst, a, i);
            }
            break;
        }
        tiles_[at_].push_back(append(own));
      }
    }
  }

  // Where the tile begins whose first element is at the row and column.
  void place(Inst& own, const Inst& inst, uint32_t row, uint32_t column) {
    own.args[0] = arg(inst, 0);
    own.args[1] = arg(inst, 1);
    const bool by_columns = matrix_by_columns(inst.imm);
    const uint32_t lines = by_columns ? column : row, within = by_columns ? row : column;
    if (lines != 0) {
      const uint32_t before = binary(Opcode::mul, own.args[1], number(lines));
      own.args[0] = binary(Opcode::add, own.args[0], before);
    }
    if (within == 0) return;
    const auto unit = static_cast<uint32_t>(bytes(k_.shared[matrix_shared(inst.imm)].type));
    const uint32_t before = within * static_cast<uint32_t>(bytes(Type{inst.type.scalar}));
    if (before % unit != 0) {
      throw Error(Status::internal, "kernel " + k_.name + ": a part of " + to_string(inst.type) +
                                        " begins within an element of the shared array");
    }
    own.args[0] = binary(Opcode::add, own.args[0], number(before / unit));
  }

  // Invocations have as many elements of each tile.
  void element(const Inst& inst, Type tile) {
    const uint64_t of_tile = elements(tile) / k_.subgroup_size;
    if (of_tile == 0) {
      throw Error(Status::internal,
                  "kernel " + k_.name + ": a part of a matrix has fewer elements than a subgroup");
    }
    Inst own = inst;
    own.args[0] = arg(inst, 0, inst.imm / of_tile);
    if (inst.op == Opcode::element_store) own.args[1] = arg(inst, 1);
    own.imm = inst.imm % of_tile;
    tiles_[at_] = {append(own)};
  }

  const Kernel& k_;
  const MatrixSides sides_;
  std::vector<Inst>* body_ = nullptr;
  std::vector<Tiles> tiles_;  // of each value
  uint32_t at_ = 0;
};

}  // namespace

Kernel tile_matrices(Kernel kernel, MatrixSides sides) {
  if (sides.rows == kMatrixSide && sides.columns == kMatrixSide) return kernel;
  return Tiler(kernel, sides).run();
}

}  // namespace nxv::ir
