// What the opaque handles of the C interface hold, and how exceptions become status codes.
#pragma once

#include <atomic>
#include <memory>
#include <new>
#include <string>

#include "nxv/nxv.h"
#include "runtime/engine.h"

struct nxv_engine {
  std::shared_ptr<nxv::runtime::Engine> engine;
};

struct nxv_tensor {
  std::shared_ptr<nxv::runtime::Engine> engine;
  nxv::NodeRef node;
  std::atomic<uint32_t> references{1};
};

namespace nxv::capi {

std::string& last_error();
nxv_status report(Status status, const char* message) noexcept;

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

// A new handle on a node that was just built; the engine learns of it.
inline nxv_tensor* wrap(const std::shared_ptr<runtime::Engine>& engine, NodeRef node) {
  engine->admit(node);
  auto tensor = std::make_unique<nxv_tensor>();
  tensor->engine = engine;
  tensor->node = std::move(node);
  engine->hold(tensor->node->storage_size());
  return tensor.release();
}

struct ReleaseTensor {
  void operator()(nxv_tensor* tensor) const noexcept { nxv_release(tensor); }
};
using TensorHandle = std::unique_ptr<nxv_tensor, ReleaseTensor>;

inline void require(const void* pointer, const char* what) {
  if (pointer == nullptr) throw Error(Status::invalid_argument, std::string(what) + " is NULL");
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
