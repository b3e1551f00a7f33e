// Views, reductions and contractions on whole tensors.
#pragma once

#include <span>

#include "graph/node.h"
#include "testing/reference/reference.h"

namespace nxv::reference {

// The element at each index of a row-major walk over `shape`.
class Walk {
 public:
  explicit Walk(Shape shape) : shape_(std::move(shape)), index_(shape_.size(), 0) {}
  const std::vector<int64_t>& index() const { return index_; }
  int64_t operator[](size_t axis) const { return index_[axis]; }
  void next() {
    for (size_t i = shape_.size(); i-- > 0;) {
      if (++index_[i] < shape_[i]) return;
      index_[i] = 0;
    }
  }

 private:
  Shape shape_;
  std::vector<int64_t> index_;
};

// Row-major position of an index.
int64_t position(std::span<const int64_t> index, std::span<const int64_t> shape);

HostTensor evaluate_view(const Node& node, std::span<const HostTensor* const> inputs);
HostTensor evaluate_reduction(const Node& node, const HostTensor& input);
HostTensor evaluate_dot(const Node& node, const HostTensor& a, const HostTensor& b);

}  // namespace nxv::reference
