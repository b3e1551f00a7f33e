#include "testing/numbers/vectors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <fstream>
#include <limits>

#include "base/error.h"

namespace nxv {
namespace {

using nlohmann::json;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

[[noreturn]] void bad_input(const std::string& what) {
  throw Error(Status::invalid_argument, what);
}

// A real number as a pair of type and bits; the parts of complex numbers become f32 or f64.
struct Part {
  DType dtype;
  uint64_t bits;

  double value() const { return to_double(Scalar{dtype, bits, 0}); }
};

std::vector<Part> parts(const Scalar& s) {
  if (s.dtype == DType::c64) return {{DType::f32, s.lo & 0xffffffff}, {DType::f32, s.lo >> 32}};
  if (s.dtype == DType::c128) return {{DType::f64, s.lo}, {DType::f64, s.hi}};
  return {{s.dtype, s.lo}};
}

// Counts representable numbers from zero: adjacent numbers differ by one, both zeros are 0.
int64_t rank(const Part& p) {
  const uint64_t sign = uint64_t{1} << (bits(p.dtype) - 1);
  const auto magnitude = static_cast<int64_t>(p.bits & (sign - 1));
  return (p.bits & sign) != 0 ? -magnitude : magnitude;
}

double part_distance(const Part& a, const Part& b) {
  if (is_integer(a.dtype)) return a.bits == b.bits ? 0 : std::fabs(a.value() - b.value());
  const bool nan_a = std::isnan(a.value());
  const bool nan_b = std::isnan(b.value());
  if (nan_a || nan_b) return nan_a && nan_b ? 0 : kInfinity;
  // Modulo 2^64, which holds the distance of any two.
  const int64_t x = rank(a), y = rank(b);
  const auto high = static_cast<uint64_t>(std::max(x, y)),
             low = static_cast<uint64_t>(std::min(x, y));
  return static_cast<double>(high - low);
}

bool part_is_subnormal(const Part& p) {
  if (is_integer(p.dtype)) return false;
  double smallest_normal = 0;
  switch (p.dtype) {
    case DType::f64:
      smallest_normal = std::numeric_limits<double>::min();
      break;
    case DType::f32:
    case DType::bf16:
      smallest_normal = std::numeric_limits<float>::min();
      break;
    case DType::f8_e4m3fn:
      smallest_normal = 0x1p-6;
      break;
    default:
      smallest_normal = 0x1p-14;  // f16, f8_e5m2
      break;
  }
  return p.value() != 0 && std::fabs(p.value()) < smallest_normal;
}

bool part_matches(const VectorCase& c, const Part& got, const Part& want) {
  const double x = got.value();
  const double y = want.value();
  if (std::isnan(y)) return std::isnan(x);
  if (got.bits == want.bits) return true;
  if (c.is_exact || std::isinf(x) || std::isinf(y)) return false;
  return std::fabs(x - y) <= c.atol + c.rtol * std::fabs(y);
}

bool element_matches(const VectorCase& c, const Scalar& got, const Scalar& want) {
  const auto a = parts(got);
  const auto b = parts(want);
  for (size_t i = 0; i < a.size(); ++i) {
    if (!part_matches(c, a[i], b[i])) return false;
  }
  return true;
}

// The wanted element, or an operand's element at the same place: operands broadcast as in numpy. Of
// operations that move or fold elements, any operand's element may be the one.
bool involves_subnormal(const VectorCase& c, const HostTensor& want, int64_t i) {
  if (is_subnormal(want.at(i))) return true;
  for (const HostTensor& input : c.inputs) {
    if (input.shape == want.shape) {
      if (is_subnormal(input.at(i))) return true;
      continue;
    }
    for (int64_t k = 0; k < input.count(); ++k) {
      if (is_subnormal(input.at(k))) return true;
    }
  }
  return false;
}

std::string format_real(const Part& p) {
  if (is_integer(p.dtype)) {
    if (p.dtype == DType::u64) return std::to_string(p.bits);
    return std::to_string(to_int64(Scalar{p.dtype, p.bits, 0}));
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*g", p.dtype == DType::f64 ? 17 : 9, p.value());
  return text.data();
}

}  // namespace

std::vector<std::byte> decode_base64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t group = 0;
  int held = 0;  // bits
  for (char c : text) {
    if (c == '=') break;
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) bad_input(std::string("not a base64 digit: ") + c);
    group = group << 6 | static_cast<uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<std::byte>(group >> held & 0xff));
    }
  }
  return bytes;
}

double parse_real(const json& number) {
  if (number.is_number()) return number.get<double>();
  const auto text = number.get<std::string>();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "infinity") return kInfinity;
  if (text == "neg_infinity") return -kInfinity;
  bad_input("not a number: " + text);
}

