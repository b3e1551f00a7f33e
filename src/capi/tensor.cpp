#include <algorithm>
#include <cstring>
#include <future>
#include <memory>

#include "capi/handles.h"

using nxv::DType;
using nxv::Error;
using nxv::Failure;
using nxv::NodeRef;
using nxv::Shape;
using nxv::Status;
using nxv::capi::guarded;
using nxv::capi::require;
using nxv::capi::wrap;

namespace {

// Calls release when it goes, unless somebody else does.
class ReleaseOnce {
 public:
  ReleaseOnce(nxv_release_fn release, void* context) : release_(release), context_(context) {}
  ReleaseOnce(const ReleaseOnce&) = delete;
  ReleaseOnce& operator=(const ReleaseOnce&) = delete;
  ~ReleaseOnce() {
    const nxv::capi::InCallback scope;
    if (release_ != nullptr) release_(context_);
  }
  // Does what this does. None if there is nothing to be called.
  nxv::runtime::Release callback() const {
    if (release_ == nullptr) return nullptr;
    return [release = release_, context = context_] {
      const nxv::capi::InCallback scope;
      release(context);
    };
  }
  void give_up() { release_ = nullptr; }

 private:
  nxv_release_fn release_;
  void* context_;
};

}  // namespace

nxv_tensor::nxv_tensor(std::shared_ptr<nxv::runtime::Engine> owner, NodeRef value)
    : engine(std::move(owner)),
      dtype(value->dtype),
      shape(value->shape),
      count(value->count),
      node_(std::move(value)) {
  engine->hold(bytes());
}

nxv_tensor::~nxv_tensor() {
  if (node_) engine->hold(-bytes());
}

NodeRef nxv_tensor::node() const {
  engine->require_own_process();
  {
    const std::lock_guard lock(mutex_);
    if (node_) return node_;
  }
  throw Error(Status::deallocated, "the tensor was deallocated, donated or transferred away");
}

void nxv_tensor::deallocate() {
  engine->require_own_process();
  NodeRef taken;
  {
    const std::lock_guard lock(mutex_);
    std::swap(taken, node_);
  }
  if (!taken) throw Error(Status::deallocated, "the tensor was deallocated before");
  engine->hold(-bytes());
  engine->release(std::move(taken));
}

void nxv_retain(nxv_tensor* tensor) noexcept {
  if (tensor != nullptr) tensor->references.fetch_add(1, std::memory_order_relaxed);
}

