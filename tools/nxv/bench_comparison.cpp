#include "bench_comparison.h"

#include <algorithm>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace nxv::tools {
namespace {

using Key = std::pair<std::string, std::string>;  // name, size

std::string label(const Key& key) {
  return key.second.empty() ? key.first : key.first + ' ' + key.second;
}

// Microseconds of what was measured and right; the others go to `failed`.
std::map<Key, double> times_of(const nlohmann::json& bench, std::vector<std::string>& failed) {
  std::map<Key, double> times;
  try {
    for (const nlohmann::json& r : bench.at("results")) {
      const Key key = {r.at("name").get<std::string>(), r.at("size").get<std::string>()};
      const double microseconds = r.at("microseconds").get<double>();
      if (!r.at("ok").get<bool>() || !(microseconds > 0)) {
        failed.push_back(label(key));
      } else if (!times.emplace(key, microseconds).second) {
        throw Error(Status::invalid_argument, "two results are named '" + label(key) + "'");
      }
    }
  } catch (const nlohmann::json::exception& e) {
    throw Error(Status::invalid_argument,
                std::string("not what `nxv bench --json` prints: ") + e.what());
  }
  return times;
}

std::vector<std::string> missing(const std::map<Key, double>& from,
                                 const std::map<Key, double>& in) {
  std::vector<std::string> labels;
  for (const auto& [key, time] : from) {
    if (!in.contains(key)) labels.push_back(label(key));
  }
  return labels;
}

void list(std::ostream& out, std::string_view what, const std::vector<std::string>& labels) {
  for (const std::string& l : labels) out << what << ": " << l << '\n';
}

}  // namespace

bool BenchComparison::is_worse() const {
  return !failed_after.empty() ||
         std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.is_slower; });
}

BenchComparison compare_benches(const nlohmann::json& before, const nlohmann::json& after,
                                double threshold) {
  BenchComparison found;
  const std::map<Key, double> was = times_of(before, found.failed_before);
  const std::map<Key, double> is = times_of(after, found.failed_after);
  for (const auto& [key, time] : was) {
    const auto now = is.find(key);
    if (now == is.end()) continue;
    const double ratio = now->second / time;
    found.rows.push_back(
        {key.first, key.second, time, now->second, ratio, ratio > 1 + threshold / 100});
  }
  std::stable_sort(found.rows.begin(), found.rows.end(),
                   [](const auto& a, const auto& b) { return a.ratio > b.ratio; });
  found.only_before = missing(was, is);
  found.only_after = missing(is, was);
  return found;
}

std::string to_text(const BenchComparison& comparison) {
  std::ostringstream out;
  out << std::fixed;
  const auto print = [&](const auto& name, const auto& size, const auto& before, const auto& after,
                         const auto& ratio) {
    out << std::left << std::setw(22) << name << std::right << std::setprecision(1) << ' '
        << std::setw(12) << size << ' ' << std::setw(12) << before << ' ' << std::setw(12) << after
        << ' ' << std::setprecision(2) << std::setw(7) << ratio;
  };
  print("", "size", "us before", "us after", "ratio");
  out << '\n';
  for (const BenchComparison::Row& r : comparison.rows) {
    print(r.name, r.size, r.before, r.after, r.ratio);
    out << (r.is_slower ? "  SLOWER\n" : "\n");
  }
  list(out, "only before", comparison.only_before);
  list(out, "only after", comparison.only_after);
  list(out, "failed before", comparison.failed_before);
  list(out, "failed after", comparison.failed_after);
  const auto slower = std::count_if(comparison.rows.begin(), comparison.rows.end(),
                                    [](const auto& row) { return row.is_slower; });
  out << comparison.rows.size() << " compared, " << slower << " slower\n";
  return out.str();
}

}  // namespace nxv::tools
