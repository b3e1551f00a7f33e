// What the opcode table says of types, as predicates.
#pragma once

#include "ir/opcode_table.h"
#include "ir/type.h"

namespace nxv::ir {

struct RuleCheck {
  bool is_kept;
  const char* must_be;  // "`%6 = sqrt u32 %5` is of type u32, which must be a float"
};

RuleCheck check(Result rule, Type type);
// Of an operand, beside the type of the result (or of what is stored) and of the first operand.
// That a variable or a buffer is one does not follow from its type.
RuleCheck check(Operand rule, Type type, Type result, Type first);

}  // namespace nxv::ir
