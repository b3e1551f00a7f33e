#include "testing/corpus/opcode_samples.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "ir/builder.h"
#include "ir/type_rules.h"

namespace nxv::testing {
namespace {

using ir::Access;
using ir::Builder;
using ir::Effect;
using ir::Immediate;
using ir::Memory;
using ir::Opcode;
using ir::OpcodeInfo;
using ir::Operand;
using ir::Scalar;
using ir::Shared;
using ir::Type;
using ir::Value;
using ir::Var;

constexpr uint32_t kWidth = 32;
constexpr uint32_t kSlab = 256;  // words that hold any matrix

// The types of an instruction, and a variant of its immediate.
struct Case {
  Opcode op;
  Type type;
  std::vector<Type> operands;
  uint64_t variant = 0;
};

// The bits of a small number. Floats are powers of 4, of which every result is exact.
uint64_t bits_of(Type t, uint32_t n) {
  const double power = std::ldexp(1.0, 2 * static_cast<int>(n) - 6);
  if (t.scalar == Scalar::f32) return std::bit_cast<uint32_t>(static_cast<float>(power));
  if (t.scalar == Scalar::f64) return std::bit_cast<uint64_t>(power);
  return n;
}

// An element of the type for each invocation, of numbers from 1 to 7.
std::vector<std::byte> small_numbers(Type t, size_t seed) {
  const auto size = static_cast<size_t>(ir::bytes(element(t)));
  std::vector<std::byte> bytes(kWidth * t.lanes * size);
  for (size_t i = 0; i < kWidth * t.lanes; ++i) {
    const uint64_t bits = bits_of(t, static_cast<uint32_t>((i * 5 + seed * 3) % 7 + 1));
    std::memcpy(&bytes[i * size], &bits, size);
  }
  return bytes;
}

class SampleBuilder {
 public:
  SampleBuilder(const Case& c, uint32_t subgroup_size)
      : case_(c), row_(info(c.op)), b_("sample", kWidth), i_(b_.builtin(ir::Builtin::local_index)) {
    b_.set_subgroup_size(subgroup_size);
  }

  OpcodeSample finish() {
    if (row_.family == ir::Family::control) {
      structured();
    } else {
      if (uses_array()) array_ = filled_array(array_element(), array_elements());
      keep(sampled());
    }
    sample_.kernel = b_.finish();
    const auto& body = sample_.kernel.body;
    while (!is_sampled(body[sample_.inst])) ++sample_.inst;
    sample_.name = std::string(row_.name) + ": " + to_string(sample_.kernel, sample_.inst);
    return std::move(sample_);
  }

 private:
  bool is_sampled(const ir::Inst& inst) const {
    return inst.op == case_.op && inst.type == case_.type && inst.imm == immediate_;
  }

  // ---- Inputs

  Value buffer(Type t, Access access) {
    const size_t n = sample_.arguments.size();
    sample_.arguments.push_back(small_numbers(t, n));
    return b_.buffer("buffer" + std::to_string(n), access);
  }

  Value number_param() {
    std::vector<std::byte> lanes(8 * case_.type.lanes);
    for (uint32_t lane = 0; lane < case_.type.lanes; ++lane) {
      const uint64_t bits = bits_of(case_.type, lane + 2);
      std::memcpy(&lanes[8 * lane], &bits, 8);
    }
    immediate_ = sample_.arguments.size();
    sample_.arguments.push_back(lanes);
    return b_.param("number", case_.type);
  }

  // A value of any type.
  Value input(Type t) {
    if (t.matrix == ir::Matrix::accumulator) return b_.matrix_fill(element_of(t));
    if (is_matrix(t))
      return b_.matrix_load(filled_array(words_of(t), kSlab), b_.u32(0), stride(t), t);
    if (is_bool(t)) return (input(ir::with_scalar(t, Scalar::u32)) & 1) != 0;
    return b_.load(buffer(t, Access::read), i_, t);
  }

  Value element_of(Type t) { return is_float(t) ? b_.f32(2.5f) : b_.number(Type{t.scalar}, 5); }

  // Words of shared memory that are elements of a matrix, between 1/16 and 256.
  Value words_of(Type t) {
    if (t == ir::kAccumulator) return b_.bitcast(input(ir::kF32), ir::kU32);
    if (is_integer(t)) return input(ir::kU32) * (ir::is_narrow(t) ? 0xfe7f8102u : 0x10007u);
    const Value eighths = input(ir::kU32);
    const Value half = t.scalar == Scalar::f16 ? eighths << 7 | 0x3c00 : eighths << 4 | 0x3f80;
    return half * 0x10001;
  }

