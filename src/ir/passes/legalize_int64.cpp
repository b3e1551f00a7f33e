#include "ir/passes/legalize_int64.h"

#include "base/error.h"
#include "ir/builder.h"
#include "ir/passes/wide.h"

namespace nxv::ir {
namespace {

bool is_wide(Type t) { return t.scalar == Scalar::u64 || t.scalar == Scalar::s64; }
Type halves(Type t) { return {Scalar::u32, t.lanes}; }

// The u32 vector that a wide number is in memory. Four numbers are two of these.
Type words(Type t) { return vec(kU32, t.lanes == 4 ? 4 : 2 * t.lanes); }
bool is_split_in_memory(Type t) { return is_wide(t) && t.lanes == 4; }

class Legalizer {
 public:
  explicit Legalizer(const Kernel& kernel)
      : k_(kernel),
        b_(kernel.name, kernel.local_size),
        values_(kernel.body.size()),
        wides_(kernel.body.size()),
        vars_(kernel.body.size()),
        high_vars_(kernel.body.size()) {}

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
    find_ends();
    translate(0, static_cast<uint32_t>(k_.body.size()));
    return b_.finish();
  }

 private:
  void find_ends() {
    ends_.resize(k_.body.size());
    std::vector<uint32_t> open;
    for (uint32_t i = 0; i < k_.body.size(); ++i) {
      const Opcode op = k_.body[i].op;
      if (op == Opcode::if_else || op == Opcode::if_end || op == Opcode::loop_end) {
        ends_[open.back()] = i;
        open.pop_back();
      }
      if (op == Opcode::if_begin || op == Opcode::if_else || op == Opcode::loop_begin) {
        open.push_back(i);
      }
    }
  }

  void translate(uint32_t begin, uint32_t end) {
    for (uint32_t i = begin; i < end; ++i) {
      const Inst& inst = k_.body[i];
      switch (inst.op) {
        case Opcode::if_begin: {
          const uint32_t middle = ends_[i];
          const auto then = [&] { translate(i + 1, middle); };
          if (k_.body[middle].op == Opcode::if_end) {
            b_.if_(arg(inst, 0), then);
            i = middle;
          } else {
            b_.if_(arg(inst, 0), then, [&] { translate(middle + 1, ends_[middle]); });
            i = ends_[middle];
          }
          break;
        }
        case Opcode::loop_begin:
          b_.loop([&] { translate(i + 1, ends_[i]); }, static_cast<Unrolling>(inst.imm));
          i = ends_[i];
          break;
        case Opcode::break_if:
          b_.break_if(arg(inst, 0));
          break;
        case Opcode::barrier:
          b_.barrier();
          break;
        case Opcode::var_decl:
          vars_[i] = b_.var(is_wide(inst.type) ? halves(inst.type) : inst.type);
          if (is_wide(inst.type)) high_vars_[i] = b_.var(halves(inst.type));
          break;
        case Opcode::var_store:
          if (is_wide(inst.type)) {
            vars_[inst.args[0]].set(wide(inst, 1).low);
            high_vars_[inst.args[0]].set(wide(inst, 1).high);
          } else {
            vars_[inst.args[0]].set(arg(inst, 1));
          }
          break;
        case Opcode::store:
          store(inst);
          break;
        case Opcode::atomic_store:
          b_.atomic_store(arg(inst, 0), index(inst, 1), arg(inst, 2));
          break;
        case Opcode::shared_store:
          shared_store(inst);
          break;
        default:
          if (is_wide(inst.type) && inst.op != Opcode::param) {
            wides_[i] = wide_value(inst);
          } else {
            values_[i] = value(i);
          }
      }
    }
  }

  Value arg(const Inst& inst, size_t i) const { return values_[inst.args[i]]; }
  Wide wide(const Inst& inst, size_t i) const { return wides_[inst.args[i]]; }
  Type arg_type(const Inst& inst, size_t i) const { return k_.body[inst.args[i]].type; }

  // ---- Forms of a wide number

  // As u32 words, low half first, lane by lane; at most two lanes.
  Value joined(Wide w) {
    if (w.low.type().lanes == 1) return b_.pack({w.low, w.high});
    return b_.pack(
        {b_.extract(w.low, 0), b_.extract(w.high, 0), b_.extract(w.low, 1), b_.extract(w.high, 1)});
  }
  Wide split(Value words) {
    if (words.type().lanes == 2) return {b_.extract(words, 0), b_.extract(words, 1)};
    return {b_.pack({b_.extract(words, 0), b_.extract(words, 2)}),
            b_.pack({b_.extract(words, 1), b_.extract(words, 3)})};
  }
  Wide concatenated(Wide first, Wide second) {
    const auto both = [this](Value x, Value y) {
      return b_.pack({b_.extract(x, 0), b_.extract(x, 1), b_.extract(y, 0), b_.extract(y, 1)});
    };
    return {both(first.low, second.low), both(first.high, second.high)};
  }
  Wide half_of(Wide w, int half) {  // lanes 0 1 or 2 3 of four
    const auto pair = [this, half](Value v) {
      return b_.pack({b_.extract(v, 2 * half), b_.extract(v, 2 * half + 1)});
    };
    return {pair(w.low), pair(w.high)};
  }

