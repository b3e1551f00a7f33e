// Enumerators of the SPIR-V registry that are newer than the oldest spirv-headers this library
// builds with (1.3.239).
#pragma once

#include <spirv/unified1/spirv.hpp11>

namespace nxv::spirv::recent {

// SPV_KHR_cooperative_matrix
inline constexpr auto kCooperativeMatrix = static_cast<spv::Capability>(6022);
inline constexpr auto kOpTypeCooperativeMatrix = static_cast<spv::Op>(4456);
inline constexpr auto kOpCooperativeMatrixLoad = static_cast<spv::Op>(4457);
inline constexpr auto kOpCooperativeMatrixStore = static_cast<spv::Op>(4458);
inline constexpr auto kOpCooperativeMatrixMulAdd = static_cast<spv::Op>(4459);
enum class MatrixLayout : uint32_t { row_major, column_major };
enum class MatrixUse : uint32_t { a, b, accumulator };
// Cooperative matrix operands: elements are signed. Of what is added to and of the result alike.
inline constexpr uint32_t kMatrixASigned = 1, kMatrixBSigned = 2, kMatrixSumSigned = 4 | 8;

// SPV_KHR_bfloat16
inline constexpr auto kBFloat16Type = static_cast<spv::Capability>(5116);
inline constexpr auto kBFloat16CooperativeMatrix = static_cast<spv::Capability>(5118);
inline constexpr uint32_t kBFloat16Encoding = 0;

}  // namespace nxv::spirv::recent
