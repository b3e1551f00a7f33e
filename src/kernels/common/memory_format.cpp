#include "kernels/common/memory_format.h"

#include "ir/ops/narrow.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Number;
using ir::Value;

namespace {

// u32 words -> a number of a type of one word or more.
Number from_words(DType t, std::span<const Value> words) {
  return ir::from_words(words[0].builder(), t, words);
}

void to_words(const Number& x, std::vector<Value>& words) {
  Builder& b = x.re.builder();
  for (const Value& part : {x.re, x.im}) {
    if (!part.exists()) continue;
    if (ir::bytes(part.type()) == 4) {
      words.push_back(b.bitcast(part, ir::kU32));
    } else {
      const Value pair = b.bitcast(part, ir::vec(ir::kU32, 2));
      words.push_back(b.extract(pair, 0));
      words.push_back(b.extract(pair, 1));
    }
  }
}

Number decode_narrow(DType t, Value word, int position) {
  const int width = 8 * storage_bytes(t);
  const Value shifted = position == 0 ? word : word >> (position * width);
  return {t, ir::decode(shifted, t), {}};
}

}  // namespace

int elements_per_word(DType t) { return std::max(1, 4 / storage_bytes(t)); }

Number load_element(Value buffer, Value index, DType t) {
  Builder& b = buffer.builder();
  switch (storage_bytes(t)) {
    case 1: {
      const Value word = b.load(buffer, index >> 2, ir::kU32);
      return {t, ir::decode(word >> ((index & 3u) << 3), t), {}};
    }
    case 2: {
      const Value word = b.load(buffer, index >> 1, ir::kU32);
      return {t, ir::decode(word >> ((index & 1u) << 4), t), {}};
    }
    case 4:
      return {t, b.load(buffer, index, ir::compute_type(t)), {}};
    case 8: {
      if (!is_complex(t)) return {t, b.load(buffer, index, ir::compute_type(t)), {}};
      const Value pair = b.load(buffer, index, ir::vec(ir::kF32, 2));
      return {t, b.extract(pair, 0), b.extract(pair, 1)};
    }
    default: {
      const Value first = index << 1;
      return {t, b.load(buffer, first, ir::kF64), b.load(buffer, first + 1u, ir::kF64)};
    }
  }
}

std::vector<Number> elements_in(std::span<const Value> words, DType t) {
  std::vector<Number> elements;
  const auto bytes = static_cast<size_t>(storage_bytes(t));
  for (size_t w = 0; w < words.size(); w += std::max<size_t>(bytes / 4, 1)) {
    if (bytes >= 4) {
      elements.push_back(from_words(t, words.subspan(w, bytes / 4)));
      continue;
    }
    for (int i = 0; i < elements_per_word(t); ++i) {
      elements.push_back(decode_narrow(t, words[w], i));
    }
  }
  return elements;
}

Group load_group(Value buffer, Value group, DType t) {
  Builder& b = buffer.builder();
  Group result;
  const int bytes = storage_bytes(t);
  if (bytes == 1) {
    const Value word = b.load(buffer, group, ir::kU32);
    for (int i = 0; i < kGroup; ++i) result[i] = decode_narrow(t, word, i);
    return result;
  }
  if (bytes == 2) {
    const Value pair = b.load(buffer, group, ir::vec(ir::kU32, 2));
    for (int i = 0; i < kGroup; ++i) result[i] = decode_narrow(t, b.extract(pair, i / 2), i % 2);
    return result;
  }
  // 16-byte loads of words; a type takes 1, 2 or 4 of them an element.
  const int per_element = bytes / 4;
  std::vector<Value> words;
  for (int v = 0; v < per_element; ++v) {
    const Value index = per_element == 1
                            ? group
                            : group * static_cast<uint32_t>(per_element) + static_cast<uint32_t>(v);
    const Value quad = b.load(buffer, index, ir::vec(ir::kU32, 4));
    for (int i = 0; i < 4; ++i) words.push_back(b.extract(quad, i));
  }
  for (int i = 0; i < kGroup; ++i) {
    result[i] = from_words(t, std::span(words).subspan(i * per_element, per_element));
  }
  return result;
}

Value stored_bits(const Number& x) {
  const uint32_t mask = storage_bytes(x.dtype) == 1 ? 0xff : 0xffff;
  // Sub-byte integers keep their extension to a byte.
  if (is_integer(x.dtype)) return x.re.builder().bitcast(x.re, ir::kU32) & mask;
  return ir::encode_exact(x.re, x.dtype);
}

