/* A compiled function with a loop: square roots by Newton's method, until no element moves much.
 * Prints the roots of 1, 2, 3 and 4. */
#include <stdio.h>
#include <stdlib.h>

#include "nxv/nxv.h"

static void check(nxv_status status) {
  if (status == NXV_OK) return;
  fprintf(stderr, "%s: %s\n", nxv_status_name(status), nxv_last_error());
  exit(1);
}

static const int64_t kShape[] = {4};

/* Handles, released at the end. */
static nxv_tensor* kept[64];
static int kept_count = 0;
static nxv_tensor* keep(nxv_tensor* tensor) { return kept[kept_count++] = tensor; }

static nxv_tensor* apply(const char* name, nxv_tensor* a, nxv_tensor* b) {
  nxv_tensor* operands[] = {a, b};
  nxv_tensor* out;
  check(nxv_apply(nxv_op_find(name), b ? 2 : 1, operands, &out));
  return keep(out);
}

static nxv_tensor* number(nxv_engine* engine, double value) {
  nxv_tensor* out;
  check(nxv_constant_f64(engine, NXV_F32, value, 0, 0, NULL, &out));
  return keep(out);
}

static nxv_tensor* parameter(nxv_engine* engine) {
  nxv_tensor* out;
  check(nxv_parameter(engine, NXV_F32, 1, kShape, &out));
  return keep(out);
}

/* The state is {a, x}: x approaches the root of a. */
static nxv_tensor* error_of(nxv_tensor* state[2]) {
  nxv_tensor* square = apply("multiply", state[1], state[1]);
  nxv_tensor* distance = apply("abs", apply("subtract", square, state[0]), NULL);
  nxv_tensor* largest;
  check(nxv_reduce(nxv_op_find("reduce_max"), distance, -1, NULL, 0, &largest));
  return keep(largest);
}

int main(void) {
  nxv_engine* engine;
  check(nxv_engine_open(NULL, &engine));

  nxv_tensor *state[] = {parameter(engine), parameter(engine)}, *results[2];
  nxv_tensor* goes_on = apply("greater", error_of(state), number(engine, 1e-5));
  nxv_function* condition;
  check(nxv_function_create(2, state, 1, &goes_on, &condition));

  results[0] = state[0];
  nxv_tensor* sum = apply("add", state[1], apply("divide", state[0], state[1]));
  results[1] = apply("multiply", sum, number(engine, 0.5));
  nxv_function* body;
  check(nxv_function_create(2, state, 2, results, &body));

  /* roots(a): the loop from x = a, and how far x * x is off. */
  nxv_tensor* a = parameter(engine);
  nxv_tensor* start[] = {a, a};
  nxv_tensor* end[2];
  check(nxv_while(2, start, condition, body, end));
  keep(end[0]);
  nxv_tensor* outputs[] = {keep(end[1]), error_of(end)};
  nxv_function* roots;
  check(nxv_function_create(1, &a, 2, outputs, &roots));

  const float values[] = {1, 2, 3, 4};
  nxv_tensor *argument, *answers[2];
  check(nxv_from_host(engine, NXV_F32, 1, kShape, values, sizeof values, NULL, NULL, &argument));
  check(nxv_function_call(roots, 1, &argument, answers));
  float x[4], error;
  check(nxv_read(answers[0], x, sizeof x));
  check(nxv_read(answers[1], &error, sizeof error));
  printf("%.4f %.4f %.4f %.4f\n", x[0], x[1], x[2], x[3]);

  nxv_release(argument);
  nxv_release(answers[0]);
  nxv_release(answers[1]);
  while (kept_count > 0) nxv_release(kept[--kept_count]);
  nxv_function_release(roots);
  nxv_function_release(body);
  nxv_function_release(condition);
  nxv_engine_close(engine);
  return error <= 1e-5F ? 0 : 1;
}
