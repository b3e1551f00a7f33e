#include <algorithm>
#include <cstdio>
#include <sstream>

#include "runtime/description.h"

namespace nxv::runtime {
namespace {

using Kind = StepDescription::Kind;

std::string count(uint64_t n, const char* what) {
  return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s");
}

template <typename List, typename Text>
std::string joined(const List& list, Text&& text) {
  std::string all;
  for (const auto& item : list) {
    if (!all.empty()) all += ", ";
    all += text(item);
  }
  return all;
}

std::string scaled(double value, double step, const char* const* units) {
  while (value >= step && units[1] != nullptr) {
    value /= step;
    ++units;
  }
  char text[40];
  std::snprintf(text, sizeof text, "%.1f %s", value, *units);
  return text;
}

// Regions are written as they were before they had numbers.
std::string title(const StepDescription& s) {
  const std::string results = joined(s.results, type_of);
  switch (s.kind) {
    case Kind::alias:
      return "alias: " + to_string(s.results[0].shape) + " shares the storage of " +
             to_string(s.operands[0].shape);
    case Kind::loop:
      return "loop -> " + results + " (" + s.rounds + ")";
    case Kind::branch:
      return "branch -> " + results;
    case Kind::region:
      break;
  }
  return std::string(name(s.summary.kind)) + " region -> " + results +
         " (cut: " + std::string(name(s.summary.reason)) + ")";
}

void write_kernel(std::ostringstream& out, const std::string& indent, const KernelDescription& k) {
  char key[20];
  std::snprintf(key, sizeof key, "%016llx", static_cast<unsigned long long>(k.key));
  out << indent << "kernel " << k.name << ": ";
  if (k.times > 1) out << k.times << " times, up to ";
  out << k.groups[0] << " x " << k.groups[1] << " x " << k.groups[2] << " workgroups of "
      << k.local_size << "; key " << key;
  if (!k.size.empty()) out << "; " << k.size;
  out << '\n' << k.code;
}

bool calls_programs(const ProgramDescription& p) {
  return std::any_of(p.steps.begin(), p.steps.end(),
                     [](const StepDescription& s) { return !s.parts.empty(); });
}

void write_steps(std::ostringstream& out, const std::string& indent, const ProgramDescription& p);

void write_step(std::ostringstream& out, const std::string& indent, const StepDescription& s) {
  out << indent << title(s) << '\n' << s.expressions;
  out << indent << "  step " << s.number;
  if (s.kind == Kind::region) out << ": " << names_of(s.summary);
  if (!s.operands.empty()) out << "; reads " << joined(s.operands, name_of);
  out << '\n';
  if (s.kind == Kind::region) {
    out << indent << "  reads " << count(s.bytes_read, "byte") << ", writes "
        << count(s.bytes_written, "byte") << ", ";
    out << (s.summary.is_flops_known ? count(s.summary.flops, "FLOP") : "FLOPs not counted");
    if (s.workspaces > 0) out << ", " << count(s.workspaces, "byte") << " of workspaces";
    out << '\n';
  }
  if (s.target >= 0) {
    const std::string target = name_of(s.operands[static_cast<size_t>(s.target)]);
    out << indent << "  stores into "
        << (s.is_target_kept ? "a copy of " + target + ", which is read later"
                             : target + ", or a copy of it where somebody else holds it")
        << '\n';
  }
  for (const KernelDescription& k : s.kernels) write_kernel(out, indent, k);
  for (const auto& [name, part] : s.parts) {
    out << indent << "  " << name << ": " << sums_text(part) << '\n';
    write_steps(out, indent + "    ", part);
  }
  out << '\n';
}

void write_steps(std::ostringstream& out, const std::string& indent, const ProgramDescription& p) {
  for (const StepDescription& s : p.steps) write_step(out, indent, s);
}

// Of a function: what goes in and comes out, and sums.
void write_head(std::ostringstream& out, const ProgramDescription& p) {
  out << "program " << p.name << (p.name.empty() ? "" : ": ") << sums_text(p) << '\n';
  for (const ValueDescription& a : p.arguments) {
    out << "  argument " << a.index << ": " << type_of(a);
    if (a.source == ValueDescription::Source::none) out << ", read by nothing";
    for (int donated : p.donated) {
      if (donated == a.index) out << ", written over where the call alone holds it";
    }
    out << '\n';
  }
  for (const ValueDescription& c : p.captured) {
    out << "  " << name_of(c) << ": " << type_of(c) << '\n';
  }
  for (size_t i = 0; i < p.results.size(); ++i) {
    out << "  result " << i << ": " << type_of(p.results[i]) << ", " << name_of(p.results[i])
        << '\n';
  }
  out << "  temporaries: " << count(p.temporaries, "byte");
  if (p.temporary_block > 0) {
    out << " at once, " << p.all_temporaries << " altogether, in a block of " << p.temporary_block;
  }
  out << "\n\n";
}

}  // namespace

std::string name_of(const ValueDescription& value) {
  const std::string index = std::to_string(value.index);
  switch (value.source) {
    case ValueDescription::Source::argument:
      return "argument " + index;
    case ValueDescription::Source::stored:
      return "stored value " + index;
    case ValueDescription::Source::step:
      return "step " + index;
    case ValueDescription::Source::none:
      break;
  }
  return "a number";
}

std::string type_of(const ValueDescription& value) {
  return std::string(name(value.dtype)) + to_string(value.shape);
}

std::string traffic_text(const ProgramDescription& p) {
  return "reads " + bytes_text(p.bytes_read) + ", writes " + bytes_text(p.bytes_written) + ", " +
         flops_text(p.flops, p.is_flops_known);
}

std::string sums_text(const ProgramDescription& p) {
  std::string text = count(p.steps.size(), "step");
  if (p.dispatches > 0) {
    text += ", " + count(static_cast<uint64_t>(p.kernels), "kernel") + ", " +
            std::to_string(p.dispatches) + (p.dispatches == 1 ? " dispatch" : " dispatches") +
            "; " + traffic_text(p);
  }
  return text + (calls_programs(p) ? ", and what is called" : "");
}

std::string bytes_text(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB", nullptr};
  if (bytes < 1024) return count(bytes, "byte");
  return scaled(static_cast<double>(bytes), 1024, kUnits);
}

std::string flops_text(uint64_t flops, bool is_known) {
  static constexpr const char* kUnits[] = {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", nullptr};
  const std::string text =
      flops < 1000 ? count(flops, "FLOP") : scaled(static_cast<double>(flops), 1000, kUnits);
  return is_known ? text : "at least " + text;
}

std::string to_text(const ProgramDescription& program) {
  std::ostringstream out;
  // What an evaluation runs has no arguments and results of its own.
  if (!program.results.empty()) write_head(out, program);
  write_steps(out, "", program);
  return out.str();
}

}  // namespace nxv::runtime
