// Which file lowers which operation of the library.
#include <string>

#include "base/error.h"
#include "graph/attention.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_gradient.h"
#include "kernels/fft/fft.h"
#include "kernels/linear/linear.h"
#include "kernels/lowering.h"
#include "kernels/reduction/function_fold.h"
#include "kernels/scan/scan.h"
#include "kernels/scatter/scatter.h"
#include "kernels/sort/sort.h"

namespace nxv::kernels {

Lowering lower_library(const Region& region, const Target& target) {
  switch (operation_of(*region.root).op) {
    case Op::scan:
      return lower_scan(region, target);
    case Op::sort:
    case Op::argsort:
      return lower_sort(region, target);
    case Op::fft:
      return lower_fft(region, target);
    case Op::fold:
      return lower_fold(region, target);
    case Op::triangular_solve:
      return lower_triangular_solve(region, target);
    case Op::cholesky:
      return lower_cholesky(region, target);
    case Op::lu:
      return lower_lu(region, target);
    case Op::qr:
      return lower_qr(region, target);
    case Op::eigh:
      return lower_eigh(region, target);
    case Op::svd:
      return lower_svd(region, target);
    case Op::attention:
      return lower_attention(region, target);
    case Op::attention_gradient:
      return lower_attention_gradient(region, target);
    case Op::last_update:
      return lower_last_update(region, target);
    case Op::last_slot:
      return lower_last_slot(region, target);
    case Op::scatter_add:
      return lower_scatter_add(region, target);
    default:
      throw Error(Status::internal, std::string(name(region.root->op)) + " has no kernels");
  }
}

}  // namespace nxv::kernels
