// The function table of Nx.Vulkan.Native.
#include "function.h"
#include "functions.h"

namespace nxv::nif {

namespace {

int load(ErlNifEnv* env, void**, Term) noexcept {
  try {
    load_atoms(env);
    const bool opened = ResourceType<Engine>::open(env, "nxv_engine") &&
                        ResourceType<Tensor>::open(env, "nxv_tensor");
    return opened ? 0 : 1;
  } catch (...) {
    return 1;
  }
}

constexpr unsigned kWaits = ERL_NIF_DIRTY_JOB_IO_BOUND;
constexpr unsigned kComputes = ERL_NIF_DIRTY_JOB_CPU_BOUND;

ErlNifFunc functions[] = {
    function<devices>("devices", kWaits),
    function<device_find>("device_find", kWaits),
    function<engine_open>("engine_open", kWaits),
    function<engine_close>("engine_close", kWaits),
    function<same_engine>("same_engine?"),
    function<device>("device"),
    function<engine_device>("engine_device"),
    function<engine_describe>("engine_describe", kWaits),
    function<memory_stats>("memory_stats"),
    function<counters>("counters"),
    function<trim>("trim", kWaits),
    function<pressure>("pressure"),
    function<behind>("behind?"),
    function<pressure_relieved>("pressure_relieved"),
    function<makers>("makers"),
    function<ops>("ops"),

    function<from_binary>("from_binary"),
    function<constant>("constant"),
    function<iota>("iota"),
    function<eye>("eye"),
    function<random_uniform>("random_uniform"),
    function<random_normal>("random_normal"),

    function<unary>("unary"),
    function<binary>("binary"),
    function<ternary>("ternary"),
    function<cast>("cast"),
    function<reshape>("reshape"),
    function<broadcast>("broadcast"),
    function<transpose>("transpose"),
    function<slice>("slice"),
    function<reverse>("reverse"),
    function<squeeze>("squeeze"),
    function<pad>("pad"),
    function<concatenate>("concatenate"),
    function<reduce>("reduce"),
    function<dot>("dot"),
    function<matmul>("matmul"),
    function<call>("call"),
    function<parameter>("parameter"),

    function<pin>("pin", kComputes),
    function<from_address>("from_address", kComputes),
    function<share>("share", kComputes),
    function<from_shared>("from_shared", kComputes),

    function<shape>("shape"),
    function<type>("type"),
    function<read>("read"),
    function<evaluate>("evaluate"),
    function<deallocate>("deallocate"),
    function<explain>("explain", kComputes),
};

}  // namespace

// No upgrade callback: a second instance of the library is refused while this one is loaded.
ERL_NIF_INIT(Elixir.Nx.Vulkan.Native, functions, load, nullptr, nullptr, nullptr)

}  // namespace nxv::nif
