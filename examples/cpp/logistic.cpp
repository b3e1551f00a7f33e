// Logistic regression: a training step and a loop of steps, each compiled once.
#include <cstdio>
#include <tuple>

#include "nxv/nxv.hpp"

namespace {

using nxv::Tensor;

struct Model {
  Tensor weights, bias;
};
auto nxv_members(Model& m) { return std::tie(m.weights, m.bias); }

Tensor predict(const Model& m, const Tensor& x) { return sigmoid(matmul(x, m.weights) + m.bias); }

// One step down the gradient of the cross entropy.
Model step(const Model& m, const Tensor& x, const Tensor& y) {
  const Tensor error = predict(m, x) - y;
  const double rate = 0.5 / static_cast<double>(x.shape()[0]);
  return {m.weights - matmul(transpose(x), error) * rate, m.bias - sum(error) * rate};
}

// Steps first, first + 1, ... 299 on the device, without coming back to the host.
Model train(const Tensor& first, const Model& start, const Tensor& x, const Tensor& y) {
  using State = std::tuple<Tensor, Model, Tensor, Tensor>;
  const State end = nxv::while_loop(
      State{first, start, x, y}, [](const State& s) { return std::get<0>(s) < 300; },
      [](const State& s) {
        const auto& [i, model, samples, labels] = s;
        return State{i + 1, step(model, samples, labels), samples, labels};
      });
  return std::get<1>(end);
}

}  // namespace

int main() {
  nxv::Engine engine;
  // Points are above or below a line.
  const Tensor x = engine.random_uniform({256, 2}, 1, -1, 1);
  const Tensor side = matmul(x, engine.tensor<float>({1, -2}, {2, 1}));
  const Tensor y = as_type(side > 0.0, nxv::DType::f32);

  auto fit = nxv::jit(train);
  const Model model =
      fit(engine.zeros({}, nxv::DType::s32), Model{engine.zeros({2, 1}), engine.zeros({})}, x, y);
  const Tensor right = equal(predict(model, x) > 0.5, y > 0.5);
  const double share = sum(right).item<uint32_t>() / 256.0;
  std::printf("%.1f %% of the points are on the right side\n", 100 * share);
  return share > 0.95 ? 0 : 1;
}
