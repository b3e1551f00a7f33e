// Devices, engines, memory.
#include "function.h"
#include "functions.h"

namespace nxv::nif {

namespace {

Term make_uint(ErlNifEnv* env, uint64_t value) { return enif_make_uint64(env, value); }

Term make_device(ErlNifEnv* env, int index, const nxv_device_info& info) {
  const uint32_t v = info.api_version;
  const std::string version = std::to_string((v >> 22) & 0x7f) + "." +
                              std::to_string((v >> 12) & 0x3ff) + "." + std::to_string(v & 0xfff);
  return make_map(env, {{"index", enif_make_int(env, index)},
                        {"name", make_binary(env, info.name)},
                        {"driver", make_binary(env, info.driver)},
                        {"vendor_id", make_uint(env, info.vendor_id)},
                        {"vulkan_version", make_binary(env, version)},
                        {"cpu?", make_bool(info.is_cpu)},
                        {"supported?", make_bool(info.is_supported)},
                        {"memory_bytes", make_uint(env, info.memory_bytes)}});
}

Term devices(ErlNifEnv* env) {
  int count = 0;
  check(nxv_device_count(&count));
  Term list = enif_make_list(env, 0);
  for (int i = count; i-- > 0;) {
    nxv_device_info info;
    check(nxv_device_get(i, &info));
    list = enif_make_list_cell(env, make_device(env, i, info), list);
  }
  return enif_make_tuple2(env, atoms.ok, list);
}

Term device_find(ErlNifEnv* env, AnyTerm name) {
  std::optional<std::string> select;
  if (name.term != atoms.nil) select = decode_text(env, name.term);
  int index;
  check(nxv_device_find(select ? select->c_str() : nullptr, &index));
  return enif_make_tuple2(env, atoms.ok, enif_make_int(env, index));
}

// {ok, {Text, IsWell}}
Term doctor(ErlNifEnv* env, AnyTerm name) {
  std::optional<std::string> select;
  if (name.term != atoms.nil) select = decode_text(env, name.term);
  char* raw = nullptr;
  int is_well = 0;
  check(nxv_doctor(select ? select->c_str() : nullptr, &raw, &is_well));
  const std::unique_ptr<char, FreeText> text(raw);
  return enif_make_tuple2(
      env, atoms.ok, enif_make_tuple2(env, make_binary(env, text.get()), make_bool(is_well != 0)));
}

Term engine_open(ErlNifEnv* env, int device, uint64_t budget) {
  nxv_engine_options options{};
  options.struct_size = sizeof(options);
  options.device_index = device;
  options.memory_budget = budget;
  options.callers_never_sleep = 1;  // they are schedulers
  nxv_engine* handle = nullptr;
  check(nxv_engine_open(&options, &handle));
  try {
    // Nobody else knows of the engine, and nobody would close it.
    if (!enif_is_current_process_alive(env)) throw BadArgument{};
    return enif_make_tuple2(env, atoms.ok, make_resource<Engine>(env, handle, device));
  } catch (...) {
    nxv_engine_close(handle);
    throw;
  }
}

Term engine_close(ErlNifEnv*, EngineArg engine) {
  engine->close();
  return atoms.ok;
}

Term device(ErlNifEnv* env, EngineArg engine) { return enif_make_int(env, engine->device()); }

Term engine_device(ErlNifEnv* env, EngineArg engine) {
  nxv_device_info info;
  check(nxv_engine_device(Engine::Use(*engine), &info));
  return enif_make_tuple2(env, atoms.ok, make_device(env, engine->device(), info));
}

Term engine_describe(ErlNifEnv* env, EngineArg engine) {
  return make_text(env, [&](char** out) { return nxv_engine_describe(Engine::Use(*engine), out); });
}

Term explain(ErlNifEnv* env, TensorArg tensor, bool ir) {
  return make_text(env, [&](char** out) {
    return ir ? nxv_explain_ir(tensor->get(), out) : nxv_explain(tensor->get(), out);
  });
}

Term memory_stats(ErlNifEnv* env, EngineArg engine) {
  nxv_memory_stats stats;
  check(nxv_memory_stats_get(Engine::Use(*engine), &stats));
  Term map = make_map(env, {{"in_use", make_uint(env, stats.in_use)},
                            {"cached", make_uint(env, stats.cached)},
                            {"peak", make_uint(env, stats.peak)},
                            {"budget", make_uint(env, stats.budget)},
                            {"blocks", make_uint(env, stats.blocks)},
                            {"nodes", enif_make_int64(env, stats.nodes)}});
  return enif_make_tuple2(env, atoms.ok, map);
}

Term counters(ErlNifEnv* env, EngineArg engine) {
  nxv_counters c;
  check(nxv_counters_get(Engine::Use(*engine), &c));
  Term map =
      make_map(env, {{"dispatches", make_uint(env, c.dispatches)},
                     {"submissions", make_uint(env, c.submissions)},
                     {"barriers", make_uint(env, c.barriers)},
                     {"kernels_compiled", make_uint(env, c.kernels_compiled)},
                     {"cache_hits", make_uint(env, c.cache_hits)},
                     {"module_cache_hits", make_uint(env, c.module_cache_hits)},
                     {"evaluations", make_uint(env, c.evaluations)},
                     {"bytes_read", make_uint(env, c.bytes_read)},
                     {"bytes_written", make_uint(env, c.bytes_written)},
                     {"validation_messages", make_uint(env, c.validation_messages)},
                     {"compile_milliseconds", enif_make_double(env, c.compile_milliseconds)}});
  return enif_make_tuple2(env, atoms.ok, map);
}

Term profile_begin(ErlNifEnv*, EngineArg engine) {
  check(nxv_profile_begin(Engine::Use(*engine)));
  return atoms.ok;
}

Term profile_phase(ErlNifEnv* env, EngineArg engine, AnyTerm name) {
  check(nxv_profile_phase(Engine::Use(*engine), decode_text(env, name.term).c_str()));
  return atoms.ok;
}

// {ok, {Table, Trace}}
Term profile_end(ErlNifEnv* env, EngineArg engine) {
  char *table = nullptr, *trace = nullptr;
  check(nxv_profile_end(Engine::Use(*engine), &table, &trace));
  const std::unique_ptr<char, FreeText> first(table), second(trace);
  const Term both = enif_make_tuple2(env, make_binary(env, table), make_binary(env, trace));
  return enif_make_tuple2(env, atoms.ok, both);
}

Term trim(ErlNifEnv*, EngineArg engine) {
  check(nxv_trim(Engine::Use(*engine)));
  return atoms.ok;
}

Term pressure(ErlNifEnv*, EngineArg engine) { return make_bool(engine->has_pressure()); }

Term behind(ErlNifEnv*, EngineArg engine) { return make_bool(engine->is_behind()); }

Term pressure_relieved(ErlNifEnv*, EngineArg engine) {
  nxv_pressure_relieved(Engine::Use(*engine));
  return atoms.ok;
}

Term makers(ErlNifEnv* env, EngineArg engine) {
  Term list = enif_make_list(env, 0);
  for (const ErlNifPid& pid : engine->makers.all()) {
    list = enif_make_list_cell(env, enif_make_pid(env, &pid), list);
  }
  return list;
}

// [{Name, Operands, [{Option, Kind}], IsPrimitive, Summary}]
Term calls(ErlNifEnv* env) {
  Term list = enif_make_list(env, 0);
  for (int i = nxv_call_count(); i-- > 0;) {
    nxv_call_row row;
    check(nxv_call_info(i, &row));
    Term options = enif_make_list(env, 0);
    for (int j = row.option_count; j-- > 0;) {
      nxv_call_option option;
      check(nxv_call_option_info(i, j, &option));
      const Term pair =
          enif_make_tuple2(env, make_atom(env, option.name), make_atom(env, option.kind));
      options = enif_make_list_cell(env, pair, options);
    }
    const Term call =
        enif_make_tuple5(env, make_atom(env, row.name), enif_make_int(env, row.operands), options,
                         make_bool(row.is_primitive), make_binary(env, row.summary));
    list = enif_make_list_cell(env, call, list);
  }
  return list;
}

Term ops(ErlNifEnv* env) {
  Term list = enif_make_list(env, 0);
  for (int i = nxv_op_count(); i-- > 0;) {
    nxv_op_row row;
    check(nxv_op_info(i, &row));
    Term op = enif_make_tuple3(env, make_atom(env, row.name), enif_make_int(env, row.arity),
                               make_bool(row.is_elementwise));
    list = enif_make_list_cell(env, op, list);
  }
  return list;
}

}  // namespace

std::span<const ErlNifFunc> engine_functions() {
  static constexpr ErlNifFunc kFunctions[] = {
      function<devices>("devices", kWaits),
      function<device_find>("device_find", kWaits),
      function<doctor>("doctor", kWaits),
      function<engine_open>("engine_open", kWaits),
      function<engine_close>("engine_close", kWaits),
      function<device>("device"),
      function<engine_device>("engine_device"),
      function<engine_describe>("engine_describe", kWaits),
      function<memory_stats>("memory_stats"),
      function<counters>("counters"),
      function<trim>("trim", kWaits),
      function<profile_begin>("profile_begin", kWaits),
      function<profile_phase>("profile_phase"),
      function<profile_end>("profile_end", kWaits),
      function<pressure>("pressure"),
      function<behind>("behind?"),
      function<pressure_relieved>("pressure_relieved"),
      function<makers>("makers", kComputes),
      function<ops>("ops"),
      function<calls>("calls"),
      function<explain>("explain", kComputes),
  };
  return kFunctions;
}

}  // namespace nxv::nif
