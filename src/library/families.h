// The tables of the families, each in a file of its own.
#pragma once

#include <array>
#include <span>

#include "library/registry.h"

namespace nxv::library {

std::span<const Row> indexing_rows();
std::span<const Row> windows_rows();
std::span<const Row> sorting_rows();
std::span<const Row> transforms_rows();
std::span<const Row> linear_rows();
std::span<const Row> attention_rows();
std::span<const Row> comparison_rows();

inline std::array<std::span<const Row>, 7> families() {
  return {indexing_rows(), windows_rows(),   sorting_rows(),   transforms_rows(),
          linear_rows(),   attention_rows(), comparison_rows()};
}

}  // namespace nxv::library
