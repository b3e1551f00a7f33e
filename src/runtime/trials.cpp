#include "runtime/trials.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <span>

#include "base/error.h"
#include "runtime/published_speed.h"
#include "runtime/rate_kernel.h"

namespace nxv::runtime {
namespace {

template <typename T>
NodeRef stored(Session& session, DType type, Shape shape, const std::vector<T>& values) {
  const auto kept = std::make_shared<std::vector<T>>(values);
  const Release release = [kept] {};
  return session.engine().upload(type, std::move(shape), std::as_bytes(std::span(*kept)), release);
}

template <typename T>
std::vector<T> read(Session& session, const NodeRef& node) {
  const std::vector<std::byte> bytes = session.read(node);
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// The same numbers on every machine.
class Numbers {
 public:
  uint32_t word() { return state_ = state_ * 1664525u + 1013904223u; }
  // [0.5, 1), of either sign.
  float real() {
    const uint32_t bits = word();
    return std::bit_cast<float>((bits >> 9) | 0x3f000000u) * ((bits & 1) != 0 ? 1.f : -1.f);
  }
  int small() { return static_cast<int>(word() >> 24) % 9 - 4; }  // -4 to 4

 private:
  uint32_t state_ = 1;
};

int64_t ulps_apart(float a, float b) {
  const auto ordered = [](float x) {
    const auto bits = std::bit_cast<int32_t>(x);
    return int64_t{bits < 0 ? std::numeric_limits<int32_t>::min() - bits : bits};
  };
  return std::abs(ordered(a) - ordered(b));
}

// One operation, whose results may be so many ULP from those of the host in f64.
struct Function {
  Op op;
  double (*exact)(double, double);
  int64_t ulps;
};
const Function kFunctions[] = {
    {Op::add, [](double x, double y) { return x + y; }, 0},
    {Op::multiply, [](double x, double y) { return x * y; }, 0},
    {Op::divide, [](double x, double y) { return x / y; }, 0},
    {Op::sqrt, [](double x, double) { return std::sqrt(x); }, 0},
    {Op::exp, [](double x, double) { return std::exp(x); }, 1},
    {Op::log, [](double x, double) { return std::log(x); }, 1},
    {Op::sin, [](double x, double) { return std::sin(x); }, 1},
    {Op::tanh, [](double x, double) { return std::tanh(x); }, 1},
};

Trial try_arithmetic(Session& session) {
  constexpr int kCount = 4096;
  Numbers numbers;
  std::vector<float> x(kCount), y(kCount);
  for (int i = 0; i < kCount; ++i) x[i] = std::abs(numbers.real()), y[i] = numbers.real();
  const NodeRef a = stored(session, DType::f32, {kCount}, x);
  const NodeRef b = stored(session, DType::f32, {kCount}, y);
  for (const Function& f : kFunctions) {
    const bool is_unary = info(f.op).arity == 1;
    const auto got =
        read<float>(session, is_unary ? elementwise(f.op, {a}) : elementwise(f.op, {a, b}));
    for (int i = 0; i < kCount; ++i) {
      const auto exact = static_cast<float>(f.exact(x[i], y[i]));
      if (ulps_apart(got[i], exact) <= f.ulps) continue;
      char text[160];
      std::snprintf(text, sizeof text, "%s of %.9g and %.9g is %.9g, not %.9g",
                    std::string(name(f.op)).c_str(), x[i], y[i], got[i], exact);
      return {"arithmetic", false, text};
    }
  }
  return {"arithmetic", true, "eight operations of f32 on 4096 numbers"};
}

// Of small integers, whose sums are exact in every order.
template <typename T>
std::string wrong_product(Session& session, DType type, T (*number)(int)) {
  constexpr int64_t kSide = 128;
  Numbers numbers;
  std::vector<int> x(kSide * kSide), y(kSide * kSide);
  std::vector<T> a(x.size()), b(y.size());
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = numbers.small();
    y[i] = numbers.small();
    a[i] = number(x[i]);
    b[i] = number(y[i]);
  }
  const NodeRef product =
      matmul(stored(session, type, {kSide, kSide}, a), stored(session, type, {kSide, kSide}, b));
  const auto got = read<float>(session, cast(product, DType::f32));
  for (int64_t i = 0; i < kSide; ++i) {
    for (int64_t j = 0; j < kSide; ++j) {
      int sum = 0;
      for (int64_t k = 0; k < kSide; ++k) sum += x[i * kSide + k] * y[k * kSide + j];
      if (got[i * kSide + j] == static_cast<float>(sum)) continue;
      return "element " + std::to_string(i) + ", " + std::to_string(j) + " of a product of " +
             std::string(name(type)) + " is " + std::to_string(got[i * kSide + j]) + ", not " +
             std::to_string(sum);
    }
  }
  return "";
}

uint16_t half(int number) {
  // Up to 4: an exponent and at most two digits.
  if (number == 0) return 0;
  const int magnitude = std::abs(number);
  const int exponent = magnitude >= 4 ? 2 : magnitude >= 2 ? 1 : 0;
  const int digits = (magnitude << (10 - exponent)) & 0x3ff;
  return static_cast<uint16_t>((number < 0 ? 0x8000 : 0) | (exponent + 15) << 10 | digits);
}

Trial try_products(Session& session) {
  const plan::Capabilities& has = session.engine().plan().has;
  std::string wrong =
      wrong_product<float>(session, DType::f32, [](int n) { return static_cast<float>(n); });
  if (wrong.empty()) wrong = wrong_product<uint16_t>(session, DType::f16, half);
  if (!wrong.empty()) return {"products", false, wrong};
  return {"products", true,
          std::string("of f32 and f16, 128 x 128") +
              (has.coopmat ? ", on matrix units where they are used" : ", without matrix units")};
}

constexpr uint64_t kMiB = uint64_t{1} << 20;

// A pattern as large as may be asked for in passing is written, and read again.
Trial try_memory(Session& session) {
  const plan::DevicePlan& plan = session.engine().plan();
  const uint64_t most = plan.profile == plan::Profile::cpu ? 64 * kMiB : 1024 * kMiB;
  const uint64_t bytes =
      std::min({most, plan.memory_budget / 4, plan.max_allocation_bytes}) / kMiB * kMiB;
  const auto count = static_cast<int64_t>(bytes / 4);
  const NodeRef written = iota(session.owner(), DType::u32, {count}, -1);
  session.evaluate(written);
  const NodeRef differs =
      elementwise(Op::not_equal, {written, iota(session.owner(), DType::u32, {count}, -1)});
  const auto sum =
      read<uint32_t>(session, reduce(Op::sum, cast(differs, DType::u32), std::nullopt, false));
  if (sum.at(0) != 0) {
    return {"memory", false,
            std::to_string(sum[0]) + " of " + std::to_string(count) +
                " words are not what was written"};
  }
  Numbers numbers;
  std::vector<uint32_t> sent(4 * kMiB);
  for (uint32_t& word : sent) word = numbers.word();
  const NodeRef there = stored(session, DType::u32, {static_cast<int64_t>(sent.size())}, sent);
  session.evaluate(there);
  if (read<uint32_t>(session, there) != sent) {
    return {"memory", false, "what was sent to the device comes back as something else"};
  }
  return {"memory", true,
          std::to_string(bytes / kMiB) +
              " MiB written and read by the device, 16 MiB sent there and back"};
}

template <typename Try>
Trial guarded(const char* name, Try attempt) {
  try {
    return attempt();
  } catch (const std::exception& e) {
    return {name, false, e.what()};
  }
}

// Bytes a second of reading and writing, by the kernel of an addition.
double bandwidth(Session& session) {
  const plan::DevicePlan& plan = session.engine().plan();
  const uint64_t most = plan.profile == plan::Profile::cpu ? 1 << 22 : 1 << 26;
  const auto count = static_cast<int64_t>(std::min(most, plan.memory_budget / 32));
  const NodeRef x = session.uniform({count});
  double best = 0;
  for (int run = 0; run < 6; ++run) {
    const auto time = session.timed(elementwise(Op::add, {x, session.scalar(1)}));
    best = std::max(best, 8.0 * static_cast<double>(count) / time.seconds);
  }
  return best;
}

// Operations a second of one type. There are as many workgroups as take a while: neither a
// submission nor a watchdog is to count.
double rate(Session& session, ir::Type type) {
  constexpr uint32_t kMostGroups = 65535;
  constexpr double kWhile = 2e-3;  // seconds
  double best = 0;
  session.engine().call([&](Executor&, vulkan::Device& device) {
    const char* key = type == ir::kF64 ? "trial_rate_f64" : "trial_rate_f32";
    const vulkan::Pipeline& kernel =
        device.kernels().request(key, [&] { return rate_kernel(device.plan(), type); });
    kernel.get();
    const vulkan::BlockRef block =
        device.memory().allocate(uint64_t{kMostGroups} * kRateWorkgroup * 8);
    const uint64_t address = block->address();
    vulkan::Block* const buffers[] = {block.get()};
    const vulkan::Access writes[] = {vulkan::Access(block)};
    vulkan::Dispatch d;
    d.kernel = &kernel;
    d.parameters = std::as_bytes(std::span(&address, 1));
    d.buffers = buffers;
    d.writes = writes;
    const auto measure = [&](uint32_t groups) {
      d.groups = {groups, 1, 1};
      const auto start = std::chrono::steady_clock::now();
      device.queue().dispatch(d);
      if (const Failure f = device.queue().wait(device.queue().submit())) throw_failure(f);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      best = std::max(best, groups * kRateWorkgroup * kRateOperations / took.count());
      return took.count();
    };
    uint32_t groups = 64;
    while (measure(groups) < kWhile && groups < kMostGroups) {
      groups = std::min(4 * groups, kMostGroups);
    }
    for (int run = 0; run < 3; ++run) measure(groups);
  });
  return best;
}

}  // namespace

std::vector<Trial> run_trials(Session& session) {
  return {guarded("arithmetic", [&] { return try_arithmetic(session); }),
          guarded("products", [&] { return try_products(session); }),
          guarded("memory", [&] { return try_memory(session); })};
}

std::vector<Speed> measure_speeds(Session& session) {
  const PublishedSpeed published = published_speed(session.engine().snapshot().name);
  std::vector<Speed> all = {{"memory", "GB/s", bandwidth(session) * 1e-9, published.gigabytes, 0.6},
                            {"f32, multiply and add", "TFLOP/s", rate(session, ir::kF32) * 1e-12,
                             published.teraflops, 0.4}};
  if (session.engine().plan().has.f64) {
    all.push_back({"f64, multiply and add", "GFLOP/s", rate(session, ir::kF64) * 1e-9, 0, 0});
  }
  return all;
}

}  // namespace nxv::runtime
