#include "testing/interpreter.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/scalar.h"
#include "testing/interpreter/arithmetic.h"
#include "testing/interpreter/shared_element.h"

namespace nxv::testing {
namespace {

using ir::Inst;
using ir::Opcode;
using ir::Type;

constexpr uint32_t kNobody = 0xffffffff;
constexpr uint32_t kElements = ir::kMatrixSide * ir::kMatrixSide;  // of a matrix

class Interpreter {
 public:
  Interpreter(const ir::Kernel& kernel, Groups groups, std::span<const Argument> arguments,
              const InterpreterOptions& options)
      : k_(kernel),
        groups_(groups),
        arguments_(arguments),
        options_(options),
        width_(kernel.local_size),
        active_(width_),
        iterations_(width_) {
    subgroup_size_ = options.subgroup_size ? options.subgroup_size
                     : k_.subgroup_size    ? k_.subgroup_size
                                           : 32;
    check_arguments();
    decode();
  }

  void run() {
    uint32_t linear = 0;
    for (group_[2] = 0; group_[2] < groups_.z; ++group_[2]) {
      for (group_[1] = 0; group_[1] < groups_.y; ++group_[1]) {
        for (group_[0] = 0; group_[0] < groups_.x; ++group_[0]) {
          first_invocation_ = width_ * linear++;
          run_group();
        }
      }
    }
  }

 private:
  struct SharedMemory {
    std::vector<uint64_t> lanes;  // element by element
    std::vector<SharedElement> elements;
  };

  [[noreturn]] void fail(Status status, const std::string& what) const {
    throw Error(status, "kernel " + k_.name + ", workgroup " + std::to_string(group_[0]) + " " +
                            std::to_string(group_[1]) + " " + std::to_string(group_[2]) + ": `" +
                            to_string(k_, at_) + "` " + what);
  }
  [[noreturn]] void fail_at(Status status, uint32_t invocation, const std::string& what) const {
    fail(status, what + " (invocation " + std::to_string(invocation) + ")");
  }

  void check_arguments() const {
    const auto refuse = [this](const std::string& what) {
      throw Error(Status::invalid_argument, "kernel " + k_.name + ": " + what);
    };
    if (arguments_.size() != k_.params.size()) {
      refuse("takes " + std::to_string(k_.params.size()) + " arguments, was given " +
             std::to_string(arguments_.size()));
    }
    for (size_t i = 0; i < arguments_.size(); ++i) {
      const ir::Param& p = k_.params[i];
      if (!p.is_buffer && arguments_[i].is_buffer()) refuse(p.name + " is no buffer");
      if (p.is_buffer && p.access != ir::Access::read && arguments_[i].size() &&
          !arguments_[i].is_writable()) {
        refuse(p.name + " is written but its argument is const");
      }
    }
    if (k_.subgroup_size && k_.subgroup_size != subgroup_size_) {
      refuse("was generated for subgroups of " + std::to_string(k_.subgroup_size));
    }
  }

  // ---- Preparation

  void decode() {
    const size_t n = k_.body.size();
    slots_.resize(n);
    ends_.resize(n);
    size_t at = 0;
    std::vector<uint32_t> open;
    for (uint32_t i = 0; i < n; ++i) {
      const Inst& inst = k_.body[i];
      slots_[i] = at;
      if (defines_value(inst.op) || inst.op == Opcode::var_decl) at += slot_size(inst.type);
      switch (inst.op) {
        case Opcode::if_begin:
        case Opcode::loop_begin:
          open.push_back(i);
          break;
        case Opcode::if_else:
        case Opcode::if_end:
        case Opcode::loop_end:
          ends_[open.back()] = i;
          open.pop_back();
          if (inst.op == Opcode::if_else) open.push_back(i);
          break;
        default:
          break;
      }
    }
    values_.resize(at);
    for (uint32_t i = 0; i < n; ++i) {
      const Inst& inst = k_.body[i];
      for (int lane = 0; lane < inst.type.lanes; ++lane) {
        uint64_t bits;
        if (inst.op == Opcode::constant) {
          bits = inst.imm;
        } else if (inst.op == Opcode::param && !k_.params[inst.imm].is_buffer) {
          bits = arguments_[inst.imm].lane(lane);
        } else {
          continue;
        }
        std::fill_n(value(i) + static_cast<uint32_t>(lane) * width_, width_, bits);
      }
    }
    shared_.resize(k_.shared.size());
    writers_.resize(k_.params.size());
    for (size_t i = 0; i < k_.params.size(); ++i) {
      if (k_.params[i].access != ir::Access::read) {
        writers_[i].assign(arguments_[i].size() / 4, kNobody);
      }
    }
  }