HostTensor parse_tensor(const json& tensor) {
  const auto type_name = tensor.at("type").get<std::string>();
  const auto dtype = dtype_from_name(type_name);
  if (!dtype) bad_input("unknown type " + type_name);
  const json& dims = tensor.at("shape");
  if (!dims.is_array() ||
      !std::all_of(dims.begin(), dims.end(), [](const json& d) { return d.is_number_integer(); })) {
    bad_input("not a shape: " + dims.dump());
  }
  const auto shape = dims.get<Shape>();
  const auto packed = decode_base64(tensor.at("data").get_ref<const std::string&>());
  const int64_t expected = packed_bytes(*dtype, check_shape("tensor", shape));
  if (static_cast<int64_t>(packed.size()) != expected) {
    bad_input(type_name + " " + to_string(std::span<const int64_t>(shape)) + " needs " +
              std::to_string(expected) + " bytes, not " + std::to_string(packed.size()));
  }
  HostTensor t(*dtype, shape);
  unpack_elements(*dtype, packed.data(), t.count(), t.bytes.data());
  return t;
}

VectorCase parse_case(const json& line) {
  VectorCase c;
  c.id = line.at("id").get<std::string>();
  c.family = c.id.substr(0, c.id.find('-'));
  c.op = line.at("op").get<std::string>();
  c.opts = line.at("opts");
  c.kind = line.at("class").get<std::string>();
  c.is_exact = line.at("cmp").get<std::string>() == "exact";
  c.atol = line.value("atol", 0.0);
  c.rtol = line.value("rtol", 0.0);
  c.suspect = line.value("suspect", "");
  for (const json& t : line.at("inputs")) c.inputs.push_back(parse_tensor(t));
  for (const json& t : line.at("outputs")) c.outputs.push_back(parse_tensor(t));
  return c;
}

std::vector<std::string> vector_families(const std::filesystem::path& folder) {
  std::vector<std::string> families;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() == ".jsonl" && path.stem() != "notes") {
      families.push_back(path.stem().string());
    }
  }
  std::sort(families.begin(), families.end());
  return families;
}

void read_vectors(const std::filesystem::path& file, const std::function<void(VectorCase)>& visit) {
  std::ifstream in(file);
  if (!in) bad_input("cannot read " + file.string());
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    VectorCase c;
    try {
      c = parse_case(json::parse(line));
    } catch (const std::exception& e) {
      bad_input(file.string() + ":" + std::to_string(number) + ": " + e.what());
    }
    visit(std::move(c));
  }
}

double ulp_distance(const Scalar& a, const Scalar& b) {
  const auto x = parts(a);
  const auto y = parts(b);
  double distance = 0;
  for (size_t i = 0; i < x.size(); ++i) distance = std::max(distance, part_distance(x[i], y[i]));
  return distance;
}

bool is_subnormal(const Scalar& s) {
  const auto p = parts(s);
  return std::any_of(p.begin(), p.end(), part_is_subnormal);
}

Comparison compare_output(const VectorCase& c, size_t index, const HostTensor& got) {
  const HostTensor& want = c.outputs.at(index);
  Comparison result;
  if (got.dtype != want.dtype || got.shape != want.shape) {
    const auto kind = [](const HostTensor& t) {
      return std::string(name(t.dtype)) + " " + to_string(std::span<const int64_t>(t.shape));
    };
    result.wrong_kind = kind(got) + " instead of " + kind(want);
    return result;
  }
  for (int64_t i = 0; i < want.count(); ++i) {
    const Scalar x = got.at(i);
    const Scalar y = want.at(i);
    result.max_ulp = std::max(result.max_ulp, ulp_distance(x, y));
    if (element_matches(c, x, y)) continue;
    if (result.mismatches++ == 0) result.first = i;
    if (involves_subnormal(c, want, i)) ++result.subnormal;
  }
  return result;
}

std::string to_string(const Scalar& s) {
  const auto p = parts(s);
  if (p.size() == 1) return format_real(p[0]);
  const std::string imaginary = format_real(p[1]);
  return format_real(p[0]) + (imaginary[0] == '-' ? "" : "+") + imaginary + "i";
}

std::string to_string(const HostTensor& t, int64_t limit) {
  std::string text =
      std::string(name(t.dtype)) + " " + to_string(std::span<const int64_t>(t.shape)) + " [";
  for (int64_t i = 0; i < std::min(t.count(), limit); ++i) {
    text += (i ? ", " : "") + to_string(t.at(i));
  }
  return text + (t.count() > limit ? ", ...]" : "]");
}

}  // namespace nxv
