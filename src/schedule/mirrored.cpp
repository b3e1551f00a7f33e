#include "schedule/mirrored.h"

namespace nxv::schedule {

std::optional<Op> mirrored(Op op, DType result) {
  switch (op) {
    case Op::add:
    case Op::multiply:
      return is_integer(result) ? std::optional(op) : std::nullopt;
    case Op::equal:
    case Op::not_equal:
    case Op::logical_and:
    case Op::logical_or:
    case Op::logical_xor:
    case Op::bitwise_and:
    case Op::bitwise_or:
    case Op::bitwise_xor:
      return op;
    case Op::less:
      return Op::greater;
    case Op::less_equal:
      return Op::greater_equal;
    case Op::greater:
      return Op::less;
    case Op::greater_equal:
      return Op::less_equal;
    default:
      return std::nullopt;
  }
}

}  // namespace nxv::schedule
