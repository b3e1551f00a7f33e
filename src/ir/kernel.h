// KernelIR: the typed form every kernel has between its generator and its SPIR-V.
//
// A kernel is one entry point over a one-dimensional workgroup. Its body is a flat list of
// instructions in SSA form: instruction i defines value i, operands name earlier values. Control
// flow is structured and appears in the list as markers (if_begin .. if_else .. if_end,
// loop_begin .. loop_end). A value defined inside a marked body is not used outside of it; what
// must survive goes through a Var (var_decl, var_load, var_store).
//
// Integers wrap. Signedness belongs to the type, so `div`, `shr`, `lt` and `convert` need no
// variants. Arithmetic exists for 32- and 64-bit numbers only; narrow and 8/16-bit float formats
// are read and written as 32-bit words and converted by integer arithmetic (ir/ops/narrow.h), so no
// kernel needs 8/16-bit storage or arithmetic.
//
// Cooperative matrices belong to a subgroup: every instruction on them stands in control flow that
// is uniform within it. They are loaded from and stored to shared memory. Every float operation is
// emitted with NoContraction: `fma` is fused or not as the device pleases, `mul` followed by `add`
// never.
//
// Buffers are params of type u64, and named by loads, stores and atomics alone. They have fewer
// than 2^31 elements of an access type; an index is u32, u64, or u32x2 (low and high half, where
// u64 is missing).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/opcode_table.h"
#include "ir/type.h"

namespace nxv::ir {

enum class Builtin : uint8_t {
  local_index,  // invocation within the workgroup
  group_x,
  group_y,
  group_z,
  groups_x,
  groups_y,
  groups_z,
  subgroup_lane,
  subgroup_index,
  subgroup_size,
};
inline constexpr int kBuiltinCount = static_cast<int>(Builtin::subgroup_size) + 1;
std::string_view name(Builtin builtin);

// Whether a driver may repeat the body of a loop instead.
enum class Unrolling : uint8_t { allowed, never };

// Where a matrix lies: the shared array and the order within it.
inline constexpr uint64_t matrix_place(uint32_t shared, bool by_columns) {
  return shared | uint64_t{by_columns} << 32;
}
inline constexpr uint32_t matrix_shared(uint64_t place) { return static_cast<uint32_t>(place); }
inline constexpr bool matrix_by_columns(uint64_t place) { return place >> 32 != 0; }

inline constexpr uint32_t kNone = 0xffffffff;

struct Inst {
  Opcode op = {};
  Type type;  // of the result, or of what is stored; boolean for markers
  std::array<uint32_t, 4> args = {kNone, kNone, kNone, kNone};
  uint64_t imm = 0;
};
int operand_count(const Inst& inst);

enum class Access : uint8_t { read, write, read_write };

// A run-time argument. Buffers are device addresses (8 bytes). All arguments together travel as
// push constants up to kPushBytes, beyond that in a block whose address is pushed.
struct Param {
  std::string name;
  Type type;
  bool is_buffer = false;
  Access access = Access::read;
  bool is_restrict = false;  // no other buffer of this kernel overlaps it
};
inline constexpr uint32_t kPushBytes = 128;

struct SharedArray {
  std::string name;
  Type type;
  uint32_t count;
};

struct Kernel {
  std::string name;
  uint32_t local_size = 1;
  uint32_t subgroup_size = 0;  // the size the kernel was generated for; 0: any
  std::vector<Param> params;
  std::vector<SharedArray> shared;
  std::vector<Inst> body;

  // Byte offset of every param, in order with natural alignment, and the total size.
  std::vector<uint32_t> param_offsets() const;
  uint32_t param_bytes() const;
  bool params_in_block() const { return param_bytes() > kPushBytes; }
  uint32_t shared_bytes() const;
};

// Capabilities of a device that the kernel needs beyond the floor.
struct Requirements {
  bool int64 = false, f64 = false, f16 = false, bf16 = false, int8 = false;
  bool subgroup_arithmetic = false, subgroup_shuffle = false, subgroup_ballot = false;
  bool matrices = false, packed_dot = false;
};
Requirements requirements(const Kernel& kernel);

// For each marker that opens a body, the marker that closes it: of an if_begin the if_else or
// if_end. Other instructions have kNone.
std::vector<uint32_t> body_ends(const Kernel& kernel);

// Readable text, one instruction a line; params, constants and builtins appear as operands.
std::string to_string(const Kernel& kernel);
std::string to_string(const Kernel& kernel, uint32_t inst);

}  // namespace nxv::ir
