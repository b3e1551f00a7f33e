// nxv: lazy, fused tensor operations on Vulkan compute. The C++ interface, over the C ABI alone.
//
//   nxv::Engine engine;                                  // the best device there is
//   nxv::Tensor x = engine.tensor<float>({1, 2, 3, 4}, {2, 2});
//   nxv::Tensor y = nxv::exp(x) / nxv::sum(nxv::exp(x), {-1}, true);
//   std::vector<float> values = y.to_vector<float>();    // computed here, in one kernel
//
// A Tensor is a reference to a value that is computed when it is read; copying one is cheap. All
// functions may be called on any thread. Functions are named as in Nx, axes may be negative and
// count from the end, operands broadcast as in numpy, and types merge as in Nx (an integer beside
// f32 gives f32, division of integers f32). What fails throws nxv::Exception with the C status.
#ifndef NXV_NXV_HPP_
#define NXV_NXV_HPP_

#include "nxv/function.hpp"
#include "nxv/library.hpp"
#include "nxv/operations.hpp"
#include "nxv/tensor.hpp"

#endif  // NXV_NXV_HPP_
