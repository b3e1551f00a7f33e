// A graph for every family of kernels, and every way in which the family can be laid out.
#pragma once

#include <functional>
#include <vector>

#include "graph/build.h"

namespace nxv::testing {

struct KernelCase {
  const char* name;
  // Roots; equal for every owner.
  std::function<std::vector<NodeRef>(const GraveyardRef& owner)> build;
  // Sums follow a tree that depends on how many lanes share a matrix, or on whether the device's
  // workgroups hold the kernel that is meant.
  bool bits_follow_lanes = false;
  bool large = false;  // for the devices whose kernel it is
};
const std::vector<KernelCase>& kernel_cases();

}  // namespace nxv::testing
