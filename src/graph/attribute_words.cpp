#include "graph/attribute_words.h"

#include <bit>
#include <type_traits>

#include "graph/function.h"

namespace nxv {
namespace {

class Writer {
 public:
  Writer(std::vector<uint64_t>& out, bool with_scalars) : out_(out), with_scalars_(with_scalars) {}

  bool operator()(const std::monostate&) { return true; }
  // The axes of a product follow from its rank.
  bool operator()(const DotAttr& a) { return numbers_of(a.precision); }
  bool operator()(const ConstantAttr& a) {
    if (!with_scalars_) return true;
    return numbers_of(a.value.lo, a.value.hi);
  }
  bool operator()(const RandomAttr& a) {
    if (!with_scalars_) return true;
    return numbers_of(a.seed, a.offset, std::bit_cast<uint64_t>(a.low),
                      std::bit_cast<uint64_t>(a.high));
  }
  bool operator()(const IotaAttr& a) { return numbers_of(a.axis); }
  bool operator()(const ConcatenateAttr& a) { return numbers_of(a.axis); }
  bool operator()(const AxesAttr& a) { return lists(a.axes); }
  bool operator()(const ReduceAttr& a) { return lists(a.axes); }
  bool operator()(const SliceAttr& a) { return lists(a.starts, a.strides); }
  // The rest follows from the shape.
  bool operator()(const PadAttr& a) { return lists(a.low, a.interior) && numbers_of(a.zeros); }
  bool operator()(const WindowsAttr& a) { return lists(a.window, a.strides, a.dilations); }
  bool operator()(const ScanAttr& a) { return numbers_of(a.combine, a.axis, a.reverse); }
  bool operator()(const SlotsAttr& a) { return numbers_of(a.count); }
  bool operator()(const SortAttr& a) { return numbers_of(a.axis, a.descending); }
  bool operator()(const FftAttr& a) {
    return numbers_of(a.inverse, std::bit_cast<uint64_t>(a.epsilon));
  }
  bool operator()(const TriangularAttr& a) {
    return numbers_of(a.lower | a.left_side << 1 | a.transpose << 2 | a.conjugate << 3);
  }
  bool operator()(const AttentionAttr& a) {
    for (double v : {a.scale, a.soft_cap, a.masked}) numbers_of(std::bit_cast<uint64_t>(v));
    return numbers_of(a.before, a.after, a.offset,
                      a.has_mask | a.has_bias << 1 | a.has_lengths << 2 | a.has_offsets << 3 |
                          a.has_sinks << 4 | a.heads_inside << 5 | a.has_statistics << 6);
  }
  bool operator()(const ControlAttr& a) {
    for (const FunctionRef& f : a.functions) numbers_of(f->id);
    return true;
  }
  bool operator()(const ResultAttr& a) { return numbers_of(a.index); }
  bool operator()(const FoldAttr&) { return false; }

 private:
  template <typename... N>
  bool numbers_of(N... n) {
    (out_.push_back(static_cast<uint64_t>(n)), ...);
    return true;
  }
  template <typename... L>
  bool lists(const L&... list) {
    const auto append = [&](const std::vector<int64_t>& numbers) {
      numbers_of(numbers.size());
      for (int64_t n : numbers) numbers_of(n);
    };
    (append(list), ...);
    return true;
  }

  std::vector<uint64_t>& out_;
  const bool with_scalars_;
};

}  // namespace

bool append_attributes(std::vector<uint64_t>& words, const Attributes& attributes,
                       bool with_scalars) {
  return std::visit(Writer(words, with_scalars), attributes);
}

}  // namespace nxv
