// Where the elements of a factor lie, as kernels of products find them: the batch, the free index
// (the row of A, the column of B) and the depth each add their part, so that what does not change
// is computed once.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "graph/region.h"
#include "graph/region_words.h"
#include "kernels/common/kernel_arguments.h"

namespace nxv::kernels {

struct Place {
  ir::Value index;  // of the element, but for what dilated axes add
  // Along the axes that are checked (GatheredShape); absent: a part that does not move along them.
  std::vector<ir::Value> coordinates;
};
Place operator+(const Place& x, const Place& y);

struct FactorOperand {
  ir::Value buffer;
  DType dtype = DType::f32;
  ir::Value offset, batch_stride, free_stride, depth_stride;  // unless it is gathered
  GatheredShape gathered;
  std::span<const ir::Value> words;  // gathered

  bool is_gathered() const { return has_digits() && !gathered.is_matrices(); }
  bool is_checked() const { return gathered.axes > 0; }

  // Of a factor that is not gathered: the first element of a matrix.
  ir::Value at(ir::Value batch) const;

  // What each index adds; the batch also what all elements share.
  Place of_batch(ir::Value batch) const;
  Place of_free(ir::Value free) const;
  Place of_depth(ir::Value k) const;
  // Whether the element is one of memory, of checked factors; others are zero.
  ir::Value is_inside(const Place& place) const;
  // The same but for one axis; absent: there is no other.
  ir::Value is_inside_but(const Place& place, int skipped) const;
  // 1 + the coordinate of the last element.
  ir::Value end(uint32_t axis) const;
  ir::Value index(const Place& place) const;
  // Takes those of strided matrices from the words of digits.
  void set_strides();

 private:
  bool has_digits() const { return gathered.digits[0] > 0; }
  uint32_t first_digit(int index) const;  // word
  Place digits(int index, ir::Value number) const;
  WordValues<CheckedAxis> axis(uint32_t i) const;
};

FactorOperand factor_operand(const KernelArguments& arguments, const Region& region, int factor);

}  // namespace nxv::kernels
