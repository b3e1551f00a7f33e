#include "report.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <ostream>
#include <sstream>

namespace nxv::conformance {
namespace {

std::string row_name(const VectorCase& c) {
  return c.op == "block" ? c.opts.at("block").get<std::string>() : c.op;
}

// The elements of the inputs that a mismatch at flat index i of the output came from, where that is
// plain: operands of the output's shape.
std::string operands_at(const VectorCase& c, int64_t i) {
  std::string text;
  for (const HostTensor& t : c.inputs) {
    text += text.empty() ? "" : ", ";
    if (t.shape == c.outputs[0].shape) {
      text += to_string(t.at(i));
    } else {
      text += t.count() == 1 ? to_string(t.at(0)) : "...";
    }
  }
  return text;
}

std::string describe_mismatch(const VectorCase& c, size_t output, const HostTensor& got,
                              const Comparison& difference) {
  const HostTensor& want = c.outputs[output];
  std::ostringstream text;
  if (!difference.wrong_kind.empty()) {
    text << "  result is " << difference.wrong_kind << "\n";
    return text.str();
  }
  const int64_t i = difference.first;
  text << "  " << difference.mismatches << " of " << want.count() << " elements differ";
  if (difference.subnormal != 0) text << " (" << difference.subnormal << " with subnormal numbers)";
  text << "; first at " << i << ": expected " << to_string(want.at(i)) << ", got "
       << to_string(got.at(i)) << ", " << ulp_distance(got.at(i), want.at(i)) << " ULP";
  if (!c.inputs.empty()) text << ", from " << operands_at(c, i);
  text << "\n  expected " << to_string(want) << "\n  got      " << to_string(got) << "\n";
  return text.str();
}

void print_row(std::ostream& out, const std::string& family, const std::string& op,
               const Counts& n) {
  out << std::left << std::setw(10) << family << std::setw(22) << op << std::right << std::setw(8)
      << n.passed << std::setw(8) << n.failed << std::setw(13) << n.unsupported << std::setw(9)
      << n.suspect << std::setw(11) << n.subnormal << std::setw(11) << n.deviation << std::setw(12)
      << std::setprecision(4) << n.max_ulp << "\n";
}

// Cases whose record contradicts IEEE 754 or the rules of this library.
struct Deviation {
  const char* op = nullptr;
  const char* kind = nullptr;
  std::optional<DType> type = {};  // of the result; any when absent
};
constexpr Deviation kDeviations[] = {
    // The record keeps no sign of zeros and infinities where an operand is infinite.
    {"divide", "special"},
    {"atan2", "special"},
    // pow(-0, -1) is -Inf.
    {"pow", "extreme"},
    // NaN parts of complex numbers compare equal in the record.
    {"equal", "special"},
    {"not_equal", "special"},
    // The record truncates into f8 and bf16; rounding to nearest overflows just below 2^emax.
    {"as_type", "extreme"},
    // Truncated after each step, a sum of many numbers in f8 stays far below the rounded one.
    {"reduce", "finite", DType::f8_e5m2},
    // At 1 and -1 types of few digits have the value beside them (ir/emit.cpp), not an infinity.
    {"erf_inv", "extreme", DType::bf16},
    {"erf_inv", "extreme", DType::f8_e5m2},
    {"erf_inv", "extreme", DType::f8_e4m3fn},
    // The record adds in f32 and compares in s32.
    {"window_scatter_max", "finite", DType::f64},
    {"window_scatter_min", "finite", DType::f64},
    {"window_scatter_max", "finite", DType::s64},
    {"window_scatter_min", "finite", DType::s64},
    {"window_scatter_max", "finite", DType::u64},
    {"window_scatter_min", "finite", DType::u64},
};

bool deviates(const VectorCase& c) {
  return std::any_of(std::begin(kDeviations), std::end(kDeviations), [&](const Deviation& d) {
    return c.op == d.op && c.kind == d.kind && (!d.type || *d.type == c.outputs[0].dtype);
  });
}

// Whether subnormal numbers of the case are subnormal numbers of f32 arithmetic.
bool may_flush(const VectorCase& c) {
  const auto is_f32_like = [](const HostTensor& t) {
    return t.dtype == DType::f32 || t.dtype == DType::c64 || t.dtype == DType::bf16;
  };
  const bool has_subnormals = c.kind == "extreme" || c.kind == "special";
  return has_subnormals && (std::any_of(c.inputs.begin(), c.inputs.end(), is_f32_like) ||
                            std::any_of(c.outputs.begin(), c.outputs.end(), is_f32_like));
}

nlohmann::json counts_json(const Counts& n) {
  return {{"passed", n.passed},   {"failed", n.failed},       {"unsupported", n.unsupported},
          {"suspect", n.suspect}, {"subnormal", n.subnormal}, {"deviation", n.deviation},
          {"max_ulp", n.max_ulp}};
}

}  // namespace

void Counts::add(Verdict verdict, double ulp) {
  switch (verdict) {
    case Verdict::passed:
      ++passed;
      if (std::isfinite(ulp)) max_ulp = std::max(max_ulp, ulp);
      break;
    case Verdict::failed:
      ++failed;
      break;
    case Verdict::unsupported:
      ++unsupported;
      break;
    case Verdict::suspect:
      ++suspect;
      break;
    case Verdict::subnormal:
      ++subnormal;
      break;
    case Verdict::deviation:
      ++deviation;
      break;
  }
}

void Counts::add(const Counts& other) {
  passed += other.passed;
  failed += other.failed;
  unsupported += other.unsupported;
  suspect += other.suspect;
  subnormal += other.subnormal;
  deviation += other.deviation;
  max_ulp = std::max(max_ulp, other.max_ulp);
}

void Report::keep_failure(const VectorCase& c, const std::string& detail) {
  if (failures_.size() >= failures_kept_) return;
  std::ostringstream text;
  text << c.id << " " << row_name(c) << " (" << c.kind << ", ";
  if (c.is_exact) {
    text << "exact";
  } else {
    text << "atol " << c.atol << " rtol " << c.rtol;
  }
  text << ") opts " << c.opts.dump() << "\n";
  for (const HostTensor& t : c.inputs) text << "  input    " << to_string(t) << "\n";
  failures_.push_back(text.str() + detail);
}

Report::Match Report::match(const VectorCase& c, const std::vector<HostTensor>& outputs,
                            double& ulp) const {
  if (outputs.size() != c.outputs.size()) return {false, false, "  wrong number of outputs\n"};
  Match result;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Comparison difference = compare_output(c, i, outputs[i]);
    ulp = std::max(ulp, difference.max_ulp);
    if (difference.matches()) continue;
    result.all = false;
    result.only_subnormal = result.only_subnormal && difference.only_subnormal();
    result.detail += describe_mismatch(c, i, outputs[i], difference);
  }
  return result;
}

