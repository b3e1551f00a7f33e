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
// kernel needs 8/16-bit storage or arithmetic. f16 and bf16 are element types of cooperative
// matrices alone.
//
// Cooperative matrices are 16 x 16 and belong to a subgroup: every instruction on them stands in
// control flow that is uniform within it. They are loaded from and stored to shared memory. Every
// float operation is emitted with NoContraction: `fma` is fused or not as the device pleases, `mul`
// followed by `add` never.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nxv::ir {

enum class Scalar : uint8_t { boolean, u32, s32, u64, s64, f16, bf16, f32, f64 };

// What a cooperative matrix is used as: a factor (of f16 or bf16) or a sum of products (of f32).
enum class Matrix : uint8_t { none, a, b, accumulator };
inline constexpr uint32_t kMatrixSide = 16;

struct Type {
  Scalar scalar = Scalar::u32;
  uint8_t lanes = 1;  // 1, 2 or 4
  Matrix matrix = Matrix::none;
  bool operator==(const Type&) const = default;
};

inline constexpr Type kBool{Scalar::boolean};
inline constexpr Type kU32{Scalar::u32};
inline constexpr Type kS32{Scalar::s32};
inline constexpr Type kU64{Scalar::u64};
inline constexpr Type kS64{Scalar::s64};
inline constexpr Type kF32{Scalar::f32};
inline constexpr Type kF64{Scalar::f64};

inline constexpr Type matrix(Scalar scalar, Matrix use) { return {scalar, 1, use}; }
inline constexpr Type kAccumulator = matrix(Scalar::f32, Matrix::accumulator);

inline constexpr Type vec(Type t, int lanes) { return {t.scalar, static_cast<uint8_t>(lanes)}; }
inline constexpr Type element(Type t) { return {t.scalar, 1}; }
inline constexpr bool is_matrix(Type t) { return t.matrix != Matrix::none; }
int bytes(Type t);  // of one value (or element of a matrix) in memory; boolean has none
bool is_float(Type t);
bool is_integer(Type t);
bool is_signed(Type t);
std::string to_string(Type t);

enum class Opcode : uint8_t {
  // Values without operands.
  constant,  // imm: the bits of one lane (all lanes equal)
  param,     // imm: index into Kernel::params; for a buffer the type is u64 (its address)
  builtin,   // imm: Builtin
  // Numbers. Unary: one operand of the result's type.
  neg,
  abs,
  sqrt,
  floor,
  ceil,
  trunc,
  round_even,
  // Binary: two operands of the result's type. Float min/max: NaN behaviour is undefined.
  add,
  sub,
  mul,
  div,
  rem,
  min,
  max,
  mul_hi,  // u32, s32: upper half of the double-width product
  fma,     // a * b + c
  // Bits. Shift amounts are u32, below the width.
  bit_and,
  bit_or,
  bit_xor,
  bit_not,
  shl,
  shr,
  clz,
  popcount,  // u32 and u64 -> u32
  // Comparisons -> boolean. Ordered: false when an operand is NaN, except ne: true.
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  logical_and,
  logical_or,
  logical_not,  // boolean
  select,       // condition, when true, when false
  // Float to integer truncates and is defined only where the value fits; emitters clamp before.
  // f64 -> f32 rounds to nearest even. boolean -> number is 0 or 1.
  convert,
  bitcast,    // same total width, e.g. f32 <-> u32, f64 <-> vec2 u32, f16x2 never
  pack_half,  // vec2 f32 -> u32: two f16, the first in the low half, rounded in either direction
  pack,       // lanes scalars -> vector
  extract,    // vector, imm: lane
  // Local variables, one a declaration; type is the variable's type.
  var_decl,   // defines a variable, not a value
  var_load,   // variable
  var_store,  // variable, value
  // Memory. Buffer operands are param values and have no other use. Indices count elements of the
  // access type, u32 (below 2^31), u64, or vec2 u32 (low and high half, where u64 is missing).
  // Accesses are aligned to the access type's size. Index of a shared array: u32.
  load,   // buffer, index
  store,  // buffer, index, value
  // Atomics: u32 or s32, relaxed, seen by the whole device. They order nothing but each other, at
  // one place.
  atomic_load,   // buffer, index
  atomic_store,  // buffer, index, value
  atomic_add,
  atomic_min,
  atomic_max,
  atomic_or,
  atomic_exchange,  // buffer, index, u32 value -> the old value
  shared_load,      // index; imm: index into Kernel::shared
  shared_store,     // index, value; imm: index into Kernel::shared
  // Atomics on shared arrays of u32 or s32, relaxed, seen by the workgroup. A barrier parts them
  // from loads and stores of the same element.
  shared_atomic_add,
  shared_atomic_min,
  shared_atomic_max,
  shared_atomic_or,
  shared_atomic_exchange,  // index, value -> the old value; imm: index into Kernel::shared
  barrier,  // workgroup execution and shared-memory barrier; uniform control flow only
  // Subgroup operations; uniform control flow within the subgroup.
  subgroup_add,
  subgroup_min,
  subgroup_max,          // reduction over all lanes, in no stated order
  subgroup_shuffle_xor,  // value; imm: mask
  subgroup_shuffle,      // value, u32 lane
  subgroup_broadcast_first,
  subgroup_ballot,  // boolean -> vec4 u32
  // Cooperative matrices. Indices and strides count elements of the shared array, whose bytes are
  // read as elements of the matrix; a stride is the distance between rows (columns, if the matrix
  // lies by columns). Each row (column) is contiguous and starts an element of the array.
  matrix_fill,          // f32 -> accumulator
  matrix_load,          // index, stride; imm: matrix_place()
  matrix_store,         // index, stride, matrix; imm: matrix_place()
  matrix_multiply_add,  // a, b, accumulator -> a * b + accumulator; order and rounding the device's
  matrix_add,           // accumulator, accumulator
  // Markers.
  if_begin,  // boolean
  if_else,
  if_end,
  loop_begin,  // repeats until a break_if is taken; imm: Unrolling
  break_if,    // boolean; directly inside the loop's body, not inside a nested if
  loop_end,
};

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

// Whether a driver may repeat the body of a loop instead.
enum class Unrolling : uint8_t { allowed, never };

// Where a matrix lies: the shared array and the order within it.
inline constexpr uint64_t matrix_place(uint32_t shared, bool by_columns) {
  return shared | uint64_t{by_columns} << 32;
}
inline constexpr uint32_t matrix_shared(uint64_t place) { return static_cast<uint32_t>(place); }
inline constexpr bool matrix_by_columns(uint64_t place) { return place >> 32 != 0; }

inline constexpr uint32_t kNone = 0xffffffff;

std::string_view name(Opcode op);
std::string_view name(Builtin builtin);
bool defines_value(Opcode op);  // false for stores, barriers, markers and variables

struct Inst {
  Opcode op;
  Type type;  // of the result; boolean for markers
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
  bool int64 = false, f64 = false, f16 = false, bf16 = false;
  bool subgroup_arithmetic = false, subgroup_shuffle = false, subgroup_ballot = false;
  bool matrices = false;
};
Requirements requirements(const Kernel& kernel);

// Readable text, one instruction a line; params, constants and builtins appear as operands.
std::string to_string(const Kernel& kernel);
std::string to_string(const Kernel& kernel, uint32_t inst);

// Throws Error(internal) naming the instruction when the kernel breaks a rule above, uses a float
// literal of value 0, Inf or NaN in arithmetic, stores to a buffer that is read-only, or loads from
// one that is write-only.
void verify(const Kernel& kernel);

}  // namespace nxv::ir
