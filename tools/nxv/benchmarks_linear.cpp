// Decompositions of single matrices and of large batches of tiny ones.
#include <cmath>

#include "benchmarks.h"
#include "graph/build.h"
#include "library/registry.h"

namespace nxv::tools {
namespace {

std::vector<NodeRef> call(std::string_view name, const NodeRef& x) {
  const std::vector<NodeRef> list = {x};
  return library::call(name, list, {});
}

std::string named(const Shape& shape) {
  std::string text;
  for (int64_t d : shape) text += (text.empty() ? "" : "x") + std::to_string(d);
  return text;
}

// The products of matrices, x y^T if `turned`.
NodeRef product(const NodeRef& x, const NodeRef& y, bool turned = false) {
  const auto rank = static_cast<int64_t>(x->shape.size());
  Axes batch;
  for (int64_t i = 0; i + 2 < rank; ++i) batch.push_back(i);
  return dot(x, y, {{rank - 1}, {turned ? rank - 1 : rank - 2}, batch, batch});
}

// Columns of x times values.
NodeRef scaled(const NodeRef& x, const NodeRef& values) {
  Shape row = values->shape;
  row.insert(row.end() - 1, 1);
  return elementwise(Op::multiply, {x, reshape(values, row)});
}

NodeRef recomposed(std::string_view name, const std::vector<NodeRef>& parts) {
  if (name == "cholesky") return product(parts[0], parts[0], true);
  if (name == "lu") return product(parts[0], product(parts[1], parts[2]));
  if (name == "qr") return product(parts[0], parts[1]);
  if (name == "eigh") return product(scaled(parts[1], parts[0]), parts[1], true);
  return product(scaled(parts[0], parts[1]), parts[2]);
}

double norm(Bench& bench, const NodeRef& x) {
  double sum = 0;
  for (const float e : bench.session.floats(x)) sum += static_cast<double>(e) * e;
  return std::sqrt(sum);
}

// From the request to the last of its kernels: kernels are short, what lies between them counts.
Measurement decomposition(Bench& bench, const char* name, const Shape& shape) {
  const int64_t n = shape.back();
  const NodeRef noise = bench.session.normal(shape);
  NodeRef x = noise;
  if (name == std::string_view("cholesky") || name == std::string_view("eigh")) {
    const NodeRef length = bench.session.scalar(static_cast<double>(n));
    const NodeRef square = elementwise(Op::divide, {product(noise, noise, true), length});
    x = elementwise(Op::add, {square, eye(bench.session.owner(), DType::f32, shape)});
    bench.session.evaluate(x);
  }
  Measurement m{name, named(shape), Unit::seconds};
  m.kernels = bench.session.timed(call(name, x)[0]).kernels;
  std::vector<NodeRef> parts;
  bench.time_host(m, [&] { bench.session.evaluate((parts = call(name, x))[0]); });
  const NodeRef difference = elementwise(Op::subtract, {recomposed(name, parts), x});
  m.error = norm(bench, difference) / norm(bench, x);
  m.bound = 1e-5;
  return m;
}

}  // namespace

std::vector<Measurement> decompositions(Bench& bench) {
  std::vector<Measurement> found;
  for (const Shape& shape : {Shape{4096, 8, 8}, Shape{64, 64}, Shape{256, 256}}) {
    for (const char* name : {"cholesky", "lu", "qr"}) {
      found.push_back(decomposition(bench, name, shape));
    }
  }
  return found;
}

std::vector<Measurement> rotations(Bench& bench) {
  std::vector<Measurement> found;
  for (const Shape& shape : {Shape{4096, 8, 8}, Shape{64, 64}, Shape{256, 256}}) {
    if (bench.session.engine().plan().profile == plan::Profile::cpu && shape[0] == 256) continue;
    for (const char* name : {"eigh", "svd"}) found.push_back(decomposition(bench, name, shape));
  }
  return found;
}

}  // namespace nxv::tools