  // Numbers: lane by lane, one of each invocation. Matrices: one of each subgroup, by rows.
  size_t slot_size(Type t) const {
    if (!is_matrix(t)) return size_t{t.lanes} * width_;
    return size_t{kElements} * ((width_ + subgroup_size_ - 1) / subgroup_size_);
  }

  void run_group() {
    for (size_t i = 0; i < shared_.size(); ++i) {
      shared_[i].lanes.assign(size_t{k_.shared[i].count} * k_.shared[i].type.lanes, kPoison);
      shared_[i].elements.assign(k_.shared[i].count, {});
    }
    epoch_ = 1;
    std::fill(active_.begin(), active_.end(), uint8_t{1});
    std::fill(iterations_.begin(), iterations_.end(), 0u);
    execute(0, static_cast<uint32_t>(k_.body.size()));
  }

  // ---- Control flow

  bool any_active() const { return std::find(active_.begin(), active_.end(), 1) != active_.end(); }

  // Keeps the active invocations whose condition has the value.
  void narrow(uint32_t condition, uint64_t wanted) {
    const uint64_t* c = value(condition);
    for (uint32_t i = 0; i < width_; ++i) active_[i] &= c[i] == wanted;
  }

  // The instructions [begin, end) of one body; ends early when no invocation is left in it.
  void execute(uint32_t begin, uint32_t end) {
    for (uint32_t i = begin; i < end; ++i) {
      const Inst& inst = k_.body[i];
      at_ = i;
      switch (inst.op) {
        case Opcode::if_begin:
          i = execute_if(i);
          break;
        case Opcode::loop_begin:
          execute_loop(i);
          i = ends_[i];
          break;
        case Opcode::break_if:
          narrow(inst.args[0], 0);
          if (!any_active()) return;
          break;
        default:
          execute_inst(i);
      }
    }
  }

  uint32_t execute_if(uint32_t begin) {
    const uint32_t condition = k_.body[begin].args[0];
    const std::vector<uint8_t> before = active_;
    const uint32_t middle = ends_[begin];
    narrow(condition, 1);
    if (any_active()) execute(begin + 1, middle);
    active_ = before;
    if (k_.body[middle].op == Opcode::if_end) return middle;
    narrow(condition, 0);
    if (any_active()) execute(middle + 1, ends_[middle]);
    active_ = before;
    return ends_[middle];
  }

  void execute_loop(uint32_t begin) {
    const std::vector<uint8_t> before = active_;
    while (any_active()) {
      for (uint32_t i = 0; i < width_; ++i) {
        iterations_[i] += active_[i];
        if (iterations_[i] > options_.max_iterations) {
          at_ = begin;
          fail_at(Status::internal, i,
                  "runs more than " + std::to_string(options_.max_iterations) + " iterations");
        }
      }
      execute(begin + 1, ends_[begin]);
    }
    active_ = before;
  }

  // ---- Instructions

  uint64_t* value(uint32_t id) { return &values_[slots_[id]]; }

