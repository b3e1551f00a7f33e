// The arguments of a kernel, in the one order in which kernels declare them and in which the host
// packs them (arguments.h): the region's operands, the output of each root, the fault slot if the
// region can fault, the workspaces that the dispatch names, the region's words, the dispatch's
// words, a zero.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/region.h"
#include "ir/builder.h"
#include "ir/ops/number.h"
#include "kernels/common/word_values.h"

namespace nxv::kernels {

// What the compiler may assume of the buffers.
enum class Overlap : uint8_t {
  any,       // nothing
  in_place,  // an operand may be an output where is_read_in_place says so; others are apart
  apart,     // operands and outputs are apart
};

struct ArgumentOptions {
  Overlap overlap = Overlap::any;
  bool reads_output = true;
  int workspaces = 0;
  bool has_zero = true;
};

class KernelArguments {
 public:
  // `words` of the dispatch, beside those of the region.
  KernelArguments(ir::Builder& b, const Region& region, uint32_t words,
                  const ArgumentOptions& options);
  // What reads words refers to it.
  KernelArguments(const KernelArguments&) = delete;
  KernelArguments& operator=(const KernelArguments&) = delete;

  ir::Value operand(int i) const { return operands_[static_cast<size_t>(i)]; }
  ir::Value workspace(int i) const { return workspaces_[static_cast<size_t>(i)]; }
  ir::Value output(size_t root = 0) const { return outputs_[root]; }
  ir::Value zero() const { return zero_; }  // u32 0, as something that no compiler can fold
  // An integer on its way into float arithmetic, as something that no compiler can fold to a
  // literal: drivers get 0.0 * NaN and 0.0 / 0.0 wrong when they see the zero (x > x, say).
  ir::Number hidden(ir::Number n) const;

  // The region's words, and those of the dispatch.
  std::span<const ir::Value> region_words() const { return std::span(words_).first(region_count_); }
  std::span<const ir::Value> words() const { return std::span(words_).subspan(region_count_); }
  // The record that begins at a word.
  template <WordRecord R>
  WordValues<R> words_as(WordIndex at = 0) const {
    return WordValues<R>(words().subspan(at));
  }
  // Record i of a list that begins at a word of the region.
  template <WordRecord R>
  WordValues<R> region_words_as(WordIndex at, size_t i = 0) const {
    return WordValues<R>(region_words().subspan(at + i * kWordsOf<R>));
  }

  // Reports a fault of the operation, or of one of its function, at the position if the condition
  // holds.
  void fault(ir::Value condition, ir::Value position) const {
    fault(region_.root->op, condition, position);
  }
  void fault(Op op, ir::Value condition, ir::Value position) const;
  ir::Value fault_slot() const { return fault_; }

 private:
  const Region& region_;
  const size_t region_count_;
  std::vector<ir::Value> operands_, outputs_, workspaces_, words_;
  ir::Value fault_, zero_;
};

}  // namespace nxv::kernels
