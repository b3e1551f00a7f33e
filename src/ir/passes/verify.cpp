#include <bit>
#include <cmath>

#include "base/error.h"
#include "ir/kernel.h"

namespace nxv::ir {
namespace {

bool is_number(Type t) { return is_float(t) || is_integer(t); }
bool is_bool(Type t) { return t.scalar == Scalar::boolean; }
bool is_f16_or_bf16(Type t) { return t.scalar == Scalar::f16 || t.scalar == Scalar::bf16; }
bool is_64_bit(Type t) { return !is_bool(t) && bytes(element(t)) == 8; }

// What a driver's compiler may fold wrongly, see kernel.h.
bool is_dangerous_literal(Type t, uint64_t bits) {
  if (t.scalar == Scalar::f32) {
    const float v = std::bit_cast<float>(static_cast<uint32_t>(bits));
    return v == 0 || !std::isfinite(v);
  }
  const double v = std::bit_cast<double>(bits);
  return t.scalar == Scalar::f64 && (v == 0 || !std::isfinite(v));
}

bool is_float_arithmetic(const Inst& inst) {
  return is_float(inst.type) && inst.op >= Opcode::neg && inst.op <= Opcode::fma;
}

class Verifier {
 public:
  explicit Verifier(const Kernel& kernel)
      : k_(kernel), visible_(kernel.body.size()), literal_(kernel.body.size(), kNone) {}

  void run() {
    check_kernel();
    for (at_ = 0; at_ < k_.body.size(); ++at_) {
      check_type();
      check_operands();
      check_inst();
      check_literals();
      visible_[at_] = true;
    }
    if (!scopes_.empty()) {
      at_ = scopes_.back().begin;
      fail("is never closed");
    }
  }

 private:
  struct Scope {
    uint32_t begin;  // marker
    uint32_t first;  // first instruction of the current branch
    bool is_loop;
    bool has_else = false;
    bool has_break = false;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Status::internal, "kernel " + k_.name + ": `" + to_string(k_, at_) + "` " + what);
  }
  void require(bool condition, const char* what) const {
    if (!condition) fail(what);
  }
  [[noreturn]] void fail_kernel(const std::string& what) const {
    throw Error(Status::internal, "kernel " + k_.name + ": " + what);
  }

  const Inst& inst() const { return k_.body[at_]; }
  const Inst& arg(int i) const { return k_.body[inst().args[static_cast<size_t>(i)]]; }
  Type arg_type(int i) const { return arg(i).type; }

  void check_kernel() const {
    if (k_.local_size == 0) fail_kernel("the workgroup is empty");
    for (const Param& p : k_.params) {
      if (p.is_buffer ? p.type != kU64 : !is_number(p.type) || is_f16_or_bf16(p.type)) {
        fail_kernel("param " + p.name + " is of type " + to_string(p.type));
      }
    }
    for (const SharedArray& s : k_.shared) {
      if (!is_number(s.type) || is_f16_or_bf16(s.type) || s.count == 0) {
        fail_kernel("shared array " + s.name + " is empty or of type " + to_string(s.type));
      }
    }
  }

  void check_type() const {
    const Type t = inst().type;
    require(t.lanes == 1 || t.lanes == 2 || t.lanes == 4, "has a type that is not 1, 2 or 4 lanes");
    if (!is_matrix(t)) {
      return require(!is_f16_or_bf16(t), "is of a type that only cooperative matrices have");
    }
    require(takes_matrices(inst().op), "cannot be a cooperative matrix");
    const bool sums = t.matrix == Matrix::accumulator;
    require(t.lanes == 1 && (sums ? t.scalar == Scalar::f32 : is_f16_or_bf16(t)),
            "is a cooperative matrix of the wrong elements");
  }

  static bool takes_matrices(Opcode op) {
    return (op >= Opcode::var_decl && op <= Opcode::var_store) ||
           (op >= Opcode::matrix_fill && op <= Opcode::matrix_add);
  }

