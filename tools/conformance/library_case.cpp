#include "library_case.h"

namespace nxv::conformance {

std::vector<int64_t> integers(const VectorCase& c, const char* key) {
  const nlohmann::json& value = c.opts.at(key);
  if (value.is_boolean()) return {value.get<bool>() ? 1 : 0};
  if (value.is_array()) return value.get<std::vector<int64_t>>();
  return {value.get<int64_t>()};
}

void pass(const VectorCase& c, LibraryCall& call, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = c.opts.find(key);
    if (found == c.opts.end() || found->is_null()) continue;
    call.options.push_back({key, integers(c, key), {}});
  }
}

LibraryCall over_inputs(const VectorCase& c, const std::string& name) {
  LibraryCall call;
  call.name = name;
  for (size_t i = 0; i < c.inputs.size(); ++i) call.operands.push_back(static_cast<int>(i));
  return call;
}

std::optional<LibraryCall> library_call(const VectorCase& c) {
  const std::string key = c.op == "block" ? c.opts.at("block").get<std::string>() : c.op;
  for (const std::span<const Translation> family :
       {indexing_cases(), windows_cases(), sorting_cases(), transforms_cases(), linear_cases(),
        comparison_cases()}) {
    for (const Translation& t : family) {
      if (t.name == key) return t.translate(c);
    }
  }
  return std::nullopt;
}

}  // namespace nxv::conformance
