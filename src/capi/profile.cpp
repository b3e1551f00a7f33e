#include "runtime/profile.h"

#include "capi/handles.h"

using nxv::capi::copy_text;
using nxv::capi::guarded;
using nxv::capi::InCallback;
using nxv::capi::require;

nxv_status nxv_profile_begin(nxv_engine* engine) noexcept {
  return guarded([&] {
    InCallback::refuse("nxv_profile_begin");
    require(engine, "engine");
    engine->own()->begin_profile();
  });
}

nxv_status nxv_profile_phase(nxv_engine* engine, const char* name) noexcept {
  return guarded([&] {
    require(engine, "engine");
    require(name, "name");
    engine->own()->mark_phase(name);
  });
}

nxv_status nxv_profile_end(nxv_engine* engine, char** table, char** trace) noexcept {
  const nxv_status status = guarded([&] {
    InCallback::refuse("nxv_profile_end");
    require(engine, "engine");
    const nxv::runtime::Profile profile = engine->own()->end_profile();
    const auto owned = [](const std::string& text) {
      return std::unique_ptr<char, void (*)(char*)>(copy_text(text), nxv_free_text);
    };
    auto first = owned(table == nullptr ? "" : to_text(profile));
    auto second = owned(trace == nullptr ? "" : to_trace(profile));
    if (table != nullptr) *table = first.release();
    if (trace != nullptr) *trace = second.release();
  });
  for (char** out : {table, trace}) {
    if (status != NXV_OK && out != nullptr) *out = nullptr;
  }
  return status;
}
