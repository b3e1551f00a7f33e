// Loads the library, and joins the functions that the files register to one table.
#include <memory>

#include "function.h"
#include "functions.h"

namespace nxv::nif {

namespace {

int load(ErlNifEnv* env, void**, Term) noexcept {
  try {
    load_atoms(env);
    const bool opened = ResourceType<Engine>::open(env, "nxv_engine") &&
                        ResourceType<Tensor>::open(env, "nxv_tensor") &&
                        ResourceType<Function>::open(env, "nxv_function");
    return opened ? 0 : 1;
  } catch (...) {
    return 1;
  }
}

// Never destroyed: the VM refers to it as long as the library is loaded.
std::vector<ErlNifFunc>& all_functions() {
  static auto* const functions = [] {
    auto joined = std::make_unique<std::vector<ErlNifFunc>>();
    for (const auto& file : {table_functions, engine_functions, create_functions, operate_functions,
                             define_functions, pointer_functions, read_functions}) {
      const std::span<const ErlNifFunc> part = file();
      joined->insert(joined->end(), part.begin(), part.end());
    }
    return joined.release();
  }();
  return *functions;
}

// What there is here, for the test that compares Nx.Vulkan.Native with it:
// [{Name, Arity, normal | io_bound | cpu_bound}].
Term functions(ErlNifEnv* env) {
  Term list = enif_make_list(env, 0);
  for (const ErlNifFunc& function : all_functions()) {
    const char* scheduler = function.flags == kWaits      ? "io_bound"
                            : function.flags == kComputes ? "cpu_bound"
                                                          : "normal";
    const Term row =
        enif_make_tuple3(env, make_atom(env, function.name), enif_make_uint(env, function.arity),
                         make_atom(env, scheduler));
    list = enif_make_list_cell(env, row, list);
  }
  return list;
}

}  // namespace

std::span<const ErlNifFunc> table_functions() {
  static constexpr ErlNifFunc kFunctions[] = {function<functions>("functions")};
  return kFunctions;
}

// What ERL_NIF_INIT expands to, which takes one array only. No upgrade callback: a second instance
// of the library is refused while this one is loaded.
ERL_NIF_INIT_PROLOGUE
ERL_NIF_INIT_GLOB
ERL_NIF_INIT_DECL(Elixir.Nx.Vulkan.Native);
ERL_NIF_INIT_DECL(Elixir.Nx.Vulkan.Native) {
  ERL_NIF_INIT_BODY;
  static ErlNifEntry entry = {ERL_NIF_MAJOR_VERSION,
                              ERL_NIF_MINOR_VERSION,
                              "Elixir.Nx.Vulkan.Native",
                              static_cast<int>(all_functions().size()),
                              all_functions().data(),
                              load,
                              nullptr,
                              nullptr,
                              nullptr,
                              ERL_NIF_VM_VARIANT,
                              1,  // has dirty schedulers: so in every entry
                              sizeof(ErlNifResourceTypeInit),
                              ERL_NIF_MIN_ERTS_VERSION};
  return &entry;
}
ERL_NIF_INIT_EPILOGUE

}  // namespace nxv::nif
