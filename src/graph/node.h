// A lazy value.
//
// Everything but the state, the failure and the storage is set while the node is built and never
// changes, except that the engine's thread drops the inputs once the value is stored. Any thread
// may hold a NodeRef; only the engine's thread follows `inputs` of a node that is not its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/error.h"
#include "base/layout.h"
#include "base/scalar.h"
#include "ops/op_table.h"

namespace nxv {

class Node;
class Function;
using FunctionRef = std::shared_ptr<const Function>;

// Where nodes go when their last reference is dropped: a lock-free list the engine's thread
// empties, so that a release on any thread costs the same and walks nothing. All nodes of an engine
// share one; its identity tells engines apart. After `close`, nodes are destroyed where they are
// released.
class Graveyard {
 public:
  Graveyard() = default;
  Graveyard(const Graveyard&) = delete;
  Graveyard& operator=(const Graveyard&) = delete;
  ~Graveyard();

  void push(Node* node) noexcept;
  // Destroys what was pushed, and what that was the last to hold. Returns how many nodes.
  size_t drain() noexcept;
  void close() noexcept;
  int64_t live_nodes() const noexcept { return live_.load(std::memory_order_relaxed); }

 private:
  friend class Node;
  std::atomic<Node*> head_{nullptr};
  std::atomic<bool> closed_{false};
  std::atomic<int64_t> live_{0};
};

class NodeRef {
 public:
  NodeRef() = default;
  // Takes over one reference.
  static NodeRef adopt(Node* node) {
    NodeRef r;
    r.node_ = node;
    return r;
  }
  static NodeRef share(Node* node);
  NodeRef(const NodeRef& other);
  NodeRef(NodeRef&& other) noexcept : node_(other.node_) { other.node_ = nullptr; }
  NodeRef& operator=(NodeRef other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodeRef();

  Node* get() const { return node_; }
  Node* operator->() const { return node_; }
  Node& operator*() const { return *node_; }
  explicit operator bool() const { return node_ != nullptr; }
  // Gives the reference away.
  Node* release() { return std::exchange(node_, nullptr); }

 private:
  Node* node_ = nullptr;
};

// Attributes, by operation. Axes are non-negative and in range, shapes already known to fit.
struct ConstantAttr {
  Scalar value;
};
struct IotaAttr {
  int64_t axis;
};  // -1: the flat index
// Philox 4x32-10 stream: key = seed, counter = index / 4 + offset. Uniform in [low, high), or
// normal with mean low and standard deviation high.
struct RandomAttr {
  uint64_t seed;
  uint64_t offset;
  double low;
  double high;
};
struct AxesAttr {
  Axes axes;
};  // transpose, broadcast (output axis of each input axis), reverse
struct SliceAttr {
  std::vector<int64_t> starts, strides;
};  // lengths follow from the shape
struct PadAttr {
  std::vector<int64_t> low, high, interior;
  bool zeros = false;  // whoever makes the node promises that the value is 0
};
struct ConcatenateAttr {
  int64_t axis;
};
struct ReduceAttr {
  Axes axes;
  bool keep_axes;
};  // ascending
// How products of f32 are computed. accurate: to the accuracy of f32. fast: where it pays and the
// device has matrix units, of factors rounded to eleven bits; of f32 with f32 alone.
enum class Precision : uint8_t { accurate, fast };
inline constexpr int kPrecisionCount = 2;
std::string_view name(Precision precision);
struct DotAttr {
  Axes contract_a, contract_b, batch_a, batch_b;
  Precision precision = Precision::accurate;
};
// Views of sliding windows: [d...] becomes [positions..., window...].
struct WindowsAttr {
  std::vector<int64_t> window, strides, dilations;
};
// A function of scalars, `result` in terms of the parameter nodes, folded over elements of the
// first input in order: result i takes those that lie at rows[i] + columns[0], rows[i] +
// columns[1], ... The second input is the first accumulator; those after are the scalars that the
// function reads beside its parameters (see graph/scalar_function.h).
struct FoldAttr {
  std::vector<NodeRef> parameters;  // the element, the accumulator
  NodeRef result;
  Layout rows, columns;
};
struct ScanAttr {
  Op combine;  // add, multiply, min or max
  int64_t axis;
  bool reverse;
};
// last_slot: how many slots there are.
struct SlotsAttr {
  int64_t count;
};
struct SortAttr {
  int64_t axis;
  bool descending;
};
struct FftAttr {
  bool inverse;
  double epsilon;  // parts of a result with a smaller magnitude become zero
};
struct TriangularAttr {
  bool lower, left_side, transpose, conjugate;
};
// softmax(scale * Q K^T, capped, biased and masked) V; graph/attention.h has what each operand is.
// Query i stands at position i + offset among the keys, and sees those from `before` keys before
// that to `after` keys after it.
struct AttentionAttr {
  double scale = 1;
  double soft_cap = 0;              // scores s become soft_cap * tanh(s / soft_cap); 0: they stay
  double masked = 0;                // what a score is where the mask is false
  int64_t before = -1, after = -1;  // -1: all
  int64_t offset = 0;
  // Operands that there are beside queries, keys and values.
  bool has_mask = false, has_bias = false, has_lengths = false, has_offsets = false,
       has_sinks = false;
  // The result is {batch, queries, heads, width}, else {batch, heads, queries, width}.
  bool heads_inside = false;
  // A `result` each for what it computes and for the logarithms of the rows' sums.
  bool has_statistics = false;
};
// A loop's condition and body, or the functions of a branch (graph/function.h).
struct ControlAttr {
  std::vector<FunctionRef> functions;
};
struct ResultAttr {
  int64_t index;  // among the results of the input
};
using Attributes =
    std::variant<std::monostate, ConstantAttr, IotaAttr, RandomAttr, AxesAttr, SliceAttr, PadAttr,
                 ConcatenateAttr, ReduceAttr, DotAttr, WindowsAttr, FoldAttr, ScanAttr, SlotsAttr,
                 SortAttr, FftAttr, TriangularAttr, AttentionAttr, ControlAttr, ResultAttr>;

// pending: to be computed. stored: commands that write its storage are recorded, or it was
// uploaded; later commands may read it. failed: the error stays. consumed: the evaluation that read
// it last took its storage, since nobody was left to read it.
enum class State : uint8_t { pending, stored, failed, consumed };

// What a stored node owns on the device; defined by the runtime.
class Storage {
 public:
  virtual ~Storage() = default;
};

class Node {
 public:
  Node(std::shared_ptr<Graveyard> graveyard, Op op, DType dtype, Shape shape,
       std::vector<NodeRef> inputs, Attributes attributes = {});
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const Op op;
  const DType dtype;
  const Shape shape;
  const int64_t count;
  const Attributes attributes;
  // Depends on a parameter: part of a function's body, has no value and keeps its inputs.
  const bool is_function;
  std::vector<NodeRef> inputs;

