// Cooperative matrices.
#include <algorithm>
#include <vector>

#include "base/scalar.h"
#include "testing/interpreter/arithmetic.h"
#include "testing/interpreter/evaluations.h"
#include "testing/interpreter/lanes.h"
#include "testing/interpreter/matrices.h"

namespace nxv::testing::evaluations {
namespace {

using ir::Type;

// The value that all invocations of a subgroup have.
uint64_t uniform(Execution& s, size_t operand, uint32_t first) {
  const uint64_t* v = s.arg(operand);
  for (uint32_t w = first; w < s.m.subgroup_end(first); ++w) {
    if (v[w] != v[first]) {
      s.m.fail(Status::internal, w, "has operands that differ in a subgroup");
    }
  }
  return v[first];
}

// How the rows (columns) of a matrix lie in a shared array.
struct Lines {
  bool are_columns;
  uint32_t count, length;
  uint32_t element_bytes, lane_bytes, lanes;  // of the matrix, and of the array's elements

  uint64_t units() const { return length * element_bytes / (lane_bytes * lanes); }
};

Lines lines_of(const Execution& s) {
  const Type t = s.inst.type;
  const Type unit = s.m.kernel.shared[ir::matrix_shared(s.inst.imm)].type;
  const bool by_columns = ir::matrix_by_columns(s.inst.imm);
  return {by_columns,
          by_columns ? columns(t) : rows(t),
          by_columns ? rows(t) : columns(t),
          static_cast<uint32_t>(ir::bytes(t)),
          static_cast<uint32_t>(ir::bytes(element(unit))),
          unit.lanes};
}

// Notes an access to the elements of a line in shared memory; touch(element) says what is wrong.
template <typename Touch>
void touch_line(Execution& s, uint32_t first, uint64_t begin, uint64_t units, Touch touch) {
  std::vector<SharedElement>& all = s.m.shared[ir::matrix_shared(s.inst.imm)].elements;
  if (begin + units > all.size()) {
    s.m.fail(Status::out_of_bounds, first,
             "accesses element " + std::to_string(begin + units - 1) + " of " +
                 std::to_string(all.size()));
  }
  for (uint64_t u = begin; u < begin + units; ++u) s.m.check(touch(all[u]), first);
}

// Calls f with the place of each element in the matrix, the lane of shared memory that it lies in,
// and its first bit there.
template <typename Touch, typename F>
void each_element(Execution& s, uint32_t first, Touch touch, F f) {
  const Lines lines = lines_of(s);
  std::vector<uint64_t>& memory = s.m.shared[ir::matrix_shared(s.inst.imm)].lanes;
  const uint64_t stride = uniform(s, 1, first);
  uint64_t begin = uniform(s, 0, first);
  const uint64_t unit = lines.lane_bytes * lines.lanes;
  if (begin * unit % 16 != 0 || stride * unit % 16 != 0) {
    s.m.fail(Status::internal, first, "has lines that begin within 16 bytes");
  }
  for (uint32_t line = 0; line < lines.count; ++line, begin += stride) {
    touch_line(s, first, begin, lines.units(), touch);
    for (uint32_t i = 0; i < lines.length; ++i) {
      const uint32_t at = i * lines.element_bytes;
      f(lines.are_columns ? i * lines.count + line : line * lines.length + i,
        memory[begin * lines.lanes + at / lines.lane_bytes], at % lines.lane_bytes * 8);
    }
  }
}

std::vector<double> numbers(ir::Scalar scalar, const uint64_t* elements, uint32_t count) {
  std::vector<double> result(count);
  std::transform(elements, elements + count, result.begin(), [scalar](uint64_t bits) {
    const auto half = static_cast<uint16_t>(bits);
    return to_double(load_scalar(scalar == ir::Scalar::f16 ? DType::f16 : DType::bf16,
                                 reinterpret_cast<const std::byte*>(&half), 0));
  });
  return result;
}

// Elements as integers modulo 2^32.
std::vector<uint32_t> integers(ir::Scalar scalar, const uint64_t* elements, uint32_t count) {
  std::vector<uint32_t> result(count);
  std::transform(elements, elements + count, result.begin(), [scalar](uint64_t bits) {
    return scalar == ir::Scalar::s8 ? static_cast<uint32_t>(static_cast<int8_t>(bits))
                                    : static_cast<uint32_t>(bits);
  });
  return result;
}

// out = x * y + sum of a subgroup's matrices; `total` of the sum's bits is what products are added
// to.
template <typename Elements, typename Total, typename Result>
void multiply_add(Execution& s, uint32_t first, Elements elements_of, Total total_of,
                  Result result_of) {
  const Type a = s.arg_type(0), b = s.arg_type(1);
  const auto x = elements_of(a.scalar, matrix_of(s.m, s.inst.args[0], first), elements(a));
  const auto y = elements_of(b.scalar, matrix_of(s.m, s.inst.args[1], first), elements(b));
  const uint64_t* sum = matrix_of(s.m, s.inst.args[2], first);
  uint64_t* out = matrix_of(s.m, s.id, first);
  for (uint32_t row = 0; row < rows(a); ++row) {
    for (uint32_t column = 0; column < columns(b); ++column) {
      const uint32_t at = row * columns(b) + column;
      auto total = total_of(sum[at]);
      for (uint32_t k = 0; k < columns(a); ++k) {
        total += x[row * columns(a) + k] * y[k * columns(b) + column];
      }
      out[at] = result_of(total);
    }
  }
}

void element_by_element(Execution& s, ir::Opcode op) {
  const Type scalar{s.inst.type.scalar};
  s.m.each_subgroup([&](uint32_t first, uint32_t) {
    const uint64_t* x = matrix_of(s.m, s.inst.args[0], first);
    const uint64_t* y = matrix_of(s.m, s.inst.args[1], first);
    uint64_t* out = matrix_of(s.m, s.id, first);
    for (uint32_t e = 0; e < elements(s.inst.type); ++e) {
      out[e] = combine(op, scalar, x[e], y[e], s.m.options);
    }
  });
}

}  // namespace

void matrix_fill(Execution& s) {
  s.m.each_subgroup([&](uint32_t first, uint32_t) {
    std::fill_n(matrix_of(s.m, s.id, first), elements(s.inst.type), uniform(s, 0, first));
  });
}

void matrix_load(Execution& s) {
  s.m.each_subgroup([&](uint32_t first, uint32_t) {
    uint64_t* out = matrix_of(s.m, s.id, first);
    const auto touch = [&](SharedElement& e) { return e.read(s.m.moment(first)); };
    each_element(s, first, touch, [&](size_t place, uint64_t& word, uint32_t shift) {
      out[place] = word >> shift & element_mask(s.inst.type);
    });
  });
}

void matrix_store(Execution& s) {
  s.m.each_subgroup([&](uint32_t first, uint32_t) {
    const uint64_t* in = matrix_of(s.m, s.inst.args[2], first);
    const auto touch = [&](SharedElement& e) {
      const char* wrong = e.write(s.m.moment(first));
      if (wrong || !e.others_wrote()) return wrong;
      return "overwrites what another invocation wrote without a barrier";
    };
    each_element(s, first, touch, [&](size_t place, uint64_t& word, uint32_t shift) {
      word &= ~(element_mask(s.inst.type) << shift);
      word |= in[place] << shift;
    });
  });
}

// Products of floats and their accumulator are added up exactly, nearly, and rounded once.
void matrix_multiply_add(Execution& s) {
  s.m.each_subgroup([&](uint32_t first, uint32_t) {
    if (ir::is_integer(s.inst.type)) {
      const auto same = [](uint64_t bits) { return static_cast<uint32_t>(bits); };
      return multiply_add(s, first, integers, same, [](uint32_t v) { return uint64_t{v}; });
    }
    const auto number = [](uint64_t bits) { return double{from_bits<float>(bits)}; };
    multiply_add(s, first, numbers, number,
                 [](double v) { return to_bits(static_cast<float>(v)); });
  });
}

void matrix_add(Execution& s) { element_by_element(s, ir::Opcode::add); }

// Element i of an invocation: of the matrix by rows, every so many from its lane on.
void element_load(Execution& s) {
  const auto size = s.m.subgroup_size;
  s.m.each_active([&](uint32_t w) {
    s.out[w] = matrix_of(s.m, s.inst.args[0], w - w % size)[s.inst.imm * size + w % size];
  });
}

void element_store(Execution& s) {
  const auto size = s.m.subgroup_size;
  const ir::Scalar scalar = s.arg_type(0).scalar;
  s.m.each_active([&](uint32_t w) {
    uint64_t bits = s.arg(1)[w];
    if (scalar != ir::Scalar::f32) {
      uint16_t half = 0;
      const DType type = scalar == ir::Scalar::f16 ? DType::f16 : DType::bf16;
      store_scalar(make_scalar(type, from_bits<float>(bits)), reinterpret_cast<std::byte*>(&half),
                   0);
      bits = half;
    }
    matrix_of(s.m, s.inst.args[0], w - w % size)[s.inst.imm * size + w % size] = bits;
  });
}

void matrix_multiply(Execution& s) { element_by_element(s, ir::Opcode::mul); }

}  // namespace nxv::testing::evaluations
