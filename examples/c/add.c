/* Adds two vectors on the GPU (or on the CPU, through Mesa's lavapipe). */
#include <stdio.h>

#include "nxv/nxv.h"

static int fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, nxv_last_error());
  return 1;
}

int main(void) {
  nxv_engine* engine = NULL;
  nxv_device_info device;
  nxv_tensor *a = NULL, *b = NULL, *sum = NULL;
  const float values[4] = {1, 2, 3, 4};
  const int64_t shape[1] = {4};
  float result[4] = {0};
  int wrong = 0;

  if (nxv_engine_open(NULL, &engine) != NXV_OK) return fail("nxv_engine_open");
  if (nxv_engine_device(engine, &device) != NXV_OK) return fail("nxv_engine_device");
  printf("device: %s\n", device.name);

  if (nxv_from_host(engine, NXV_F32, 1, shape, values, sizeof values, NULL, NULL, &a) != NXV_OK)
    return fail("nxv_from_host");
  if (nxv_constant_f64(engine, NXV_F32, 10, 0, 0, NULL, &b) != NXV_OK)
    return fail("nxv_constant_f64");

  /* Nothing is computed yet: `sum` stands for a + b. */
  nxv_tensor* operands[2] = {a, b};
  if (nxv_apply(nxv_op_find("add"), 2, operands, &sum) != NXV_OK) return fail("nxv_apply");
  if (nxv_read(sum, result, sizeof result) != NXV_OK) return fail("nxv_read");

  for (int i = 0; i < 4; ++i) {
    printf("%g + 10 = %g\n", values[i], result[i]);
    wrong |= result[i] != values[i] + 10;
  }
  nxv_release(sum);
  nxv_release(b);
  nxv_release(a);
  nxv_engine_close(engine);
  return wrong;
}
