#include "library_case.h"

namespace nxv::conformance {
namespace {

LibraryCall all_close(const VectorCase& c) {
  LibraryCall call = over_inputs(c, "all_close");
  pass(c, call, {"equal_nan"});
  for (const char* key : {"rtol", "atol"}) {
    call.options.push_back({key, {}, {c.opts.at(key).get<double>()}});
  }
  return call;
}

}  // namespace

std::span<const Translation> comparison_cases() {
  static constexpr Translation kCases[] = {{"AllClose", all_close}};
  return kCases;
}

}  // namespace nxv::conformance