  // Pure operations are computed for inactive invocations too: nobody sees their results.
  void execute_inst(uint32_t i) {
    const Inst& inst = k_.body[i];
    if (is_matrix(inst.type)) return each_subgroup([&](uint32_t first) { matrix(i, first); });
    if (is_pure(inst.op)) {
      Evaluation e{inst.op, inst.type, inst.imm, {}, value(i), width_};
      for (int a = 0; a < operand_count(inst); ++a) {
        const uint32_t id = inst.args[static_cast<size_t>(a)];
        e.args[static_cast<size_t>(a)] = {value(id), k_.body[id].type};
      }
      evaluate(e, options_);
      return;
    }
    switch (inst.op) {
      case Opcode::builtin:
        return builtin(inst, value(i));
      case Opcode::var_decl: {
        const uint64_t undefined =
            inst.type.scalar == ir::Scalar::boolean ? 1 : kPoison & lane_mask(inst.type);
        return each_active_lane(inst.type, [&](size_t at) { value(i)[at] = undefined; });
      }
      case Opcode::var_load:
        std::copy_n(value(inst.args[0]), inst.type.lanes * width_, value(i));
        return;
      case Opcode::var_store:
        return each_active_lane(inst.type, [to = value(inst.args[0]), from = value(inst.args[1])](
                                               size_t at) { to[at] = from[at]; });
      case Opcode::load:
      case Opcode::store:
      case Opcode::atomic_load:
      case Opcode::atomic_store:
      case Opcode::atomic_add:
      case Opcode::atomic_min:
      case Opcode::atomic_max:
      case Opcode::atomic_or:
      case Opcode::atomic_exchange:
        for (uint32_t w = 0; w < width_; ++w) {
          if (active_[w]) access_buffer(i, w);
        }
        return;
      case Opcode::shared_load:
      case Opcode::shared_store:
      case Opcode::shared_atomic_add:
      case Opcode::shared_atomic_min:
      case Opcode::shared_atomic_max:
      case Opcode::shared_atomic_or:
      case Opcode::shared_atomic_exchange:
        for (uint32_t w = 0; w < width_; ++w) {
          if (active_[w]) access_shared(i, w);
        }
        return;
      case Opcode::barrier:
        for (uint32_t w = 0; w < width_; ++w) {
          if (!active_[w]) fail_at(Status::internal, w, "is not reached by every invocation");
        }
        ++epoch_;
        return;
      case Opcode::subgroup_add:
      case Opcode::subgroup_min:
      case Opcode::subgroup_max:
      case Opcode::subgroup_shuffle_xor:
      case Opcode::subgroup_shuffle:
      case Opcode::subgroup_broadcast_first:
      case Opcode::subgroup_ballot:
        return each_subgroup([&](uint32_t first) { subgroup(i, first); });
      default:
        return;  // constants and params were filled in; ends of bodies do nothing
    }
  }

  static uint64_t lane_mask(Type t) {
    return ir::bytes(element(t)) == 8 ? ~uint64_t{0} : 0xffffffff;
  }

  template <typename F>
  void each_active_lane(Type t, F f) {
    for (uint32_t lane = 0; lane < t.lanes; ++lane) {
      for (uint32_t w = 0; w < width_; ++w) {
        if (active_[w]) f(lane * width_ + w);
      }
    }
  }

  void builtin(const Inst& inst, uint64_t* out) const {
    using ir::Builtin;
    for (uint32_t w = 0; w < width_; ++w) {
      switch (static_cast<Builtin>(inst.imm)) {
        case Builtin::local_index:
          out[w] = w;
          break;
        case Builtin::group_x:
        case Builtin::group_y:
        case Builtin::group_z:
          out[w] = group_[inst.imm - static_cast<uint64_t>(Builtin::group_x)];
          break;
        case Builtin::groups_x:
          out[w] = groups_.x;
          break;
        case Builtin::groups_y:
          out[w] = groups_.y;
          break;
        case Builtin::groups_z:
          out[w] = groups_.z;
          break;
        case Builtin::subgroup_lane:
          out[w] = w % subgroup_size_;
          break;
        case Builtin::subgroup_index:
          out[w] = w / subgroup_size_;
          break;
        case Builtin::subgroup_size:
          out[w] = subgroup_size_;
          break;
      }
    }
  }

  // ---- Memory

  uint64_t element_index(uint32_t id, uint32_t w) {
    const Type t = k_.body[id].type;
    const uint64_t low = value(id)[w];
    if (t.lanes == 2) return low | value(id)[width_ + w] << 32;
    if (t == ir::kU32 && low >> 31) {
      fail_at(Status::out_of_bounds, w, "has a 32-bit index of " + std::to_string(low));
    }
    return low;
  }

