// What a step of a Program computes: what people are told of it, kept while the region is gone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/region.h"

namespace nxv::runtime {

struct StepSummary {
  RegionKind kind = RegionKind::pointwise;
  SplitReason reason = SplitReason::root;
  std::vector<Op> ops;  // what is computed, in the order of its expressions; views are none
  Precision precision = Precision::accurate;  // of its product
  std::vector<DType> dtypes;                  // of the roots
  std::vector<Shape> shapes;                  // of the roots
  uint64_t flops = 0;                         // see flops_of
  bool is_flops_known = true;                 // not of operations with kernels of their own
};

StepSummary summary_of(const Region& region);

// Operations on floating-point numbers: one for each element that an arithmetic operation, a
// function or a step of a reduction computes, whatever that takes, and two for each product that
// a contraction adds up. Those on complex numbers count as many as they do on their parts: 2, 6 for
// a product, 8 for a step of a contraction. Operations on integers, casts, comparisons, selections
// and generators count nothing.
uint64_t flops_of(const Region& region);

// The operations in short, each with how often it comes: "multiply x3", "fast dot", "exp".
std::vector<std::string> words_of(const StepSummary& summary);
// The same in one text: "multiply x3, fast dot, exp".
std::string names_of(const StepSummary& summary);

}  // namespace nxv::runtime
