// Reading tensors. A read answers by message, exactly once: {Ref, {ok, Binary}} or
// {Ref, {error, Reason, Message}}.
#include <cstring>

#include "function.h"
#include "functions.h"
#include "operands.h"

namespace nxv::nif {

namespace {

struct FreeEnv {
  void operator()(ErlNifEnv* env) const noexcept { enif_free_env(env); }
};

// enif_send wants the environment of the call when it runs on a scheduler, and none elsewhere. The
// library may answer on either: this is the call's environment while nxv_read_async runs.
thread_local ErlNifEnv* calling = nullptr;

class Calling {
 public:
  explicit Calling(ErlNifEnv* env) noexcept { calling = env; }
  Calling(const Calling&) = delete;
  Calling& operator=(const Calling&) = delete;
  ~Calling() { calling = nullptr; }
};

// {ok, Bytes}; memory for large binaries may be refused.
Term make_bytes(ErlNifEnv* env, const void* data, size_t size) {
  constexpr size_t kOnHeap = 64;
  if (size <= kOnHeap) {
    std::string_view bytes(static_cast<const char*>(data), size);
    return enif_make_tuple2(env, atoms.ok, make_binary(env, bytes));
  }
  ErlNifBinary binary;
  if (!enif_alloc_binary(size, &binary)) {
    return make_error(env, NXV_ALLOC_FAILED, "out of host memory for the value read");
  }
  std::memcpy(binary.data, data, size);
  return enif_make_tuple2(env, atoms.ok, enif_make_binary(env, &binary));
}

// A queued read. It keeps its tensor's resource, and so the loaded library, until its environment
// is freed: members are destroyed from the last to the first.
class Read {
 public:
  Read(ErlNifEnv* caller, Tensor& tensor, Term ref) : tensor_(tensor), env_(enif_alloc_env()) {
    if (!env_) throw std::bad_alloc{};
    enif_self(caller, &reader_);
    ref_ = enif_make_copy(env_.get(), ref);
  }

  // A dead reader is no error: the message is dropped.
  void answer(nxv_status status, const void* data, size_t size, const char* message) noexcept {
    Term result = status == NXV_OK ? make_bytes(env_.get(), data, size)
                                   : make_error(env_.get(), status, message ? message : "");
    enif_send(calling, &reader_, env_.get(), enif_make_tuple2(env_.get(), ref_, result));
  }

  static void done(void* read, nxv_status status, const void* data, size_t size,
                   const char* message) {
    std::unique_ptr<Read> self(static_cast<Read*>(read));
    self->answer(status, data, size, message);
  }

 private:
  Kept<Tensor> tensor_;
  std::unique_ptr<ErlNifEnv, FreeEnv> env_;
  ErlNifPid reader_ = {};
  Term ref_ = 0;
};

Term read(ErlNifEnv* env, TensorArg tensor, int64_t limit, AnyTerm ref) {
  auto read = std::make_unique<Read>(env, *tensor, ref.term);
  Calling scope(env);
  const nxv_status status = nxv_read_async(tensor->get(), limit, &Read::done, read.get());
  if (status == NXV_OK) {
    // The callback owns it now, and may have destroyed it already.
    static_cast<void>(read.release());
  } else {
    read->answer(status, nullptr, 0, nxv_last_error());
  }
  return atoms.ok;
}

Term evaluate(ErlNifEnv*, TensorArg tensor) {
  check(nxv_evaluate(tensor->get()));
  return atoms.ok;
}

Term evaluate_all(ErlNifEnv* env, AnyTerm tensors) {
  const TensorList list(env, tensors.term);
  if (list.args.empty()) return atoms.ok;
  engine_of(list.args);
  check(nxv_evaluate_all(list.count(), list.operands.data()));
  return atoms.ok;
}

Term deallocate_pinned(ErlNifEnv*, TensorArg tensor) {
  check(nxv_deallocate(tensor->get()));
  tensor->unpin();
  return atoms.ok;
}

// The system takes 0.1 s to take a gigabyte of pinned memory back.
Term deallocate(ErlNifEnv* env, AnyTerm term) {
  const auto tensor = decode<TensorArg>(env, term.term);
  if (tensor->is_pinned()) {
    return enif_schedule_nif(env, "deallocate", static_cast<int>(kComputes),
                             &Wrapped<deallocate_pinned>::call, 1, &term.term);
  }
  check(nxv_deallocate(tensor->get()));
  return atoms.ok;
}

}  // namespace

std::span<const ErlNifFunc> read_functions() {
  static constexpr ErlNifFunc kFunctions[] = {
      function<read>("read"),
      function<evaluate>("evaluate"),
      function<evaluate_all>("evaluate_all"),
      function<deallocate>("deallocate"),
  };
  return kFunctions;
}

}  // namespace nxv::nif
