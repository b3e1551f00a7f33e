// What Erlang terms refer to: engines, tensors and functions.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "segment.h"
#include "term.h"

namespace nxv::nif {

// One reference to a resource: it lives at least as long.
template <typename T>
class Kept {
 public:
  explicit Kept(T& object) noexcept : object_(&object) { enif_keep_resource(object_); }
  Kept(const Kept& other) noexcept : Kept(*other.object_) {}
  Kept(Kept&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Kept& operator=(const Kept&) = delete;
  Kept& operator=(Kept&&) = delete;
  ~Kept() {
    if (object_) enif_release_resource(object_);
  }
  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  T* object_;
};

// Type of the resources that hold a T; set when the library is loaded.
template <typename T>
struct ResourceType {
  static inline ErlNifResourceType* type = nullptr;

  static bool open(ErlNifEnv* env, const char* name) {
    auto destroy = [](ErlNifEnv*, void* object) { static_cast<T*>(object)->~T(); };
    type = enif_open_resource_type(env, nullptr, name, destroy, ERL_NIF_RT_CREATE, nullptr);
    return type != nullptr;
  }
};

// A new T owned by the term that is returned.
template <typename T, typename... Args>
Term make_resource(ErlNifEnv* env, Args&&... args) {
  static_assert(std::is_nothrow_constructible_v<T, Args...>);
  void* memory = enif_alloc_resource(ResourceType<T>::type, sizeof(T));
  if (!memory) throw std::bad_alloc{};
  T* object = new (memory) T(std::forward<Args>(args)...);
  Term term = enif_make_resource(env, object);
  enif_release_resource(object);
  return term;
}

// A process whose tensors are alive, with their number: whom to ask for a collection when device
// memory runs short.
class Makers {
 public:
  void add(const ErlNifPid& pid);
  void remove(const ErlNifPid& pid) noexcept;
  std::vector<ErlNifPid> all() const;

 private:
  struct Hash {
    size_t operator()(const ErlNifPid& pid) const noexcept {
      return enif_hash(ERL_NIF_INTERNAL_HASH, pid.pid, 0);
    }
  };
  struct Equal {
    bool operator()(const ErlNifPid& a, const ErlNifPid& b) const noexcept {
      return enif_compare_pids(&a, &b) == 0;
    }
  };
  mutable std::mutex mutex_;
  std::unordered_map<ErlNifPid, int64_t, Hash, Equal> tensors_;
};

// An engine. While it is open it keeps its own resource: the VM unloads the library only when no
// resource is left, so never under the engine's threads. It is closed by `close` alone.
class Engine {
 public:
  // `device`: index of the device it was opened on.
  Engine(nxv_engine* handle, int device) noexcept : handle_(handle), device_(device) {
    enif_keep_resource(this);
  }
  Engine(const Engine&) = delete;

  int device() const noexcept { return device_; }
  bool is_open() const noexcept { return handle_ != nullptr; }

  // Waits for the calls that use the engine, then for its work. Not for an ordinary scheduler.
  void close();
  bool has_pressure() noexcept;
  bool is_behind() noexcept;

  // The open engine for the length of a call; throws device_lost once it is closed.
  class Use {
   public:
    explicit Use(Engine& engine);
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use();
    operator nxv_engine*() const noexcept { return handle_; }

   private:
    Engine& engine_;
    nxv_engine* handle_;
  };

  Makers makers;

 private:
  std::atomic<nxv_engine*> handle_;
  const int device_;
  std::atomic<int> users_{0};
};

// A process counted among an engine's makers, for the life of one tensor.
class Maker {
 public:
  Maker(Engine& engine, const ErlNifPid& pid) : engine_(engine), pid_(pid) {
    engine.makers.add(pid);
  }
  Maker(Maker&& other) noexcept = default;
  Maker& operator=(Maker&&) = delete;
  ~Maker() {
    if (engine_) engine_->makers.remove(pid_);
  }
  Engine& engine() const noexcept { return *engine_; }

