#include "library_case.h"

namespace nxv::conformance {
namespace {

void flag(LibraryCall& call, const char* name, bool value) {
  call.options.push_back({name, {value ? 1 : 0}, {}});
}

void type_of_output(const VectorCase& c, LibraryCall& call) {
  call.options.push_back({"type", {static_cast<int64_t>(c.outputs[0].dtype)}, {}});
}

// The options of sliding windows under their names here.
void window(const VectorCase& c, LibraryCall& call) {
  std::vector<int64_t> low, high;
  for (const nlohmann::json& amounts : c.opts.at("padding")) {
    low.push_back(amounts.at(0));
    high.push_back(amounts.at(1));
  }
  call.options.push_back({"low", low, {}});
  call.options.push_back({"high", high, {}});
  for (const auto& [from, to] : {std::pair{"window_dimensions", "window"},
                                 {"strides", "strides"},
                                 {"window_dilations", "dilations"}}) {
    if (c.opts.contains(from)) call.options.push_back({to, integers(c, from), {}});
  }
}

LibraryCall sliding(const VectorCase& c) {
  LibraryCall call = over_inputs(c, c.op);
  window(c, call);
  return call;
}

LibraryCall position(const VectorCase& c) {
  LibraryCall call = over_inputs(c, c.op);
  pass(c, call, {"axis", "keep_axis"});
  flag(call, "tie_high", c.opts.at("tie_break") == "high");
  type_of_output(c, call);
  return call;
}

void function(const VectorCase& c, LibraryCall& call) {
  call.function = c.opts.at("fun").get<std::string>();
  call.function_type = c.outputs[0].dtype;
}

LibraryCall fold(const VectorCase& c) {
  LibraryCall call = over_inputs(c, c.op);
  pass(c, call, {"axes", "keep_axes"});
  function(c, call);
  return call;
}

LibraryCall fold_windows(const VectorCase& c) {
  LibraryCall call = sliding(c);
  function(c, call);
  return call;
}

LibraryCall convolution(const VectorCase& c) {
  LibraryCall call = over_inputs(c, c.op);
  window(c, call);
  pass(c, call,
       {"input_dilation", "kernel_dilation", "feature_group_size", "batch_group_size",
        "input_permutation", "kernel_permutation", "output_permutation"});
  return call;
}

}  // namespace

std::span<const Translation> windows_cases() {
  static constexpr Translation kCases[] = {
      {"argmax", position},
      {"argmin", position},
      {"window_sum", sliding},
      {"window_product", sliding},
      {"window_max", sliding},
      {"window_min", sliding},
      {"window_scatter_max", sliding},
      {"window_scatter_min", sliding},
      {"reduce", fold},
      {"window_reduce", fold_windows},
      {"conv", convolution},
  };
  return kCases;
}

}  // namespace nxv::conformance
