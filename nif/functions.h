// The functions of Nx.Vulkan.Native, which documents them. Each file registers its own; nif.cpp
// joins them. Their C++ signatures say how the arguments are decoded; a tensor that is made comes
// back as make_tensor says.
#pragma once

#include <erl_nif.h>

#include <span>

namespace nxv::nif {

std::span<const ErlNifFunc> engine_functions();
std::span<const ErlNifFunc> create_functions();
std::span<const ErlNifFunc> operate_functions();
std::span<const ErlNifFunc> define_functions();
std::span<const ErlNifFunc> pointer_functions();
std::span<const ErlNifFunc> read_functions();
std::span<const ErlNifFunc> table_functions();

}  // namespace nxv::nif
