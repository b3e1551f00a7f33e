#include "runtime/profile.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "base/markup.h"

namespace nxv::runtime {
namespace {

template <typename... Values>
std::string format(const char* how, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, how, values...);
  return text;
}

double share(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

void write_phases(std::ostringstream& out, const Profile& p) {
  out << "\nengine's thread              ms   % of wall\n";
  for (int i = 0; i < kPhases; ++i) {
    out << format("  %-18s %10.3f %11.1f\n", name(static_cast<Phase>(i)), p.phases[i] * 1e-6,
                  share(p.phases[i], p.wall));
  }
  if (p.caller.empty()) return;
  out << "\ncaller                       ms   % of wall\n";
  std::vector<std::pair<std::string, double>> sums;  // in the order of the first
  for (const Profile::HostSpan& span : p.caller) {
    auto at = std::find_if(sums.begin(), sums.end(),
                           [&](const auto& sum) { return sum.first == span.name; });
    if (at == sums.end()) at = sums.insert(sums.end(), {span.name, 0});
    at->second += span.end - span.begin;
  }
  for (const auto& [name, time] : sums) {
    out << format("  %-18s %10.3f %11.1f\n", shortened(name, 18).c_str(), time * 1e-6,
                  share(time, p.wall));
  }
}

// Rates of a region; empty where nothing is known.
std::string rate(double amount, double nanoseconds) {
  return amount > 0 && nanoseconds > 0 ? format("%.1f", amount / nanoseconds) : "";
}

void write_work(std::ostringstream& out, const Profile& p) {
  std::vector<const Profile::Work*> rows;
  for (const Profile::Work& work : p.work) {
    if (work.runs > 0 || work.commands > 0) rows.push_back(&work);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto* a, const auto* b) { return a->device > b->device; });
  if (rows.empty()) return;
  if (!p.has_device_times) {
    out << "\nthe device has no timestamps: its times are not known\n\n    runs  region\n";
  } else {
    out << "\n        us       %      runs    us each     GB/s  GFLOP/s  region\n";
  }
  const double whole = p.device_time();
  std::string source;
  for (const Profile::Work* work : rows) {
    const auto runs = static_cast<double>(std::max<uint64_t>(work->runs, 1));
    if (p.has_device_times) {
      out << format("%10.1f %7.1f ", work->device * 1e-3, share(work->device, whole));
    }
    out << format(p.has_device_times ? "%9llu " : "%8llu ",
                  static_cast<unsigned long long>(work->runs));
    if (p.has_device_times) {
      const auto flops = static_cast<double>(work->summary.flops) * runs;
      out << format("%10.2f %8s %8s ", work->device * 1e-3 / runs,
                    rate(static_cast<double>(work->bytes) * runs, work->device).c_str(),
                    rate(flops, work->device).c_str());
    }
    out << ' ';
    if (work->number > 0) out << "step " << work->number << ' ';
    out << work->name;
    if (!work->source.empty()) out << "  [" << work->source << ']';
    out << '\n';
  }
}

// Of a complete event; `arguments` is what is known besides, as members of a JSON object.
void write_event(std::ostringstream& out, int thread, const std::string& name, double begin,
                 double end, const std::string& arguments) {
  out << ",\n{\"ph\":\"X\",\"pid\":1,\"tid\":" << thread << ",\"name\":" << json_text(name)
      << ",\"ts\":" << decimal(begin * 1e-3, 3) << ",\"dur\":" << decimal((end - begin) * 1e-3, 3)
      << ",\"args\":{" << arguments << "}}";
}

void write_thread(std::ostringstream& out, int thread, const char* name) {
  out << ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":" << thread
      << ",\"name\":\"thread_name\",\"args\":{\"name\":\"" << name << "\"}}";
}

}  // namespace

const char* name(Phase phase) {
  switch (phase) {
    case Phase::schedule:
      return "schedule";
    case Phase::compile:
      return "compile";
    case Phase::upload:
      return "upload";
    case Phase::record:
      return "record";
    case Phase::submit:
      return "submit";
    case Phase::wait:
      return "wait";
  }
  return "";
}

double Profile::device_time() const {
  double sum = 0;
  for (const Work& w : work) sum += w.device;
  return sum;
}

std::string to_text(const Profile& p) {
  std::ostringstream out;
  out << p.device << ": " << format("%.3f ms", p.wall * 1e-6);
  if (p.has_device_times) {
    out << format(", the device %.3f ms in %llu commands", p.device_time() * 1e-6,
                  static_cast<unsigned long long>(p.commands));
  }
  out << ", " << p.submissions << (p.submissions == 1 ? " submission\n" : " submissions\n");
  write_phases(out, p);
  write_work(out, p);
  return out.str();
}

std::string to_trace(const Profile& p) {
  constexpr int kCaller = 1, kEngine = 2, kDevice = 3;
  std::ostringstream out;
  out << "{\"displayTimeUnit\":\"ms\",\n\"otherData\":{\"device\":" << json_text(p.device)
      << ",\"wall_us\":" << decimal(p.wall * 1e-3, 3)
      << ",\"device_times\":" << (p.has_device_times ? "true" : "false")
      << ",\"left_out\":" << p.left_out
      << "},\n\"traceEvents\":[\n{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":"
         "{\"name\":\"nxv\"}}";
  write_thread(out, kCaller, "caller");
  write_thread(out, kEngine, "engine");
  write_thread(out, kDevice, "device");
  for (const Profile::HostSpan& s : p.caller) write_event(out, kCaller, s.name, s.begin, s.end, "");
  for (const Profile::HostSpan& s : p.engine_spans) {
    write_event(out, kEngine, s.name, s.begin, s.end, "");
  }
  for (const Profile::DeviceSpan& s : p.device_spans) {
    const Profile::Work& work = p.work[s.work];
    std::string arguments = "\"kernel\":" + json_text(s.kernel);
    if (work.number > 0) {
      arguments += ",\"step\":" + std::to_string(work.number) +
                   ",\"bytes\":" + std::to_string(work.bytes) +
                   ",\"flops\":" + std::to_string(work.summary.flops);
    }
    if (!work.source.empty()) arguments += ",\"source\":" + json_text(work.source);
    write_event(out, kDevice, work.number > 0 ? work.name : s.kernel, s.begin, s.end, arguments);
  }
  out << "\n]}\n";
  return out.str();
}

}  // namespace nxv::runtime
