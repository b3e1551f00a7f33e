// Regions and their kernels in detail, as text.
#pragma once

#include <string>

#include "runtime/description.h"
#include "runtime/program_maker.h"

namespace nxv::runtime {

// Operands with their addressing, then the expressions; a line each.
std::string expressions_text(const Region& region);
// Which kernel computes the region where there are several, and why not those that would be better.
std::string candidates_text(const Region& region, const kernels::Target& target);
// Name, size and, if `code`, KernelIR of a kernel of the step, as the device gets it: legalised and
// simplified.
void add_code(const Program::Step& step, const Region& region, const ProgramMaker& maker, bool code,
              KernelDescription& kernel);

}  // namespace nxv::runtime
