// Tensors from nothing or from the bytes of a binary.
#include "function.h"
#include "functions.h"

namespace nxv::nif {

namespace {

// Up to this size the library copies the bytes before nxv_from_host returns.
constexpr size_t kCopiedAtOnce = 64 * 1024;

struct FreeEnv {
  void operator()(ErlNifEnv* env) const noexcept { enif_free_env(env); }
};

// A binary that stays alive while the library copies it, and the library's code with it: the
// engine's resource goes last.
struct Upload {
  Kept<Engine> engine;
  std::unique_ptr<ErlNifEnv, FreeEnv> env;
  ErlNifBinary bytes = {};

  Upload(Engine& owner, Term binary) : engine(owner), env(enif_alloc_env()) {
    if (!env) throw std::bad_alloc{};
    // Large binaries are counted by reference: this copies a header.
    if (!enif_inspect_binary(env.get(), enif_make_copy(env.get(), binary), &bytes)) {
      throw BadArgument{};
    }
  }
  static void release(void* upload) { delete static_cast<Upload*>(upload); }
};

template <typename Create>
Term create(ErlNifEnv* env, Engine& engine, Create call) {
  nxv_tensor* raw = nullptr;
  check(call(Engine::Use(engine), &raw));
  return make_tensor(env, engine, TensorHandle(raw));
}

int rank_of(const Dims& shape) { return static_cast<int>(shape.size()); }

Term from_binary(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape, AnyTerm bytes) {
  ErlNifBinary binary;
  if (!enif_inspect_binary(env, bytes.term, &binary)) throw BadArgument{};
  return create(env, *engine, [&](nxv_engine* handle, nxv_tensor** out) {
    if (binary.size <= kCopiedAtOnce) {
      return nxv_from_host(handle, type, rank_of(shape), shape.data(), binary.data, binary.size,
                           nullptr, nullptr, out);
    }
    auto upload = std::make_unique<Upload>(*engine, bytes.term);
    const ErlNifBinary kept = upload->bytes;
    return nxv_from_host(handle, type, rank_of(shape), shape.data(), kept.data, kept.size,
                         &Upload::release, upload.release(), out);
  });
}

Term constant(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape, Number value) {
  return create(env, *engine, [&](nxv_engine* handle, nxv_tensor** out) {
    if (const int64_t* integer = std::get_if<int64_t>(&value)) {
      return nxv_constant_s64(handle, type, *integer, rank_of(shape), shape.data(), out);
    }
    const ComplexNumber number = std::get<ComplexNumber>(value);
    return nxv_constant_f64(handle, type, number.real, number.imag, rank_of(shape), shape.data(),
                            out);
  });
}

Term iota(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape,
          std::optional<int64_t> axis) {
  if (axis && static_cast<int>(*axis) != *axis) {
    throw Refusal{NXV_INVALID_ARGUMENT, "iota: axis " + std::to_string(*axis) + " is out of range"};
  }
  return create(env, *engine, [&](nxv_engine* handle, nxv_tensor** out) {
    return nxv_iota(handle, type, rank_of(shape), shape.data(), axis.has_value(),
                    static_cast<int>(axis.value_or(0)), out);
  });
}

Term eye(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape) {
  return create(env, *engine, [&](nxv_engine* handle, nxv_tensor** out) {
    return nxv_eye(handle, type, rank_of(shape), shape.data(), out);
  });
}

Term random_uniform(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape, uint64_t seed,
                    uint64_t offset, double low, double high) {
  return create(env, *engine, [&](nxv_engine* handle, nxv_tensor** out) {
    return nxv_random_uniform(handle, type, rank_of(shape), shape.data(), seed, offset, low, high,
                              out);
  });
}

Term random_normal(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape, uint64_t seed,
                   uint64_t offset, double mean, double deviation) {
  return create(env, *engine, [&](nxv_engine* handle, nxv_tensor** out) {
    return nxv_random_normal(handle, type, rank_of(shape), shape.data(), seed, offset, mean,
                             deviation, out);
  });
}

}  // namespace

std::span<const ErlNifFunc> create_functions() {
  static constexpr ErlNifFunc kFunctions[] = {
      function<from_binary>("from_binary"),
      function<constant>("constant"),
      function<iota>("iota"),
      function<eye>("eye"),
      function<random_uniform>("random_uniform"),
      function<random_normal>("random_normal"),
  };
  return kFunctions;
}

}  // namespace nxv::nif
