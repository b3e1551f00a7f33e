// Atomics of buffers and of shared arrays, on words. They are no race with each other.
#include <cstring>

#include "testing/interpreter/accesses.h"
#include "testing/interpreter/arithmetic.h"
#include "testing/interpreter/evaluations.h"

namespace nxv::testing::evaluations {
namespace {

using ir::Opcode;

uint64_t word_at(const std::byte* at) {
  uint32_t word;
  std::memcpy(&word, at, 4);
  return word;
}
void set_word(std::byte* at, uint64_t v) {
  const auto word = static_cast<uint32_t>(v);
  std::memcpy(at, &word, 4);
}

// Replaces each place by updated(old, operand), one active invocation after the other.
template <typename F>
void change(Execution& s, F updated) {
  if (memory(s.inst.op) == ir::Memory::buffer) {
    s.m.each_active([&](uint32_t w) {
      const BufferElement e = buffer_element(s, w);
      const uint64_t old = word_at(e.at);
      set_word(e.at, updated(old, s.arg(2)[w]));
      s.out[w] = old;
    });
  } else {
    s.m.each_active([&](uint32_t w) {
      const SharedPlace p = shared_place(s, w);
      s.m.check(p.element.change(s.m.moment(w)), w);
      s.out[w] = *p.lanes;
      *p.lanes = updated(*p.lanes, s.arg(1)[w]);
    });
  }
}

void change_by(Execution& s, Opcode op) {
  change(s, [&](uint64_t old, uint64_t operand) {
    return combine(op, s.inst.type, old, operand, s.m.options);
  });
}
void unite(Execution& s) {
  change(s, [](uint64_t old, uint64_t operand) { return old | operand; });
}
void replace(Execution& s) {
  change(s, [](uint64_t, uint64_t operand) { return operand; });
}

}  // namespace

void atomic_load(Execution& s) {
  s.m.each_active([&](uint32_t w) { s.out[w] = word_at(buffer_element(s, w).at); });
}
void atomic_store(Execution& s) {
  s.m.each_active([&](uint32_t w) { set_word(buffer_element(s, w).at, s.arg(2)[w]); });
}

void atomic_add(Execution& s) { change_by(s, Opcode::add); }
void atomic_min(Execution& s) { change_by(s, Opcode::min); }
void atomic_max(Execution& s) { change_by(s, Opcode::max); }
void atomic_or(Execution& s) { unite(s); }
void atomic_exchange(Execution& s) { replace(s); }

void shared_atomic_add(Execution& s) { change_by(s, Opcode::add); }
void shared_atomic_min(Execution& s) { change_by(s, Opcode::min); }
void shared_atomic_max(Execution& s) { change_by(s, Opcode::max); }
void shared_atomic_or(Execution& s) { unite(s); }
void shared_atomic_exchange(Execution& s) { replace(s); }

}  // namespace nxv::testing::evaluations
