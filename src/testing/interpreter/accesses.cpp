#include "testing/interpreter/accesses.h"

namespace nxv::testing {
namespace {

uint64_t element_index(Execution& s, uint32_t w) {
  const ir::Type t = s.arg_type(1);
  const uint64_t* lanes = s.arg(1);
  const uint64_t low = lanes[w];
  if (t.lanes == 2) return low | lanes[s.m.width + w] << 32;
  if (t == ir::kU32 && low >> 31) {
    s.m.fail(Status::out_of_bounds, w, "has a 32-bit index of " + std::to_string(low));
  }
  return low;
}

void check_bounds(const Machine& m, uint32_t w, uint64_t index, uint64_t count) {
  if (index < count) return;
  m.fail(Status::out_of_bounds, w,
         "accesses element " + std::to_string(index) + " of " + std::to_string(count));
}

}  // namespace

BufferElement buffer_element(Execution& s, uint32_t w) {
  const auto param = static_cast<uint32_t>(s.m.kernel.body[s.inst.args[0]].imm);
  const Argument& buffer = s.m.arguments[param];
  const auto size = static_cast<size_t>(ir::bytes(s.inst.type));
  const uint64_t index = element_index(s, w);
  check_bounds(s.m, w, index, buffer.size() / size);
  return {param, index * size, size, buffer.data() + index * size};
}

SharedPlace shared_place(Execution& s, uint32_t w) {
  SharedMemory& memory = s.m.shared[s.inst.imm];
  const uint64_t index = s.arg(0)[w];
  check_bounds(s.m, w, index, memory.elements.size());
  return {&memory.lanes[index * s.inst.type.lanes], memory.elements[index]};
}

}  // namespace nxv::testing
