#include "graph/node.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/checked.h"

namespace nxv {

std::string_view name(Precision precision) {
  return precision == Precision::fast ? "fast" : "accurate";
}

NodeRef NodeRef::share(Node* node) {
  node->references_.fetch_add(1, std::memory_order_relaxed);
  return adopt(node);
}

NodeRef::NodeRef(const NodeRef& other) : node_(other.node_) {
  if (node_ != nullptr) node_->references_.fetch_add(1, std::memory_order_relaxed);
}

NodeRef::~NodeRef() {
  if (node_ == nullptr) return;
  if (node_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    // The graveyard outlives the push even if this node held the last share of it.
    const std::shared_ptr<Graveyard> graveyard = node_->graveyard_;
    graveyard->push(node_);
  }
}

Node::Node(std::shared_ptr<Graveyard> graveyard, Op op, DType dtype, Shape shape,
           std::vector<NodeRef> inputs, Attributes attributes)
    : op(op),
      dtype(dtype),
      shape(std::move(shape)),
      count(check_shape(name(op), this->shape)),
      attributes(std::move(attributes)),
      is_function(op == Op::parameter || op == Op::argument ||
                  std::any_of(inputs.begin(), inputs.end(),
                              [](const NodeRef& input) { return input->is_function; })),
      inputs(std::move(inputs)),
      graveyard_(std::move(graveyard)) {
  graveyard_->live_.fetch_add(1, std::memory_order_relaxed);
  uint32_t longest = 0;
  for (const NodeRef& input : this->inputs) {
    longest = std::max(longest, input->depth.load(std::memory_order_relaxed));
  }
  if (!this->inputs.empty()) depth.store(longest + 1, std::memory_order_relaxed);
}

int64_t check_shape(std::string_view what, std::span<const int64_t> shape) {
  if (shape.size() > kMaxRank) {
    throw Error(Status::invalid_argument,
                std::string(what) + ": a shape of " + std::to_string(shape.size()) +
                    " axes; a tensor has at most " + std::to_string(kMaxRank));
  }
  Checked count = 1;
  for (int64_t d : shape) {
    if (d < 1) {
      throw Error(Status::empty_tensor, std::string(what) + ": shape " + to_string(shape) +
                                            " has a dimension below 1; tensors are never empty");
    }
    count = count * d;
  }
  if (!count.fits() || count.value() > kMaxElements) {
    throw Error(Status::alloc_failed, std::string(what) + ": shape " + to_string(shape) +
                                          " has too many elements, more than 2^48");
  }
  return count.value();
}

Node::~Node() { graveyard_->live_.fetch_sub(1, std::memory_order_relaxed); }

NodeRef make_node(std::shared_ptr<Graveyard> owner, Op op, DType dtype, Shape shape,
                  std::vector<NodeRef> inputs, Attributes attributes) {
  return NodeRef::adopt(std::make_unique<Node>(std::move(owner), op, dtype, std::move(shape),
                                               std::move(inputs), std::move(attributes))
                            .release());
}

void Node::set_stored(std::shared_ptr<Storage> storage) {
  storage_ = std::move(storage);
  state_.store(State::stored, std::memory_order_release);
}

void Node::set_failed(Failure failure) noexcept {
  failure_ = std::move(failure);
  state_.store(State::failed, std::memory_order_release);
  storage_.reset();
}

void Node::set_consumed() noexcept {
  state_.store(State::consumed, std::memory_order_release);
  storage_.reset();
}

void Node::throw_if_unreadable() const {
  if (state() == State::failed) throw_failure(failure_);
  if (state() == State::consumed) {
    throw Error(Status::internal, "a value of type " + std::string(name(dtype)) + to_string(shape) +
                                      " was read after an evaluation had taken its storage");
  }
}

Graveyard::~Graveyard() { drain(); }

void Graveyard::push(Node* node) noexcept {
  node->next_ = head_.load(std::memory_order_relaxed);
  while (!head_.compare_exchange_weak(node->next_, node, std::memory_order_release,
                                      std::memory_order_relaxed)) {
  }
  if (closed_.load(std::memory_order_acquire)) drain();
}

size_t Graveyard::drain() noexcept {
  // Destroying a node releases its inputs, which pushes them here again: no recursion however
  // long the chain.
  thread_local bool draining = false;
  if (draining) return 0;
  draining = true;
  size_t destroyed = 0;
  while (Node* node = head_.exchange(nullptr, std::memory_order_acquire)) {
    while (node != nullptr) {
      std::unique_ptr<Node> dead(node);
      node = node->next_;
      ++destroyed;
    }
  }
  draining = false;
  return destroyed;
}

void Graveyard::close() noexcept {
  closed_.store(true, std::memory_order_release);
  drain();
}

}  // namespace nxv
