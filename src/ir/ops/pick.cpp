#include "ir/ops/pick.h"

#include <vector>

namespace nxv::ir {

Value pick(std::span<const Value> values, Value index) {
  Builder& b = index.builder();
  Value result = values[0];
  for (uint32_t i = 1; i < values.size(); ++i) result = b.select(index == i, values[i], result);
  return result;
}

Number pick(std::span<const Number> values, Value index) {
  std::vector<Value> re, im;
  for (const Number& x : values) {
    re.push_back(x.re);
    if (x.im.exists()) im.push_back(x.im);
  }
  return {values[0].dtype, pick(re, index), im.empty() ? Value() : pick(im, index)};
}

}  // namespace nxv::ir
