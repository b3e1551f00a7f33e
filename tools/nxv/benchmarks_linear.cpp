// Decompositions of single matrices and of batches of small ones, and what is solved by them.
#include <cmath>
#include <limits>

#include "benchmarks.h"
#include "graph/build.h"
#include "library/registry.h"

namespace nxv::tools {
namespace {

std::vector<NodeRef> call(std::string_view name, const std::vector<NodeRef>& operands) {
  return library::call(name, operands, {});
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

// Symmetric, with eigenvalues from 1 to about 5.
NodeRef definite(Bench& bench, const Shape& shape) {
  const NodeRef noise = bench.session.normal(shape);
  const NodeRef length = bench.session.scalar(static_cast<double>(shape.back()));
  const NodeRef square = elementwise(Op::divide, {product(noise, noise, true), length});
  const NodeRef x = elementwise(Op::add, {square, eye(bench.session.owner(), DType::f32, shape)});
  bench.session.evaluate(x);
  return x;
}

double distance(Bench& bench, const NodeRef& x, const NodeRef& y) {
  return norm(bench, elementwise(Op::subtract, {x, y})) / norm(bench, y);
}

// From the request to the last of its kernels: kernels are short, what lies between them counts.
Measurement decomposition(Bench& bench, const char* name, const Shape& shape) {
  const bool symmetric = name == std::string_view("cholesky") || name == std::string_view("eigh");
  const NodeRef x = symmetric ? definite(bench, shape) : bench.session.normal(shape);
  Measurement m{name, size_text(shape), Unit::seconds};
  m.kernels = bench.session.timed(call(name, {x})[0]).kernels;
  std::vector<NodeRef> parts;
  bench.time_host(m, [&] { bench.session.evaluate((parts = call(name, {x}))[0]); });
  m.error = distance(bench, recomposed(name, parts), x);
  m.bound = 1e-5;
  return m;
}

// What is solved by them, of a matrix far from singular.
Measurement solution(Bench& bench, std::string_view name, int64_t n) {
  const Shape shape = {n, n};
  const NodeRef a = definite(bench, shape), b = bench.session.normal(shape);
  const NodeRef l = call("cholesky", {a})[0];
  bench.session.evaluate(l);
  const bool takes_two = name == "solve" || name == "triangular_solve";
  const NodeRef x = name == "triangular_solve" ? l : a;
  const auto run = [&] { return takes_two ? call(name, {x, b})[0] : call(name, {x})[0]; };
  Measurement m{std::string(name), size_text(shape), Unit::seconds};
  m.kernels = bench.session.timed(run()).kernels;
  NodeRef result;
  bench.time_host(m, [&] { bench.session.evaluate(result = run()); });
  m.bound = 1e-5;
  if (name == "determinant") {
    // That of the factor, squared: sums of logarithms, which floats hold.
    double sum = 0;
    for (int64_t i = 0; i < n; ++i)
      sum += 2 * std::log(bench.session.floats(part(l, {i, i}, {1, 1}))[0]);
    const double got = bench.session.floats(result)[0];
    const double largest = std::numeric_limits<float>::max();
    m.error =
        sum > std::log(largest) ? wrong_unless(got > largest) : std::fabs(std::log(got) / sum - 1);
  } else if (name == "invert") {
    m.error = distance(bench, product(x, result), eye(bench.session.owner(), DType::f32, shape));
  } else {
    m.error = distance(bench, product(x, result), b);
  }
  return m;
}

// On CPUs the large ones take minutes.
std::vector<Shape> shapes(Bench& bench, bool is_slow) {
  std::vector<Shape> all = {{4096, 8, 8}, {64, 64, 64}, {64, 64}};
  const int64_t last = !bench.is_cpu() ? 2048 : is_slow ? 64 : 256;
  for (int64_t n : {256, 1024, 2048}) {
    if (n <= last) all.push_back({n, n});
  }
  return all;
}

Measurements decompositions(Bench& bench, const char* name, bool is_slow) {
  Measurements found;
  for (const Shape& shape : shapes(bench, is_slow)) {
    found.push_back(decomposition(bench, name, shape));
  }
  return found;
}

}  // namespace

Measurements cholesky(Bench& bench) { return decompositions(bench, "cholesky", false); }
Measurements lu(Bench& bench) { return decompositions(bench, "lu", false); }
Measurements qr(Bench& bench) { return decompositions(bench, "qr", false); }
Measurements eigh(Bench& bench) { return decompositions(bench, "eigh", true); }
Measurements svd(Bench& bench) { return decompositions(bench, "svd", true); }

Measurements solutions(Bench& bench) {
  Measurements found;
  for (const Shape& shape : shapes(bench, false)) {
    if (shape.size() > 2 || shape[0] < 256) continue;
    for (const char* name : {"triangular_solve", "solve", "invert", "determinant"}) {
      found.push_back(solution(bench, name, shape[0]));
    }
  }
  return found;
}

}  // namespace nxv::tools
