#include "testing/reference/indexing.h"

#include <algorithm>

#include "testing/reference/functions.h"
#include "testing/reference/number.h"

namespace nxv::reference {

HostTensor evaluate_gather(const Node& node, const HostTensor& x, const HostTensor& index) {
  HostTensor out(node.dtype, node.shape);
  for (int64_t i = 0; i < node.count; ++i) {
    // Clamped as an unsigned number.
    const auto at = static_cast<int64_t>(static_cast<uint32_t>(to_int64(index.at(i))));
    out.set(i, x.at(std::min(at, x.count() - 1)));
  }
  return out;
}

HostTensor evaluate_overwrite(const Node& node, const HostTensor& target, const HostTensor& index,
                              const HostTensor& elements) {
  HostTensor out = target;
  for (int64_t i = 0; i < index.count(); ++i) {
    const int64_t at = to_int64(index.at(i));
    if (at >= 0 && at < node.count) out.set(at, elements.at(i));
  }
  return out;
}

namespace {

int64_t slot(const HostTensor& slots, int64_t i, int64_t count) {
  const int64_t at = to_int64(slots.at(i));
  if (at < 0 || at >= count) {
    throw Error(Status::out_of_bounds, "index " + std::to_string(at) + " is out of bounds");
  }
  return at;
}

}  // namespace

HostTensor evaluate_last_update(const Node& node, const HostTensor& slots) {
  HostTensor out(node.dtype, node.shape);
  for (int64_t i = 0; i < slots.count(); ++i) {
    out.set(slot(slots, i, node.count), make_scalar(node.dtype, i + 1));
  }
  return out;
}

HostTensor evaluate_last_slot(const Node& node, const HostTensor& slots) {
  HostTensor out(node.dtype, node.shape);
  for (int64_t i = 0; i < slots.count(); ++i) {
    const int64_t at = slot(slots, i, node.attribute<SlotsAttr>().count);
    bool is_last = true;
    for (int64_t j = i + 1; j < slots.count(); ++j) is_last &= to_int64(slots.at(j)) != at;
    out.set(i, make_scalar(node.dtype, is_last ? at : int64_t{-1}));
  }
  return out;
}

HostTensor evaluate_scatter_add(const Node& node, const HostTensor& target, const HostTensor& slots,
                                const HostTensor& updates) {
  const int64_t inner = node.shape[1];
  std::vector<uint64_t> whole(static_cast<size_t>(node.count));
  std::vector<Complex> sums(static_cast<size_t>(node.count), {-0.0, -0.0});
  const auto add = [&](int64_t at, const Scalar& s) {
    if (is_integer(s.dtype)) {
      whole[static_cast<size_t>(at)] += to_integer(s).low_bits();
    } else {
      sums[static_cast<size_t>(at)] += to_complex_double(s);
    }
  };
  for (int64_t i = 0; i < updates.count(); ++i) {
    add(slot(slots, i / inner, node.shape[0]) * inner + i % inner, updates.at(i));
  }
  HostTensor out(node.dtype, node.shape);
  for (int64_t i = 0; i < node.count; ++i) {
    add(i, target.at(i));
    const auto at = static_cast<size_t>(i);
    out.set(i, is_integer(node.dtype) ? make_scalar(node.dtype, whole[at])
                                      : make_scalar(node.dtype, sums[at]));
  }
  return out;
}

}  // namespace nxv::reference
