// Host memory of a tensor's elements for other programs, and tensors from such memory.
#include "function.h"
#include "functions.h"

namespace nxv::nif {

namespace {

// {ok, Address} of memory that holds `bytes` as long as the tensor lives.
Term pin(ErlNifEnv* env, TensorArg tensor, AnyTerm bytes) {
  ErlNifBinary binary;
  if (!enif_inspect_binary(env, bytes.term, &binary)) throw BadArgument{};
  const auto address = reinterpret_cast<uintptr_t>(tensor->pin(binary.data, binary.size));
  return enif_make_tuple2(env, atoms.ok, enif_make_uint64(env, address));
}

// Copies `size` bytes from an address that the caller answers for.
Term from_address(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape, uint64_t address,
                  uint64_t size) {
  nxv_tensor* raw = nullptr;
  check(nxv_from_host(Engine::Use(*engine), type, static_cast<int>(shape.size()), shape.data(),
                      reinterpret_cast<const void*>(static_cast<uintptr_t>(address)),
                      static_cast<size_t>(size), nullptr, nullptr, &raw));
  return make_tensor(env, *engine, TensorHandle(raw));
}

// {ok, Name} of shared memory that holds `bytes` as long as the tensor lives.
Term share(ErlNifEnv* env, TensorArg tensor, AnyTerm bytes, int permissions) {
  ErlNifBinary binary;
  if (!enif_inspect_binary(env, bytes.term, &binary)) throw BadArgument{};
  const std::string name = tensor->share(binary.data, binary.size, permissions);
  return enif_make_tuple2(env, atoms.ok, make_binary(env, name));
}

// Copies the first `size` bytes of shared memory.
Term from_shared(ErlNifEnv* env, EngineArg engine, nxv_dtype type, Dims shape, AnyTerm name,
                 uint64_t size) {
  const auto bytes = read_segment(decode_text(env, name.term), static_cast<size_t>(size));
  nxv_tensor* raw = nullptr;
  check(nxv_from_host(Engine::Use(*engine), type, static_cast<int>(shape.size()), shape.data(),
                      bytes.data(), bytes.size(), nullptr, nullptr, &raw));
  return make_tensor(env, *engine, TensorHandle(raw));
}

}  // namespace

std::span<const ErlNifFunc> pointer_functions() {
  static constexpr ErlNifFunc kFunctions[] = {
      function<pin>("pin", kComputes),
      function<from_address>("from_address", kComputes),
      function<share>("share", kComputes),
      function<from_shared>("from_shared", kComputes),
  };
  return kFunctions;
}

}  // namespace nxv::nif
