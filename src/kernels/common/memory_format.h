// How elements of each DType lie in memory, seen from a kernel.
//
// Memory is accessed in 32-bit words and multiples of them: elements narrower than a word are
// extracted and packed, so that no kernel needs 8- or 16-bit storage. A group is four consecutive
// elements whose first index is a multiple of four; storage is padded so that the last group of a
// value lies inside it.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "ir/ops/number.h"

namespace nxv::kernels {

inline constexpr int kGroup = 4;
using Group = std::array<ir::Number, kGroup>;

// Elements that share a word, and so must be stored together: 4, 2 or 1.
int elements_per_word(DType t);

ir::Number load_element(ir::Value buffer, ir::Value index, DType t);
// The elements that lie in some u32 words, whole elements; real types.
std::vector<ir::Number> elements_in(std::span<const ir::Value> words, DType t);
// Elements 4 * group .. 4 * group + 3.
Group load_group(ir::Value buffer, ir::Value group, DType t);

// Types of at least a word.
void store_element(ir::Value buffer, ir::Value index, const ir::Number& x);
// Of any type. Others of a word that several share may be stored so at the same time, but not the
// same one: the difference between the new bits and the old ones is added to the word.
void replace_element(ir::Value buffer, ir::Value index, const ir::Number& x);
void store_group(ir::Value buffer, ir::Value group, const Group& elements);
// The bits of a number narrower than a word, in the low end of a u32.
ir::Value stored_bits(const ir::Number& x);
// Those of all numbers that share a word, the first in the low end.
ir::Value word_of(std::span<const ir::Number> elements);

// A group whose elements come in turn, all of them before it is stored.
class GroupWriter {
 public:
  GroupWriter(ir::Builder& builder, DType dtype);
  void set(ir::Value lane, const ir::Number& x) const;  // u32, below kGroup
  void store(ir::Value buffer, ir::Value group) const;

 private:
  ir::Builder& b_;
  int bytes_;                   // of an element
  std::vector<ir::Var> words_;  // u32
};

}  // namespace nxv::kernels