  // Operands exist, are in scope, and are a value, a variable or a buffer as the opcode wants.
  void check_operands() const {
    const Opcode op = inst().op;
    const int count = operand_count(inst());
    for (int i = 0; i < 4; ++i) {
      const uint32_t id = inst().args[static_cast<size_t>(i)];
      if (i >= count) {
        require(id == kNone, "has too many operands");
        continue;
      }
      require(id < at_, "uses an operand that is not an earlier instruction");
      require(visible_[id], "uses a value outside of the body that defines it");
      const Inst& a = k_.body[id];
      const bool wants_var = i == 0 && (op == Opcode::var_load || op == Opcode::var_store);
      const bool wants_buffer = i == 0 && op >= Opcode::load && op <= Opcode::atomic_exchange;
      const bool is_buffer = a.op == Opcode::param && k_.params[a.imm].is_buffer;
      require(wants_var == (a.op == Opcode::var_decl),
              wants_var ? "does not name a variable" : "uses a variable as a value");
      require(wants_buffer == is_buffer,
              wants_buffer ? "does not name a buffer param" : "uses a buffer as a value");
      require(wants_var || defines_value(a.op), "uses an instruction that defines no value");
      require(!is_matrix(a.type) || takes_matrices(op), "uses a cooperative matrix as a value");
    }
  }

  void check_same_type(int operands) const {
    for (int i = 0; i < operands; ++i) {
      require(arg_type(i) == inst().type, "has an operand of another type than its result");
    }
  }

  void check_lanes(int i) const {
    require(arg_type(i).lanes == inst().type.lanes, "has an operand with another number of lanes");
  }

  void check_condition() const { require(arg_type(0) == kBool, "needs a boolean condition"); }

