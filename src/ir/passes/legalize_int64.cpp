#include "ir/passes/legalize_int64.h"

#include "base/error.h"
#include "ir/builder.h"
#include "ir/passes/wide.h"
#include "ir/passes/wide_words.h"

namespace nxv::ir {
namespace {

class Legalizer {
 public:
  explicit Legalizer(const Kernel& kernel)
      : k_(kernel),
        b_(kernel.name, kernel.local_size),
        values_(kernel.body.size()),
        wides_(kernel.body.size()) {}

  Kernel run() {
    b_.set_subgroup_size(k_.subgroup_size);
    for (const Param& p : k_.params) {
      if (is_split_in_memory(p.type)) {
        throw Error(Status::internal, "kernel " + k_.name + ": param " + p.name +
                                          " of four 64-bit integers has no 32-bit form");
      }
      params_.push_back(p.is_buffer       ? b_.buffer(p.name, p.access, p.is_restrict)
                        : is_wide(p.type) ? b_.param(p.name, words(p.type))
                                          : b_.param(p.name, p.type));
    }
    for (const SharedArray& s : k_.shared) {
      const uint32_t count = is_split_in_memory(s.type) ? 2 * s.count : s.count;
      shared_.push_back(b_.shared(s.name, is_wide(s.type) ? words(s.type) : s.type, count));
    }
    for (uint32_t i = 0; i < k_.body.size(); ++i) translate(i);
    return b_.finish();
  }

 private:
  // Defines either values_[i] or wides_[i], if the instruction defines something.
  void translate(uint32_t i) {
    const Inst& inst = k_.body[i];
    if (inst.op == Opcode::param) {
      values_[i] = params_[inst.imm];
      if (is_wide_number(i)) wides_[i] = split(params_[inst.imm]);
    } else if (is_wide(inst.type)) {
      wides_[i] = widened(inst);
    } else if (operand_count(inst) > 0 && is_wide_number(inst.args[0])) {
      values_[i] = narrowed(inst);
    } else {
      values_[i] = copied(inst);
    }
  }

  // Addresses of buffers are not integers of the kernel.
  bool is_wide_number(uint32_t id) const {
    const Inst& inst = k_.body[id];
    const bool is_buffer = inst.op == Opcode::param && k_.params[inst.imm].is_buffer;
    return is_wide(inst.type) && !is_buffer;
  }

  Value arg(const Inst& inst, size_t i) const { return values_[inst.args[i]]; }
  Wide wide(const Inst& inst, size_t i) const { return wides_[inst.args[i]]; }
  Type arg_type(const Inst& inst, size_t i) const { return k_.body[inst.args[i]].type; }

  [[noreturn]] void refuse(const Inst& inst) const {
    throw Error(Status::internal, "kernel " + k_.name + ": no 32-bit form of " +
                                      std::string(name(inst.op)) + " " + to_string(inst.type));
  }

  // ---- Instructions without 64-bit integers, but perhaps with a 64-bit index

  Value copied(const Inst& inst) {
    Inst copy = inst;
    const auto count = static_cast<size_t>(operand_count(inst));
    for (size_t i = 0; i < count; ++i) {
      const bool is_index = info(inst.op).operands.rules[i] == Operand::index;
      copy.args[i] = (is_index ? index(inst, i) : arg(inst, i)).id();
    }
    return b_.append(copy);
  }

  // 64-bit indices become pairs of halves.
  Value index(const Inst& inst, size_t i) {
    return is_wide(arg_type(inst, i)) ? joined(wide(inst, i)) : arg(inst, i);
  }

  // ---- Memory

  Wide wide_index(const Inst& inst, size_t i) {
    if (is_wide(arg_type(inst, i))) return wide(inst, i);
    const Value v = arg(inst, i);
    return v.type().lanes == 2 ? split(v) : wide_from_32(v);
  }
  // Index of the first or second half of four wide numbers.
  Value half_index(const Inst& inst, uint64_t half) {
    const Wide doubled = wide_shl(wide_index(inst, 1), b_.u32(1));
    return joined(wide_add(doubled, wide_constant(b_, half, 1)));
  }

  Wide load(const Inst& inst) {
    const Value buffer = arg(inst, 0);
    const Type t = words(inst.type);
    if (!is_split_in_memory(inst.type)) return split(b_.load(buffer, index(inst, 1), t));
    const Wide first = split(b_.load(buffer, half_index(inst, 0), t));
    return concatenated(first, split(b_.load(buffer, half_index(inst, 1), t)));
  }

