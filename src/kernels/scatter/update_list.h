// The updates of one slot of a scatter, linked in whatever order invocations ran, and their sum in
// the order of their numbers.
#pragma once

#include <array>

#include "kernels/common/fold.h"

namespace nxv::kernels {

// Lists longer than this are heavy: to put one in order it is walked once for each update.
inline constexpr uint32_t kLongestList = 16;

// Lists name an update by 1 + its number; 0 is their end. `heads` has the first name of each slot,
// `entries` for each update the name after its own and, where entries carry values, the bits of the
// update in f32: two words then.
class UpdateList {
 public:
  UpdateList(ir::Value heads, ir::Value entries, ir::Value slot, bool carries);

  // The updates, which `load` gives for their numbers where entries do not carry them, then the
  // target: all of one type. A list
  // without entries keeps the target's bits; the sum of a heavy one is the target.
  ir::Number sum(const Fold& fold, const std::function<ir::Number(ir::Value number)>& load,
                 const ir::Number& target) const;
  ir::Value is_heavy() const { return length_.get() > kLongestList; }

 private:
  // Lists of up to this many entries are put in order without a loop; what is longer is rare where
  // updates are spread evenly.
  static constexpr size_t kFew = 4;

  struct Total {
    Accumulator sum;
    ir::Value any_re, any_im;  // not zero once a term other than -0 came
  };
  Total insert(const Fold& fold, const Total& total, const ir::Number& x) const;
  ir::Number result(const Fold& fold, const Total& total) const;

  struct Entry {
    ir::Value next, bits;
  };
  Entry entry(ir::Value name) const;
  ir::Value smallest_above(ir::Value last) const;

  ir::Builder& b_;
  ir::Value heads_, entries_, slot_;
  bool carries_;
  std::array<ir::Value, kFew> few_, few_bits_;  // the first names and what their entries carry
  ir::Value more_;                              // whether there are others
  ir::Var length_;  // of a list of more than a few: at most kLongestList + 1
};

}  // namespace nxv::kernels
