#include "runtime/doctor_text.h"

#include <cstdio>
#include <filesystem>
#include <map>

namespace nxv::runtime {
namespace {

// A section: a title, then lines of a mark, a label and a text.
class Section {
 public:
  explicit Section(const char* title) : text_(std::string(title) + "\n") {}

  void say(std::string_view label, std::string_view text) { line("   ", label, text); }
  void good(std::string_view label, std::string_view text) { line("ok ", label, text); }
  void bad(std::string_view label, std::string_view text) { line("!! ", label, text); }
  void judge(bool is_good, std::string_view label, std::string_view text) {
    is_good ? good(label, text) : bad(label, text);
  }
  std::string text() const { return text_; }

 private:
  static constexpr size_t kLabel = 24;

  void line(const char* mark, std::string_view label, std::string_view text) {
    text_ += mark;
    text_ += label;
    text_.append(label.size() < kLabel ? kLabel - label.size() : 1, ' ');
    text_ += text;
    text_ += '\n';
  }

  std::string text_;
};

std::string version_of(uint32_t packed) {
  return std::to_string((packed >> 22) & 0x7f) + "." + std::to_string((packed >> 12) & 0x3ff) +
         "." + std::to_string(packed & 0xfff);
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += (all.empty() ? "" : ", ") + part;
  return all;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 10 ? "%.2f" : "%.0f", value);
  return text;
}

std::string mebibytes(uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

std::string text_of_machine(const Findings& f) {
  Section s("Versions");
  s.say("nxv", f.version + ", sources " + f.identity);
  s.say("system", f.system);
  for (const auto& [name, value] : f.environment) s.say(name, value);
  if (f.cache.path.empty()) {
    s.say("cache of kernels", "off");
  } else {
    s.judge(f.cache.refusal.empty(), "cache of kernels",
            f.cache.path + (f.cache.refusal.empty() ? ", " + std::to_string(f.cache.files) +
                                                          " files, " + mebibytes(f.cache.bytes)
                                                    : ": " + f.cache.refusal));
  }
  return s.text();
}

std::string text_of_loader(const Findings& f) {
  Section s("Vulkan loader");
  if (f.loader.library.empty()) {
    s.bad("none", f.loader.refusal);
  } else {
    s.good(f.loader.library, "Vulkan " + version_of(f.loader.version));
  }
  return s.text();
}

std::string text_of_drivers(const Findings& f) {
  Section s("Drivers");
  if (f.drivers.empty()) s.bad("none", "no manifest of a driver is where the loader looks");
  for (const vulkan::Driver& d : f.drivers) {
    const std::string library = std::filesystem::path(d.library).filename().string();
    if (d.refusal.empty()) {
      s.good(library, std::to_string(d.devices) + (d.devices == 1 ? " device; " : " devices; ") +
                          d.manifest);
    } else {
      // Many are installed for hardware that a machine has not.
      s.say(library.empty() ? "?" : library, d.refusal + "; " + d.manifest);
    }
  }
  for (const installation::DeviceFile& file : f.files) {
    s.judge(file.refusal.empty(), file.path, file.refusal.empty() ? "may be used" : file.refusal);
  }
  return s.text();
}

std::string text_of_devices(const Findings& f) {
  Section s("Devices");
  if (f.loader.library.empty()) {
    s.bad("cannot be listed", "without a loader");
    return s.text();
  }
  if (!f.devices_failure.empty()) s.bad("cannot be listed", f.devices_failure);
  for (size_t i = 0; i < f.devices.size(); ++i) {
    const plan::Snapshot& d = f.devices[i];
    const std::vector<std::string> missing = plan::missing_requirements(d);
    const std::string label =
        std::to_string(i) + (static_cast<int>(i) == f.chosen ? ", chosen" : "");
    const std::string what = d.name + ", Vulkan " + version_of(d.api_version) + ", " +
                             d.driver_name + " " + d.driver_info;
    s.judge(missing.empty(), label, missing.empty() ? what : what + ": lacks " + joined(missing));
  }
  if (f.devices.empty() && f.devices_failure.empty()) s.bad("none", "no driver has a device");
  if (!f.devices.empty() && f.chosen < 0) s.bad("none is chosen", f.chosen_failure);
  return s.text();
}

std::string text_of_device(const Findings& f) {
  Section s("The chosen device");
  s.say("profile", plan::name(f.plan.profile));
  s.say("memory", mebibytes(f.plan.memory_budget) + " may be used");
  if (f.device.portability.is_subset) {
    s.say("a subset of Vulkan", "without " + joined(f.device.portability.lacks));
  }
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const Missing& m : f.missing) by_reason[m.why].emplace_back(m.capability);
  for (const auto& [why, names] : by_reason) s.say("off", joined(names) + ": " + why);
  for (const std::string& failure : f.probe_failures) s.bad("could not be tried", failure);
  return s.text();
}

std::string text_of_trials(const Findings& f) {
  Section s("Trials");
  for (const Trial& t : f.trials) s.judge(t.is_right, t.name, t.detail);
  return s.text();
}

std::string text_of_speeds(const Findings& f) {
  Section s("Speed");
  for (const Speed& v : f.speeds) {
    std::string text = number(v.measured) + " " + v.unit;
    if (v.published > 0) {
      text += ", " + number(100 * v.measured / v.published) + " % of the " + number(v.published) +
              " that its maker names";
    }
    v.is_slow() ? s.bad(v.name, text) : s.say(v.name, text);
  }
  return s.text();
}

std::string text_of_advice(const Findings& f) {
  std::string text = "What to do\n";
  const std::vector<Advice> all = advice_for(f);
  for (const Advice& a : all) text += (a.is_grave ? "!! " : "-  ") + a.text + "\n";
  if (all.empty()) text += "   Nothing: all is well.\n";
  return text;
}

std::string to_text(const Findings& f) {
  std::string text =
      text_of_machine(f) + text_of_loader(f) + text_of_drivers(f) + text_of_devices(f);
  if (f.is_open) text += text_of_device(f) + text_of_trials(f) + text_of_speeds(f);
  return text + text_of_advice(f);
}

}  // namespace nxv::runtime
