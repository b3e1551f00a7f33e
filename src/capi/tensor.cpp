#include <cstring>
#include <future>

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

// Hands elements to `use` in the host layout.
template <typename Use>
void with_host_form(DType type, std::span<const std::byte> stored, Use use) {
  if (nxv::bits(type) >= 8) return use(stored);
  std::vector<std::byte> packed(
      static_cast<size_t>(nxv::packed_bytes(type, static_cast<int64_t>(stored.size()))));
  nxv::pack_elements(type, stored.data(), static_cast<int64_t>(stored.size()), packed.data());
  use(std::span<const std::byte>(packed));
}

// Calls release when it goes, unless it was given away.
class ReleaseOnce {
 public:
  ReleaseOnce(nxv_release_fn release, void* context) : release_(release), context_(context) {}
  ReleaseOnce(const ReleaseOnce&) = delete;
  ReleaseOnce& operator=(const ReleaseOnce&) = delete;
  ~ReleaseOnce() {
    const nxv::capi::InCallback scope;
    if (release_ != nullptr) release_(context_);
  }
  nxv::runtime::Release give() {
    const nxv_release_fn release = std::exchange(release_, nullptr);
    return [release, context = context_] {
      const nxv::capi::InCallback scope;
      release(context);
    };
  }
  explicit operator bool() const { return release_ != nullptr; }

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
    NodeRef node = of->upload(t, std::move(shape), bytes,
                              owner ? owner.give() : nxv::runtime::Release(), nxv::bits(t) < 8);
    *out = wrap(of, std::move(node));
  });
}

nxv_status nxv_read_async(nxv_tensor* tensor, int64_t limit, nxv_read_fn done,
                          void* context) noexcept {
  return guarded([&] {
    require(tensor, "tensor");
    if (done == nullptr) throw Error(Status::invalid_argument, "done is NULL");
    const DType type = tensor->dtype;
    tensor->engine->read(tensor->node(), limit,
                         [=](const Failure& failure, std::span<const std::byte> stored) {
                           const nxv::capi::InCallback scope;
                           if (failure) {
                             done(context, static_cast<nxv_status>(failure.status), nullptr, 0,
                                  failure.message.c_str());
                             return;
                           }
                           with_host_form(type, stored, [&](std::span<const std::byte> host) {
                             done(context, NXV_OK, host.data(), host.size(), "");
                           });
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
    tensor->engine->read(tensor->node(), -1,
                         [&](const Failure& failure, std::span<const std::byte> stored) {
                           if (!failure) {
                             with_host_form(type, stored, [&](std::span<const std::byte> host) {
                               std::memcpy(data, host.data(), host.size());
                             });
                           }
                           finished.set_value(failure);
                         });
    if (const Failure failure = finished.get_future().get())
      throw Error(failure.status, failure.message);
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
    if (const Failure failure = finished.get_future().get())
      throw Error(failure.status, failure.message);
  });
}

nxv_status nxv_deallocate(nxv_tensor* tensor) noexcept {
  return guarded([&] {
    require(tensor, "tensor");
    tensor->deallocate();
  });
}
