// Words as a kernel reads them: the members of a record (graph/words.h) by name.
#pragma once

#include <span>

#include "graph/words.h"
#include "ir/builder.h"

namespace nxv::kernels {

// n / d and n % d for the three words of a Divisor; n < 2^31.
inline ir::Value divide(ir::Value n, std::span<const ir::Value> divisor) {
  return (n.builder().binary(ir::Opcode::mul_hi, n, divisor[1]) + n) >> divisor[2];
}
inline ir::Value modulo(ir::Value n, std::span<const ir::Value> divisor) {
  return n - divide(n, divisor) * divisor[0];
}

// Divisor i of a list that begins at a word.
inline std::span<const ir::Value> divisor_at(std::span<const ir::Value> words, size_t at,
                                             size_t i = 0) {
  return words.subspan(at + i * kWordsOf<Divisor>, kWordsOf<Divisor>);
}

template <WordRecord R>
class WordValues {
 public:
  WordValues() = default;
  // `words` begin with those of the record.
  explicit WordValues(std::span<const ir::Value> words) : words_(words.first(kWordsOf<R>)) {}

  ir::Value operator[](uint32_t R::*member) const { return words_[word_offset(member)]; }
  ir::Value operator[](Divisor R::*member) const { return words_[word_offset(member)]; }
  ir::Value operator[](RealWord R::*member) const {  // f32
    const ir::Value bits = words_[word_offset(member)];
    return bits.builder().bitcast(bits, ir::kF32);
  }
  // A record within the record.
  template <WordRecord Part>
  WordValues<Part> operator[](Part R::*member) const {
    return WordValues<Part>(words_.subspan(word_offset(member)));
  }
  // An f64 or an f32, whichever was written.
  ir::Value number(WideRealWord R::*member, ir::Type type) const {
    const auto words = words_.subspan(word_offset(member), 2);
    ir::Builder& b = words[0].builder();
    if (type == ir::kF32) return b.bitcast(words[0], ir::kF32);
    return b.bitcast(b.pack(words), ir::kF64);
  }
  // n divided by a member, and what remains.
  ir::Value divide(ir::Value n, Divisor R::*member) const {
    return kernels::divide(n, words_.subspan(word_offset(member), 3));
  }
  ir::Value modulo(ir::Value n, Divisor R::*member) const {
    return kernels::modulo(n, words_.subspan(word_offset(member), 3));
  }

 private:
  std::span<const ir::Value> words_;
};

}  // namespace nxv::kernels
