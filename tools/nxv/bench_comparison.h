// What is slower in the second of two outputs of `nxv bench --json`.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace nxv::tools {

struct BenchComparison {
  // A measurement of both: the same name and size.
  struct Row {
    std::string name, size;
    double before = 0, after = 0;  // microseconds
    double ratio = 0;              // after to before
    bool is_slower = false;        // by more than the threshold
  };
  std::vector<Row> rows;  // the largest ratio first
  // Measurements as "name size": missing on the other side, or wrong or failed on this one.
  std::vector<std::string> only_before, only_after, failed_before, failed_after;

  // Something is slower or fails.
  bool is_worse() const;
};

// `threshold` in percent. Throws Error(invalid_argument) for what `nxv bench --json` does not
// print.
BenchComparison compare_benches(const nlohmann::json& before, const nlohmann::json& after,
                                double threshold);

// A table of the rows, then what has no row.
std::string to_text(const BenchComparison& comparison);

}  // namespace nxv::tools
