#include "library_case.h"

namespace nxv::conformance {
namespace {

// The options go by the same names on both sides.
LibraryCall transform(const VectorCase& c, const char* name) {
  LibraryCall call = over_inputs(c, name);
  pass(c, call, {"axis", "length", "axes", "lengths"});
  call.options.push_back({"eps", {}, {c.opts.at("eps").get<double>()}});
  return call;
}

constexpr Translation kCases[] = {
    {"fft", [](const VectorCase& c) { return transform(c, "fft"); }},
    {"ifft", [](const VectorCase& c) { return transform(c, "ifft"); }},
    {"FFT2", [](const VectorCase& c) { return transform(c, "fft2"); }},
    {"IFFT2", [](const VectorCase& c) { return transform(c, "ifft2"); }},
    {"RFFT", [](const VectorCase& c) { return transform(c, "rfft"); }},
    {"IRFFT", [](const VectorCase& c) { return transform(c, "irfft"); }},
};

}  // namespace

std::span<const Translation> transforms_cases() { return kCases; }

}  // namespace nxv::conformance
