// The functions of ir/math, run on the device and compared with MPFR.

#include "testing/numbers/accuracy.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "commands.h"
#include "session.h"

namespace nxv::tools {
namespace {

class DeviceEvaluator {
 public:
  DeviceEvaluator(Session& session, std::string key) : session_(session), key_(std::move(key)) {}

  void operator()(const ir::Kernel& kernel, uint32_t count,
                  std::span<std::vector<std::byte>> data) const {
    session_.engine().call([&](runtime::Executor& executor, vulkan::Device& device) {
      std::vector<vulkan::BlockRef> blocks;
      std::vector<vulkan::Block*> buffers;
      std::vector<vulkan::Access> reads, writes;
      for (const auto& bytes : data) {
        blocks.push_back(device.transfers().allocate_for_upload(bytes.size()));
        device.transfers().upload(bytes, *blocks.back());
        (blocks.size() < data.size() ? reads : writes).emplace_back(blocks.back());
      }
      std::vector<std::byte> parameters(kernel.param_bytes());
      const std::vector<uint32_t> offsets = kernel.param_offsets();
      size_t buffer = 0;
      for (size_t i = 0; i < kernel.params.size(); ++i) {
        const ir::Param& p = kernel.params[i];
        if (p.is_buffer) {
          const uint64_t address = blocks[buffer++]->address();
          std::memcpy(parameters.data() + offsets[i], &address, sizeof address);
        } else if (p.name == "count") {
          std::memcpy(parameters.data() + offsets[i], &count, sizeof count);
        }
      }
      for (const vulkan::BlockRef& block : blocks) buffers.push_back(block.get());
      vulkan::Dispatch dispatch;
      dispatch.kernel = &device.kernels().request("accuracy " + key_ + " " + kernel.name,
                                                  [&] { return executor.compile(kernel); });
      dispatch.kernel->get();
      dispatch.parameters = parameters;
      dispatch.buffers = buffers;
      dispatch.groups = {(count + 255) / 256, 1, 1};
      dispatch.reads = reads;
      dispatch.writes = writes;
      device.queue().dispatch(dispatch);
      device.transfers().download(blocks.back(), 0, data.back());
    });
  }

 private:
  Session& session_;
  std::string key_;
};

struct Way {
  const char* name;
  ir::Type type;
  ir::math::MathOptions options;
};

}  // namespace

int run_accuracy(const AccuracyOptions& options) {
  for (const std::string& name : options.names) testing::math_function(name);
  Session session(options.device);
  const plan::DevicePlan& plan = session.engine().plan();
  ir::math::MathOptions math;
  session.engine().call(
      [&](runtime::Executor& executor, vulkan::Device&) { math = executor.target().math; });

  std::vector<Way> ways;
  ways.push_back({math.f64 ? "f32 through f64" : "f32", ir::kF32, math});
  if (math.f64) {
    ir::math::MathOptions pairs = math;
    pairs.f64 = false;
    ways.push_back({"f32 without f64", ir::kF32, pairs});
  }
  if (plan.has.f64) ways.push_back({"f64", ir::kF64, math});

  const plan::Snapshot& device = session.engine().snapshot();
  std::printf("%s%s, %s %s%s\n", options.markdown ? "## " : "", device.name.c_str(),
              device.driver_name.c_str(), device.driver_info.c_str(), options.markdown ? "\n" : "");
  if (options.markdown) {
    std::printf(
        "| function | type | max ULP | bound | correctly rounded | points |\n"
        "| --- | --- | --- | --- | --- | --- |\n");
  } else {
    std::printf("%-16s %-16s %9s %6s %10s %8s\n", "function", "type", "max ULP", "bound", "correct",
                "points");
  }

  int failures = 0;
  for (const testing::MathFunction& f : testing::math_functions()) {
    const auto& names = options.names;
    if (!names.empty() && std::find(names.begin(), names.end(), f.name) == names.end()) continue;
    for (const Way& way : ways) {
      const testing::Points points = testing::sample(f, way.type, options.points, 1);
      testing::Accuracy a;
      try {
        a = testing::measure(f, way.type, way.options, points, DeviceEvaluator(session, way.name),
                             !plan.has.f32_subnormals);
      } catch (const Error& e) {
        std::printf("%s %s: %s\n", std::string(f.name).c_str(), way.name, e.what());
        ++failures;
        continue;
      }
      const double bound = f.bound(way.type, way.options);
      const bool ok = a.max_ulp <= bound && a.wrong_specials == 0;
      failures += !ok;
      std::printf(options.markdown ? "| %s | %s | %.3f | %.2f | %.2f %% | %zu |"
                                   : "%-16s %-16s %9.3f %6.2f %8.2f %% %8zu",
                  std::string(f.name).c_str(), way.name, a.max_ulp, bound, 100 * a.share(),
                  a.points);
      if (a.wrong_specials > 0) {
        std::printf(" %zu wrong specials, first f(%.17g, %.17g) = %.17g", a.wrong_specials,
                    a.special_a, a.special_b, a.special_result);
      }
      if (a.max_ulp > bound) {
        std::printf(" worst f(%.17g, %.17g) = %.17g", a.worst_a, a.worst_b, a.worst_result);
      }
      std::printf("\n");
      std::fflush(stdout);
    }
  }
  std::printf("%s%d outside of their bounds\n", options.markdown ? "\n" : "", failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace nxv::tools