  void store(const Inst& inst) {
    const Value buffer = arg(inst, 0);
    if (!is_split_in_memory(inst.type)) {
      b_.store(buffer, index(inst, 1), joined(wide(inst, 2)));
    } else {
      b_.store(buffer, half_index(inst, 0), joined(half_of(wide(inst, 2), 0)));
      b_.store(buffer, half_index(inst, 1), joined(half_of(wide(inst, 2), 1)));
    }
  }

  Wide shared_load(const Inst& inst) {
    const Shared s = shared_[inst.imm];
    const Value at = arg(inst, 0);
    if (!is_split_in_memory(inst.type)) return split(b_.shared_load(s, at));
    const Wide first = split(b_.shared_load(s, at << 1));
    return concatenated(first, split(b_.shared_load(s, (at << 1) + 1)));
  }

  void shared_store(const Inst& inst) {
    const Shared s = shared_[inst.imm];
    const Value at = arg(inst, 0);
    if (!is_split_in_memory(inst.type)) {
      b_.shared_store(s, at, joined(wide(inst, 1)));
    } else {
      b_.shared_store(s, at << 1, joined(half_of(wide(inst, 1), 0)));
      b_.shared_store(s, (at << 1) + 1, joined(half_of(wide(inst, 1), 1)));
    }
  }

  // A wide variable is two; its halves stand for it as those of a value.
  Wide declare(const Inst& inst) {
    const Type half = halves(inst.type);
    const Value low = b_.append(Opcode::var_decl, half, {});
    return {low, b_.append(Opcode::var_decl, half, {})};
  }
  Wide var_load(const Inst& inst) {
    const Wide var = wide(inst, 0);
    const Value low = b_.append(Opcode::var_load, var.low.type(), {var.low});
    return {low, b_.append(Opcode::var_load, var.high.type(), {var.high})};
  }
  void var_store(const Inst& inst) {
    const Wide var = wide(inst, 0), stored = wide(inst, 1);
    b_.append(Opcode::var_store, var.low.type(), {var.low, stored.low});
    b_.append(Opcode::var_store, var.high.type(), {var.high, stored.high});
  }

  // ---- Conversions

  Wide convert_to_wide(const Inst& inst) {
    const Type from = arg_type(inst, 0);
    if (is_wide(from)) return wide(inst, 0);
    const Value v = arg(inst, 0);
    if (is_float(from)) return wide_from_float(v, is_signed(inst.type));
    return wide_from_32(is_bool(from) ? b_.convert(v, halves(from)) : v);
  }

  Value convert_from_wide(const Inst& inst) {
    const Wide w = wide(inst, 0);
    if (is_bool(inst.type)) return (w.low | w.high) != 0;
    if (is_float(inst.type)) {
      return wide_to_float(w, is_signed(arg_type(inst, 0)), inst.type);
    }
    return b_.convert(w.low, inst.type);
  }

  // ---- Subgroups

  // Sums of 16-bit pieces stay below 2^32 for any subgroup; then the carries are added up.
  Wide subgroup_add(Wide w) {
    const auto sum = [this](Value piece) { return b_.subgroup(Opcode::subgroup_add, piece); };
    const Value s0 = sum(w.low & 0xffff);
    const Value s1 = sum(w.low >> 16);
    const Value s2 = sum(w.high & 0xffff);
    const Value s3 = sum(w.high >> 16);
    return wide_add({s0, s2 + (s3 << 16)}, {s1 << 16, s1 >> 16});
  }

  // The extreme high half, then the extreme low half among the lanes that have it.
  Wide subgroup_extreme(const Inst& inst) {
    const Wide w = wide(inst, 0);
    const Type half{is_signed(inst.type) ? Scalar::s32 : Scalar::u32, inst.type.lanes};
    const Value high =
        b_.bitcast(b_.subgroup(inst.op, b_.bitcast(w.high, half)), halves(inst.type));
    const Value neutral =
        b_.constant(halves(inst.type), inst.op == Opcode::subgroup_min ? 0xffffffff : 0);
    return {b_.subgroup(inst.op, b_.select(w.high == high, w.low, neutral)), high};
  }

  // ---- Values

  Wide pack(const Inst& inst) {
    std::array<Value, 4> low, high;
    for (size_t i = 0; i < inst.type.lanes; ++i) {
      low[i] = wide(inst, i).low;
      high[i] = wide(inst, i).high;
    }
    return {b_.pack(std::span(low.data(), inst.type.lanes)),
            b_.pack(std::span(high.data(), inst.type.lanes))};
  }

