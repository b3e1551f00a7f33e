#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "bench_comparison.h"
#include "bench_peers.h"
#include "benchmarks.h"
#include "commands.h"

namespace nxv::tools {
namespace {

const char* unit_name(Unit unit) {
  switch (unit) {
    case Unit::bytes:
      return "GB/s";
    case Unit::flops:
      return "GFLOP/s";
    case Unit::elements:
      return "G/s";
    case Unit::seconds:
      return "us";
  }
  return "";
}

bool is_selected(std::string_view name, const std::vector<std::string>& wanted) {
  return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](const std::string& w) {
           return name.find(w) != std::string_view::npos;
         });
}

// Rates of kernels that move bytes are set beside that of a plain copy.
double share_of_copy(const Measurement& m, double copy_rate) {
  return m.unit == Unit::bytes && m.kernels > 0 && copy_rate > 0 ? m.rate() / copy_rate : 0;
}

void print_header() {
  std::printf("%-22s %12s %12s %12s %-7s %7s %7s %9s\n", "", "size", "us", "rate", "", "copy",
              "kernels", "error");
}

void print_row(const Measurement& m, double copy_rate) {
  if (!m.failure.empty()) {
    std::printf("%-22s %12s  FAILED: %s\n", m.name.c_str(), m.size.c_str(), m.failure.c_str());
    return;
  }
  std::string share, rate;
  char text[32];
  if (const double s = share_of_copy(m, copy_rate); s > 0) {
    std::snprintf(text, sizeof text, "%.2f", s);
    share = text;
  }
  if (m.unit != Unit::seconds) {
    std::snprintf(text, sizeof text, "%.1f", m.rate());
    rate = text;
  }
  std::printf("%-22s %12s %12.1f %12s %-7s %7s %7d %9.1e %s\n", m.name.c_str(), m.size.c_str(),
              m.seconds * 1e6, rate.c_str(), m.unit == Unit::seconds ? "" : unit_name(m.unit),
              share.c_str(), m.kernels, m.error, m.ok() ? "" : "WRONG");
  std::fflush(stdout);
}

void print_kernels(const Measurement& m) {
  for (const vulkan::KernelTime& t : m.each) {
    std::printf("  %-33s %12.1f\n", t.name.c_str(), t.nanoseconds * 1e-3);
  }
}

nlohmann::json to_json(const Measurement& m, double copy_rate) {
  nlohmann::json j = {{"name", m.name},
                      {"size", m.size},
                      {"microseconds", m.seconds * 1e6},
                      {"rate", m.rate()},
                      {"unit", unit_name(m.unit)},
                      {"kernels", m.kernels},
                      {"error", m.error},
                      {"error_bound", m.bound},
                      {"ok", m.ok()}};
  if (const double s = share_of_copy(m, copy_rate); s > 0) j["share_of_copy"] = s;
  if (!m.failure.empty()) j["failure"] = m.failure;
  return j;
}

nlohmann::json load(const std::string& path) {
  std::ifstream in(path);
  nlohmann::json j = nlohmann::json::parse(in, nullptr, false);
  if (j.is_discarded()) throw Error(Status::invalid_argument, path + " is not JSON");
  return j;
}

}  // namespace

int run_bench(const BenchOptions& options) {
  if (options.list) {
    for (const Benchmark& b : benchmarks()) std::cout << b.name << '\n';
    return 0;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  Session session(options.device);
  Bench bench(session, options);
  const plan::Snapshot& device = session.engine().snapshot();
  if (!options.json) {
    std::cout << device.name << ", " << device.driver_name << ' ' << device.driver_info
              << ", profile " << plan::name(session.engine().plan().profile) << '\n'
              << std::flush;
    print_header();
  }

  std::vector<Measurement> all;
  std::vector<std::string> skipped;
  double copy_rate = 0;
  for (const Benchmark& b : benchmarks()) {
    if (!is_selected(b.name, options.names)) continue;
    if (seconds() > options.seconds) {
      skipped.emplace_back(b.name);
      continue;
    }
    std::vector<Measurement> found;
    try {
      found = b.run(bench);
    } catch (const Error& e) {
      Measurement failed{std::string(b.name), ""};
      failed.failure = e.what();
      found.push_back(failed);
    }
    bench.value = {};
    for (const Measurement& m : found) {
      if (m.name == "copy") copy_rate = m.rate();
      if (!options.json) print_row(m, copy_rate);
      if (!options.json && options.kernels) print_kernels(m);
      all.push_back(m);
    }
    if (session.engine().counters().validation_messages > 0) break;
  }
  if (all.empty() && skipped.empty()) {
    throw Error(Status::invalid_argument,
                "no benchmark has such a name; `nxv bench --list` lists them");
  }

  const auto wrong =
      std::count_if(all.begin(), all.end(), [](const Measurement& m) { return !m.ok(); });
  if (options.json) {
    nlohmann::json j = {{"device", device.name},
                        {"driver", device.driver_name + " " + device.driver_info},
                        {"profile", plan::name(session.engine().plan().profile)},
                        {"results", nlohmann::json::array()},
                        {"skipped", skipped}};
    for (const Measurement& m : all) j["results"].push_back(to_json(m, copy_rate));
    std::cout << j.dump(2) << '\n';
  } else {
    for (const std::string& name : skipped) std::cout << name << ": out of time, skipped\n";
    std::printf("%zu measurements, %td wrong, %zu skipped, %.1f s\n", all.size(), wrong,
                skipped.size(), seconds());
  }
  return wrong == 0 ? 0 : 1;
}

int run_compare(const CompareOptions& options) {
  const BenchComparison found =
      compare_benches(load(options.files[0]), load(options.files[1]), options.threshold);
  std::cout << to_text(found);
  return found.is_worse() ? 1 : 0;
}

int run_beside(const BesideOptions& options) {
  std::vector<std::string> peers;
  for (const std::string& path : options.peers) {
    std::ifstream in(path);
    peers.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  const PeerTable table = beside_peers(load(options.ours), peers);
  std::cout << to_text(table, options.markdown ? TableStyle::markdown : TableStyle::text);
  if (options.svg.empty()) return 0;
  std::ofstream file(options.svg, std::ios::binary);
  if (!(file << to_svg(table)).flush()) {
    throw Error(Status::invalid_argument, "cannot write " + options.svg);
  }
  return 0;
}

}  // namespace nxv::tools