  // Every element is written, and seen by all.
  Shared filled_array(Value v, uint32_t elements) {
    const Shared array = b_.shared("array", v.type(), elements);
    for (uint32_t at = 0; at < elements; at += kWidth) b_.shared_store(array, i_ + at, v);
    b_.barrier();
    return array;
  }
  bool uses_array() const {
    return memory(case_.op) == Memory::shared || row_.effect == Effect::orders;
  }
  Value array_element() {
    if (is_matrix(case_.type)) return words_of(case_.type);
    return input(row_.immediate == Immediate::shared ? case_.type : ir::kU32);
  }
  uint32_t array_elements() const { return row_.immediate == Immediate::place ? kSlab : kWidth; }
  // Words from one row of a matrix in an array to the next, or from one column.
  static uint32_t stride(Type t, bool by_columns = false) {
    return (by_columns ? rows(t) : columns(t)) * static_cast<uint32_t>(ir::bytes(t)) / 4;
  }

  Value index(Type t) {
    if (t.lanes == 2) return b_.pack({i_, b_.u32(0)});
    return b_.convert(i_, t);
  }

  Value one_u32(size_t n) {
    if (row_.immediate == Immediate::place) {
      return b_.u32(n == 0 ? 0 : stride(case_.type, case_.variant != 0));
    }
    if (row_.immediate == Immediate::shared) return i_;
    return b_.builtin(ir::Builtin::subgroup_lane) ^ 1;
  }

  Value operand(size_t n) {
    switch (row_.operands.rules[n]) {
      case Operand::buffer:
        return buffer(case_.type, Access::read_write);
      case Operand::index:
        return index(case_.operands[n]);
      case Operand::one_u32:
        return one_u32(n);
      case Operand::one_element:  // alike in a subgroup
        return element_of(case_.type);
      case Operand::variable:
      case Operand::variable_sum:
      case Operand::variable_matrix: {
        const Type type = case_.operands[n];
        const Value set = input(type);
        variable_ = b_.append(Opcode::var_decl, type, {});
        b_.append(Opcode::var_store, type, {variable_, set});
        return variable_;
      }
      default:
        return input(case_.operands[n]);
    }
  }

  // ---- The instruction

  uint64_t immediate() const {
    switch (row_.immediate) {
      case Immediate::shared:
        return array_.index;
      case Immediate::place:
        return ir::matrix_place(array_.index, case_.variant != 0);
      default:
        return case_.variant;
    }
  }

  Value sampled() {
    if (case_.op == Opcode::param) return number_param();
    ir::Inst inst{case_.op, case_.type};
    for (size_t n = 0; n < case_.operands.size(); ++n) inst.args[n] = operand(n).id();
    inst.imm = immediate_ = immediate();
    return b_.append(inst);
  }

  // An if with an else, and a loop.
  void structured() {
    immediate_ = case_.variant;
    const Var sum = b_.var(input(ir::kU32));
    b_.if_(
        input(ir::kBool), [&] { sum.set(sum.get() + 1); }, [&] { sum.set(sum.get() * 3); });
    b_.for_range(
        b_.u32(0), input(ir::kU32), b_.u32(1), [&](Value n) { sum.set(sum.get() + n); },
        static_cast<ir::Unrolling>(case_.variant));
    keep_value(sum.get());
  }

  // ---- What it did

  void keep(Value v) {
    if (uses_array()) {
      b_.barrier();
      keep_array(array_, array_elements());
    } else if (memory(case_.op) == Memory::variable && row_.effect == Effect::writes) {
      keep_value(Var(&b_, variable_.id(), case_.operands[0]).get());
    } else if (case_.op == Opcode::var_decl) {
      const Var declared(&b_, v.id(), case_.type);
      declared.set(input(case_.type));
      keep_value(declared.get());
    }
    if (defines_value(case_.op)) keep_value(v);
  }

  void keep_value(Value v) {
    const Type t = v.type();
    if (is_matrix(t)) {
      const Shared array = b_.shared("kept", ir::kU32, kSlab);
      for (uint32_t at = 0; at < kSlab; at += kWidth) b_.shared_store(array, i_ + at, b_.u32(0));
      b_.barrier();
      b_.matrix_store(array, b_.u32(0), stride(t), v);
      b_.barrier();
      keep_array(array, kSlab);
    } else if (is_bool(t)) {
      keep_value(b_.convert(v, ir::with_scalar(t, Scalar::u32)));
    } else {
      b_.store(buffer(t, Access::write), i_, v);
    }
  }

  void keep_array(Shared array, uint32_t elements) {
    Value sum = b_.shared_load(array, i_);
    for (uint32_t at = kWidth; at < elements; at += kWidth) {
      sum = sum * 3 + b_.shared_load(array, i_ + at);
    }
    keep_value(sum);
  }