  // An instruction of a wide type. Stores define nothing.
  Wide widened(const Inst& inst) {
    const bool is_s64 = is_signed(inst.type);
    const auto x = [&] { return wide(inst, 0); };
    const auto y = [&] { return wide(inst, 1); };
    const auto each_half = [&](auto f) { return Wide{f(x().low, y().low), f(x().high, y().high)}; };
    switch (inst.op) {
      case Opcode::constant:
        return wide_constant(b_, inst.imm, inst.type.lanes);
      case Opcode::neg:
        return wide_neg(x());
      case Opcode::abs:
        return is_s64 ? wide_abs(x()) : x();
      case Opcode::add:
        return wide_add(x(), y());
      case Opcode::sub:
        return wide_sub(x(), y());
      case Opcode::mul:
        return wide_mul(x(), y());
      case Opcode::div:
        return wide_div(x(), y(), is_s64);
      case Opcode::rem:
        return wide_rem(x(), y(), is_s64);
      case Opcode::min:
        return wide_select(wide_lt(y(), x(), is_s64), y(), x());
      case Opcode::max:
        return wide_select(wide_lt(x(), y(), is_s64), y(), x());
      case Opcode::bit_and:
        return each_half([](Value a, Value b) { return a & b; });
      case Opcode::bit_or:
        return each_half([](Value a, Value b) { return a | b; });
      case Opcode::bit_xor:
        return each_half([](Value a, Value b) { return a ^ b; });
      case Opcode::bit_not:
        return {~x().low, ~x().high};
      case Opcode::shl:
        return wide_shl(x(), arg(inst, 1));
      case Opcode::shr:
        return wide_shr(x(), arg(inst, 1), is_s64);
      case Opcode::select:
        return wide_select(arg(inst, 0), wide(inst, 1), wide(inst, 2));
      case Opcode::convert:
        return convert_to_wide(inst);
      case Opcode::bitcast:
        return is_wide(arg_type(inst, 0)) ? x() : bitcast_to_wide(arg(inst, 0), inst.type);
      case Opcode::pack:
        return pack(inst);
      case Opcode::extract: {
        const int lane = static_cast<int>(inst.imm);
        return {b_.extract(x().low, lane), b_.extract(x().high, lane)};
      }
      case Opcode::var_decl:
        return declare(inst);
      case Opcode::var_load:
        return var_load(inst);
      case Opcode::var_store:
        return var_store(inst), Wide{};
      case Opcode::load:
        return load(inst);
      case Opcode::store:
        return store(inst), Wide{};
      case Opcode::shared_load:
        return shared_load(inst);
      case Opcode::shared_store:
        return shared_store(inst), Wide{};
      case Opcode::subgroup_add:
        return subgroup_add(x());
      case Opcode::subgroup_min:
      case Opcode::subgroup_max:
        return subgroup_extreme(inst);
      case Opcode::subgroup_shuffle_xor:
      case Opcode::subgroup_broadcast_first: {
        const auto mask = static_cast<uint32_t>(inst.imm);
        return {b_.subgroup(inst.op, x().low, mask), b_.subgroup(inst.op, x().high, mask)};
      }
      case Opcode::subgroup_shuffle:
        return {b_.subgroup_shuffle(x().low, arg(inst, 1)),
                b_.subgroup_shuffle(x().high, arg(inst, 1))};
      default:
        refuse(inst);
    }
  }

  // An instruction of another type on wide numbers.
  Value narrowed(const Inst& inst) {
    const Wide x = wide(inst, 0);
    const auto y = [&] { return wide(inst, 1); };
    const bool is_s64 = is_signed(arg_type(inst, 0));
    switch (inst.op) {
      case Opcode::eq:
        return wide_eq(x, y());
      case Opcode::ne:
        return !wide_eq(x, y());
      case Opcode::lt:
        return wide_lt(x, y(), is_s64);
      case Opcode::le:
        return !wide_lt(y(), x, is_s64);
      case Opcode::gt:
        return wide_lt(y(), x, is_s64);
      case Opcode::ge:
        return !wide_lt(x, y(), is_s64);
      case Opcode::clz:
        return wide_clz(x);
      case Opcode::popcount:
        return b_.unary(Opcode::popcount, x.low) + b_.unary(Opcode::popcount, x.high);
      case Opcode::convert:
        return convert_from_wide(inst);
      case Opcode::bitcast:
        return bitcast_from_wide(x, inst.type);
      default:
        refuse(inst);
    }
  }

  const Kernel& k_;
  Builder b_;
  std::vector<Value> params_;
  std::vector<Shared> shared_;
  // By instruction: what it became.
  std::vector<Value> values_;
  std::vector<Wide> wides_;
};

}  // namespace

Kernel legalize_int64(const Kernel& kernel) {
  return requirements(kernel).int64 ? Legalizer(kernel).run() : kernel;
}

}  // namespace nxv::ir