  void access_buffer(uint32_t i, uint32_t w) {
    const Inst& inst = k_.body[i];
    const auto param = static_cast<uint32_t>(k_.body[inst.args[0]].imm);
    const Argument& buffer = arguments_[param];
    const auto size = static_cast<size_t>(ir::bytes(inst.type));
    const uint64_t index = element_index(inst.args[1], w);
    if (index >= buffer.size() / size) {
      fail_at(Status::out_of_bounds, w,
              "accesses element " + std::to_string(index) + " of " +
                  std::to_string(buffer.size() / size));
    }
    std::byte* at = buffer.data() + index * size;
    const size_t lane_size = size / inst.type.lanes;
    if (inst.op == Opcode::load) {
      if (written_by_others(param, index * size, size, w)) {
        fail_at(Status::internal, w, "reads what another invocation writes");
      }
      for (uint32_t lane = 0; lane < inst.type.lanes; ++lane) {
        uint64_t bits = 0;
        std::memcpy(&bits, at + lane * lane_size, lane_size);
        value(i)[lane * width_ + w] = bits;
      }
      return;
    }
    if (inst.op == Opcode::atomic_load) {
      uint64_t bits = 0;
      std::memcpy(&bits, at, 4);
      value(i)[w] = bits;
      return;
    }
    const uint64_t* stored = value(inst.args[2]);
    if (inst.op == Opcode::atomic_store) {
      std::memcpy(at, &stored[w], 4);
      return;
    }
    if (inst.op == Opcode::store) {
      const bool is_shared = written_by_others(param, index * size, size, w);
      for (uint32_t lane = 0; lane < inst.type.lanes; ++lane) {
        const uint64_t* bits = &stored[lane * width_ + w];
        if (is_shared && std::memcmp(at + lane * lane_size, bits, lane_size) != 0) {
          fail_at(Status::internal, w, "writes another value than another invocation");
        }
        std::memcpy(at + lane * lane_size, bits, lane_size);
      }
      std::vector<uint32_t>& writers = writers_[param];
      const size_t end = std::min((index + 1) * size / 4, writers.size());
      for (size_t word = index * size / 4; word < end; ++word) {
        writers[word] = first_invocation_ + w;
      }
      return;
    }
    uint64_t old = 0;
    std::memcpy(&old, at, 4);
    const uint64_t updated = changed(inst, old, stored[w]);
    std::memcpy(at, &updated, 4);
    value(i)[w] = old;
  }

  // What an atomic leaves.
  uint64_t changed(const Inst& inst, uint64_t old, uint64_t operand) const {
    const auto with = [&](Opcode op) { return combine(op, inst.type, old, operand, options_); };
    switch (inst.op) {
      case Opcode::atomic_add:
      case Opcode::shared_atomic_add:
        return with(Opcode::add);
      case Opcode::atomic_min:
      case Opcode::shared_atomic_min:
        return with(Opcode::min);
      case Opcode::atomic_max:
      case Opcode::shared_atomic_max:
        return with(Opcode::max);
      case Opcode::atomic_or:
      case Opcode::shared_atomic_or:
        return with(Opcode::bit_or);
      default:
        return operand;
    }
  }

  // Nothing orders the accesses of two invocations to a buffer within one dispatch.
  bool written_by_others(uint32_t param, size_t offset, size_t size, uint32_t w) const {
    const std::vector<uint32_t>& writers = writers_[param];
    const size_t end = std::min((offset + size) / 4, writers.size());
    for (size_t word = offset / 4; word < end; ++word) {
      if (writers[word] != kNobody && writers[word] != first_invocation_ + w) return true;
    }
    return false;
  }

  void access_shared(uint32_t i, uint32_t w) {
    const Inst& inst = k_.body[i];
    SharedMemory& memory = shared_[inst.imm];
    const uint64_t index = value(inst.args[0])[w];
    if (index >= memory.elements.size()) {
      fail_at(Status::out_of_bounds, w,
              "accesses element " + std::to_string(index) + " of " +
                  std::to_string(memory.elements.size()));
    }
    uint64_t* lanes = &memory.lanes[index * inst.type.lanes];
    if (inst.op == Opcode::shared_load) {
      check(memory.elements[index].read(w, epoch_), w);
      for (uint32_t lane = 0; lane < inst.type.lanes; ++lane) {
        value(i)[lane * width_ + w] = lanes[lane];
      }
      return;
    }
    const uint64_t* stored = value(inst.args[1]);
    if (inst.op != Opcode::shared_store) {
      check(memory.elements[index].change(w, epoch_), w);
      value(i)[w] = lanes[0];
      lanes[0] = changed(inst, lanes[0], stored[w]);
      return;
    }
    SharedElement& element = memory.elements[index];
    check(element.write(w, epoch_), w);
    for (uint32_t lane = 0; lane < inst.type.lanes; ++lane) {
      const uint64_t bits = stored[lane * width_ + w];
      if (element.others_wrote() && lanes[lane] != bits) {
        fail_at(Status::internal, w, "overwrites what another invocation wrote without a barrier");
      }
      lanes[lane] = bits;
    }
  }

  void check(const char* wrong, uint32_t w) const {
    if (wrong) fail_at(Status::internal, w, wrong);
  }

  // ---- Subgroups

