#include "runtime/doctor.h"

#include <filesystem>
#include <random>
#include <system_error>

#include "base/env.h"
#include "base/error.h"
#include "base/private_file.h"
#include "base/source_identity.h"
#include "runtime/doctor_text.h"
#include "runtime/session.h"

namespace nxv::runtime {
namespace {

namespace fs = std::filesystem;

CacheFolder look_at_cache() {
  CacheFolder found;
  found.path = env::cache_folder();
  if (found.path.empty()) return found;
  const fs::path folder = fs::u8path(found.path);
  make_private_folder(folder);
  const fs::path trial = folder / ("trial." + std::to_string(std::random_device{}()));
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    found.refusal = error ? error.message() : "it is no folder";
  } else if (!write_new_private_file(trial, "trial")) {
    found.refusal = "no file can be made in it";
  }
  fs::remove(trial, error);
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!entry.is_regular_file(error)) continue;
    ++found.files;
    found.bytes += entry.file_size(error);
  }
  return found;
}

void look_at_machine(Findings& f) {
  f.version = version();
  f.identity = std::string(source_identity()).substr(0, 12);
  f.system = installation::system();
  for (const env::Variable& v : env::kVariables) {
    if (const auto value = env::get(v.name)) f.environment.emplace_back(v.name, *value);
  }
  for (const char* name : env::kLoaderVariables) {
    if (const auto value = env::of_loader(name)) f.environment.emplace_back(name, *value);
  }
  f.cache = look_at_cache();
}

void look_at_devices(Findings& f, const std::string& select) {
  try {
    f.devices = vulkan::enumerate_devices();
  } catch (const Error& e) {
    f.devices_failure = e.what();
    return;
  }
  try {
    f.chosen = static_cast<int>(vulkan::choose_device(f.devices, select));
  } catch (const Error& e) {
    f.chosen_failure = e.what();
  }
}

// Opens the device and tries it, as far as that goes.
std::unique_ptr<Session> open(Findings& f, const std::string& select) {
  if (f.chosen < 0) return nullptr;
  try {
    auto session = std::make_unique<Session>(select);
    const Engine& engine = session->engine();
    f.is_open = true;
    f.device = engine.snapshot();
    f.plan = engine.plan();
    f.probe_failures = engine.probe_failures();
    f.missing = missing_capabilities(f.device, plan::PlanOptions::from_environment());
    return session;
  } catch (const std::exception& e) {
    f.chosen_failure = e.what();
    return nullptr;
  }
}

void measure(Findings& f, Session& session) {
  try {
    f.speeds = measure_speeds(session);
  } catch (const std::exception& e) {
    f.trials.push_back({"speed", false, e.what()});
  }
}

}  // namespace

std::vector<Missing> missing_capabilities(const plan::Snapshot& device,
                                          const plan::PlanOptions& options) {
  plan::PlanOptions all = options;
  all.disable.clear();
  plan::Snapshot exact = device;
  exact.probes = {.done = true,
                  .f32_div_exact = true,
                  .f32_sqrt_exact = true,
                  .f32_subnormals = true,
                  .f32_fma_fused = true,
                  .f64_rate = 1,
                  .matrix_units_exact = true,
                  .integer_units_exact = true,
                  .packed_dot_exact = true,
                  .bf16_conversion_exact = true,
                  .f16_conversion_exact = true,
                  .matrix_elements_exact = true,
                  .matrix_chains_exact = true};
  const plan::Capabilities has = plan::make_plan(device, options).has;
  const plan::Capabilities undisabled = plan::make_plan(device, all).has;
  const plan::Capabilities best = plan::make_plan(exact, all).has;
  std::vector<Missing> missing;
  for (const plan::CapabilityInfo& c : plan::capability_table()) {
    if (has.*c.flag) continue;
    const char* why = "the driver does not offer it, or nothing here gains from it";
    if (undisabled.*c.flag) {
      why = "NXV_DISABLE";
    } else if (best.*c.flag) {
      why = "a trial at opening found it slow, inexact or wrong";
    }
    missing.push_back({c.name, why});
  }
  return missing;
}

Findings examine(const std::string& chosen, const std::function<void(std::string_view)>& print) {
  const std::string select = chosen.empty() ? env::get("NXV_DEVICE").value_or("") : chosen;
  Findings f;
  look_at_machine(f);
  print(text_of_machine(f));
  f.loader = vulkan::find_loader();
  print(text_of_loader(f));
  f.files = installation::device_files();
  f.drivers = vulkan::installed_drivers();
  print(text_of_drivers(f));
  if (!f.loader.library.empty()) look_at_devices(f, select);
  print(text_of_devices(f));
  if (const auto session = open(f, select)) {
    print(text_of_device(f));
    f.trials = run_trials(*session);
    print(text_of_trials(f));
    measure(f, *session);
    print(text_of_speeds(f));
  }
  print(text_of_advice(f));
  return f;
}

}  // namespace nxv::runtime