  const Case case_;
  const OpcodeInfo& row_;
  Builder b_;
  const Value i_;
  Shared array_;
  Value variable_;
  uint64_t immediate_ = 0;
  OpcodeSample sample_;
};

// ---- The cases of a row

bool is_possible(Opcode op, Type t) { return !is_matrix(t) || takes_matrices(op); }

// All tuples of operands that go with the ones there are.
void add_operands(Case c, size_t count, std::vector<Case>& cases) {
  const size_t n = c.operands.size();
  if (n == count) return cases.push_back(std::move(c));
  for (const Type t : all_types()) {
    const Type first = n == 0 ? t : c.operands[0];
    const Operand rule = info(c.op).operands.rules[n];
    if (!is_possible(c.op, t) || !check(rule, t, c.type, first).is_kept) continue;
    Case next = c;
    next.operands.push_back(t);
    add_operands(std::move(next), count, cases);
  }
}

// What the immediate of an instruction may be, in variants.
std::vector<uint64_t> variants(const Case& c) {
  switch (info(c.op).immediate) {
    case Immediate::literal:
      return {bits_of(c.type, is_bool(c.type) ? 1 : 3)};
    case Immediate::builtin: {
      std::vector<uint64_t> all(ir::kBuiltinCount);
      for (size_t i = 0; i < all.size(); ++i) all[i] = i;
      return all;
    }
    case Immediate::lane:
      return {0, uint64_t{c.operands[0].lanes} - 1};
    case Immediate::mask:
      return {1};
    case Immediate::place:
    case Immediate::unrolling:
    case Immediate::element:
      return {0, 1};
    default:
      return {0};
  }
}

}  // namespace

std::vector<Type> all_types() {
  std::vector<Type> types;
  for (const Type t : {ir::kBool, ir::kU32, ir::kS32, ir::kU64, ir::kS64, ir::kF32, ir::kF64}) {
    for (const int lanes : {1, 2, 4}) types.push_back(vec(t, lanes));
  }
  for (const Scalar s : {Scalar::f16, Scalar::bf16}) {
    for (const ir::Matrix use : {ir::Matrix::a, ir::Matrix::b}) types.push_back(factor(s, use));
  }
  for (const Scalar s : {Scalar::s8, Scalar::u8}) {
    for (const ir::Matrix use : {ir::Matrix::a, ir::Matrix::b}) {
      for (const uint32_t steps : {16u, 32u}) types.push_back(factor(s, use, steps));
    }
  }
  for (const Scalar s : {Scalar::f32, Scalar::s32, Scalar::u32}) types.push_back(accumulator(s));
  return types;
}

std::vector<OpcodeSample> opcode_samples(Opcode op, uint32_t subgroup_size) {
  std::vector<OpcodeSample> samples;
  for (const Type t : all_types()) {
    if (!is_possible(op, t) || !check(info(op).result, t).is_kept) continue;
    const ir::Inst inst{op, t};
    std::vector<Case> cases;
    add_operands({op, t, {}}, static_cast<size_t>(operand_count(inst)), cases);
    for (Case& c : cases) {
      for (const uint64_t variant : variants(c)) {
        c.variant = variant;
        samples.push_back(SampleBuilder(c, subgroup_size).finish());
      }
    }
  }
  return samples;
}

std::vector<std::byte> run_sample(const OpcodeSample& sample, const ir::Kernel& kernel,
                                  const InterpreterOptions& options) {
  std::vector<std::vector<std::byte>> memory = sample.arguments;
  std::vector<Argument> arguments;
  for (size_t i = 0; i < memory.size(); ++i) {
    const ir::Param& p = kernel.params[i];
    if (p.is_buffer) {
      arguments.push_back(Argument::buffer(memory[i]));
      continue;
    }
    // Lanes of 64 bits may have become two of 32.
    const bool is_split = p.type != sample.kernel.params[i].type;
    std::array<uint64_t, 4> lanes{};
    for (size_t lane = 0; lane < p.type.lanes; ++lane) {
      std::memcpy(&lanes[lane], &memory[i][is_split ? 4 * lane : 8 * lane], is_split ? 4 : 8);
    }
    arguments.push_back(Argument::number(lanes[0], lanes[1], lanes[2], lanes[3]));
  }
  run(kernel, {}, arguments, options);
  std::vector<std::byte> written;
  for (size_t i = 0; i < memory.size(); ++i) {
    const ir::Param& p = kernel.params[i];
    if (!p.is_buffer || p.access == Access::read) continue;
    written.insert(written.end(), memory[i].begin(), memory[i].end());
  }
  return written;
}

}  // namespace nxv::testing
