#include <algorithm>
#include <cstring>

#include "capi/handles.h"
#include "runtime/describe.h"
#include "runtime/doctor.h"

using nxv::Error;
using nxv::Status;
using nxv::capi::copy_text;
using nxv::capi::guarded;
using nxv::capi::InCallback;
using nxv::capi::require;
using nxv::runtime::Engine;

namespace {

void fill(const nxv::plan::Snapshot& s, nxv_device_info* out) {
  *out = {};
  const auto copy = [](const std::string& from, char(&to)[256]) {
    std::memcpy(to, from.data(), std::min(from.size(), sizeof to - 1));
  };
  copy(s.name, out->name);
  copy(s.driver_name + " " + s.driver_info, out->driver);
  out->vendor_id = s.vendor_id;
  out->api_version = s.api_version;
  out->is_cpu = s.type == nxv::plan::DeviceType::cpu;
  out->is_supported = nxv::plan::missing_requirements(s).empty();
  for (const auto& heap : s.heaps) {
    if (heap.device_local) out->memory_bytes += heap.bytes;
  }
}

nxv_status explain(nxv_tensor* tensor, const nxv::runtime::ExplainOptions& options,
                   char** out) noexcept {
  return guarded(out, 1, [&] {
    InCallback::refuse("nxv_explain");
    require(tensor, "tensor");
    *out = copy_text(nxv::runtime::explain(*tensor->engine, tensor->node(), options));
  });
}

}  // namespace

nxv_status nxv_device_count(int* out) noexcept {
  return guarded([&] {
    require(out, "out");
    *out = static_cast<int>(nxv::vulkan::enumerate_devices().size());
  });
}

nxv_status nxv_device_get(int index, nxv_device_info* out) noexcept {
  return guarded([&] {
    require(out, "out");
    const auto devices = nxv::vulkan::enumerate_devices();
    if (index < 0 || static_cast<size_t>(index) >= devices.size()) {
      throw Error(Status::invalid_argument, "no device has index " + std::to_string(index) +
                                                "; there are " + std::to_string(devices.size()));
    }
    fill(devices[index], out);
  });
}

nxv_status nxv_device_find(const char* select, int* out) noexcept {
  return guarded([&] {
    require(out, "out");
    const std::string wanted =
        select != nullptr ? select : nxv::vulkan::DeviceOptions::from_environment().select;
    *out = static_cast<int>(nxv::vulkan::find_device(wanted));
  });
}

nxv_status nxv_engine_open(const nxv_engine_options* options, nxv_engine** out) noexcept {
  return guarded(out, 1, [&] {
    nxv::runtime::EngineOptions o = nxv::runtime::EngineOptions::from_environment();
    if (options != nullptr) {
      if (options->struct_size != sizeof *options) {
        throw Error(Status::invalid_argument,
                    "nxv_engine_options: struct_size is not sizeof(nxv_engine_options)");
      }
      if (options->device_index < -1) {
        throw Error(Status::invalid_argument, "nxv_engine_options: device_index is negative");
      }
      if (options->device_index >= 0) o.device.select = std::to_string(options->device_index);
      if (options->memory_budget > 0) o.device.plan.memory_budget = options->memory_budget;
      o.device.validation |= options->validation != 0;
      o.device.check_hazards |= options->check_hazards != 0;
      o.callers_may_sleep = options->callers_never_sleep == 0;
    }
    auto handle = std::make_unique<nxv_engine>();
    handle->engine = Engine::open(o);
    *out = handle.release();
  });
}

nxv_status nxv_engine_close(nxv_engine* engine) noexcept {
  return guarded([&] {
    if (engine == nullptr) return;
    InCallback::refuse("nxv_engine_close");
    const std::unique_ptr<nxv_engine> owned(engine);
    owned->engine->close();
  });
}

nxv_status nxv_engine_device(nxv_engine* engine, nxv_device_info* out) noexcept {
  return guarded([&] {
    require(engine, "engine");
    require(out, "out");
    fill(engine->engine->snapshot(), out);
  });
}

nxv_status nxv_memory_stats_get(nxv_engine* engine, nxv_memory_stats* out) noexcept {
  return guarded([&] {
    require(engine, "engine");
    require(out, "out");
    const nxv::vulkan::MemoryStats m = engine->own()->memory();
    *out = {m.in_use, m.cached, m.peak,
            m.budget, m.blocks, engine->engine->graveyard()->live_nodes()};
  });
}

nxv_status nxv_trim(nxv_engine* engine) noexcept {
  return guarded([&] {
    InCallback::refuse("nxv_trim");
    require(engine, "engine");
    engine->own()->trim();
  });
}

nxv_status nxv_counters_get(nxv_engine* engine, nxv_counters* out) noexcept {
  return guarded([&] {
    require(engine, "engine");
    require(out, "out");
    const nxv::runtime::Counters c = engine->own()->counters();
    out->dispatches = c.dispatches;
    out->submissions = c.submissions;
    out->barriers = c.barriers;
    out->kernels_compiled = c.kernels_compiled;
    out->cache_hits = c.driver_cache_hits;
    out->evaluations = c.evaluations;
    out->bytes_read = c.bytes_read;
    out->bytes_written = c.bytes_written;
    out->validation_messages = c.validation_messages;
    out->compile_milliseconds = c.compile_milliseconds;
    out->module_cache_hits = c.module_cache_hits;
  });
}

int nxv_pressure(nxv_engine* engine) noexcept {
  return engine != nullptr && engine->engine->under_pressure() ? 1 : 0;
}

int nxv_is_behind(nxv_engine* engine) noexcept {
  return engine != nullptr && engine->engine->is_behind() ? 1 : 0;
}

void nxv_pressure_relieved(nxv_engine* engine) noexcept {
  if (engine != nullptr) engine->engine->pressure_relieved();
}

nxv_status nxv_explain(nxv_tensor* tensor, char** out) noexcept { return explain(tensor, {}, out); }

nxv_status nxv_explain_ir(nxv_tensor* tensor, char** out) noexcept {
  return explain(tensor, {.ir = true}, out);
}

nxv_status nxv_doctor(const char* device, char** out, int* is_well) noexcept {
  return guarded(out, 1, [&] {
    InCallback::refuse("nxv_doctor");
    require(is_well, "is_well");
    std::string text;
    const auto found = nxv::runtime::examine(device == nullptr ? "" : device,
                                             [&](std::string_view section) { text += section; });
    *is_well = nxv::runtime::is_well(found) ? 1 : 0;
    *out = copy_text(text);
  });
}

nxv_status nxv_engine_describe(nxv_engine* engine, char** out) noexcept {
  return guarded(out, 1, [&] {
    InCallback::refuse("nxv_engine_describe");
    require(engine, "engine");
    *out = copy_text(nxv::runtime::describe(*engine->own()));
  });
}
