// From what was found to what to do.
#include <algorithm>

#include "runtime/doctor.h"

namespace nxv::runtime {
namespace {

bool is_usable(const plan::Snapshot& device) { return plan::missing_requirements(device).empty(); }

void about_loader(const Findings& f, std::vector<Advice>& all) {
  if (!f.loader.library.empty()) return;
  all.push_back({true,
                 "Install the Vulkan loader. Debian, Ubuntu: apt-get install libvulkan1; Fedora: "
                 "dnf install vulkan-loader; Arch: pacman -S vulkan-icd-loader; FreeBSD: pkg "
                 "install vulkan-loader; macOS: brew install vulkan-loader molten-vk; Windows: the "
                 "driver of the GPU's maker brings it."});
}

void about_drivers(const Findings& f, std::vector<Advice>& all) {
  const bool is_named = std::any_of(f.environment.begin(), f.environment.end(), [](const auto& v) {
    return v.first == "VK_DRIVER_FILES" || v.first == "VK_ICD_FILENAMES";
  });
  if (f.devices.empty() && is_named) {
    all.push_back({true,
                   "VK_DRIVER_FILES (or VK_ICD_FILENAMES) names the drivers, and none of these has "
                   "a device: correct or unset it."});
  } else if (f.devices.empty()) {
    all.push_back({true,
                   "Install the Vulkan driver of the GPU. AMD and Intel on Debian, Ubuntu: apt-get "
                   "install mesa-vulkan-drivers; NVIDIA: its own driver; macOS: brew install "
                   "molten-vk. The package mesa-vulkan-drivers also computes on the CPU "
                   "(lavapipe)."});
  }
  for (const vulkan::Driver& d : f.drivers) {
    if (d.library.empty()) {
      all.push_back({f.devices.empty(), "Remove or mend " + d.manifest + ": " + d.refusal + "."});
    }
  }
}

void about_files(const Findings& f, std::vector<Advice>& all) {
  const bool has_gpu = std::any_of(f.devices.begin(), f.devices.end(), [](const auto& d) {
    return d.type != plan::DeviceType::cpu && is_usable(d);
  });
  for (const installation::DeviceFile& file : f.files) {
    if (file.refusal.empty()) continue;
    all.push_back({!has_gpu && f.devices.empty(),
                   "Let this user open " + file.path + " (" + file.refusal +
                       "): usermod -aG GROUP USER for that group, then log in anew; in containers, "
                       "pass the device on."});
    break;  // the others are alike
  }
}

void about_devices(const Findings& f, std::vector<Advice>& all) {
  const bool has_driver =
      std::any_of(f.drivers.begin(), f.drivers.end(), [](const auto& d) { return d.devices > 0; });
  if (!f.devices_failure.empty() && has_driver) {
    all.push_back({true, "The loader fails (" + f.devices_failure +
                             "): mend the drivers above; VK_LOADER_DEBUG=all says more."});
  }
  const auto refused = std::count_if(f.devices.begin(), f.devices.end(),
                                     [](const auto& d) { return !is_usable(d); });
  if (refused > 0) {
    const bool is_every = refused == static_cast<std::ptrdiff_t>(f.devices.size());
    all.push_back({is_every,
                   "A device lacks what is named above: a newer driver may have it. Vulkan 1.2 is "
                   "needed, with bufferDeviceAddress and timelineSemaphore."});
  }
  if (!f.devices.empty() && f.chosen < 0) {
    all.push_back({true, "Name a device that is there (NXV_DEVICE, --device), or none."});
  } else if (f.chosen >= 0 && !f.is_open && is_usable(f.devices[f.chosen])) {
    all.push_back({true, "The device does not open: " + f.chosen_failure});
  }
  if (f.is_open && f.device.type == plan::DeviceType::cpu) {
    const bool has_gpu = std::any_of(f.devices.begin(), f.devices.end(), [](const auto& d) {
      return d.type != plan::DeviceType::cpu && is_usable(d);
    });
    all.push_back({false, has_gpu ? "A CPU is chosen though there is a GPU: unset NXV_DEVICE."
                                  : "Computing is done on the CPU, which is slow. With a GPU in "
                                    "this machine, install its Vulkan driver."});
  } else if (f.is_open && f.devices.size() > 1) {
    all.push_back({false, "There are several devices; NXV_DEVICE or the option `device` chooses."});
  }
}

void about_use(const Findings& f, std::vector<Advice>& all) {
  if (!f.cache.refusal.empty()) {
    all.push_back({false, "Kernels are compiled anew in each run, since " + f.cache.path +
                              " cannot be written: mend its permissions, or name another folder "
                              "in NXV_CACHE_DIR ('off' keeps none)."});
  } else if (f.cache.path.empty() && f.is_open) {
    all.push_back({false,
                   "Kernels are compiled anew in each run: no folder keeps them "
                   "(NXV_CACHE_DIR)."});
  }
  for (const Trial& t : f.trials) {
    if (t.is_right) continue;
    all.push_back({true, "The device or its driver is wrong (" + t.name + ": " + t.detail +
                             "): update the driver; if it stays, report it with this text."});
  }
  for (const Speed& s : f.speeds) {
    if (!s.is_slow()) continue;
    all.push_back({false, "The device is slower than it should be (" + s.name +
                              "): look for other programs on it, heat, a limit of power, and "
                              "whether all of its memory is there."});
  }
  if (std::any_of(f.missing.begin(), f.missing.end(),
                  [](const Missing& m) { return m.why == "NXV_DISABLE"; })) {
    all.push_back({false, "NXV_DISABLE switches off what the device can: unset it."});
  }
}

}  // namespace

std::vector<Advice> advice_for(const Findings& f) {
  std::vector<Advice> all;
  about_loader(f, all);
  if (!f.loader.library.empty()) about_drivers(f, all);
  about_files(f, all);
  about_devices(f, all);
  about_use(f, all);
  std::stable_partition(all.begin(), all.end(), [](const Advice& a) { return a.is_grave; });
  return all;
}

bool is_well(const Findings& f) {
  const std::vector<Advice> all = advice_for(f);
  return f.is_open &&
         std::none_of(all.begin(), all.end(), [](const Advice& a) { return a.is_grave; });
}

}  // namespace nxv::runtime
