#include <algorithm>
#include <string>

#include "base/error.h"
#include "testing/reference/functions.h"
#include "testing/reference/number.h"
#include "testing/reference/structure.h"

namespace nxv::reference {
namespace {

// A sum or product in the widest numbers of the output's kind.
class Accumulator {
 public:
  Accumulator(DType out, uint64_t start)
      : out_(out), integer_(start), real_(static_cast<double>(start)), complex_(real_) {}

  void add(const Scalar& s) {
    if (is_integer(out_)) {
      integer_ += to_integer(s).low_bits();
    } else if (is_complex(out_)) {
      complex_ += to_complex_double(s);
    } else {
      real_ += nxv::to_double(s);
    }
  }
  void multiply(const Scalar& s) {
    if (is_integer(out_)) {
      integer_ *= to_integer(s).low_bits();
    } else if (is_complex(out_)) {
      complex_ = reference::multiply(complex_, to_complex_double(s));
    } else {
      real_ *= nxv::to_double(s);
    }
  }
  void add_product(const Scalar& a, const Scalar& b) {
    if (is_integer(out_)) {
      integer_ += to_integer(a).low_bits() * to_integer(b).low_bits();
    } else if (is_complex(out_)) {
      complex_ += reference::multiply(to_complex_double(a), to_complex_double(b));
    } else {
      real_ += nxv::to_double(a) * nxv::to_double(b);
    }
  }
  Scalar result() const {
    if (is_integer(out_)) return make_scalar(out_, integer_);
    return is_complex(out_) ? make_scalar(out_, complex_) : make_scalar(out_, real_);
  }

 private:
  DType out_;
  uint64_t integer_;
  double real_;
  Complex complex_;
};

Scalar sum(DType out, std::span<const Scalar> elements) {
  Accumulator total(out, 0);
  for (const Scalar& s : elements) total.add(s);
  return total.result();
}

Scalar product(DType out, std::span<const Scalar> elements) {
  Accumulator total(out, 1);
  for (const Scalar& s : elements) total.multiply(s);
  return total.result();
}

// NaN wins; of equal elements (both zeros), the first.
Scalar extremum(std::span<const Scalar> elements, bool want_greatest) {
  Scalar best = elements.front();
  for (const Scalar& s : elements) {
    if (is_nan(best)) break;
    const auto order = compare(s, best);
    if (is_nan(s) || (want_greatest ? order > 0 : order < 0)) best = s;
  }
  return best;
}

// As Nx has it, any complex number counts as true in all and any, 0 too.
bool counts(const Scalar& s) { return is_complex(s.dtype) || is_true(s); }

Scalar fold(Op op, DType out, std::span<const Scalar> elements) {
  switch (op) {
    case Op::sum:
      return sum(out, elements);
    case Op::product:
      return product(out, elements);
    case Op::reduce_max:
      return extremum(elements, true);
    case Op::reduce_min:
      return extremum(elements, false);
    case Op::all:
      return make_scalar(out, int64_t{std::ranges::all_of(elements, counts)});
    case Op::any:
      return make_scalar(out, int64_t{std::ranges::any_of(elements, counts)});
    default:
      throw Error(Status::internal, std::string(name(op)) + " is not a reduction");
  }
}

bool contains(const Axes& axes, int64_t axis) {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

Shape pick(const Shape& shape, const Axes& axes) {
  Shape picked;
  for (int64_t a : axes) picked.push_back(shape[a]);
  return picked;
}

Axes free_axes(const Shape& shape, const Axes& contracted, const Axes& batch) {
  Axes rest;
  for (int64_t a = 0; a < static_cast<int64_t>(shape.size()); ++a) {
    if (!contains(contracted, a) && !contains(batch, a)) rest.push_back(a);
  }
  return rest;
}

void scatter(std::vector<int64_t>& index, const Axes& axes, std::span<const int64_t> values) {
  for (size_t i = 0; i < axes.size(); ++i) index[axes[i]] = values[i];
}

}  // namespace

HostTensor evaluate_reduction(const Node& node, const HostTensor& input) {
  const Axes& axes = node.attribute<ReduceAttr>().axes;
  // The elements of each result in row-major order. Kept axes are 1 and do not move positions.
  Shape kept = input.shape;
  for (int64_t a : axes) kept[a] = 1;
  std::vector<std::vector<Scalar>> groups(element_count(kept));
  Walk at(input.shape);
  for (int64_t i = 0; i < input.count(); ++i, at.next()) {
    std::vector<int64_t> index = at.index();
    for (int64_t a : axes) index[a] = 0;
    groups[position(index, kept)].push_back(input.at(i));
  }
  HostTensor out(node.dtype, node.shape);
  for (int64_t i = 0; i < node.count; ++i) out.set(i, fold(node.op, node.dtype, groups[i]));
  return out;
}

HostTensor evaluate_dot(const Node& node, const HostTensor& a, const HostTensor& b) {
  const auto& [contract_a, contract_b, batch_a, batch_b, _] = node.attribute<DotAttr>();
  const Axes free_a = free_axes(a.shape, contract_a, batch_a);
  const Axes free_b = free_axes(b.shape, contract_b, batch_b);
  const Shape contracted = pick(a.shape, contract_a);
  HostTensor out(node.dtype, node.shape);
  std::vector<int64_t> index_a(a.shape.size());
  std::vector<int64_t> index_b(b.shape.size());
  Walk at(node.shape);  // batch, free axes of a, free axes of b
  for (int64_t i = 0; i < node.count; ++i, at.next()) {
    const std::span<const int64_t> index(at.index());
    scatter(index_a, batch_a, index);
    scatter(index_b, batch_b, index);
    scatter(index_a, free_a, index.subspan(batch_a.size()));
    scatter(index_b, free_b, index.subspan(batch_a.size() + free_a.size()));
    Accumulator total(node.dtype, 0);
    Walk k(contracted);
    for (int64_t n = 0; n < element_count(contracted); ++n, k.next()) {
      scatter(index_a, contract_a, k.index());
      scatter(index_b, contract_b, k.index());
      total.add_product(a.at(position(index_a, a.shape)), b.at(position(index_b, b.shape)));
    }
    out.set(i, total.result());
  }
  return out;
}

}  // namespace nxv::reference
