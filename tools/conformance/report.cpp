#include "report.h"

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
      << n.suspect << std::setw(11) << n.subnormal << std::setw(12) << std::setprecision(4)
      << n.max_ulp << "\n";
}

nlohmann::json counts_json(const Counts& n) {
  return {{"passed", n.passed},   {"failed", n.failed},       {"unsupported", n.unsupported},
          {"suspect", n.suspect}, {"subnormal", n.subnormal}, {"max_ulp", n.max_ulp}};
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
  }
}

void Counts::add(const Counts& other) {
  passed += other.passed;
  failed += other.failed;
  unsupported += other.unsupported;
  suspect += other.suspect;
  subnormal += other.subnormal;
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
  bool only_subnormal = device_flushes_ && c.kind == "extreme";
  bool matches = result.outputs.size() == c.outputs.size();
  std::string detail = matches ? "" : "  wrong number of outputs\n";
  for (size_t i = 0; i < std::min(result.outputs.size(), c.outputs.size()); ++i) {
    const Comparison difference = compare_output(c, i, result.outputs[i]);
    ulp = std::max(ulp, difference.max_ulp);
    if (difference.matches()) continue;
    matches = false;
    only_subnormal = only_subnormal && difference.only_subnormal();
    detail += describe_mismatch(c, i, result.outputs[i], difference);
  }
  if (matches) return Verdict::passed;
  if (only_subnormal) return Verdict::subnormal;
  keep_failure(c, detail);
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
      << std::setw(9) << "suspect" << std::setw(11) << "subnormal" << std::setw(12) << "max ULP"
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
