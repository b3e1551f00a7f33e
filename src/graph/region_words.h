// The words of a region: what the scheduler writes and kernels read.
//
// A list is a record for each of some axes, one after the other. Further words of a region are
// plain lists: a space has a Divisor for each dimension but the first, a mapped path the row-major
// strides of the value that it leads to, a constant its bits (scalar_words.h).
#pragma once

#include "graph/words.h"

namespace nxv {

// An address by strides: one for each dimension of the space follows.
struct OffsetWords {
  uint32_t offset = 0;
};

// Steps of paths: lists over the axes of the input, unless stated. A reshape has the stride of each
// axis of the view in its run (reshape_runs), then a Divisor for each axis of the input.
struct SlicedAxis {
  uint32_t start = 0, stride = 1;
};
struct ReversedAxis {  // a list over those that are reversed
  uint32_t size = 1;
};
struct WindowedAxis {
  uint32_t stride = 1, dilation = 1;
};
struct PaddedAxis {
  uint32_t low = 0;
  Divisor step;  // from one element of the input to the next: interior + 1
  uint32_t size = 1;
};
struct ConcatenatedPart {  // no list
  uint32_t first = 0;      // coordinate of the part along the axis
  uint32_t size = 1;
};

// Generators, from an element's index.
struct IotaWords {
  Divisor inner;  // elements between two neighbours of the axis
  Divisor size;   // of the axis
};
struct EyeWords {
  Divisor columns, rows;
};
struct RandomWords {  // the scalars low and high - low follow, or mean and deviation
  uint32_t key_low = 0, key_high = 0, counter_low = 0, counter_high = 0;
};

// Where a matrix lies: element (b, row, column) is at offset + b * batch_stride + ...
struct MatrixWords {
  uint32_t offset = 0, batch_stride = 0, row_stride = 0, column_stride = 0;
};
// Of gathered factors (GatheredShape): an axis that is checked. Coordinates count the places
// between elements of a dilated axis.
struct CheckedAxis {
  uint32_t first = 0;   // coordinate of the first element of the factor
  uint32_t end = 1;     // 1 + that of the last element of the axis
  Divisor dilation;     // places from one element to the next
  uint32_t stride = 0;  // dilated: of the element in memory; else digits account for it
};
struct DigitWords {
  Divisor extent;
  uint32_t stride = 0;
};
// A product of A[b, m, k] and B[b, k, n].
struct ProductWords {
  MatrixWords a, b;
  uint32_t batch = 1, m = 1, n = 1, k = 1;
};

struct GatherWords {
  uint32_t last = 0;  // index of the operand's last element
};

}  // namespace nxv
