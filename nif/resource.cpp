#include "resource.h"

#include <algorithm>

namespace nxv::nif {

void Makers::add(const ErlNifPid& pid) {
  std::lock_guard lock(mutex_);
  ++tensors_[pid];
}

void Makers::remove(const ErlNifPid& pid) noexcept {
  std::lock_guard lock(mutex_);
  if (auto it = tensors_.find(pid); it != tensors_.end() && --it->second == 0) tensors_.erase(it);
}

std::vector<ErlNifPid> Makers::all() const {
  std::lock_guard lock(mutex_);
  std::vector<ErlNifPid> pids;
  pids.reserve(tensors_.size());
  for (const auto& [pid, count] : tensors_) pids.push_back(pid);
  return pids;
}

// A user counts itself before it looks at the handle, and `close` takes the handle before it looks
// at the count: one of the two sees the other.
Engine::Use::Use(Engine& engine) : engine_(engine) {
  ++engine_.users_;
  handle_ = engine_.handle_;
  if (!handle_) {
    if (--engine_.users_ == 0) engine_.users_.notify_all();
    throw Refusal{NXV_DEVICE_LOST,
                  "the engine is closed; a new tensor on its device opens another"};
  }
}

Engine::Use::~Use() {
  if (--engine_.users_ == 0) engine_.users_.notify_all();
}

void Engine::close() {
  nxv_engine* handle = handle_.exchange(nullptr);
  if (!handle) return;
  while (int users = users_) users_.wait(users);
  nxv_engine_close(handle);
  enif_release_resource(this);
}

bool Engine::has_pressure() noexcept {
  try {
    return nxv_pressure(Use(*this)) != 0;
  } catch (const Refusal&) {
    return false;
  }
}

bool Engine::is_behind() noexcept {
  try {
    return nxv_is_behind(Use(*this)) != 0;
  } catch (const Refusal&) {
    return false;
  }
}

namespace {

Term answer(ErlNifEnv* env, Engine& engine, Term value) {
  if (engine.has_pressure() || engine.is_behind())
    return enif_make_tuple3(env, atoms.ok, value, atoms.pressure);
  return enif_make_tuple2(env, atoms.ok, value);
}

Term reference(ErlNifEnv* env, Engine& engine, const ErlNifPid& maker, TensorHandle handle) {
  return make_resource<Tensor>(env, std::move(handle), Maker(engine, maker));
}

// References to one engine are equal terms.
Term describe(ErlNifEnv* env, Engine& engine, const ErlNifPid& maker, TensorHandle handle) {
  const nxv_tensor* tensor = handle.get();
  const Term type = make_dtype(nxv_tensor_dtype(tensor));
  const Term shape = make_shape(env, nxv_tensor_shape(tensor), nxv_tensor_rank(tensor));
  const Term ref = reference(env, engine, maker, std::move(handle));
  return enif_make_tuple4(env, ref, type, shape, enif_make_resource(env, &engine));
}

// One term for each handle, in a list.
template <typename MakeTerm>
Term answer_each(ErlNifEnv* env, Engine& engine, std::vector<TensorHandle> handles,
                 MakeTerm make_term) {
  ErlNifPid self;
  enif_self(env, &self);
  std::vector<Term> terms;
  terms.reserve(handles.size());
  for (TensorHandle& handle : handles) {
    terms.push_back(make_term(env, engine, self, std::move(handle)));
  }
  return answer(env, engine,
                enif_make_list_from_array(env, terms.data(), static_cast<unsigned>(terms.size())));
}

}  // namespace

// Bytes are copied without the lock: `is_pinned` runs on schedulers.
const unsigned char* Tensor::pin(const unsigned char* bytes, size_t size) {
  {
    std::lock_guard lock(mutex_);
    if (pinned_) return pinned_.get();
  }
  auto copy = std::make_unique_for_overwrite<unsigned char[]>(size);
  std::copy_n(bytes, size, copy.get());
  std::lock_guard lock(mutex_);
  if (!pinned_) pinned_ = std::move(copy);
  return pinned_.get();
}

std::string Tensor::share(const unsigned char* bytes, size_t size, int permissions) {
  {
    std::lock_guard lock(mutex_);
    if (auto it = shared_.find(permissions); it != shared_.end()) return it->second->name();
  }
  auto segment = std::make_unique<Segment>(bytes, size, permissions);
  std::lock_guard lock(mutex_);
  return shared_.try_emplace(permissions, std::move(segment)).first->second->name();
}

// What is freed is freed without the lock.
void Tensor::unpin() noexcept {
  decltype(pinned_) pinned;
  decltype(shared_) shared;
  const std::lock_guard lock(mutex_);
  pinned_.swap(pinned);
  shared_.swap(shared);
}

bool Tensor::is_pinned() noexcept {
  const std::lock_guard lock(mutex_);
  return pinned_ || !shared_.empty();
}

Term make_tensor(ErlNifEnv* env, Engine& engine, TensorHandle handle) {
  ErlNifPid self;
  enif_self(env, &self);
  return answer(env, engine, describe(env, engine, self, std::move(handle)));
}

Term make_tensors(ErlNifEnv* env, Engine& engine, std::vector<TensorHandle> handles) {
  return answer_each(env, engine, std::move(handles), describe);
}

Term make_references(ErlNifEnv* env, Engine& engine, std::vector<TensorHandle> handles) {
  return answer_each(env, engine, std::move(handles), reference);
}

}  // namespace nxv::nif
