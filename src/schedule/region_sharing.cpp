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

}  // namespace

void share_kernel(RegionDraft& draft) {
  if (draft.region.kind == RegionKind::library || draft.region.kind == RegionKind::matmul) return;
  MovedValues(draft.region).run();
  widen_one_element(draft);
}

}  // namespace nxv::schedule