  Value lane_bits(Wide w, int lane) {
    if (w.low.type().lanes == 1) return joined(w);
    return b_.pack({b_.extract(w.low, lane), b_.extract(w.high, lane)});
  }

  Value packed(std::span<const Value> lanes) {
    return lanes.size() == 1 ? lanes[0] : b_.pack(lanes);
  }

  // ---- Memory

  // 64-bit indices become pairs of halves.
  Value index(const Inst& inst, size_t i) {
    return is_wide(arg_type(inst, i)) ? joined(wide(inst, i)) : arg(inst, i);
  }
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
    if (!is_wide(inst.type)) {
      b_.store(buffer, index(inst, 1), arg(inst, 2));
    } else if (!is_split_in_memory(inst.type)) {
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
    if (!is_wide(inst.type)) {
      b_.shared_store(s, at, arg(inst, 1));
    } else if (!is_split_in_memory(inst.type)) {
      b_.shared_store(s, at, joined(wide(inst, 1)));
    } else {
      b_.shared_store(s, at << 1, joined(half_of(wide(inst, 1), 0)));
      b_.shared_store(s, (at << 1) + 1, joined(half_of(wide(inst, 1), 1)));
    }
  }

  // ---- Casts

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

  Wide bitcast_to_wide(const Inst& inst) {
    const Type from = arg_type(inst, 0);
    if (is_wide(from)) return wide(inst, 0);
    const Value v = arg(inst, 0);
    if (bytes(element(from)) == 4) return split(b_.bitcast(v, words(inst.type)));
    std::array<Value, 4> low, high;
    for (int i = 0; i < from.lanes; ++i) {
      const Value lane = from.lanes == 1 ? v : b_.extract(v, i);
      const Value bits = b_.bitcast(lane, vec(kU32, 2));
      low[static_cast<size_t>(i)] = b_.extract(bits, 0);
      high[static_cast<size_t>(i)] = b_.extract(bits, 1);
    }
    return {packed(std::span(low.data(), from.lanes)), packed(std::span(high.data(), from.lanes))};
  }

  Value bitcast_from_wide(const Inst& inst) {
    const Wide w = wide(inst, 0);
    if (bytes(element(inst.type)) == 4) return b_.bitcast(joined(w), inst.type);
    std::array<Value, 4> lanes;
    for (int i = 0; i < inst.type.lanes; ++i) {
      lanes[static_cast<size_t>(i)] = b_.bitcast(lane_bits(w, i), element(inst.type));
    }
    return packed(std::span(lanes.data(), inst.type.lanes));
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

  // An instruction with a wide result.
  Wide wide_value(const Inst& inst) {
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
        return bitcast_to_wide(inst);
      case Opcode::pack: {
        std::array<Value, 4> low, high;
        for (size_t i = 0; i < inst.type.lanes; ++i) {
          low[i] = wide(inst, i).low;
          high[i] = wide(inst, i).high;
        }
        return {b_.pack(std::span(low.data(), inst.type.lanes)),
                b_.pack(std::span(high.data(), inst.type.lanes))};
      }
      case Opcode::extract: {
        const int lane = static_cast<int>(inst.imm);
        return {b_.extract(x().low, lane), b_.extract(x().high, lane)};
      }
      case Opcode::var_load:
        return {vars_[inst.args[0]].get(), high_vars_[inst.args[0]].get()};
      case Opcode::load:
        return load(inst);
      case Opcode::shared_load:
        return shared_load(inst);
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
        throw Error(Status::internal, "kernel " + k_.name + ": no 32-bit form of " +
                                          std::string(name(inst.op)) + " " + to_string(inst.type));
    }
  }

  // A comparison of wide numbers.
  Value compare_wide(const Inst& inst) {
    const Wide x = wide(inst, 0);
    const Wide y = wide(inst, 1);
    const bool is_s64 = is_signed(arg_type(inst, 0));
    switch (inst.op) {
      case Opcode::eq:
        return wide_eq(x, y);
      case Opcode::ne:
        return !wide_eq(x, y);
      case Opcode::lt:
        return wide_lt(x, y, is_s64);
      case Opcode::ge:
        return !wide_lt(x, y, is_s64);
      case Opcode::gt:
        return wide_lt(y, x, is_s64);
      default:
        return !wide_lt(y, x, is_s64);
    }
  }

