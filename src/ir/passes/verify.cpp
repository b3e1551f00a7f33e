#include "ir/passes/verify.h"

#include <bit>
#include <cmath>

#include "base/error.h"
#include "ir/type_rules.h"

namespace nxv::ir {
namespace {

// Whether cooperative matrices have such elements and shapes.
bool is_possible(Type t) {
  if (t.lanes != 1 || t.m == 0 || t.n == 0) return false;
  if (kMatrixSide % t.m != 0 || kMatrixSide % t.n != 0) return false;
  if (t.matrix == Matrix::accumulator) {
    return t.steps == 0 && (t.scalar == Scalar::f32 || (is_integer(t) && bytes(t) == 4));
  }
  const bool is_deep = t.steps == 2 * kMatrixSide && bytes(t) == 1;
  return is_narrow(t) && (t.steps == kMatrixSide || is_deep);
}

// What a driver's compiler may fold wrongly.
bool is_dangerous_literal(Type t, uint64_t bits) {
  if (t.scalar == Scalar::f32) {
    const float v = std::bit_cast<float>(static_cast<uint32_t>(bits));
    return v == 0 || !std::isfinite(v);
  }
  const double v = std::bit_cast<double>(bits);
  return t.scalar == Scalar::f64 && (v == 0 || !std::isfinite(v));
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
      check_operand_types();
      check_immediate();
      check_access();
      check_scope();
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
  const Inst& arg(size_t i) const { return k_.body[inst().args[i]]; }
  Operand rule(int i) const { return info(inst().op).operands.rules[static_cast<size_t>(i)]; }

  void check_kernel() const {
    if (k_.local_size == 0) fail_kernel("the workgroup is empty");
    for (const Param& p : k_.params) {
      if (p.is_buffer ? p.type != kU64 : !is_number(p.type) || is_narrow(p.type)) {
        fail_kernel("param " + p.name + " is of type " + to_string(p.type));
      }
    }
    for (const SharedArray& s : k_.shared) {
      if (!is_number(s.type) || is_narrow(s.type) || s.count == 0) {
        fail_kernel("shared array " + s.name + " is empty or of type " + to_string(s.type));
      }
    }
  }

  void check_type() const {
    const Type t = inst().type;
    require(t.lanes == 1 || t.lanes == 2 || t.lanes == 4, "has a type that is not 1, 2 or 4 lanes");
    if (is_matrix(t)) {
      require(takes_matrices(inst().op), "cannot be a cooperative matrix");
      require(is_possible(t), "is a cooperative matrix of the wrong elements");
    } else {
      require(!is_narrow(t), "is of a type that only cooperative matrices have");
    }
    if (const RuleCheck c = check(info(inst().op).result, t); !c.is_kept) {
      fail("is of type " + to_string(t) + ", which must be " + c.must_be);
    }
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
      const bool wants_var = is_variable(rule(i));
      const bool wants_buffer = rule(i) == Operand::buffer;
      const bool is_buffer = a.op == Opcode::param && k_.params[a.imm].is_buffer;
      require(wants_var == (a.op == Opcode::var_decl),
              wants_var ? "does not name a variable" : "uses a variable as a value");
      require(wants_buffer == is_buffer,
              wants_buffer ? "does not name a buffer param" : "uses a buffer as a value");
      require(wants_var || defines_value(a.op), "uses an instruction that defines no value");
      require(!is_matrix(a.type) || takes_matrices(op), "uses a cooperative matrix as a value");
    }
  }

  void check_operand_types() const {
    const int count = operand_count(inst());
    for (int i = 0; i < count; ++i) {
      const Type t = arg(static_cast<size_t>(i)).type;
      const RuleCheck c = check(rule(i), t, inst().type, arg(0).type);
      if (c.is_kept) continue;
      fail("of type " + to_string(inst().type) + " has operand " + std::to_string(i + 1) +
           " of type " + to_string(t) + ", which must be " + c.must_be);
    }
  }