Value word_of(std::span<const Number> elements) {
  const DType t = elements[0].dtype;
  if (elements.size() == 2 && !is_integer(t)) {
    return ir::encode_exact_pair(elements[0].re, elements[1].re, t);
  }
  const int width = 8 * storage_bytes(t);
  Value word = stored_bits(elements[0]);
  for (size_t i = 1; i < elements.size(); ++i) {
    word = word | stored_bits(elements[i]) << (static_cast<int>(i) * width);
  }
  return word;
}

void replace_element(Value buffer, Value index, const Number& x) {
  const int bytes = storage_bytes(x.dtype);
  if (bytes >= 4) return store_element(buffer, index, x);
  Builder& b = buffer.builder();
  const Value word = index >> (bytes == 1 ? 2 : 1);
  const Value shift = bytes == 1 ? (index & 3u) << 3 : (index & 1u) << 4;
  const Value old = (b.atomic_load(buffer, word) >> shift) & (bytes == 1 ? 0xffu : 0xffffu);
  b.atomic(ir::Opcode::atomic_add, buffer, word, (stored_bits(x) - old) << shift);
}

void store_element(Value buffer, Value index, const Number& x) {
  Builder& b = buffer.builder();
  if (!x.im.exists()) {
    b.store(buffer, index, x.re);
  } else if (x.re.type() == ir::kF32) {
    b.store(buffer, index, b.pack({x.re, x.im}));
  } else {
    b.store(buffer, index << 1, x.re);
    b.store(buffer, (index << 1) + 1u, x.im);
  }
}

namespace {

// Whole groups lie in one store of up to 16 bytes, or in as many as it takes.
void store_words(Value buffer, Value group, std::span<const Value> words) {
  Builder& b = buffer.builder();
  if (words.size() < 4) {
    b.store(buffer, group, words.size() == 1 ? words[0] : b.pack(words));
    return;
  }
  const auto quads = static_cast<uint32_t>(words.size() / 4);
  for (uint32_t q = 0; q < quads; ++q) {
    const Value index = quads == 1 ? group : group * quads + q;
    b.store(buffer, index, b.pack(words.subspan(q * 4, 4)));
  }
}

}  // namespace

void store_group(Value buffer, Value group, const Group& elements) {
  const int bytes = storage_bytes(elements[0].dtype);
  std::vector<Value> words;
  if (bytes < 4) {
    const auto per_word = static_cast<size_t>(4 / bytes);
    for (size_t i = 0; i < kGroup; i += per_word) {
      words.push_back(word_of(std::span(elements).subspan(i, per_word)));
    }
  } else {
    for (const Number& x : elements) to_words(x, words);
  }
  store_words(buffer, group, words);
}

GroupWriter::GroupWriter(Builder& builder, DType dtype)
    : b_(builder), bytes_(storage_bytes(dtype)) {
  for (int w = 0; w < bytes_; ++w) words_.push_back(b_.var(b_.u32(0)));
}

void GroupWriter::set(Value lane, const Number& x) const {
  std::vector<Value> bits;
  Value first = lane;  // the word of the first bits
  if (bytes_ < 4) {
    const uint32_t per_word = 4 / static_cast<uint32_t>(bytes_);
    const auto width = static_cast<uint32_t>(8 * bytes_);
    bits.push_back(stored_bits(x) << ((lane & (per_word - 1)) * width));
    first = lane >> (bytes_ == 1 ? 2 : 1);
  } else {
    to_words(x, bits);
  }
  const uint32_t elements = static_cast<uint32_t>(words_.size() / bits.size());
  for (uint32_t i = 0; i < elements; ++i) {
    const Value is_here = first == i;
    for (size_t w = 0; w < bits.size(); ++w) {
      const ir::Var& word = words_[i * bits.size() + w];
      const Value old = word.get();
      word.set(b_.select(is_here, bytes_ < 4 ? old | bits[w] : bits[w], old));
    }
  }
}

void GroupWriter::store(Value buffer, Value group) const {
  std::vector<Value> words;
  for (const ir::Var& word : words_) words.push_back(word.get());
  store_words(buffer, group, words);
}

}  // namespace nxv::kernels