  // An instruction with a narrow result, or a param.
  Value value(uint32_t i) {
    const Inst& inst = k_.body[i];
    if (inst.op == Opcode::param) return param(i);
    if (operand_count(inst) > 0 && is_wide_number(inst.args[0])) {
      switch (inst.op) {
        case Opcode::clz:
          return wide_clz(wide(inst, 0));
        case Opcode::popcount:
          return b_.unary(Opcode::popcount, wide(inst, 0).low) +
                 b_.unary(Opcode::popcount, wide(inst, 0).high);
        case Opcode::convert:
          return convert_from_wide(inst);
        case Opcode::bitcast:
          return bitcast_from_wide(inst);
        default:
          return compare_wide(inst);
      }
    }
    return copy(inst);
  }

  bool is_wide_number(uint32_t id) const {
    const Inst& inst = k_.body[id];
    const bool is_buffer = inst.op == Opcode::param && k_.params[inst.imm].is_buffer;
    return is_wide(inst.type) && !is_buffer;
  }

  Value param(uint32_t i) {
    const Inst& inst = k_.body[i];
    if (is_wide_number(i)) wides_[i] = split(params_[inst.imm]);
    return params_[inst.imm];
  }

  Value copy(const Inst& inst) {
    const auto x = [&] { return arg(inst, 0); };
    const auto y = [&] { return arg(inst, 1); };
    switch (inst.op) {
      case Opcode::constant:
        return b_.constant(inst.type, inst.imm);
      case Opcode::builtin:
        return b_.builtin(static_cast<Builtin>(inst.imm));
      case Opcode::fma:
        return b_.fma(x(), y(), arg(inst, 2));
      case Opcode::eq:
      case Opcode::ne:
      case Opcode::lt:
      case Opcode::le:
      case Opcode::gt:
      case Opcode::ge:
        return b_.compare(inst.op, x(), y());
      case Opcode::select:
        return b_.select(x(), y(), arg(inst, 2));
      case Opcode::convert:
        return b_.convert(x(), inst.type);
      case Opcode::bitcast:
        return b_.bitcast(x(), inst.type);
      case Opcode::pack: {
        std::array<Value, 4> lanes;
        for (size_t i = 0; i < inst.type.lanes; ++i) lanes[i] = arg(inst, i);
        return b_.pack(std::span(lanes.data(), inst.type.lanes));
      }
      case Opcode::extract:
        return b_.extract(x(), static_cast<int>(inst.imm));
      case Opcode::var_load:
        return vars_[inst.args[0]].get();
      case Opcode::load:
        return b_.load(x(), index(inst, 1), inst.type);
      case Opcode::atomic_load:
        return b_.atomic_load(x(), index(inst, 1), inst.type);
      case Opcode::atomic_add:
      case Opcode::atomic_min:
      case Opcode::atomic_max:
      case Opcode::atomic_or:
      case Opcode::atomic_exchange:
        return b_.atomic(inst.op, x(), index(inst, 1), arg(inst, 2));
      case Opcode::shared_load:
        return b_.shared_load(shared_[inst.imm], x());
      case Opcode::shared_atomic_add:
      case Opcode::shared_atomic_min:
      case Opcode::shared_atomic_max:
      case Opcode::shared_atomic_or:
      case Opcode::shared_atomic_exchange:
        return b_.shared_atomic(inst.op, shared_[inst.imm], x(), y());
      case Opcode::subgroup_shuffle:
        return b_.subgroup_shuffle(x(), y());
      case Opcode::subgroup_add:
      case Opcode::subgroup_min:
      case Opcode::subgroup_max:
      case Opcode::subgroup_shuffle_xor:
      case Opcode::subgroup_broadcast_first:
      case Opcode::subgroup_ballot:
        return b_.subgroup(inst.op, x(), static_cast<uint32_t>(inst.imm));
      default:
        return operand_count(inst) == 1 ? b_.unary(inst.op, x()) : b_.binary(inst.op, x(), y());
    }
  }

  const Kernel& k_;
  Builder b_;
  std::vector<Value> params_;
  std::vector<Shared> shared_;
  std::vector<uint32_t> ends_;  // of a marker that opens a body
  // By instruction: what it became.
  std::vector<Value> values_;
  std::vector<Wide> wides_;
  std::vector<Var> vars_, high_vars_;
};

}  // namespace

Kernel legalize_int64(const Kernel& kernel) {
  return requirements(kernel).int64 ? Legalizer(kernel).run() : kernel;
}

}  // namespace nxv::ir
