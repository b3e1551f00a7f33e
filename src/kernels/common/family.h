// Families of kernels.
//
// A family has a layout and words, both plain structs. The layout says how one kernel of the family
// is laid out: together with the region's key its bytes are the kernel's key, and the generator is
// a plain function of region, target and layout, so that no choice reaches a kernel that its key
// does not name. The words are what differs from use to use (graph/words.h): the host fills the
// struct for a dispatch, the kernel reads its members by name (word_values.h).
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "graph/words.h"
#include "kernels/lowering.h"

namespace nxv::kernels {

// A member of a layout of fewer than 32 bits, without padding beside it.
template <typename T>
class Choice {
 public:
  constexpr Choice(T value = {}) : value_(static_cast<uint32_t>(value)) {}
  constexpr operator T() const { return static_cast<T>(value_); }

 private:
  uint32_t value_;
};

// Equal layouts have equal bytes: no floats, no padding.
template <typename L>
concept KernelLayout = std::is_empty_v<L> ||
    (std::is_trivially_copyable_v<L>&& std::has_unique_object_representations_v<L>);

struct NoLayout {};

template <typename L>
struct Family {
  std::string_view name;  // no other family's
  ir::Kernel (*generate)(const Region&, const Target&, const L&);
};

template <KernelLayout L>
std::string key_of(const Family<L>& family, const L& layout, const Region& region) {
  std::string key(family.name);
  key += ':';
  if constexpr (!std::is_empty_v<L>) {
    key.append(reinterpret_cast<const char*>(&layout), sizeof layout);
  }
  return key + region.key;
}

// A dispatch of a kernel of the family. Its groups, and what it touches, are the caller's to say.
template <KernelLayout L, typename W>
Launch launch_of(const Family<L>& family, const Region& region, const Target& target,
                 const L& layout, const W& words) {
  Launch d;
  d.key = key_of(family, layout, region);
  d.generate = [generate = family.generate, target, layout](const Region& r) {
    return generate(r, target, layout);
  };
  append(d.words, words);
  return d;
}

}  // namespace nxv::kernels