Verdict Report::judge(const VectorCase& c, const Result& result, double& ulp) {
  if (!c.suspect.empty()) return Verdict::suspect;
  if (result.kind == Result::Kind::unsupported) {
    ++unsupported_[result.message];
    return Verdict::unsupported;
  }
  if (result.kind == Result::Kind::failed) {
    keep_failure(c, "  " + result.message + "\n");
    return Verdict::failed;
  }
  const Match recorded = match(c, result.outputs, ulp);
  if (recorded.all) return Verdict::passed;
  const bool flushes = device_flushes_ && may_flush(c);
  if (recorded.only_subnormal && flushes) return Verdict::subnormal;
  if (deviates(c)) {
    VectorCase by_reference = c;
    by_reference.outputs = evaluate_reference(c).outputs;
    const Match computed = match(by_reference, result.outputs, ulp);
    if (computed.all) return Verdict::deviation;
    if (computed.only_subnormal && flushes) return Verdict::subnormal;
  }
  keep_failure(c, recorded.detail);
  return Verdict::failed;
}

void Report::add(const VectorCase& c, const Result& result) {
  double ulp = 0;
  const Verdict verdict = judge(c, result, ulp);
  rows_[{c.family, row_name(c)}].add(verdict, ulp);
}

Counts Report::total() const {
  Counts total;
  for (const auto& [key, counts] : rows_) total.add(counts);
  return total;
}

void Report::print_table(std::ostream& out) const {
  out << std::left << std::setw(10) << "family" << std::setw(22) << "operation" << std::right
      << std::setw(8) << "passed" << std::setw(8) << "failed" << std::setw(13) << "unsupported"
      << std::setw(9) << "suspect" << std::setw(11) << "subnormal" << std::setw(11) << "deviation"
      << std::setw(12) << "max ULP"
      << "\n";
  std::map<std::string, Counts> families;
  for (const auto& [key, counts] : rows_) {
    print_row(out, key.first, key.second, counts);
    families[key.first].add(counts);
  }
  out << "\n";
  for (const auto& [family, counts] : families) print_row(out, family, "", counts);
  print_row(out, "total", "", total());
}

void Report::print_failures(std::ostream& out) const {
  for (const auto& [reason, times] : unsupported_) {
    out << "unsupported: " << reason << " (" << times << " cases)\n";
  }
  for (const std::string& failure : failures_) out << "FAILED " << failure;
}

nlohmann::json Report::to_json() const {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& [key, counts] : rows_) {
    nlohmann::json row = counts_json(counts);
    row["family"] = key.first;
    row["op"] = key.second;
    rows.push_back(std::move(row));
  }
  return {{"operations", rows}, {"total", counts_json(total())}, {"failures", failures_}};
}

}  // namespace nxv::conformance
