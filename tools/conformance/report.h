// Counts per operation, and the first failures in full.
#pragma once

#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "target.h"
#include "testing/numbers/vectors.h"

namespace nxv::conformance {

enum class Verdict { passed, failed, unsupported, suspect, subnormal, deviation };

struct Counts {
  int passed = 0;
  int failed = 0;
  int unsupported = 0;
  int suspect = 0;     // the recorded values are doubtful: not compared
  int subnormal = 0;   // differs only where the device flushes subnormal numbers
  int deviation = 0;   // as the reference evaluator, which deviates from the record on purpose
  double max_ulp = 0;  // of the cases that passed

  void add(Verdict verdict, double ulp);
  void add(const Counts& other);
};

class Report {
 public:
  Report(bool device_flushes, size_t failures_kept)
      : device_flushes_(device_flushes), failures_kept_(failures_kept) {}

  void add(const VectorCase& c, const Result& result);
  Counts total() const;
  void print_table(std::ostream& out) const;
  void print_failures(std::ostream& out) const;
  nlohmann::json to_json() const;

 private:
  using Key = std::pair<std::string, std::string>;  // family, operation
  struct Match {
    bool all = true;
    bool only_subnormal = true;  // of the elements that differ
    std::string detail;
  };
  Match match(const VectorCase& c, const std::vector<HostTensor>& outputs, double& ulp) const;
  Verdict judge(const VectorCase& c, const Result& result, double& ulp);
  void keep_failure(const VectorCase& c, const std::string& detail);

  bool device_flushes_;
  size_t failures_kept_;
  std::map<Key, Counts> rows_;
  std::vector<std::string> failures_;
  std::map<std::string, int> unsupported_;  // by reason
};

}  // namespace nxv::conformance
