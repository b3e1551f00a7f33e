#include "runtime/block_layout.h"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <utility>

#include "vulkan/memory.h"

namespace nxv::runtime {
namespace {

// Of the memory that is needed at once: what a plan may take more before it is not worth it.
constexpr uint64_t kTolerated = 32;
constexpr int kMostSplits = 16;
constexpr size_t kCandidates = 256;  // steps at which a split is tried

uint64_t aligned(uint64_t bytes) {
  constexpr uint64_t a = vulkan::kBlockAlignment;
  return (vulkan::padded(bytes) + a - 1) / a * a;
}

using Items = std::vector<Lifetime*>;

// Bytes at each step from `begin` to `end`.
std::vector<uint64_t> bytes_at(const Items& items, int begin, int end) {
  std::vector<uint64_t> at(static_cast<size_t>(end - begin) + 1);
  for (const Lifetime* item : items) {
    at[static_cast<size_t>(std::max(item->first, begin) - begin)] += aligned(item->bytes);
    at[static_cast<size_t>(std::min(item->last + 1, end) - begin)] -= aligned(item->bytes);
  }
  std::partial_sum(at.begin(), at.end(), at.begin());
  at.pop_back();
  return at;
}

uint64_t largest(const std::vector<uint64_t>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

// Steps from `begin` to `end` with one block.
struct Stretch {
  int begin = 0, end = 0;
  Items items;                   // that live within it
  std::vector<uint64_t> others;  // bytes of what has memory of its own, at each step

  uint64_t at_once() const { return largest(bytes_at(items, begin, end)); }
  // The most that has memory of its own, once items have places.
  uint64_t apart() const {
    Items left;
    for (Lifetime* item : items) {
      if (item->is_apart) left.push_back(item);
    }
    std::vector<uint64_t> bytes = bytes_at(left, begin, end);
    std::transform(bytes.begin(), bytes.end(), others.begin(), bytes.begin(), std::plus<>());
    return largest(bytes);
  }
  // The most memory at any step, with a block for the items.
  uint64_t peak() const { return at_once() + largest(others); }
};

// At the step; what lives through it is apart then.
std::array<Stretch, 2> split(const Stretch& whole, int step) {
  std::array<Stretch, 2> halves;
  halves[0].begin = whole.begin;
  halves[0].end = halves[1].begin = step;
  halves[1].end = whole.end;
  Items apart;
  for (Lifetime* item : whole.items) {
    if (item->last < step) {
      halves[0].items.push_back(item);
    } else if (item->first >= step) {
      halves[1].items.push_back(item);
    } else {
      apart.push_back(item);
    }
  }
  for (Stretch& half : halves) {
    half.others = bytes_at(apart, half.begin, half.end);
    for (int s = half.begin; s < half.end; ++s) {
      half.others[static_cast<size_t>(s - half.begin)] +=
          whole.others[static_cast<size_t>(s - whole.begin)];
    }
  }
  return halves;
}

// The split after which the most memory at any step is the least, or no more than `enough`: of
// these the one where the fewest bytes are apart. Tried are steps that the fewest bytes live
// through.
std::optional<std::array<Stretch, 2>> best_split(const Stretch& whole, uint64_t enough) {
  const std::vector<uint64_t> live = bytes_at(whole.items, whole.begin, whole.end);
  std::vector<int> steps(static_cast<size_t>(whole.end - whole.begin));
  std::iota(steps.begin(), steps.end(), whole.begin);
  if (!steps.empty()) steps.erase(steps.begin());
  std::stable_sort(steps.begin(), steps.end(), [&](int a, int b) {
    return live[static_cast<size_t>(a - whole.begin)] < live[static_cast<size_t>(b - whole.begin)];
  });
  if (steps.size() > kCandidates) steps.resize(kCandidates);
  uint64_t least = whole.peak();
  std::optional<std::array<Stretch, 2>> best;
  for (const int step : steps) {
    std::array<Stretch, 2> halves = split(whole, step);
    const uint64_t peak = std::max(halves[0].peak(), halves[1].peak());
    if (peak >= least) continue;
    least = peak;
    best = std::move(halves);
    if (peak <= enough) break;
  }
  return best;
}

// The bytes that the items take, placed in this order; of those beyond `most` none is.
uint64_t place(const Items& order, uint64_t most) {
  uint64_t total = 0;
  Items placed;  // by their offsets
  for (Lifetime* item : order) {
    const uint64_t bytes = aligned(item->bytes);
    uint64_t end = 0, best = 0;  // of those before a gap; where the smallest one begins
    uint64_t smallest = ~uint64_t{0};
    for (const Lifetime* other : placed) {
      if (other->last < item->first || item->last < other->first) continue;
      const uint64_t gap = other->offset > end ? other->offset - end : 0;
      if (gap >= bytes && gap < smallest) {
        smallest = gap;
        best = end;
      }
      end = std::max(end, other->offset + aligned(other->bytes));
    }
    item->offset = smallest == ~uint64_t{0} ? end : best;
    item->is_apart = bytes > most || item->offset > most - bytes;
    if (item->is_apart) continue;
    total = std::max(total, item->offset + bytes);
    const auto after = std::upper_bound(
        placed.begin(), placed.end(), item->offset,
        [](uint64_t offset, const Lifetime* other) { return offset < other->offset; });
    placed.insert(after, item);
  }
  return total;
}

// In several orders, whichever takes the least.
uint64_t place_well(const Stretch& stretch, uint64_t most) {
  const std::vector<uint64_t> live = bytes_at(stretch.items, stretch.begin, stretch.end);
  const uint64_t enough = largest(live) + largest(live) / kTolerated;
  using Key = std::pair<double, double>;
  using KeyOf = std::function<Key(const Lifetime&)>;
  const auto size = [](const Lifetime& l) { return static_cast<double>(l.bytes); };
  const auto steps = [](const Lifetime& l) { return static_cast<double>(l.last - l.first + 1); };
  // The most that lives at one of its steps.
  const auto breadth = [&](const Lifetime& l) {
    const auto begin = live.begin() + (l.first - stretch.begin);
    return static_cast<double>(*std::max_element(begin, begin + (l.last - l.first + 1)));
  };
  const std::array<KeyOf, 5> orders = {
      [&](const Lifetime& l) { return Key(-size(l), 0); },
      [&](const Lifetime& l) { return Key(-breadth(l), -size(l)); },
      [&](const Lifetime& l) { return Key(-size(l) * steps(l), 0); },
      [&](const Lifetime& l) { return Key(-steps(l), -size(l)); },
      [&](const Lifetime& l) { return Key(l.first, -size(l)); }};
  const auto place_by = [&](const KeyOf& key) {
    std::vector<std::pair<Key, Lifetime*>> keyed;
    for (Lifetime* item : stretch.items) keyed.emplace_back(key(*item), item);
    std::stable_sort(keyed.begin(), keyed.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Items order;
    for (const auto& [k, item] : keyed) order.push_back(item);
    return place(order, most);
  };
  const KeyOf* best = nullptr;
  uint64_t least = ~uint64_t{0};
  for (const KeyOf& order : orders) {
    const uint64_t bytes = place_by(order);
    if (bytes <= enough || largest(live) > most) return bytes;
    if (bytes >= least) continue;
    least = bytes;
    best = &order;
  }
  return place_by(*best);
}

std::vector<Stretch> stretches_of(std::vector<Lifetime>& items, const std::vector<int>& boundaries,
                                  int end) {
  Items apart;
  std::vector<Stretch> stretches;
  for (size_t i = 0; i < boundaries.size(); ++i) {
    stretches.push_back(
        {boundaries[i], i + 1 < boundaries.size() ? boundaries[i + 1] : end, {}, {}});
  }
  for (Lifetime& item : items) {
    const auto next = std::upper_bound(boundaries.begin(), boundaries.end(), item.first);
    Stretch& stretch = stretches[static_cast<size_t>(next - boundaries.begin()) - 1];
    item.is_apart |= item.last >= stretch.end;
    (item.is_apart ? apart : stretch.items).push_back(&item);
  }
  const std::vector<uint64_t> bytes = bytes_at(apart, 0, end);
  for (Stretch& s : stretches) s.others.assign(bytes.begin() + s.begin, bytes.begin() + s.end);
  return stretches;
}

}  // namespace

std::vector<PlannedBlock> lay_out(std::vector<Lifetime>& items, const std::vector<int>& boundaries,
                                  int end, uint64_t most) {
  Items all;
  for (Lifetime& item : items) all.push_back(&item);
  const uint64_t needed = largest(bytes_at(all, 0, end)), enough = needed + needed / kTolerated;
  std::vector<Stretch> stretches = stretches_of(items, boundaries, end);
  for (int i = 0; i < kMostSplits; ++i) {
    const auto worst =
        std::max_element(stretches.begin(), stretches.end(),
                         [](const Stretch& a, const Stretch& b) { return a.peak() < b.peak(); });
    if (worst->peak() <= enough) break;
    auto halves = best_split(*worst, enough);
    if (!halves) break;
    *worst = std::move((*halves)[0]);
    stretches.insert(worst + 1, std::move((*halves)[1]));
  }
  std::vector<bool> is_placed(items.size());
  std::vector<PlannedBlock> blocks;
  for (const Stretch& s : stretches) {
    blocks.push_back({s.begin, 0});
    if (s.items.size() < 2) continue;
    const uint64_t bytes = place_well(s, most);
    if (bytes + s.apart() > enough) continue;
    blocks.back().bytes = bytes;
    for (const Lifetime* item : s.items) {
      is_placed[static_cast<size_t>(item - items.data())] = !item->is_apart;
    }
  }
  for (size_t i = 0; i < items.size(); ++i) items[i].is_apart = !is_placed[i];
  return blocks;
}

}  // namespace nxv::runtime
