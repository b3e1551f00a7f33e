// The functions of Nx.Vulkan.Native, which documents them. Their C++ signatures say how the
// arguments are decoded; a tensor that is made comes back as make_tensor says.
#pragma once

#include "resource.h"
#include "term.h"

namespace nxv::nif {

// engine.cpp
Term devices(ErlNifEnv* env);
Term device_find(ErlNifEnv* env, AnyTerm name);
Term engine_open(ErlNifEnv* env, int device, uint64_t budget);
Term engine_close(ErlNifEnv* env, EngineArg engine);
Term same_engine(ErlNifEnv* env, EngineArg engine, EngineArg other);
Term device(ErlNifEnv* env, EngineArg engine);
Term engine_device(ErlNifEnv* env, EngineArg engine);
Term engine_describe(ErlNifEnv* env, EngineArg engine);
Term memory_stats(ErlNifEnv* env, EngineArg engine);
Term counters(ErlNifEnv* env, EngineArg engine);
Term trim(ErlNifEnv* env, EngineArg engine);
Term pressure(ErlNifEnv* env, EngineArg engine);
Term behind(ErlNifEnv* env, EngineArg engine);
Term pressure_relieved(ErlNifEnv* env, EngineArg engine);
Term makers(ErlNifEnv* env, EngineArg engine);
Term ops(ErlNifEnv* env);

// create.cpp
Term from_binary(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape, AnyTerm bytes);
Term constant(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape, Number value);
Term iota(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape,
          std::optional<int64_t> axis);
Term eye(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape);
Term random_uniform(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape, uint64_t seed,
                    uint64_t offset, double low, double high);
Term random_normal(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape, uint64_t seed,
                   uint64_t offset, double mean, double deviation);

// operate.cpp
Term unary(ErlNifEnv* env, Operation op, TensorArg a);
Term binary(ErlNifEnv* env, Operation op, TensorArg a, TensorArg b);
Term ternary(ErlNifEnv* env, Operation op, TensorArg a, TensorArg b, TensorArg c);
Term cast(ErlNifEnv* env, TensorArg tensor, nxv_dtype type);
Term reshape(ErlNifEnv* env, TensorArg tensor, Dims shape);
Term broadcast(ErlNifEnv* env, TensorArg tensor, Dims shape, std::optional<Dims> axes);
Term transpose(ErlNifEnv* env, TensorArg tensor, std::optional<Dims> axes);
Term slice(ErlNifEnv* env, TensorArg tensor, Dims starts, Dims lengths,
           std::optional<Dims> strides);
Term reverse(ErlNifEnv* env, TensorArg tensor, Dims axes);
Term squeeze(ErlNifEnv* env, TensorArg tensor, std::optional<Dims> axes);
Term pad(ErlNifEnv* env, TensorArg tensor, TensorArg value, Dims low, Dims high, Dims interior);
Term concatenate(ErlNifEnv* env, AnyTerm tensors, int axis);
Term reduce(ErlNifEnv* env, Operation op, TensorArg tensor, std::optional<Dims> axes,
            bool keep_axes);
Term dot(ErlNifEnv* env, TensorArg a, TensorArg b, Dims contract_a, Dims contract_b, Dims batch_a,
         Dims batch_b);
Term matmul(ErlNifEnv* env, TensorArg a, TensorArg b);
Term call(ErlNifEnv* env, std::string name, AnyTerm tensors, AnyTerm options);
Term parameter(ErlNifEnv* env, EngineArg engine, nxv_dtype type);

// pointer.cpp
Term pin(ErlNifEnv* env, TensorArg tensor, AnyTerm bytes);
Term from_address(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape, uint64_t address,
                  uint64_t size);
Term share(ErlNifEnv* env, TensorArg tensor, AnyTerm bytes, int permissions);
Term from_shared(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape, AnyTerm name,
                 uint64_t size);

// read.cpp
Term shape(ErlNifEnv* env, TensorArg tensor);
Term type(ErlNifEnv* env, TensorArg tensor);
Term read(ErlNifEnv* env, TensorArg tensor, int64_t limit, AnyTerm ref);
Term evaluate(ErlNifEnv* env, TensorArg tensor);
Term deallocate(ErlNifEnv* env, TensorArg tensor);
Term explain(ErlNifEnv* env, TensorArg tensor);

}  // namespace nxv::nif
