// A pass of a radix sort where a workgroup takes a tile.
//
// Each invocation takes consecutive elements and counts their digits in a column of shared memory
// of its own: the count that it finds is an element's rank among its equals there. The exclusive
// sum of all counters, by digit and then by invocation, makes that the element's place in the tile,
// sorted by the digit. Elements are exchanged through shared memory, so that those with one digit
// leave side by side. No step needs subgroups.
#include "kernels/common/grid.h"
#include "kernels/sort/radix.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Shared;
using ir::Value;
using ir::Var;

// Consecutive entries of one invocation lie 16 apart, plus one against bank conflicts.
constexpr uint32_t kRun = 16;
constexpr uint32_t padded(uint32_t count) { return count + count / kRun; }
Value padded(Value index) { return index + (index >> 4); }

class TileRadix {
 public:
  TileRadix(const Region& region, const SortLayout& layout)
      : layout_(layout),
        b_(layout.counts ? "radix_count_tile" : "radix_move_tile", layout.workgroup),
        pass_(b_, region, layout),
        local_(b_.builtin(ir::Builtin::local_index)) {
    counters_ = b_.shared("counters", ir::kU32, padded(pass_.digits() * layout.workgroup));
    sums_ = b_.shared("sums", ir::kU32, layout.workgroup);
  }

  ir::Kernel run() {
    // Workgroups beyond the last tile do another's work once more and keep it to themselves. Tiles
    // are moved from the end: a cache has seen those last when they were counted.
    const Value group = linear_group(b_), last = pass_.units() - 1u;
    exists_ = group <= last;
    const Value unit = b_.binary(Opcode::min, group, last);
    tile_ = pass_.tile(layout_.counts ? unit : last - unit);
    for (uint32_t d = 0; d < pass_.digits(); ++d) {
      b_.shared_store(counters_, counter(b_.u32(d)), b_.u32(0));
    }
    if (layout_.counts) {
      count();
    } else {
      move();
    }
    return b_.finish();
  }

 private:
  // Counter of a digit in this invocation's column.
  Value counter(Value digit) const { return padded(digit * layout_.workgroup + local_); }

  // Which element of the tile this invocation takes when neighbours take neighbours.
  Value striped(uint32_t item) const { return local_ + item * layout_.workgroup; }
  Value column(Value element) const {
    return element.builder().binary(Opcode::min, tile_.begin + element, tile_.end - 1u);
  }

  // Adds to the counter and returns what it was.
  Value take_rank(Value digit, Value amount) {
    const Value at = counter(digit);
    const Value rank = b_.shared_load(counters_, at);
    b_.shared_store(counters_, at, rank + amount);
    return rank;
  }

  // The sum of 16 consecutive counters, each invocation its own.
  void sum_counters() {
    Value sum = b_.shared_load(counters_, local_ * (kRun + 1));
    for (uint32_t i = 1; i < kRun; ++i) {
      sum = sum + b_.shared_load(counters_, local_ * (kRun + 1) + i);
    }
    b_.shared_store(sums_, local_, sum);
  }

  void count() {
    for (uint32_t item = 0; item < layout_.items; ++item) {
      const Value element = striped(item);
      const Value digit = pass_.digit_of(pass_.load(tile_, column(element)));
      take_rank(digit, b_.convert(tile_.begin + element < tile_.end, ir::kU32));
    }
    b_.barrier();
    sum_counters();
    b_.barrier();
    b_.if_(exists_ & (local_ < pass_.digits()), [&] {
      const uint32_t runs = layout_.workgroup / kRun;  // of a digit
      const Var total = b_.var(b_.u32(0));
      b_.for_range(b_.u32(0), b_.u32(runs), b_.u32(1), [&](Value i) {
        total.set(total.get() + b_.shared_load(sums_, local_ * runs + i));
      });
      pass_.store_count(tile_, local_, total.get());
    });
  }

  // The counters become their exclusive sums.
  void scan_counters() {
    const uint32_t groups = layout_.workgroup / kRun;
    const Shared group_sums = b_.shared("group_sums", ir::kU32, groups);
    sum_counters();
    b_.barrier();
    const auto sum_of = [&](Shared array, Value begin, Value end, const Var& sum) {
      b_.for_range(begin, end, b_.u32(1),
                   [&](Value i) { sum.set(sum.get() + b_.shared_load(array, i)); });
    };
    b_.if_(local_ < groups, [&] {
      const Var sum = b_.var(b_.u32(0));
      sum_of(sums_, local_ * kRun, (local_ + 1u) * kRun, sum);
      b_.shared_store(group_sums, local_, sum.get());
    });
    b_.barrier();
    const Var before = b_.var(b_.u32(0));
    const Value group = local_ >> 4;
    sum_of(group_sums, b_.u32(0), group, before);
    sum_of(sums_, group * kRun, local_, before);
    Value sum = before.get();
    for (uint32_t i = 0; i < kRun; ++i) {
      const Value at = local_ * (kRun + 1) + i;
      const Value count = b_.shared_load(counters_, at);
      b_.shared_store(counters_, at, sum);
      sum = sum + count;
    }
    b_.barrier();
  }

