#include <array>

#include "library_case.h"

namespace nxv::conformance {
namespace {

template <const char* name>
LibraryCall cumulative(const VectorCase& c) {
  LibraryCall call = over_inputs(c, name);
  pass(c, call, {"axis", "reverse"});
  return call;
}

LibraryCall sort(const VectorCase& c) {
  LibraryCall call = over_inputs(c, c.op);
  pass(c, call, {"axis"});
  call.options.push_back({"descending", {c.opts.at("direction") == "desc" ? 1 : 0}, {}});
  return call;
}

LibraryCall argsort(const VectorCase& c) {
  LibraryCall call = sort(c);
  call.options.push_back({"type", {static_cast<int64_t>(c.outputs[0].dtype)}, {}});
  return call;
}

LibraryCall top_k(const VectorCase& c) {
  LibraryCall call = over_inputs(c, "top_k");
  pass(c, call, {"k"});
  return call;
}

constexpr char kSum[] = "cumulative_sum", kProduct[] = "cumulative_product",
               kMax[] = "cumulative_max", kMin[] = "cumulative_min";

constexpr std::array kCases = {
    Translation{"CumulativeSum", cumulative<kSum>},
    Translation{"CumulativeProduct", cumulative<kProduct>},
    Translation{"CumulativeMax", cumulative<kMax>},
    Translation{"CumulativeMin", cumulative<kMin>},
    Translation{"sort", sort},
    Translation{"argsort", argsort},
    Translation{"TopK", top_k},
};

}  // namespace

std::span<const Translation> sorting_cases() { return kCases; }

}  // namespace nxv::conformance