void nxv_release(nxv_tensor* tensor) noexcept {
  if (tensor == nullptr || tensor->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::unique_ptr<nxv_tensor> last(tensor);
}

nxv_dtype nxv_tensor_dtype(const nxv_tensor* tensor) noexcept {
  return tensor == nullptr ? NXV_ANY_DTYPE : static_cast<nxv_dtype>(tensor->dtype);
}

int nxv_tensor_rank(const nxv_tensor* tensor) noexcept {
  return tensor == nullptr ? 0 : static_cast<int>(tensor->shape.size());
}

const int64_t* nxv_tensor_shape(const nxv_tensor* tensor) noexcept {
  return tensor == nullptr ? nullptr : tensor->shape.data();
}

int64_t nxv_tensor_count(const nxv_tensor* tensor) noexcept {
  return tensor == nullptr ? 0 : tensor->count;
}

nxv_status nxv_from_host(nxv_engine* engine, nxv_dtype type, int rank, const int64_t* dims,
                         const void* data, size_t size, nxv_release_fn release, void* context,
                         nxv_tensor** out) noexcept {
  ReleaseOnce owner(release, context);
  return guarded(out, 1, [&] {
    require(engine, "engine");
    const auto& of = engine->own();
    const DType t = nxv::capi::dtype(type);
    Shape shape = nxv::capi::shape(rank, dims);
    nxv::check_shape("tensor", shape);
    const int64_t count = nxv::element_count(shape);
    const auto expected = static_cast<size_t>(nxv::packed_bytes(t, count));
    if (size != expected) {
      throw Error(Status::size_mismatch, std::string(nxv::name(t)) + nxv::to_string(shape) +
                                             " takes " + std::to_string(expected) + " bytes, got " +
                                             std::to_string(size));
    }
    require(data, "data");
    const std::span bytes(static_cast<const std::byte*>(data), size);
    NodeRef node = of->upload(t, std::move(shape), bytes, owner.callback(), nxv::bits(t) < 8);
    owner.give_up();  // the engine has called it, or will
    *out = wrap(of, std::move(node));
  });
}

nxv_status nxv_read_async(nxv_tensor* tensor, int64_t limit, nxv_read_fn done,
                          void* context) noexcept {
  return guarded([&] {
    require(tensor, "tensor");
    if (done == nullptr) throw Error(Status::invalid_argument, "done is NULL");
    const DType type = tensor->dtype;
    const int64_t count = limit < 0 ? tensor->count : std::min(limit, tensor->count);
    const auto bytes = static_cast<size_t>(nxv::packed_bytes(type, count));
    // The host layout, where that differs: an answer needs no more memory.
    std::shared_ptr<std::byte[]> packed;
    if (nxv::bits(type) < 8) packed = std::make_shared_for_overwrite<std::byte[]>(bytes);
    tensor->engine->read(tensor->node(), limit,
                         [=](const Failure& failure, std::span<const std::byte> stored) {
                           const nxv::capi::InCallback scope;
                           if (failure) {
                             const auto status = static_cast<nxv_status>(failure.status);
                             return done(context, status, nullptr, 0, failure.message.c_str());
                           }
                           if (packed) nxv::pack_elements(type, stored.data(), count, packed.get());
                           done(context, NXV_OK, packed ? packed.get() : stored.data(), bytes, "");
                         });
  });
}

nxv_status nxv_read(nxv_tensor* tensor, void* data, size_t size) noexcept {
  return guarded([&] {
    nxv::capi::InCallback::refuse("nxv_read");
    require(tensor, "tensor");
    require(data, "data");
    const DType type = tensor->dtype;
    const auto expected = static_cast<size_t>(nxv::packed_bytes(type, tensor->count));
    if (size != expected) {
      throw Error(Status::size_mismatch, "the value has " + std::to_string(expected) +
                                             " bytes, the buffer " + std::to_string(size));
    }
    std::promise<Failure> finished;
    tensor->engine->read(
        tensor->node(), -1, [&](const Failure& failure, std::span<const std::byte> stored) {
          if (!failure && nxv::bits(type) < 8) {
            nxv::pack_elements(type, stored.data(), tensor->count, static_cast<std::byte*>(data));
          } else if (!failure) {
            std::memcpy(data, stored.data(), size);
          }
          finished.set_value(failure);
        });
    if (const Failure failure = finished.get_future().get()) throw_failure(failure);
  });
}

nxv_status nxv_evaluate(nxv_tensor* tensor) noexcept {
  return guarded([&] {
    require(tensor, "tensor");
    tensor->engine->evaluate(tensor->node());
  });
}

nxv_status nxv_evaluate_all(int count, nxv_tensor* const* tensors) noexcept {
  return guarded([&] {
    std::vector<NodeRef> nodes = nxv::capi::nodes_of(count, tensors);
    tensors[0]->engine->evaluate(std::move(nodes));
  });
}

nxv_status nxv_wait(nxv_tensor* tensor) noexcept {
  return guarded([&] {
    nxv::capi::InCallback::refuse("nxv_wait");
    require(tensor, "tensor");
    std::promise<Failure> finished;
    tensor->engine->evaluate(tensor->node(),
                             [&](const Failure& failure) { finished.set_value(failure); });
    if (const Failure failure = finished.get_future().get()) throw_failure(failure);
  });
}

nxv_status nxv_deallocate(nxv_tensor* tensor) noexcept {
  return guarded([&] {
    require(tensor, "tensor");
    tensor->deallocate();
  });
}
