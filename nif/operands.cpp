#include "operands.h"

namespace nxv::nif {

void refuse_mixture(Engine& a, Engine& b) {
  if (!a.is_open() || !b.is_open()) {
    throw Refusal{NXV_DEVICE_LOST, "an operand was on an engine that has been closed"};
  }
  const auto name = [](Engine& engine) {
    nxv_device_info info;
    check(nxv_engine_device(Engine::Use(engine), &info));
    return std::to_string(engine.device()) + " (" + info.name + ")";
  };
  throw Refusal{NXV_INVALID_ARGUMENT, "operands are on two devices, " + name(a) + " and " +
                                          name(b) +
                                          "; bring them to one first, with Nx by "
                                          "Nx.backend_transfer/2 or Nx.backend_copy/2"};
}

TensorList::TensorList(ErlNifEnv* env, Term list) {
  for_each(env, list, [&](Term head) {
    args.push_back(decode<TensorArg>(env, head));
    operands.push_back(args.back()->get());
  });
}

TensorList some_tensors(ErlNifEnv* env, Term list, const std::string& operation) {
  TensorList tensors(env, list);
  if (tensors.args.empty()) {
    throw Refusal{NXV_INVALID_ARGUMENT, operation + ": no tensor given"};
  }
  return tensors;
}

}  // namespace nxv::nif
