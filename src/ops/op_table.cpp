#include "ops/op_table.h"

namespace nxv {

std::optional<Op> op_from_name(std::string_view name) {
  for (int i = 0; i < kOpCount; ++i) {
    if (kOps[i].name == name) return static_cast<Op>(i);
  }
  return std::nullopt;
}

Status status_of(Fault fault) {
  switch (fault) {
    case Fault::none:
      break;
    case Fault::out_of_bounds:
      return Status::out_of_bounds;
    case Fault::division_by_zero:
    case Fault::negative_exponent:
      return Status::arithmetic;
    case Fault::negative_shift:
      return Status::negative_shift;
    case Fault::singular:
      return Status::singular;
  }
  return Status::ok;
}

std::string_view reason(Fault fault) {
  switch (fault) {
    case Fault::none:
      break;
    case Fault::out_of_bounds:
      return "index is out of bounds";
    case Fault::division_by_zero:
      return "integer division by zero";
    case Fault::negative_exponent:
      return "negative exponent of an integer";
    case Fault::negative_shift:
      return "negative shift amount";
    case Fault::singular:
      return "can't solve for singular matrix";
  }
  return "";
}

}  // namespace nxv
