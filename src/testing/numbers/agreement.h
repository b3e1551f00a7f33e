// Whether a device's value of one operation agrees with the reference's for the same operands.
//
// Graphs amplify the errors of their operations without bound (floor, comparisons, cancellation),
// so values are compared one operation at a time: exactly where the result is exact or correctly
// rounded, else within the operation's own bound.
#pragma once

#include <span>
#include <string>

#include "plan/device_plan.h"
#include "testing/reference/reference.h"

namespace nxv {

// What a device promises.
struct AgreementOptions {
  bool f64 = true;               // otherwise f64 and c128 are refused
  bool wide_sums = true;         // floats of up to 32 bits accumulate in f64 (or as well as that)
  bool wide_products = true;     // so do the sums of dot
  bool f64_integers = true;      // functions of floats see integers as f64; else in pairs of f32
  bool keeps_subnormals = true;  // f32 arithmetic; otherwise nodes that meet one are not compared
};

AgreementOptions agreement_of(const plan::DevicePlan& plan);

// `node` with its inputs' values and what a device made of them. Empty when it agrees, else the
// operation, the operands' types and shapes, and the first element that is off.
std::string disagreement(const Node& node, std::span<const HostTensor> inputs,
                         const HostTensor& got, const AgreementOptions& options = {});

// Bit for bit, every NaN being equal to every other; empty or the first difference.
std::string difference(const HostTensor& a, const HostTensor& b);

}  // namespace nxv
