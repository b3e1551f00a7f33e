#include <array>

#include "library_case.h"

namespace nxv::conformance {
namespace {

LibraryCall triangular_solve(const VectorCase& c) {
  LibraryCall call = over_inputs(c, "triangular_solve");
  pass(c, call, {"lower", "left_side"});
  const auto transform = c.opts.at("transform_a").get<std::string>();
  call.options.push_back({"transform",
                          {transform == "transpose"   ? 1
                           : transform == "conjugate" ? 2
                                                      : 0},
                          {}});
  return call;
}

LibraryCall qr(const VectorCase& c) {
  LibraryCall call = over_inputs(c, "qr");
  const bool complete = c.opts.at("mode").get<std::string>() == "complete";
  call.options.push_back({"complete", {complete ? 1 : 0}, {}});
  return call;
}

constexpr std::array kCases = {
    Translation{"triangular_solve", triangular_solve},
    Translation{"LinAlg.Cholesky", [](const VectorCase& c) { return over_inputs(c, "cholesky"); }},
    Translation{"LinAlg.LU", [](const VectorCase& c) { return over_inputs(c, "lu"); }},
    Translation{"LinAlg.QR", qr},
    Translation{"LinAlg.Solve", [](const VectorCase& c) { return over_inputs(c, "solve"); }},
    Translation{"LinAlg.Determinant",
                [](const VectorCase& c) { return over_inputs(c, "determinant"); }},
};

}  // namespace

std::span<const Translation> linear_cases() { return kCases; }

}  // namespace nxv::conformance