  void check_inst() {
    const Inst& in = inst();
    const Type t = in.type;
    switch (in.op) {
      case Opcode::constant:
        require(is_bool(t)     ? in.imm <= 1
                : is_64_bit(t) ? true
                               : in.imm <= 0xffffffff,
                "has bits beyond its type");
        break;
      case Opcode::param:
        require(in.imm < k_.params.size(), "names no param");
        require(t == k_.params[in.imm].type, "is of another type than its param");
        break;
      case Opcode::builtin:
        require(in.imm <= static_cast<uint64_t>(Builtin::subgroup_size), "names no builtin");
        require(t == kU32, "is not u32");
        break;

      case Opcode::neg:
      case Opcode::abs:
        require(is_number(t), "needs a number");
        check_same_type(1);
        break;
      case Opcode::sqrt:
        require(is_float(t), "needs a float");
        check_same_type(1);
        break;
      case Opcode::floor:
      case Opcode::ceil:
      case Opcode::trunc:
      case Opcode::round_even:
        require(t.scalar == Scalar::f32, "needs f32 (see math/rounding.cpp)");
        check_same_type(1);
        break;
      case Opcode::add:
      case Opcode::sub:
      case Opcode::mul:
      case Opcode::div:
      case Opcode::rem:
      case Opcode::min:
      case Opcode::max:
        require(is_number(t), "needs numbers");
        check_same_type(2);
        break;
      case Opcode::mul_hi:
        require(is_integer(t) && !is_64_bit(t), "needs 32-bit integers");
        check_same_type(2);
        break;
      case Opcode::fma:
        require(is_float(t), "needs floats");
        check_same_type(3);
        break;

      case Opcode::bit_and:
      case Opcode::bit_or:
      case Opcode::bit_xor:
        require(is_integer(t), "needs integers");
        check_same_type(2);
        break;
      case Opcode::bit_not:
        require(is_integer(t), "needs an integer");
        check_same_type(1);
        break;
      case Opcode::shl:
      case Opcode::shr:
        require(is_integer(t), "needs an integer");
        check_same_type(1);
        require(arg_type(1).scalar == Scalar::u32, "needs a shift amount of type u32");
        if (arg_type(1).lanes != 1) check_lanes(1);
        break;
      case Opcode::clz:
      case Opcode::popcount:
        require(t.scalar == Scalar::u32, "is not u32");
        require(is_integer(arg_type(0)) && !is_signed(arg_type(0)), "needs an unsigned integer");
        check_lanes(0);
        break;

      case Opcode::eq:
      case Opcode::ne:
      case Opcode::lt:
      case Opcode::le:
      case Opcode::gt:
      case Opcode::ge: {
        const bool equality = in.op == Opcode::eq || in.op == Opcode::ne;
        require(is_bool(t), "is not boolean");
        require(arg_type(0) == arg_type(1), "compares two types");
        require(equality || is_number(arg_type(0)), "orders booleans");
        check_lanes(0);
        break;
      }
      case Opcode::logical_and:
      case Opcode::logical_or:
        require(is_bool(t), "needs booleans");
        check_same_type(2);
        break;
      case Opcode::logical_not:
        require(is_bool(t), "needs a boolean");
        check_same_type(1);
        break;
      case Opcode::select:
        require(is_bool(arg_type(0)), "needs a boolean condition");
        if (arg_type(0).lanes != 1) check_lanes(0);
        require(arg_type(1) == t && arg_type(2) == t,
                "has an operand of another type than its result");
        break;

      case Opcode::convert:
        check_lanes(0);
        break;
      case Opcode::bitcast:
        require(!is_bool(t) && !is_bool(arg_type(0)), "casts a boolean");
        require(bytes(t) == bytes(arg_type(0)), "casts between different widths");
        break;
      case Opcode::pack_half:
        require(t == kU32 && arg_type(0) == vec(kF32, 2), "packs no pair of f32 into u32");
        break;
      case Opcode::pack:
        require(t.lanes > 1, "is not a vector");
        for (int i = 0; i < t.lanes; ++i) {
          require(arg_type(i) == element(t), "has a lane of another type than its result");
        }
        break;
      case Opcode::extract:
        require(element(arg_type(0)) == t, "is of another type than the vector's lanes");
        require(in.imm < arg_type(0).lanes && arg_type(0).lanes > 1, "names no lane of a vector");
        break;

      case Opcode::var_decl:
        break;
      case Opcode::var_load:
        check_same_type(1);
        break;
      case Opcode::var_store:
        check_same_type(2);
        break;

      case Opcode::load:
      case Opcode::store:
      case Opcode::atomic_load:
      case Opcode::atomic_store:
      case Opcode::atomic_add:
      case Opcode::atomic_min:
      case Opcode::atomic_max:
      case Opcode::atomic_or:
      case Opcode::atomic_exchange:
        check_memory();
        break;
      case Opcode::shared_load:
      case Opcode::shared_store:
      case Opcode::shared_atomic_add:
      case Opcode::shared_atomic_min:
      case Opcode::shared_atomic_max:
      case Opcode::shared_atomic_or:
      case Opcode::shared_atomic_exchange:
        require(in.imm < k_.shared.size(), "names no shared array");
        require(t == k_.shared[in.imm].type, "is of another type than the shared array");
        require(arg_type(0) == kU32, "needs an index of type u32");
        if (in.op != Opcode::shared_load) {
          require(arg_type(1) == t, "stores a value of another type");
        }
        if (in.op != Opcode::shared_load && in.op != Opcode::shared_store) {
          require(t == kU32 || t == kS32, "needs a value of type u32 or s32");
        }
        break;
      case Opcode::barrier:
        break;

      case Opcode::subgroup_add:
      case Opcode::subgroup_min:
      case Opcode::subgroup_max:
      case Opcode::subgroup_shuffle_xor:
      case Opcode::subgroup_broadcast_first:
        require(is_number(t), "needs a number");
        check_same_type(1);
        break;
      case Opcode::subgroup_shuffle:
        require(is_number(t), "needs a number");
        check_same_type(1);
        require(arg_type(1) == kU32, "needs a lane of type u32");
        break;
      case Opcode::subgroup_ballot:
        require(t == vec(kU32, 4), "is not u32x4");
        check_condition();
        break;

      case Opcode::matrix_fill:
        require(t == kAccumulator && arg_type(0) == kF32, "fills no accumulator with f32");
        break;
      case Opcode::matrix_load:
      case Opcode::matrix_store:
        check_matrix_place();
        break;
      case Opcode::matrix_multiply_add:
        require(t == kAccumulator && arg_type(2) == t, "is no accumulator");
        require(arg_type(0).matrix == Matrix::a && arg_type(1).matrix == Matrix::b &&
                    arg_type(0).scalar == arg_type(1).scalar,
                "multiplies what are not two factors of one type");
        break;
      case Opcode::matrix_add:
        require(t == kAccumulator, "is no accumulator");
        check_same_type(2);
        break;

      case Opcode::if_begin:
        check_condition();
        open(false);
        break;
      case Opcode::loop_begin:
        open(true);
        break;
      case Opcode::if_else:
        require(!scopes_.empty() && !scopes_.back().is_loop, "is not inside an if");
        require(!scopes_.back().has_else, "is the second else of an if");
        hide_branch();
        scopes_.back().has_else = true;
        break;
      case Opcode::if_end:
        require(!scopes_.empty() && !scopes_.back().is_loop, "is not inside an if");
        hide_branch();
        scopes_.pop_back();
        break;
      case Opcode::loop_end:
        require(!scopes_.empty() && scopes_.back().is_loop, "is not inside a loop");
        require(scopes_.back().has_break, "closes a loop without a break_if");
        hide_branch();
        scopes_.pop_back();
        break;
      case Opcode::break_if:
        check_condition();
        require(!scopes_.empty() && scopes_.back().is_loop, "is not directly inside a loop");
        scopes_.back().has_break = true;
        break;
    }
  }

