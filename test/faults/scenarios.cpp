#include "scenarios.h"

namespace nxv::faults {
namespace {

constexpr int64_t kLarge = 40000;  // f32 elements that an upload does not copy

// Something of everything, small: what opens an engine ends with it.
void add_and_read(Trial& t) {
  t.read(t.apply("add", {t.upload(NXV_F32, {64}, 1), t.iota(NXV_F32, {64})}));
}

void open(Trial& t) {
  t.open();
  add_and_read(t);
}

void upload(Trial& t) {
  nxv_tensor* small = t.upload(NXV_F32, {3, 5}, 1);
  nxv_tensor* large = t.upload(NXV_F32, {kLarge}, 2);
  nxv_tensor* packed = t.upload(NXV_U4, {8 * kLarge}, 3);
  nxv_tensor* number = t.upload(NXV_S32, {}, 4);
  for (nxv_tensor* x : {small, large, packed, number}) t.read(x);
}

void fused(Trial& t) {
  nxv_tensor *a = t.upload(NXV_F32, {8, 300}, 1), *b = t.upload(NXV_F32, {300}, 2);
  nxv_tensor* sum = t.apply("add", {t.apply("multiply", {a, b}), t.apply("exp", {b})});
  nxv_tensor* rows = t.reduce("sum", sum, {1});
  nxv_tensor* spread = t.apply("divide", {t.apply("tanh", {sum}), t.reduce("reduce_max", a, {0})});
  t.read(rows);
  t.read(spread);
  t.read(sum, 7);
}

void compile(Trial& t) {
  nxv_tensor *x = t.parameter(NXV_F32, {30}), *y = t.parameter(NXV_F32, {30});
  nxv_tensor* z = t.apply("subtract", {t.apply("sin", {x}), y});
  nxv_function* f = t.function({x, y}, {z, t.reduce("sum", z, {0})});
  const auto results = t.invoke(f, {t.upload(NXV_F32, {30}, 1), t.iota(NXV_F32, {30})}, 2);
  for (nxv_tensor* r : results) t.read(r);
  const auto again = t.invoke(f, {results[0], results[0]}, 2);
  for (nxv_tensor* r : again) t.read(r);
}

void download(Trial& t) {
  nxv_tensor* large = t.apply("negate", {t.iota(NXV_F32, {kLarge})});
  nxv_tensor* halves = t.apply("add", {t.upload(NXV_U4, {999}, 1), t.upload(NXV_U4, {999}, 2)});
  nxv_tensor* quarters = t.apply("max", {t.upload(NXV_S2, {998}, 3), t.upload(NXV_S2, {998}, 4)});
  for (nxv_tensor* x : {large, halves, quarters}) t.read(x);
  t.read(halves, 5);
  t.read(large, 2);
  t.wait(large);
  t.deallocate(large);
}

void matmul(Trial& t) {
  nxv_tensor *a = t.upload(NXV_F32, {33, 40}, 1), *b = t.upload(NXV_F32, {40, 50}, 2);
  nxv_tensor* product = t.apply("add", {t.matmul(a, b), t.upload(NXV_F32, {50}, 3)});
  t.read(product);
  t.read(t.matmul(product, t.upload(NXV_F32, {50}, 4)));
}

void sort(Trial& t) {
  nxv_tensor* x = t.upload(NXV_F32, {3, 700}, 1);
  t.read(t.call("sort", {x})[0]);
  t.read(t.call("argsort", {x})[0]);
}

void linalg(Trial& t) {
  nxv_tensor* a = t.upload(NXV_F32, {5, 5}, 1);
  for (nxv_tensor* part : t.call("qr", {a})) t.read(part);
  t.read(t.call("solve", {a, t.upload(NXV_F32, {5}, 2)})[0]);
}

void explain(Trial& t) {
  nxv_tensor* x = t.upload(NXV_F32, {20, 20}, 1);
  nxv_tensor* y = t.reduce("sum", t.apply("multiply", {t.apply("log", {x}), x}), {1});
  t.explain(y);
  nxv_tensor* p = t.parameter(NXV_F32, {20, 20});
  nxv_function* f = t.function({p}, {t.apply("cos", {t.matmul(p, x)})});
  t.explain(f, NXV_EXPLAIN_TEXT);
  t.explain(f, NXV_EXPLAIN_SVG);
  t.read(y);
  t.read(t.invoke(f, {x}, 1)[0]);
}

void threads(Trial& t) {
  nxv_tensor* shared = t.upload(NXV_F32, {500}, 1);
  t.on_threads(3, [&](Trial& own, int i) {
    nxv_tensor* x = own.upload(NXV_F32, {500}, static_cast<uint32_t>(i));
    own.read(own.apply("add", {own.apply("multiply", {x, shared}), x}));
    own.read(own.reduce("sum", own.apply("abs", {x}), {0}));
  });
}

// With answers still to come.
void close(Trial& t) {
  nxv_tensor* x = t.upload(NXV_F32, {kLarge}, 1);
  nxv_tensor* y = t.apply("multiply", {x, x});
  t.read(y);
  t.read(t.reduce("sum", y, {0}));
  t.read(x);
  t.close();
}

void reopen(Trial& t) {
  t.open();
  add_and_read(t);
  t.close();
  t.release();
  t.open();
  add_and_read(t);
}

constexpr Scenario kScenarios[] = {
    {"open", false, true, open},         {"upload", true, false, upload},
    {"fused", true, false, fused},       {"compile", true, false, compile},
    {"download", true, false, download}, {"matmul", true, false, matmul},
    {"sort", true, false, sort},         {"linalg", true, false, linalg},
    {"explain", true, false, explain},   {"threads", true, false, threads},
    {"close", true, true, close},        {"reopen", false, true, reopen},
};

}  // namespace

std::span<const Scenario> scenarios() { return kScenarios; }

}  // namespace nxv::faults
