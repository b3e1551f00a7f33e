# Headers of Vulkan and SPIR-V are all that the library itself needs; the loader is opened at run time.
find_package(Vulkan QUIET)
find_path(NXV_VULKAN_INCLUDE vulkan/vulkan_core.h HINTS ${Vulkan_INCLUDE_DIRS})
find_path(NXV_SPIRV_INCLUDE spirv/unified1/spirv.hpp11)
if(NOT NXV_VULKAN_INCLUDE OR NOT NXV_SPIRV_INCLUDE)
  message(FATAL_ERROR "Vulkan and SPIR-V headers are needed. Debian: apt-get install libvulkan-dev "
                      "spirv-headers; FreeBSD: pkg install vulkan-headers spirv-headers; "
                      "macOS: brew install vulkan-headers spirv-headers")
endif()

if(NXV_TOOLS OR NXV_TESTS OR NXV_FUZZ)
  find_package(nlohmann_json REQUIRED)
endif()
if(NXV_TOOLS)
  find_package(CLI11 REQUIRED)
endif()
if(NXV_TESTS OR NXV_FUZZ)
  find_package(GTest REQUIRED)
  find_path(NXV_SPIRV_TOOLS_INCLUDE spirv-tools/libspirv.h REQUIRED)
  find_library(NXV_SPIRV_TOOLS SPIRV-Tools REQUIRED)
  find_library(NXV_MPFR mpfr REQUIRED)
  find_library(NXV_GMP gmp REQUIRED)
endif()
