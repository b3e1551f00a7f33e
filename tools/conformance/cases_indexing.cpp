#include "library_case.h"

namespace nxv::conformance {
namespace {

// Adds the starts, numbers or tensors, as operands.
void pass_starts(const VectorCase& c, LibraryCall& call) {
  for (const nlohmann::json& start : c.opts.at("start_indices")) {
    if (start.is_object()) {
      call.extra.push_back(parse_tensor(start.at("dynamic")));
    } else {
      const Scalar number = make_scalar(DType::s64, start.get<int64_t>());
      call.extra.emplace_back(DType::s64, Shape{}, std::span(&number, 1));
    }
    call.operands.push_back(-static_cast<int>(call.extra.size()));
  }
}

LibraryCall slice(const VectorCase& c) {
  LibraryCall call = over_inputs(c, "slice_at");
  pass_starts(c, call);
  pass(c, call, {"lengths", "strides"});
  return call;
}

LibraryCall put_slice(const VectorCase& c) {
  LibraryCall call = over_inputs(c, "put_slice");
  pass_starts(c, call);
  return call;
}

LibraryCall along_axes(const VectorCase& c) {
  LibraryCall call = over_inputs(c, c.op);
  pass(c, call, {"axes"});
  return call;
}

LibraryCall along_axis(const VectorCase& c, const char* name) {
  LibraryCall call = over_inputs(c, name);
  pass(c, call, {"axis"});
  return call;
}

LibraryCall bitcast(const VectorCase& c) {
  LibraryCall call = over_inputs(c, "bitcast");
  call.options.push_back({"type", {static_cast<int64_t>(c.outputs[0].dtype)}, {}});
  return call;
}

constexpr Translation kCases[] = {
    {"slice", slice},
    {"put_slice", put_slice},
    {"gather", along_axes},
    {"indexed_add", along_axes},
    {"indexed_put", along_axes},
    {"Take", [](const VectorCase& c) { return along_axis(c, "take"); }},
    {"TakeAlongAxis", [](const VectorCase& c) { return along_axis(c, "take_along_axis"); }},
    {"bitcast", bitcast},
};

}  // namespace

std::span<const Translation> indexing_cases() { return kCases; }

}  // namespace nxv::conformance
