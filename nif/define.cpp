// Functions: graphs from parameters to results, and what calls them.
#include "function.h"
#include "functions.h"
#include "operands.h"

namespace nxv::nif {

namespace {

Term parameter(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape) {
  nxv_tensor* raw = nullptr;
  check(nxv_parameter(Engine::Use(*engine), type, static_cast<int>(shape.size()), shape.data(),
                      &raw));
  return make_tensor(env, *engine, TensorHandle(raw));
}

Term define(ErlNifEnv* env, AnyTerm parameters, AnyTerm results) {
  const TensorList from(env, parameters.term);
  const TensorList to = some_tensors(env, results.term, "function");
  Engine& engine = engine_of(to.args);
  nxv_function* raw = nullptr;
  check(nxv_function_create(from.count(), from.operands.data(), to.count(), to.operands.data(),
                            &raw));
  const Term made = make_resource<Function>(env, FunctionHandle(raw), Kept<Engine>(engine));
  return enif_make_tuple2(env, atoms.ok, made);
}

// The tensors that `call` writes, as many as the function has results.
template <typename Call>
std::vector<TensorHandle> results_of(Function& function, Call call) {
  const auto count = static_cast<size_t>(nxv_function_result_count(function.get()));
  std::vector<TensorHandle> handles;
  handles.reserve(count);  // taking the results over must not fail
  std::vector<nxv_tensor*> results(count);
  check(call(results.data()));
  for (nxv_tensor* result : results) handles.emplace_back(result);
  return handles;
}

Term invoke(ErlNifEnv* env, FunctionArg function, AnyTerm arguments) {
  const TensorList list(env, arguments.term);
  for (const TensorArg& argument : list.args) {
    if (&argument->engine() != &function->engine()) {
      refuse_mixture(function->engine(), argument->engine());
    }
  }
  return make_references(env, function->engine(), results_of(*function, [&](nxv_tensor** results) {
                           return nxv_function_call(function->get(), list.count(),
                                                    list.operands.data(), results);
                         }));
}

Term loop(ErlNifEnv* env, AnyTerm state, FunctionArg condition, FunctionArg body) {
  const TensorList list = some_tensors(env, state.term, "while");
  return make_tensors(env, body->engine(), results_of(*body, [&](nxv_tensor** results) {
                        return nxv_while(list.count(), list.operands.data(), condition->get(),
                                         body->get(), results);
                      }));
}

Term branch(ErlNifEnv* env, AnyTerm predicates, AnyTerm functions, AnyTerm arguments) {
  const TensorList conditions = some_tensors(env, predicates.term, "cond");
  const TensorList list(env, arguments.term);
  std::vector<nxv_function*> branches;
  Function* first = nullptr;
  for_each(env, functions.term, [&](Term head) {
    const FunctionArg f = decode<FunctionArg>(env, head);
    if (!first) first = f.object;
    branches.push_back(f->get());
  });
  if (branches.size() != conditions.args.size() + 1) {
    throw Refusal{NXV_INVALID_ARGUMENT, "cond: expected one function more than predicates"};
  }
  return make_tensors(env, first->engine(), results_of(*first, [&](nxv_tensor** results) {
                        return nxv_cond(conditions.count(), conditions.operands.data(),
                                        branches.data(), list.count(), list.operands.data(),
                                        results);
                      }));
}

Term name_function(ErlNifEnv* env, FunctionArg function, AnyTerm name) {
  check(nxv_function_set_name(function->get(), decode_text(env, name.term).c_str()));
  return atoms.ok;
}

// `numbers`: what its arguments are called by.
Term explain(ErlNifEnv* env, FunctionArg function, bool svg, AnyTerm name, Dims numbers) {
  const std::string title = decode_text(env, name.term);
  const std::vector<int> arguments(numbers.begin(), numbers.end());
  if (static_cast<int>(arguments.size()) != nxv_function_parameter_count(function->get())) {
    throw BadArgument{};
  }
  const nxv_explain_options options{svg ? NXV_EXPLAIN_SVG : NXV_EXPLAIN_TEXT, title.c_str(),
                                    arguments.data()};
  return make_text(
      env, [&](char** out) { return nxv_function_explain(function->get(), &options, out); });
}

}  // namespace

std::span<const ErlNifFunc> define_functions() {
  static constexpr ErlNifFunc kFunctions[] = {
      function<parameter>("parameter"),
      function<define>("function", kComputes),
      function<invoke>("invoke"),
      function<loop>("while"),
      function<branch>("cond"),
      function<name_function>("name_function"),
      function<explain>("explain_function", kComputes),
  };
  return kFunctions;
}

}  // namespace nxv::nif
