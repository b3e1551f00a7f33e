// Loads the library, starts work, unloads it without closing the engine, and ends with status 3.
#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "nxv/nxv.h"

namespace {

template <class F>
F function(void* library, F, const char* name) {
  return reinterpret_cast<F>(dlsym(library, name));
}
#define FUNCTION(library, name) function(library, &name, #name)

}  // namespace

int main(int, char** arguments) {
  void* library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "unload: %s\n", dlerror());
    return 100;
  }
  nxv_engine* engine = nullptr;
  if (FUNCTION(library, nxv_engine_open)(nullptr, &engine) != NXV_OK) return 101;
  const int64_t shape[] = {300, 300};
  for (uint64_t seed = 0; seed < 200; ++seed) {
    nxv_tensor *x = nullptr, *product = nullptr;
    if (FUNCTION(library, nxv_random_uniform)(engine, NXV_F32, 2, shape, seed, 0, 0, 1, &x) !=
            NXV_OK ||
        FUNCTION(library, nxv_matmul)(x, x, &product) != NXV_OK ||
        FUNCTION(library, nxv_evaluate)(product) != NXV_OK) {
      return 102;
    }
  }
  dlclose(library);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  return 3;
}
