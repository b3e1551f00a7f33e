#include "graph/function.h"

#include <span>

#include "capi/handles.h"
#include "runtime/describe.h"

using nxv::Error;
using nxv::FunctionRef;
using nxv::NodeRef;
using nxv::Status;
using nxv::capi::copy_text;
using nxv::capi::create;
using nxv::capi::dtype;
using nxv::capi::guarded;
using nxv::capi::hand_over;
using nxv::capi::InCallback;
using nxv::capi::nodes_of;
using nxv::capi::require;
using nxv::capi::shape;

struct nxv_function {
  nxv_function(std::shared_ptr<nxv::runtime::Engine> owner, FunctionRef value)
      : engine(std::move(owner)), function(std::move(value)) {}
  const std::shared_ptr<nxv::runtime::Engine> engine;
  const FunctionRef function;
  std::atomic<uint32_t> references{1};
};

namespace {

std::vector<NodeRef> nodes_or_none(int count, nxv_tensor* const* tensors) {
  return count == 0 ? std::vector<NodeRef>() : nodes_of(count, tensors);
}

// Results outside of functions are computed at once, all by one run.
void hand_over_control(const std::shared_ptr<nxv::runtime::Engine>& engine,
                       const std::vector<NodeRef>& results, nxv_tensor** out) {
  hand_over(engine, results, out);
  if (!results.front()->is_function) engine->evaluate(results);
}

const FunctionRef& function_of(const nxv_function* function) {
  require(function, "function");
  return function->function;
}

}  // namespace

nxv_status nxv_parameter(nxv_engine* engine, nxv_dtype type, int rank, const int64_t* dims,
                         nxv_tensor** out) noexcept {
  return create(engine, out, [&](const auto& owner) {
    return nxv::parameter(owner, dtype(type), shape(rank, dims));
  });
}

nxv_status nxv_function_create(int parameter_count, nxv_tensor* const* parameters, int result_count,
                               nxv_tensor* const* results, nxv_function** out) noexcept {
  return guarded(out, 1, [&] {
    const std::vector<NodeRef> inputs = nodes_or_none(parameter_count, parameters);
    const std::vector<NodeRef> outputs = nodes_of(result_count, results);
    if (!inputs.empty() && parameters[0]->engine != results[0]->engine) {
      throw Error(Status::invalid_argument, "parameters and results belong to different engines");
    }
    FunctionRef function = std::make_shared<const nxv::Function>(inputs, outputs);
    *out = std::make_unique<nxv_function>(results[0]->engine, std::move(function)).release();
  });
}

void nxv_function_retain(nxv_function* function) noexcept {
  if (function != nullptr) function->references.fetch_add(1, std::memory_order_relaxed);
}

void nxv_function_release(nxv_function* function) noexcept {
  if (function == nullptr) return;
  if (function->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    const std::unique_ptr<nxv_function> last(function);
  }
}

nxv_status nxv_function_set_name(nxv_function* function, const char* name) noexcept {
  return guarded([&] {
    require(name, "name");
    function_of(function)->name = name;
  });
}

int nxv_function_parameter_count(const nxv_function* function) noexcept {
  return function == nullptr ? 0 : static_cast<int>(function->function->parameters.size());
}

int nxv_function_result_count(const nxv_function* function) noexcept {
  return function == nullptr ? 0 : static_cast<int>(function->function->results.size());
}

nxv_status nxv_function_call(nxv_function* function, int count, nxv_tensor* const* arguments,
                             nxv_tensor** results) noexcept {
  return guarded(results, nxv_function_result_count(function), [&] {
    const FunctionRef& f = function_of(function);
    function->engine->require_own_process();
    hand_over(function->engine, function->engine->invoke(f, nodes_or_none(count, arguments)),
              results);
  });
}

nxv_status nxv_while(int count, nxv_tensor* const* state, nxv_function* condition,
                     nxv_function* body, nxv_tensor** results) noexcept {
  return guarded(results, count, [&] {
    hand_over_control(condition == nullptr ? nullptr : condition->engine,
                      nxv::loop(nodes_of(count, state), function_of(condition), function_of(body)),
                      results);
  });
}

nxv_status nxv_cond(int predicate_count, nxv_tensor* const* predicates,
                    nxv_function* const* functions, int count, nxv_tensor* const* arguments,
                    nxv_tensor** results) noexcept {
  const int result_count = functions == nullptr ? 0 : nxv_function_result_count(functions[0]);
  return guarded(results, result_count, [&] {
    require(functions, "functions");
    if (predicate_count < 1) throw Error(Status::invalid_argument, "needs at least one predicate");
    std::vector<FunctionRef> list;
    for (int i = 0; i <= predicate_count; ++i) list.push_back(function_of(functions[i]));
    hand_over_control(
        functions[0]->engine,
        nxv::branch(nodes_of(predicate_count, predicates), nodes_or_none(count, arguments), list),
        results);
  });
}

nxv_status nxv_function_explain(nxv_function* function, const nxv_explain_options* options,
                                char** out) noexcept {
  return guarded(out, 1, [&] {
    InCallback::refuse("nxv_function_explain");
    const FunctionRef& f = function_of(function);
    function->engine->require_own_process();
    nxv::runtime::FunctionExplainOptions o;
    if (options != nullptr) {
      if (options->format != NXV_EXPLAIN_TEXT && options->format != NXV_EXPLAIN_SVG) {
        throw Error(Status::invalid_argument,
                    "not an nxv_explain_format: " + std::to_string(options->format));
      }
      if (options->format == NXV_EXPLAIN_SVG) o.format = nxv::runtime::ExplainFormat::svg;
      if (options->name != nullptr) o.name = options->name;
      if (options->arguments != nullptr) {
        o.arguments.assign(options->arguments, options->arguments + f->parameters.size());
      }
    }
    *out = copy_text(nxv::runtime::explain(*function->engine, *f, o));
  });
}
