// Private to src/vulkan. How long commands take, by the speed at which the device was seen to work:
// systems reset a device that is at one submission for two seconds.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "plan/device_plan.h"

namespace nxv::vulkan {

class Pipeline;

class Pace {
 public:
  explicit Pace(const plan::DevicePlan& plan);

  // Of so many element operations of a kernel; null: of a copy.
  double seconds(const Pipeline* kernel, uint64_t work) const;
  // What a submission may have of the kernel, in estimated seconds: little until it was measured.
  double most(const Pipeline* kernel) const;
  bool is_long(const Pipeline* kernel, uint64_t work) const {
    return seconds(kernel, work) > most(kernel);
  }
  void measured(const Pipeline& kernel, uint64_t work, double seconds);

 private:
  const plan::DevicePlan& plan_;
  const double assumed_;           // seconds for an element operation, before any was measured
  double work_ = 0, seconds_ = 0;  // of all that was measured
  std::unordered_map<const Pipeline*, double> kernels_;  // seconds for an element operation
};

// Workgroups of a dispatch: columns of rows. Kernels count them row by row (kernels/common/grid.h),
// so that parts are whole rows, or of the only one.
struct GroupRange {
  uint32_t x = 0, y = 0;
  uint32_t columns = 1, rows = 1;
};
// Pieces of a grid, of equal size but for the last.
class GridPieces {
 public:
  GridPieces(uint32_t columns, uint32_t rows) : columns_(columns), rows_(rows) {}
  // Rows, or the columns of the only one.
  uint32_t count() const { return rows_ > 1 ? rows_ : columns_; }
  GroupRange from(uint32_t first, uint32_t many) const {
    return rows_ > 1 ? GroupRange{0, first, columns_, many} : GroupRange{first, 0, many, 1};
  }

 private:
  uint32_t columns_, rows_;
};

}  // namespace nxv::vulkan
