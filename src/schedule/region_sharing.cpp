// What kernels do not need to tell apart, they shall not differ in.
#include <numeric>

#include "schedule/region_draft.h"

namespace nxv::schedule {
namespace {

// What holds the bits of a number that is moved and not computed with.
DType holder_of(DType type) {
  if (is_complex(type)) return type;
  if (storage_bytes(type) == 4) return DType::u32;
  return storage_bytes(type) == 8 ? DType::u64 : type;
}

// Sets of expressions that have the same bits at some point: what a selection chooses from, and its
// result.
class MovedValues {
 public:
  explicit MovedValues(Region& region) : region_(region), set_(region.exprs.size()) {
    std::iota(set_.begin(), set_.end(), 0);
    is_number_.resize(set_.size());
  }

  void run() {
    for (size_t i = 0; i < set_.size(); ++i) follow(static_cast<int>(i));
    for (size_t i = 0; i < set_.size(); ++i) {
      if (is_number_[i]) is_number_[find(static_cast<int>(i))] = true;
    }
    for (size_t i = 0; i < set_.size(); ++i) {
      Expr& e = region_.exprs[i];
      if (!is_number_[find(static_cast<int>(i))]) e.dtype = holder_of(e.dtype);
    }
  }

 private:
  int find(int i) const {
    while (set_[i] != i) i = set_[i];
    return i;
  }

  void follow(int i) {
    const Expr& e = region_.exprs[i];
    switch (e.kind) {
      case ExprKind::load:
        return;
      case ExprKind::gather:
        is_number_[e.args[0]] = true;
        return;
      case ExprKind::generate:
        if (e.op != Op::constant) is_number_[i] = true;
        return;
      case ExprKind::choose:
        return select(i, e);
      case ExprKind::compute:
        if (e.op == Op::select && is_of_its_operands(e)) return select(i, e);
        [[fallthrough]];
      default:
        is_number_[i] = true;
        for (int16_t arg : e.args) {
          if (arg >= 0) is_number_[arg] = true;
        }
    }
  }

  bool is_of_its_operands(const Expr& e) const {
    return region_.exprs[e.args[1]].dtype == e.dtype && region_.exprs[e.args[2]].dtype == e.dtype;
  }

  void select(int i, const Expr& e) {
    is_number_[e.args[0]] = true;
    for (int k : {1, 2}) set_[find(e.args[k])] = find(i);
  }

  Region& region_;
  std::vector<int> set_;
  std::vector<bool> is_number_;
};

// A region of one operation on one element becomes that of many: its operands lie where its only
// point says. Longer ones stay as they are, since their code is shorter for one element.
void widen_one_element(RegionDraft& draft) {
  Region& region = draft.region;
  if (region.kind != RegionKind::pointwise || region.row_count != 1) return;
  int operations = 0;
  for (const Expr& e : region.exprs) {
    operations += e.kind != ExprKind::load && e.kind != ExprKind::generate;
  }
  if (operations > 1) return;
  for (size_t i = 0; i < region.operands.size(); ++i) {
    Address& address = draft.operand_addresses[i];
    if (address.addressing != Addressing::uniform || address.layout.offset != 0) continue;
    address.addressing = region.operands[i].addressing = Addressing::linear;
  }
}

// Points up to which a few instructions more cost less than a kernel of one's own.
constexpr int64_t kFewPoints = 4096;

bool is_few_points(const Region& region) {
  return region.kind == RegionKind::pointwise && region.row_count <= kFewPoints;
}

// Copies of few elements have one kernel, whatever the rank: they read by strides, of which some
// may be 0.
void generalise_copy(RegionDraft& draft) {
  Region& region = draft.region;
  if (!is_few_points(region) || region.exprs.size() != 1) return;
  if (region.exprs[0].kind != ExprKind::load) return;
  Address& address = draft.operand_addresses[0];
  if (address.addressing == Addressing::mapped) return;
  address.addressing = region.operands[0].addressing = Addressing::strided;
  draft.is_small_copy = true;
}

// Few elements with themselves are as two operands: `x * x` has the kernel of `x * y`.
void double_operand(RegionDraft& draft) {
  Region& region = draft.region;
  if (!is_few_points(region) || region.exprs.size() != 2 || region.roots.size() != 1) return;
  Expr load = region.exprs[0], compute = region.exprs[1];
  if (load.kind != ExprKind::load || compute.kind != ExprKind::compute) return;
  if (compute.args != std::array<int16_t, 3>{0, 0, -1}) return;
  region.operands.push_back(region.operands[0]);
  draft.operand_addresses.push_back(draft.operand_addresses[0]);
  load.operand = 1;
  compute.args[1] = 1;
  region.exprs = {region.exprs[0], load, compute};
  draft.addresses = {draft.addresses[0], draft.addresses[0], draft.addresses[1]};
  region.roots[0].expr = 2;
}

}  // namespace

void share_kernel(RegionDraft& draft) {
  if (draft.region.kind == RegionKind::library || draft.region.kind == RegionKind::matmul) return;
  MovedValues(draft.region).run();
  widen_one_element(draft);
  generalise_copy(draft);
  double_operand(draft);
}

}  // namespace nxv::schedule
