// Conformance vectors: cases recorded from a reference implementation, one JSON object a line.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "testing/reference/reference.h"

namespace nxv {

struct VectorCase {
  std::string id;      // family-number
  std::string family;  // the file's name
  std::string op;      // as Nx.Backend names it
  std::vector<HostTensor> inputs;
  nlohmann::json opts;
  std::vector<HostTensor> outputs;
  std::string kind;  // "finite", "extreme", "special" or "sweep"
  bool is_exact = true;
  double atol = 0;  // for close cases: |got - want| <= atol + rtol * |want|
  double rtol = 0;
  std::string suspect;  // why the recorded values themselves are doubtful, or ""
};

// Families of a folder in alphabetical order: the names of its .jsonl files but notes.jsonl.
std::vector<std::string> vector_families(const std::filesystem::path& folder);
// Calls `visit` for each case of a file; throws Error(invalid_argument) with the line of bad input.
void read_vectors(const std::filesystem::path& file, const std::function<void(VectorCase)>& visit);

VectorCase parse_case(const nlohmann::json& line);
// {"type", "shape", "data"}; sub-byte types become one element a byte.
HostTensor parse_tensor(const nlohmann::json& tensor);
std::vector<std::byte> decode_base64(std::string_view text);

// A real number as the vectors write it: 1.5, "nan", "infinity" or "neg_infinity".
double parse_real(const nlohmann::json& number);

// How a result differs from what was wanted.
struct Comparison {
  std::string wrong_kind;  // the type or shape differs: nothing else was compared
  int64_t mismatches = 0;  // elements outside the tolerance
  int64_t first = -1;      // flat index of the first of them
  int64_t subnormal = 0;   // mismatches of elements that involve a subnormal number
  double max_ulp = 0;      // over all elements, NaN against a number is infinite

  bool matches() const { return wrong_kind.empty() && mismatches == 0; }
  // A device that flushes subnormal numbers could not have done better.
  bool only_subnormal() const {
    return wrong_kind.empty() && mismatches != 0 && mismatches == subnormal;
  }
};

// Compares output `index` of a case with what was computed for it.
Comparison compare_output(const VectorCase& c, size_t index, const HostTensor& got);

// Representable numbers between two elements of one type, the larger of both parts of a complex
// number. NaN is 0 from NaN and infinitely far from anything else.
double ulp_distance(const Scalar& a, const Scalar& b);
// The smaller parts of a number's format: not zero, below the smallest normal number.
bool is_subnormal(const Scalar& s);

// "1.5", "-nan", "1.5+2i": enough digits to read the number back.
std::string to_string(const Scalar& s);
// "f32 {2, 3} [1, 2, 3, ...]", at most `limit` elements.
std::string to_string(const HostTensor& t, int64_t limit = 8);

}  // namespace nxv
