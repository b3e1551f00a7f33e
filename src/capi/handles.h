// What the opaque handles of the C interface hold, and how exceptions become status codes.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "nxv/nxv.h"
#include "runtime/engine.h"

struct nxv_engine {
  // Throws Error(device_lost) in a child of the process that opened it.
  const std::shared_ptr<nxv::runtime::Engine>& own() const {
    engine->require_own_process();
    return engine;
  }
  std::shared_ptr<nxv::runtime::Engine> engine;
};

// A tensor refers to its value until it is deallocated; type and shape stay. Others may refer to
// the value, too: what was built of it, and other tensors.
struct nxv_tensor {
  nxv_tensor(std::shared_ptr<nxv::runtime::Engine> engine, nxv::NodeRef node);
  ~nxv_tensor();
  nxv_tensor(const nxv_tensor&) = delete;
  nxv_tensor& operator=(const nxv_tensor&) = delete;

  // Throws Error(deallocated) once that was given up, Error(device_lost) in a child of the process
  // that opened the engine.
  nxv::NodeRef node() const;
  // Gives the value up. Throws Error(deallocated) when that was done before, Error(device_lost)
  // when the engine was closed.
  void deallocate();

  const std::shared_ptr<nxv::runtime::Engine> engine;
  const nxv::DType dtype;
  const nxv::Shape shape;
  const int64_t count;
  std::atomic<uint32_t> references{1};

 private:
  int64_t bytes() const { return count * nxv::storage_bytes(dtype); }

  mutable std::mutex mutex_;  // held to copy or to take the reference
  nxv::NodeRef node_;
};

namespace nxv::capi {

std::string& last_error();
nxv_status report(Status status, const char* message) noexcept;

// A copy that nxv_free_text frees.
char* copy_text(const std::string& text);

// Runs `body`, which may throw, behind the noexcept boundary.
template <typename Body>
nxv_status guarded(Body&& body) noexcept {
  try {
    body();
    return NXV_OK;
  } catch (const Error& e) {
    return report(e.status(), e.what());
  } catch (const std::bad_alloc&) {
    return report(Status::alloc_failed, "host memory is exhausted");
  } catch (const std::exception& e) {
    return report(Status::internal, e.what());
  } catch (...) {
    return report(Status::internal, "an exception of unknown type");
  }
}

inline void require(const void* pointer, const char* what) {
  if (pointer == nullptr) throw Error(Status::invalid_argument, std::string(what) + " is NULL");
}

// The same for a function that writes handles or text: `count` of them, NULL when it fails.
template <typename Handle, typename Body>
nxv_status guarded(Handle** out, int count, Body&& body) noexcept {
  const nxv_status status = guarded([&] {
    require(out, "out");
    body();
  });
  if (status != NXV_OK && out != nullptr) std::fill_n(out, std::max(count, 0), nullptr);
  return status;
}

// While it lives, this thread runs a callback of the caller's, which must not wait: answers come
// from the thread that it is on, or are waited for there.
class InCallback {
 public:
  InCallback() noexcept { ++depth_; }
  ~InCallback() { --depth_; }
  InCallback(const InCallback&) = delete;
  InCallback& operator=(const InCallback&) = delete;
  // Throws Error(invalid_argument) in a callback.
  static void refuse(const char* function);

 private:
  static thread_local int depth_;
};

// A new handle on a node that was just built; the engine learns of it.
inline nxv_tensor* wrap(const std::shared_ptr<runtime::Engine>& engine, NodeRef node) {
  engine->admit(node);
  return std::make_unique<nxv_tensor>(engine, std::move(node)).release();
}

struct ReleaseTensor {
  void operator()(nxv_tensor* tensor) const noexcept { nxv_release(tensor); }
};
using TensorHandle = std::unique_ptr<nxv_tensor, ReleaseTensor>;

// Builds a node of an engine and wraps it.
template <typename Build>
nxv_status create(nxv_engine* engine, nxv_tensor** out, Build make) noexcept {
  return guarded(out, 1, [&] {
    require(engine, "engine");
    *out = wrap(engine->own(), make(engine->engine->graveyard()));
  });
}

// Handles on nodes that were just built, all or none: what was made before a later one fails is
// released.
inline void hand_over(const std::shared_ptr<runtime::Engine>& engine,
                      const std::vector<NodeRef>& nodes, nxv_tensor** out) {
  std::vector<TensorHandle> made;
  made.reserve(nodes.size());
  for (const NodeRef& node : nodes) made.emplace_back(wrap(engine, node));
  for (size_t i = 0; i < made.size(); ++i) out[i] = made[i].release();
}

// At least one, all of one engine.
inline std::vector<NodeRef> nodes_of(int count, nxv_tensor* const* tensors) {
  if (count < 1) throw Error(Status::invalid_argument, "needs at least one tensor");
  require(tensors, "tensors");
  std::vector<NodeRef> nodes;
  nodes.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    require(tensors[i], "a tensor");
    if (tensors[i]->engine != tensors[0]->engine) {
      throw Error(Status::invalid_argument, "the tensors belong to different engines");
    }
    nodes.push_back(tensors[i]->node());
  }
  return nodes;
}

inline DType dtype(nxv_dtype type) {
  if (static_cast<unsigned>(type) >= static_cast<unsigned>(kDTypeCount)) {
    throw Error(Status::invalid_argument,
                "not an nxv_dtype: " + std::to_string(static_cast<int>(type)));
  }
  return static_cast<DType>(type);
}

inline Shape shape(int rank, const int64_t* dims) {
  if (rank < 0) throw Error(Status::invalid_argument, "negative rank");
  if (rank > 0) require(dims, "shape");
  return Shape(dims, dims + rank);
}

}  // namespace nxv::capi