  std::vector<Value> words_of(const RadixPass::Element& e) const {
    std::vector<Value> words = {e.bits.low};
    if (e.bits.is_wide()) words.push_back(e.bits.high);
    if (layout_.positions) words.push_back(e.position);
    return words;
  }
  RadixPass::Element element_of(const std::vector<Value>& words) const {
    RadixPass::Element e;
    e.bits.low = words[0];
    if (bits(layout_.type) == 64) e.bits.high = words[1];
    if (layout_.positions) e.position = words.back();
    return e;
  }

  // Puts elements at the places `to` of the tile and takes those at `from`, a word at a time.
  std::vector<RadixPass::Element> exchange(const std::vector<RadixPass::Element>& elements,
                                           const std::vector<Value>& to,
                                           const std::vector<Value>& from) {
    std::vector<std::vector<Value>> taken(elements.size());
    const size_t words = words_of(elements[0]).size();
    for (size_t w = 0; w < words; ++w) {
      if (w > 0) b_.barrier();
      for (size_t i = 0; i < elements.size(); ++i) {
        b_.shared_store(exchange_, padded(to[i]), words_of(elements[i])[w]);
      }
      b_.barrier();
      for (size_t i = 0; i < elements.size(); ++i) {
        taken[i].push_back(b_.shared_load(exchange_, padded(from[i])));
      }
    }
    std::vector<RadixPass::Element> result;
    for (const auto& words_of_one : taken) result.push_back(element_of(words_of_one));
    return result;
  }

  void move() {
    exchange_ = b_.shared("exchange", ir::kU32, padded(layout_.workgroup * layout_.items));
    const Shared bases = b_.shared("bases", ir::kU32, pass_.digits());

    std::vector<Value> stripes, consecutive;
    std::vector<RadixPass::Element> elements;
    for (uint32_t item = 0; item < layout_.items; ++item) {
      stripes.push_back(striped(item));
      consecutive.push_back(local_ * layout_.items + item);
      elements.push_back(pass_.load(tile_, column(stripes[item])));
    }
    elements = exchange(elements, stripes, consecutive);

    // Past the end come elements of the last digit, behind all others.
    std::vector<Value> digits, places;
    for (uint32_t item = 0; item < layout_.items; ++item) {
      const Value inside = tile_.begin + consecutive[item] < tile_.end;
      const Value digit = pass_.digit_of(elements[item]);
      digits.push_back(b_.select(inside, digit, b_.u32(pass_.digits() - 1)));
      places.push_back(take_rank(digits[item], b_.u32(1)));
    }
    b_.barrier();
    scan_counters();
    for (uint32_t item = 0; item < layout_.items; ++item) {
      places[item] = places[item] + b_.shared_load(counters_, counter(digits[item]));
    }
    // From an element's place in the tile to its place in the row.
    b_.if_(local_ < pass_.digits(), [&] {
      const Value start = b_.shared_load(counters_, padded(local_ * layout_.workgroup));
      b_.shared_store(bases, local_, pass_.load_count(tile_, local_) - start);
    });
    elements = exchange(elements, places, stripes);
    for (uint32_t item = 0; item < layout_.items; ++item) {
      b_.if_(exists_ & (tile_.begin + stripes[item] < tile_.end), [&] {
        const Value base = b_.shared_load(bases, pass_.digit_of(elements[item]));
        pass_.store(tile_, base + stripes[item], elements[item]);
      });
    }
  }

  const SortLayout layout_;
  Builder b_;
  const RadixPass pass_;
  const Value local_;
  Value exists_;
  RadixPass::Tile tile_;
  Shared counters_, sums_, exchange_;
};

}  // namespace

uint32_t tile_radix_bytes(const SortLayout& layout) {
  const uint32_t digits = 1u << layout.digit_bits;
  return 4 * (padded(digits * layout.workgroup) + padded(layout.workgroup * layout.items) +
              layout.workgroup + layout.workgroup / kRun + digits);
}

ir::Kernel generate_tile_radix(const Region& region, const Target&, const SortLayout& layout) {
  return TileRadix(region, layout).run();
}

}  // namespace nxv::kernels
