// Operands of a call: tensors that are all on one engine.
#pragma once

#include <iterator>
#include <string>
#include <vector>

#include "resource.h"

namespace nxv::nif {

// Throws what was wrong with operands of two engines.
[[noreturn]] void refuse_mixture(Engine& a, Engine& b);

// The engine that all operands are on; the result will be, too.
template <typename Operands>
Engine& engine_of(const Operands& operands) {
  Engine& engine = (*std::begin(operands))->engine();
  for (const TensorArg& operand : operands) {
    if (&operand->engine() != &engine) refuse_mixture(engine, operand->engine());
  }
  return engine;
}

// The tensors of a list, kept while their handles are in use.
struct TensorList {
  TensorList(ErlNifEnv* env, Term list);
  int count() const { return static_cast<int>(operands.size()); }

  std::vector<TensorArg> args;
  std::vector<nxv_tensor*> operands;
};

// The same, at least one.
TensorList some_tensors(ErlNifEnv* env, Term list, const std::string& operation);

}  // namespace nxv::nif