  // Calls f with the first invocation of each subgroup that is active.
  template <typename F>
  void each_subgroup(F f) {
    for (uint32_t first = 0; first < width_; first += subgroup_size_) {
      const uint32_t end = std::min(first + subgroup_size_, width_);
      for (uint32_t w = first; w < end; ++w) {
        if (active_[w] != active_[first]) {
          fail_at(Status::internal, w, "is not reached by every invocation of the subgroup");
        }
      }
      if (active_[first]) f(first);
    }
  }

  void subgroup(uint32_t i, uint32_t first) {
    const uint32_t end = std::min(first + subgroup_size_, width_);
    const Inst& inst = k_.body[i];
    const uint64_t* in = value(inst.args[0]);
    uint64_t* out = value(i);
    if (inst.op == Opcode::subgroup_ballot) {
      std::array<uint64_t, 4> mask{};
      for (uint32_t w = first; w < end; ++w) mask[(w - first) / 32] |= in[w] << (w - first) % 32;
      for (uint32_t lane = 0; lane < 4; ++lane) {
        std::fill(out + lane * width_ + first, out + lane * width_ + end, mask[lane]);
      }
      return;
    }
    for (uint32_t lane = 0; lane < inst.type.lanes; ++lane, in += width_, out += width_) {
      switch (inst.op) {
        case Opcode::subgroup_broadcast_first:
          std::fill(out + first, out + end, in[first]);
          break;
        case Opcode::subgroup_shuffle_xor:
        case Opcode::subgroup_shuffle:
          for (uint32_t w = first; w < end; ++w) {
            const uint64_t source = inst.op == Opcode::subgroup_shuffle
                                        ? first + value(inst.args[1])[w]
                                        : first + ((w - first) ^ inst.imm);
            out[w] = source < end ? in[source] : kPoison & lane_mask(inst.type);
          }
          break;
        default: {
          const Opcode op = inst.op == Opcode::subgroup_add   ? Opcode::add
                            : inst.op == Opcode::subgroup_min ? Opcode::min
                                                              : Opcode::max;
          uint64_t sum = in[first];
          for (uint32_t w = first + 1; w < end; ++w) {
            sum = combine(op, inst.type, sum, in[w], options_);
          }
          std::fill(out + first, out + end, sum);
        }
      }
    }
  }

  // ---- Cooperative matrices

  uint64_t* matrix_value(uint32_t id, uint32_t first) {
    return value(id) + first / subgroup_size_ * kElements;
  }

  void matrix(uint32_t i, uint32_t first) {
    const Inst& inst = k_.body[i];
    const auto arg = [&](size_t n) { return matrix_value(inst.args[n], first); };
    const bool has_value = defines_value(inst.op) || inst.op == Opcode::var_decl;
    uint64_t* out = has_value ? matrix_value(i, first) : nullptr;
    switch (inst.op) {
      case Opcode::var_decl:
        std::fill_n(out, kElements, kPoison & (inst.type == ir::kAccumulator ? ~0u : 0xffffu));
        return;
      case Opcode::var_load:
        std::copy_n(arg(0), kElements, out);
        return;
      case Opcode::var_store:
        std::copy_n(arg(1), kElements, arg(0));
        return;
      case Opcode::matrix_fill:
        std::fill_n(out, kElements, uniform(inst.args[0], first));
        return;
      case Opcode::matrix_load:
        return each_element(inst, first, [&](size_t place, uint64_t& word, uint32_t shift) {
          out[place] = word >> shift & element_mask(inst.type);
        });
      case Opcode::matrix_store:
        return each_element(inst, first, [&](size_t place, uint64_t& word, uint32_t shift) {
          word &= ~(element_mask(inst.type) << shift);
          word |= arg(2)[place] << shift;
        });
      case Opcode::matrix_add:
        for (uint32_t e = 0; e < kElements; ++e) {
          out[e] = combine(Opcode::add, ir::kF32, arg(0)[e], arg(1)[e], options_);
        }
        return;
      default:
        return multiply_add(k_.body[inst.args[0]].type.scalar, arg(0), arg(1), arg(2), out);
    }
  }

  static uint64_t element_mask(Type t) { return ir::bytes(t) == 2 ? 0xffff : 0xffffffff; }

