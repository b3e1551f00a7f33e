// From the arguments of a backend callback to an operation of the library, free of what the case
// runs on. Each family has its translations in a cases_*.cpp.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "library/arguments.h"
#include "testing/numbers/vectors.h"

namespace nxv::conformance {

// How a case calls the library.
struct LibraryCall {
  std::string name;
  // Positions in the case's inputs, in the order of the call; -1 - i is extra[i].
  std::vector<int> operands;
  std::vector<HostTensor> extra;  // tensors that the case holds in its options
  std::vector<library::Option> options;
  // The function of `reduce` and `window_reduce`: its name in the vectors and the type of its
  // arguments. Appended as the operands element, accumulator and body.
  std::string function;
  DType function_type = DType::f32;
};

// By callback, or by the name of its block.
struct Translation {
  std::string_view name;
  LibraryCall (*translate)(const VectorCase&);
};
std::span<const Translation> indexing_cases();
std::span<const Translation> windows_cases();
std::span<const Translation> sorting_cases();
std::span<const Translation> transforms_cases();
std::span<const Translation> linear_cases();
std::span<const Translation> comparison_cases();

// A call of `name` with all inputs of the case.
LibraryCall over_inputs(const VectorCase& c, const std::string& name);
// The options that go by the same name on both sides; absent and null ones are left out.
void pass(const VectorCase& c, LibraryCall& call, std::initializer_list<const char*> keys);
std::vector<int64_t> integers(const VectorCase& c, const char* key);

// Empty for a case that the library has no operation for.
std::optional<LibraryCall> library_call(const VectorCase& c);

}  // namespace nxv::conformance