  // Longest path to a node that an evaluation or a read was asked of, for which it is zero. So it
  // follows from what callers did, not from how far the engine is.
  std::atomic<uint32_t> depth{0};

  State state() const noexcept { return state_.load(std::memory_order_acquire); }
  // Engine's thread only.
  void set_stored(std::shared_ptr<Storage> storage);
  void set_failed(Failure failure) noexcept;
  void set_consumed() noexcept;
  // Valid once stored; engine's thread only.
  const std::shared_ptr<Storage>& storage() const noexcept { return storage_; }
  // Whether there is a value to read, now or once it is computed. Else `throw_if_unreadable` throws
  // why: the failure, or that a consumed value was asked for, which is a defect of this library.
  bool is_readable() const noexcept { return is_pending() || state() == State::stored; }
  void throw_if_unreadable() const;

  // Free for the engine's thread while it makes a schedule; -1 otherwise.
  int32_t scratch = -1;

  // Computed within an evaluation of another node, without being stored; the engine's thread only.
  bool was_computed = false;

  // Elements as stored on the device, when the host knows them (small uploads).
  std::shared_ptr<const std::vector<std::byte>> host_data;

  const Graveyard* graveyard() const noexcept { return graveyard_.get(); }
  const std::shared_ptr<Graveyard>& shared_graveyard() const noexcept { return graveyard_; }
  bool is_pending() const noexcept { return state() == State::pending; }
  // References held by handles and by other nodes.
  uint32_t references() const noexcept { return references_.load(std::memory_order_acquire); }
  int64_t storage_size() const { return count * storage_bytes(dtype); }
  template <typename T>
  const T& attribute() const {
    return std::get<T>(attributes);
  }

 private:
  friend class NodeRef;
  friend class Graveyard;
  std::atomic<uint32_t> references_{1};
  std::atomic<State> state_{State::pending};
  Node* next_ = nullptr;  // in the graveyard
  std::shared_ptr<Storage> storage_;
  Failure failure_;
  std::shared_ptr<Graveyard> graveyard_;
};

// The number of elements. Throws Error(invalid_argument) for more than kMaxRank axes,
// Error(empty_tensor) for a dimension below 1 and Error(alloc_failed) for more than kMaxElements,
// naming `what` and the shape. Every node's shape is counted so.
int64_t check_shape(std::string_view what, std::span<const int64_t> shape);

// A new node, of which only the shape is checked: see graph/build.h.
NodeRef make_node(std::shared_ptr<Graveyard> owner, Op op, DType dtype, Shape shape,
                  std::vector<NodeRef> inputs = {}, Attributes attributes = {});

}  // namespace nxv
