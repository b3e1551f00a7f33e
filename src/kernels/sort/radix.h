// What the kernels of a radix sort share: where counts and elements are.
#pragma once

#include "kernels/sort/sort.h"

namespace nxv::kernels {

class RadixPass {
 public:
  // Of a row that is cut into tiles.
  struct Tile {
    ir::Value row, number;  // of the tile in the row
    ir::Value begin, end;   // columns
    ir::Value base;         // index of the row's first element
  };
  struct Element {
    Bits bits;           // of the element; its key, when the result is positions
    ir::Value position;  // when it is; of a scatter the update's bits
  };

  RadixPass(ir::Builder& builder, const Region& region, const SortLayout& layout);

  uint32_t digits() const { return 1u << layout_.digit_bits; }
  ir::Value units() const { return words_[&SortWords::units]; }
  Tile tile(ir::Value unit) const;

  Element load(const Tile& tile, ir::Value column) const;
  void store(const Tile& tile, ir::Value place, const Element& element) const;
  ir::Value digit_of(const Element& element) const;

  // Of a tile's elements with this digit; once scanned, of those before them in the row.
  ir::Value load_count(const Tile& tile, ir::Value digit) const;
  void store_count(const Tile& tile, ir::Value digit, ir::Value count) const;

 private:
  ir::Value count_index(const Tile& tile, ir::Value digit) const;
  Element load_update(ir::Value update) const;

  ir::Builder& b_;
  const SortLayout layout_;
  const KernelArguments arguments_;
  const WordValues<SortWords> words_;
  DType index_type_ = DType::u32, update_type_ = DType::u32;  // of a scatter
  ir::Value counts_, from_bits_, from_positions_, to_bits_, to_positions_;
};

}  // namespace nxv::kernels