  // The value that all invocations of a subgroup have.
  uint64_t uniform(uint32_t id, uint32_t first) {
    const uint64_t* v = value(id);
    for (uint32_t w = first; w < std::min(first + subgroup_size_, width_); ++w) {
      if (v[w] != v[first]) fail_at(Status::internal, w, "has operands that differ in a subgroup");
    }
    return v[first];
  }

  // Calls f with the place of each element in the matrix, the lane of shared memory that it lies
  // in, and its first bit there.
  template <typename F>
  void each_element(const Inst& inst, uint32_t first, F f) {
    const uint32_t array = ir::matrix_shared(inst.imm);
    SharedMemory& memory = shared_[array];
    const Type unit = k_.shared[array].type;
    const auto bytes = static_cast<uint32_t>(ir::bytes(inst.type));
    const auto lane_bytes = static_cast<uint32_t>(ir::bytes(element(unit)));
    const uint64_t units = ir::kMatrixSide * bytes / (lane_bytes * unit.lanes);
    const uint64_t stride = uniform(inst.args[1], first);
    uint64_t begin = uniform(inst.args[0], first);
    for (uint32_t line = 0; line < ir::kMatrixSide; ++line, begin += stride) {
      if (begin + units > memory.elements.size()) {
        fail_at(Status::out_of_bounds, first,
                "accesses element " + std::to_string(begin + units - 1) + " of " +
                    std::to_string(memory.elements.size()));
      }
      for (uint64_t u = begin; u < begin + units; ++u) {
        SharedElement& element = memory.elements[u];
        const bool loads = inst.op == Opcode::matrix_load;
        check(loads ? element.read(first, epoch_) : element.write(first, epoch_), first);
        if (!loads && element.others_wrote()) {
          fail_at(Status::internal, first,
                  "overwrites what another invocation wrote without a barrier");
        }
      }
      for (uint32_t i = 0; i < ir::kMatrixSide; ++i) {
        const uint32_t at = i * bytes;
        const bool by_columns = ir::matrix_by_columns(inst.imm);
        f(by_columns ? i * ir::kMatrixSide + line : line * ir::kMatrixSide + i,
          memory.lanes[begin * unit.lanes + at / lane_bytes], at % lane_bytes * 8);
      }
    }
  }

  // The sixteen products and the accumulator are added up exactly, nearly, and rounded once.
  static void multiply_add(ir::Scalar factor, const uint64_t* a, const uint64_t* b,
                           const uint64_t* sum, uint64_t* out) {
    const auto number = [factor](uint64_t bits) {
      const auto half = static_cast<uint16_t>(bits);
      return to_double(load_scalar(factor == ir::Scalar::f16 ? DType::f16 : DType::bf16,
                                   reinterpret_cast<const std::byte*>(&half), 0));
    };
    std::array<double, kElements> x, y;
    std::transform(a, a + kElements, x.begin(), number);
    std::transform(b, b + kElements, y.begin(), number);
    for (uint32_t e = 0; e < kElements; ++e) {
      double total = std::bit_cast<float>(static_cast<uint32_t>(sum[e]));
      for (uint32_t k = 0; k < ir::kMatrixSide; ++k) {
        total += x[e / ir::kMatrixSide * ir::kMatrixSide + k] *
                 y[k * ir::kMatrixSide + e % ir::kMatrixSide];
      }
      out[e] = std::bit_cast<uint32_t>(static_cast<float>(total));
    }
  }

  const ir::Kernel& k_;
  const Groups groups_;
  const std::span<const Argument> arguments_;
  const InterpreterOptions& options_;
  const uint32_t width_;  // invocations of a workgroup
  uint32_t subgroup_size_;

  std::vector<size_t> slots_;   // where the values of an instruction start in values_
  std::vector<uint32_t> ends_;  // of an if_begin or if_else: the next marker of the same if
  std::vector<uint64_t> values_;

  std::array<uint32_t, 3> group_{};
  uint32_t first_invocation_ = 0;  // of the workgroup, in the dispatch
  uint32_t at_ = 0;                // instruction, for messages
  uint32_t epoch_ = 0;             // barriers passed
  std::vector<uint8_t> active_;
  std::vector<uint32_t> iterations_;
  std::vector<SharedMemory> shared_;
  std::vector<std::vector<uint32_t>> writers_;  // by param and 32-bit word
};

}  // namespace

void run(const ir::Kernel& kernel, Groups groups, std::span<const Argument> arguments,
         const InterpreterOptions& options) {
  Interpreter(kernel, groups, arguments, options).run();
}

}  // namespace nxv::testing