  void check_immediate() const {
    const Inst& in = inst();
    const Type t = in.type;
    switch (info(in.op).immediate) {
      case Immediate::none:
      case Immediate::mask:
        break;
      case Immediate::literal:
        require(is_bool(t) ? in.imm <= 1 : is_64_bit(t) || in.imm <= 0xffffffff,
                "has bits beyond its type");
        break;
      case Immediate::param:
        require(in.imm < k_.params.size(), "names no param");
        require(t == k_.params[in.imm].type, "is of another type than its param");
        break;
      case Immediate::builtin:
        require(in.imm < kBuiltinCount, "names no builtin");
        break;
      case Immediate::lane:
        require(in.imm < arg(0).type.lanes, "names no lane of a vector");
        break;
      case Immediate::shared:
        require(in.imm < k_.shared.size(), "names no shared array");
        require(t == k_.shared[in.imm].type, "is of another type than the shared array");
        break;
      case Immediate::place: {
        require(matrix_shared(in.imm) < k_.shared.size(), "names no shared array");
        const uint32_t line = matrix_by_columns(in.imm) ? rows(t) : columns(t);
        const int unit = bytes(k_.shared[matrix_shared(in.imm)].type);
        require(bytes(t) * static_cast<int>(line) % unit == 0,
                "has rows that are no whole number of elements of the shared array");
        break;
      }
      case Immediate::element:
        require(k_.subgroup_size > 0 && in.imm * k_.subgroup_size < elements(arg(0).type),
                "names no element of an invocation");
        break;
      case Immediate::unrolling:
        require(in.imm <= static_cast<uint64_t>(Unrolling::never), "is unrolled in no known way");
        break;
    }
  }

  void check_access() const {
    if (memory(inst().op) != Memory::buffer) return;
    const Access access = k_.params[arg(0).imm].access;
    const bool takes_value = operand_count(inst()) > 2;  // beside buffer and index
    if (!takes_value) {
      require(access != Access::write, "loads from a buffer that is write-only");
    } else {
      require(access != Access::read, "stores to a buffer that is read-only");
    }
  }

  // ---- Bodies

  void check_scope() {
    const bool is_inside = !scopes_.empty();
    const bool is_in_loop = is_inside && scopes_.back().is_loop;
    switch (inst().op) {
      case Opcode::if_begin:
      case Opcode::loop_begin:
        scopes_.push_back({at_, at_ + 1, inst().op == Opcode::loop_begin});
        break;
      case Opcode::if_else:
        require(is_inside && !is_in_loop, "is not inside an if");
        require(!scopes_.back().has_else, "is the second else of an if");
        hide_branch();
        scopes_.back().has_else = true;
        break;
      case Opcode::if_end:
        require(is_inside && !is_in_loop, "is not inside an if");
        hide_branch();
        scopes_.pop_back();
        break;
      case Opcode::loop_end:
        require(is_in_loop, "is not inside a loop");
        require(scopes_.back().has_break, "closes a loop without a break_if");
        hide_branch();
        scopes_.pop_back();
        break;
      case Opcode::break_if:
        require(is_in_loop, "is not directly inside a loop");
        scopes_.back().has_break = true;
        break;
      default:
        break;
    }
  }

  void hide_branch() {
    for (uint32_t i = scopes_.back().first; i < at_; ++i) visible_[i] = false;
    scopes_.back().first = at_ + 1;
  }

  // ---- Literals, followed through casts and vectors: the driver's compiler sees through them too

  void check_literals() {
    const Inst& in = inst();
    if (in.op == Opcode::constant) {
      literal_[at_] = at_;
    } else if (in.op == Opcode::bitcast || in.op == Opcode::extract) {
      literal_[at_] = literal_[in.args[0]];
    } else if (in.op == Opcode::pack) {
      for (size_t i = 0; i < in.type.lanes; ++i) {
        const uint32_t lane = literal_[in.args[i]];
        if (lane != kNone && is_dangerous(lane, in.type)) literal_[at_] = lane;
      }
    } else if (info(in.op).family == Family::arithmetic && is_float(in.type)) {
      const auto count = static_cast<size_t>(operand_count(in));
      for (size_t i = 0; i < count; ++i) {
        const uint32_t literal = literal_[in.args[i]];
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

  const Kernel& k_;
  uint32_t at_ = 0;
  std::vector<bool> visible_;
  std::vector<uint32_t> literal_;  // the constant behind a value, or kNone
  std::vector<Scope> scopes_;
};

}  // namespace

void verify(const Kernel& kernel) { Verifier(kernel).run(); }

}  // namespace nxv::ir