 private:
  Kept<Engine> engine_;
  ErlNifPid pid_;
};

struct ReleaseTensor {
  void operator()(nxv_tensor* tensor) const noexcept { nxv_release(tensor); }
};
using TensorHandle = std::unique_ptr<nxv_tensor, ReleaseTensor>;

// Its destructor runs on schedulers and never blocks: nxv_release does not.
class Tensor {
 public:
  Tensor(TensorHandle handle, Maker maker) noexcept
      : maker_(std::move(maker)), handle_(std::move(handle)) {}
  nxv_tensor* get() const noexcept { return handle_.get(); }
  Engine& engine() const noexcept { return maker_.engine(); }
  int rank() const noexcept { return nxv_tensor_rank(get()); }

  // Host memory that holds these bytes until `unpin` or the end: those of the first call, from any
  // thread.
  const unsigned char* pin(const unsigned char* bytes, size_t size);
  // The same in shared memory, one segment for each kind of permissions; answers its name.
  std::string share(const unsigned char* bytes, size_t size, int permissions);
  void unpin() noexcept;
  // Whether it holds such memory, of either kind.
  bool is_pinned() noexcept;

 private:
  Maker maker_;
  TensorHandle handle_;
  std::mutex mutex_;
  std::unique_ptr<unsigned char[]> pinned_;
  std::map<int, std::unique_ptr<Segment>> shared_;
};

struct ReleaseFunction {
  void operator()(nxv_function* function) const noexcept { nxv_function_release(function); }
};
using FunctionHandle = std::unique_ptr<nxv_function, ReleaseFunction>;

// Its destructor, too, runs on schedulers and never blocks.
class Function {
 public:
  Function(FunctionHandle handle, Kept<Engine> engine) noexcept
      : engine_(std::move(engine)), handle_(std::move(handle)) {}
  nxv_function* get() const noexcept { return handle_.get(); }
  Engine& engine() const noexcept { return *engine_; }

 private:
  Kept<Engine> engine_;
  FunctionHandle handle_;
};

template <typename T>
T& get_resource(ErlNifEnv* env, Term term) {
  void* object;
  if (!enif_get_resource(env, term, ResourceType<T>::type, &object)) {
    if (enif_is_ref(env, term)) throw ForeignReference{};
    throw BadArgument{};
  }
  return *static_cast<T*>(object);
}

// Borrowed from the calling process for the length of a call.
template <typename T>
struct Borrowed {
  T* object;
  T* operator->() const noexcept { return object; }
  T& operator*() const noexcept { return *object; }
};
using EngineArg = Borrowed<Engine>;
using TensorArg = Borrowed<Tensor>;
using FunctionArg = Borrowed<Function>;

// A tensor stands for its engine.
template <>
inline EngineArg decode<EngineArg>(ErlNifEnv* env, Term term) {
  void* tensor;
  if (enif_get_resource(env, term, ResourceType<Tensor>::type, &tensor)) {
    return {&static_cast<Tensor*>(tensor)->engine()};
  }
  return {&get_resource<Engine>(env, term)};
}
template <>
inline TensorArg decode<TensorArg>(ErlNifEnv* env, Term term) {
  return {&get_resource<Tensor>(env, term)};
}
template <>
inline FunctionArg decode<FunctionArg>(ErlNifEnv* env, Term term) {
  return {&get_resource<Function>(env, term)};
}

// The answer to a call that makes a tensor: {ok, {Ref, Type, Shape, Engine}}, so that nobody needs
// to ask for these, or {ok, {..}, pressure} when callers hold so much that garbage should be
// collected, or when the engine is behind.
Term make_tensor(ErlNifEnv* env, Engine& engine, TensorHandle handle);
// The same with a list of tensors.
Term make_tensors(ErlNifEnv* env, Engine& engine, std::vector<TensorHandle> handles);
// And with Refs alone, for who knows the types and shapes.
Term make_references(ErlNifEnv* env, Engine& engine, std::vector<TensorHandle> handles);

}  // namespace nxv::nif
