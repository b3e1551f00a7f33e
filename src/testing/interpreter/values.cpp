// Values without operands, and local variables.
#include <algorithm>

#include "testing/interpreter/evaluations.h"
#include "testing/interpreter/lanes.h"
#include "testing/interpreter/matrices.h"

namespace nxv::testing::evaluations {
namespace {

using ir::Builtin;
using ir::Type;

template <typename F>
void each_matrix(Execution& s, F f) {
  s.m.each_subgroup([&](uint32_t first, uint32_t) { f(first); });
}

void copy_matrix(Execution& s, uint32_t from, uint32_t to) {
  each_matrix(s, [&](uint32_t first) {
    std::copy_n(matrix_of(s.m, from, first), elements(s.inst.type), matrix_of(s.m, to, first));
  });
}

template <typename F>
void each_active_lane(Execution& s, F f) {
  for (uint32_t lane = 0; lane < s.inst.type.lanes; ++lane) {
    s.m.each_active([&](uint32_t w) { f(lane * s.m.width + w); });
  }
}

// What a variable holds that was not set.
uint64_t undefined(Type t) {
  if (is_bool(t)) return 1;
  return kPoison & (is_matrix(t) ? element_mask(t) : lane_mask(t));
}

uint64_t builtin_of(const Machine& m, Builtin which, uint32_t w) {
  switch (which) {
    case Builtin::local_index:
      return w;
    case Builtin::group_x:
      return m.group[0];
    case Builtin::group_y:
      return m.group[1];
    case Builtin::group_z:
      return m.group[2];
    case Builtin::groups_x:
      return m.groups.x;
    case Builtin::groups_y:
      return m.groups.y;
    case Builtin::groups_z:
      return m.groups.z;
    case Builtin::subgroup_lane:
      return w % m.subgroup_size;
    case Builtin::subgroup_index:
      return w / m.subgroup_size;
    case Builtin::subgroup_size:
      return m.subgroup_size;
  }
  return kPoison;
}

}  // namespace

// Both are filled in before the first workgroup.
void constant(Execution&) {}
void param(Execution&) {}

void builtin(Execution& s) {
  const auto which = static_cast<Builtin>(s.inst.imm);
  for (uint32_t w = 0; w < s.m.width; ++w) s.out[w] = builtin_of(s.m, which, w);
}

void var_decl(Execution& s) {
  const uint64_t bits = undefined(s.inst.type);
  if (is_matrix(s.inst.type)) {
    return each_matrix(s, [&](uint32_t first) {
      std::fill_n(matrix_of(s.m, s.id, first), elements(s.inst.type), bits);
    });
  }
  each_active_lane(s, [&](size_t i) { s.out[i] = bits; });
}

void var_load(Execution& s) {
  if (is_matrix(s.inst.type)) return copy_matrix(s, s.inst.args[0], s.id);
  std::copy_n(s.arg(0), s.count(), s.out);
}

void var_store(Execution& s) {
  if (is_matrix(s.inst.type)) return copy_matrix(s, s.inst.args[1], s.inst.args[0]);
  uint64_t* to = s.arg(0);
  const uint64_t* from = s.arg(1);
  each_active_lane(s, [&](size_t i) { to[i] = from[i]; });
}

}  // namespace nxv::testing::evaluations
