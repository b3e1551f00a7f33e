#pragma once

#include "ir/complex/complex.h"

namespace nxv::ir::complex {

// log z, also of infinite numbers, in the carrier's precision: the absolute error is far below the
// last place of 1. Of 0 it is some number. `rest`: what z lacks, where it is an integer.
struct PreciseLog {
  math::Extended re, im;
};
PreciseLog precise_log(const Complex& z, Value rest, const Context& c);

}  // namespace nxv::ir::complex
