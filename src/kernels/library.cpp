// Which file lowers which operation of the library.
#include <string>

#include "base/error.h"
#include "kernels/lowering.h"
#include "kernels/scatter.h"

namespace nxv::kernels {

Lowering lower_library(const Region& region, const Target& target) {
  switch (region.root->op) {
    case Op::last_update:
      return lower_last_update(region, target);
    case Op::scatter_add:
      return lower_scatter_add(region, target);
    default:
      throw Error(Status::internal, std::string(name(region.root->op)) + " has no kernels");
  }
}

}  // namespace nxv::kernels