  void check_matrix_place() const {
    const Inst& in = inst();
    require(is_matrix(in.type), "is no cooperative matrix");
    require(matrix_shared(in.imm) < k_.shared.size(), "names no shared array");
    const int unit = bytes(k_.shared[matrix_shared(in.imm)].type);
    require(bytes(in.type) * static_cast<int>(kMatrixSide) % unit == 0,
            "has rows that are no whole number of elements of the shared array");
    require(arg_type(0) == kU32 && arg_type(1) == kU32, "needs an index and a stride of type u32");
    if (in.op == Opcode::matrix_store) {
      require(arg_type(2) == in.type, "stores a matrix of another type");
    }
  }

  void check_memory() const {
    const Inst& in = inst();
    const Access access = k_.params[arg(0).imm].access;
    require(is_number(in.type), "is of a type without a size in memory");
    require(arg_type(1) == kU32 || arg_type(1) == kU64 || arg_type(1) == vec(kU32, 2),
            "needs an index of type u32 or u64");
    if (in.op != Opcode::load && in.op != Opcode::store) {
      require(in.type == kU32 || in.type == kS32, "needs a value of type u32 or s32");
    }
    if (in.op == Opcode::load || in.op == Opcode::atomic_load) {
      require(access != Access::write, "loads from a buffer that is write-only");
      return;
    }
    require(arg_type(2) == in.type, "stores a value of another type");
    require(access != Access::read, "stores to a buffer that is read-only");
  }

  // Literals are followed through casts and vectors: the driver's compiler sees through them too.
  void check_literals() {
    const Inst& in = inst();
    if (in.op == Opcode::constant) {
      literal_[at_] = at_;
    } else if (in.op == Opcode::bitcast || in.op == Opcode::extract) {
      literal_[at_] = literal_[in.args[0]];
    } else if (in.op == Opcode::pack) {
      for (int i = 0; i < in.type.lanes; ++i) {
        const uint32_t lane = literal_[in.args[static_cast<size_t>(i)]];
        if (lane != kNone && is_dangerous(lane, in.type)) literal_[at_] = lane;
      }
    } else if (is_float_arithmetic(in)) {
      for (int i = 0; i < operand_count(in); ++i) {
        const uint32_t literal = literal_[in.args[static_cast<size_t>(i)]];
        require(literal == kNone || !is_dangerous(literal, in.type),
                "does float arithmetic on a literal 0, Inf or NaN; read it from a param "
                "(Builder::zero)");
      }
    }
  }
  bool is_dangerous(uint32_t literal, Type as) const {
    const Inst& c = k_.body[literal];
    if (is_bool(c.type)) return false;
    if (is_64_bit(c.type) != is_64_bit(as)) return c.imm == 0;  // halves of a number
    return is_dangerous_literal(as, c.imm);
  }

  void open(bool is_loop) { scopes_.push_back({at_, at_ + 1, is_loop}); }

  void hide_branch() {
    for (uint32_t i = scopes_.back().first; i < at_; ++i) visible_[i] = false;
    scopes_.back().first = at_ + 1;
  }

  const Kernel& k_;
  uint32_t at_ = 0;
  std::vector<bool> visible_;
  std::vector<uint32_t> literal_;  // the constant behind a value, or kNone
  std::vector<Scope> scopes_;
};

}  // namespace

void verify(const Kernel& kernel) { Verifier(kernel).run(); }

}  // namespace nxv::ir
