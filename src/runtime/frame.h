// The values of one run of a program, by their positions in it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/program.h"
#include "runtime/storage.h"

namespace nxv::runtime {

using StorageRef = std::shared_ptr<DeviceStorage>;

inline StorageRef share_storage(const Node& node) {
  return std::static_pointer_cast<DeviceStorage>(node.storage());
}

inline StorageRef make_number(const Scalar& number) {
  return std::make_shared<DeviceStorage>(number);
}

// A value is that of a node, which somebody may ask for, or of the run alone.
class Frame {
 public:
  explicit Frame(size_t values) : slots_(values) {}

  // `expiring`: how many references to the node go with this run.
  void bind(Position p, Node& node, uint32_t expiring) {
    slots_[p] = {&node, expiring, nullptr, {}};
  }
  void bind(Position p, StorageRef storage) {
    if (storage->is_number()) {
      slots_[p].number = *storage->known;
    } else {
      slots_[p].storage = std::move(storage);
    }
  }

  // Of a constant, for the steps of this run: its node stays pending.
  void supply(Position p, StorageRef storage) { slots_[p].storage = std::move(storage); }
  bool is_supplied(Position p) const { return slots_[p].node && slots_[p].storage; }

  Node* node(Position p) const { return slots_[p].node; }
  bool has_storage(Position p) const {
    const Slot& s = slots_[p];
    return s.node ? s.node->storage() != nullptr : s.storage != nullptr;
  }
  DeviceStorage& storage(Position p) const {
    const Slot& s = slots_[p];
    return s.storage ? *s.storage : device_storage(*s.node);
  }
  StorageRef share(Position p) const {
    const Slot& s = slots_[p];
    return s.storage ? s.storage : share_storage(*s.node);
  }
  // Of a value bound to a number.
  const std::optional<Scalar>& number(Position p) const { return slots_[p].number; }
  void store(Position p, StorageRef storage) {
    Slot& s = slots_[p];
    if (s.node) {
      s.node->set_stored(std::move(storage));
    } else {
      s.storage = std::move(storage);
    }
  }
  // Nobody reads the value after this run, and nothing else (an alias, bytes on their way to the
  // host) holds its storage. References that are all counted cannot become more meanwhile: nobody
  // is left to copy one.
  bool is_expiring(Position p) const {
    const Slot& s = slots_[p];
    if (!s.node) {
      return s.storage && s.storage.use_count() == 1 + s.storage->kept &&
             s.storage->block.references() == 1 + s.storage->lent;
    }
    return s.node->state() == State::stored && s.node->references() == s.expiring &&
           s.node->storage().use_count() == 1 && device_storage(*s.node).block.is_unique();
  }
  // The value `to` has taken over the storage.
  void hand_over(Position p, Position to) {
    if (const StorageRef& old = slots_[p].storage) {
      slots_[to].storage->lent = old->lent + (old->kept > 0 ? 1 : 0);
    }
    consume(p);
  }
  void consume(Position p) {
    Slot& s = slots_[p];
    if (s.node) {
      s.node->set_consumed();
    } else {
      s.storage.reset();
    }
  }
  // Something else may have been written over the value, and no other has taken it over.
  void lose(Position p, const Failure& failure) noexcept {
    if (Node* node = slots_[p].node) node->set_failed(failure);
  }
  // After the last read of this run.
  void give_up(Position p) {
    const Slot& s = slots_[p];
    const bool is_asked_for =
        s.node && (s.node->state() != State::stored || s.node->references() != s.expiring);
    if (!is_asked_for) consume(p);
  }

  // The block of the stretch of steps at hand, if there is one.
  vulkan::BlockRef temporaries;
  // Values of Program::scalars.
  std::vector<std::optional<Scalar>> scalars;

 private:
  struct Slot {
    Node* node = nullptr;
    uint32_t expiring = 0;
    StorageRef storage;  // without a node, or supplied
    std::optional<Scalar> number;
  };
  std::vector<Slot> slots_;
};

}  // namespace nxv::runtime
