// Matrix products, one shape after the other: what the choice takes and, on request, every variant.
//
// Factors are read from memory, not from caches: runs go round copies of them that no cache holds.
#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "commands.h"
#include "graph/build.h"
#include "kernels/matmul/matmul.h"
#include "runtime/module.h"
#include "runtime/packed_dispatch.h"
#include "runtime/storage.h"
#include "session.h"

namespace nxv::tools {
namespace {

// More than the last cache of a large GPU holds.
constexpr uint64_t kColdBytes = uint64_t{192} << 20;
constexpr int kMaxCopies = 64;
// An idle device slows its clocks down.
constexpr std::chrono::milliseconds kWarming{1500}, kWarmingEach{5};

// "bf16:1x16x8192x2048:nt": type, batch x m x n x k, and of A and of B whether it lies as it is
// written (n) or transposed (t). "s8>s32:...": with a result of another type; "f32,bf16>f32:...": B
// is of another type than A.
struct Shape {
  std::string text;
  DType type = DType::f32, other = DType::f32, result = DType::f32;  // of A, B, C
  int64_t batch = 1, m = 1, n = 1, k = 1;
  bool transposed_a = false, transposed_b = false;

  double flops() const {
    return 2.0 * static_cast<double>(batch * m) * static_cast<double>(n) * static_cast<double>(k);
  }
  double bytes() const {
    return static_cast<double>(batch * (m * k * storage_bytes(type) + k * n * storage_bytes(other) +
                                        m * n * storage_bytes(result)));
  }
};

[[noreturn]] void refuse(const std::string& text) {
  throw Error(Status::invalid_argument, "'" + text +
                                            "' is no product: write it as type:batchxmxnxk:nn, "
                                            "for example f32:1x256x784x512:nt");
}

Shape parse(const std::string& text) {
  Shape shape;
  shape.text = text;
  const size_t first = text.find(':'), second = text.find(':', first + 1);
  if (first == std::string::npos) refuse(text);
  const std::string types = text.substr(0, first);
  const size_t arrow = types.find('>'), comma = types.find(',');
  const auto type = dtype_from_name(types.substr(0, std::min(arrow, comma)));
  const auto other = comma == std::string::npos
                         ? type
                         : dtype_from_name(types.substr(comma + 1, arrow - comma - 1));
  const auto result = arrow == std::string::npos ? type : dtype_from_name(types.substr(arrow + 1));
  if (!type || !other || !result) refuse(text);
  shape.type = *type;
  shape.other = *other;
  shape.result = *result;
  const std::string sizes = text.substr(first + 1, second - first - 1);
  const char *at = sizes.data(), *const end = at + sizes.size();
  for (int64_t* size : {&shape.batch, &shape.m, &shape.n, &shape.k}) {
    const auto [stop, error] = std::from_chars(at, end, *size);
    if (error != std::errc() || *size < 1 || *size > 1 << 24) refuse(text);
    at = stop == end ? stop : stop + 1;
  }
  if (at != end) refuse(text);
  const std::string forms = second == std::string::npos ? "nn" : text.substr(second + 1);
  if (forms.size() != 2) refuse(text);
  shape.transposed_a = forms[0] == 't';
  shape.transposed_b = forms[1] == 't';
  return shape;
}

struct Timed {
  std::string variant;
  bool is_chosen = false;
  double seconds = 0;                                   // median
  std::vector<std::pair<std::string, double>> kernels;  // one after the other, likewise
  std::string failure;
};

// Parts of tiles on matrix units, tiles of lines, and small ones in shared memory, of which few are
// ever chosen.
std::vector<kernels::MatmulTile> grid_tiles(const kernels::Product& product,
                                            const kernels::Target& target) {
  std::vector<kernels::MatmulTile> tiles;
  for (const kernels::MatmulTile& tile : kernels::candidate_tiles(target)) {
    if (tile.kind != kernels::MatmulTile::Kind::units || tile.split) continue;
    for (uint32_t parts : {2u, 3u, 4u, 6u, 8u, 12u}) {
      if (product.k >= uint64_t{128} * parts) tiles.push_back(with_parts(tile, parts));
    }
  }
  for (uint32_t teams : {1u, 2u, 4u, 8u, 16u}) {
    for (uint32_t depth : {8u, 16u, 32u}) {
      for (auto [rows, columns] : {std::pair{32u, 32u}, {16u, 32u}, {32u, 64u}, {64u, 64u}}) {
        for (uint32_t across : {4u, 8u}) {
          const kernels::MatmulTile tile = kernels::shared_tile(rows, columns, depth, 4, across);
          tiles.push_back(kernels::with_teams(tile, teams));
        }
      }
    }
  }
  const bool are_rows = product.m > product.n;
  auto vectors = static_cast<uint32_t>(std::bit_ceil(std::min(product.m, product.n)));
  if (are_rows && vectors == 2) vectors = 4;
  for (uint32_t lanes : {8u, 16u, 32u, 64u}) {
    for (uint32_t lines : {1u, 2u, 4u, 8u}) {
      for (uint32_t depth : {8u, 16u, 32u, 64u}) {
        for (uint32_t teams : {1u, 2u, 4u, 8u, 16u, 32u, 64u}) {
          if (lanes * teams > 1024 || lanes * teams < 64 || lines * vectors > 64) continue;
          const auto tile = kernels::line_tile(are_rows, vectors, lanes, lines, depth);
          tiles.push_back(kernels::with_teams(tile, teams));
          tiles.push_back(tiles.back());
          tiles.back().split = true;
        }
      }
    }
  }
  return tiles;
}

class Products {
 public:
  Products(Session& session, Precision precision) : session_(session), precision_(precision) {}

  std::vector<Timed> run(const Shape& shape, const ProductsOptions& options) {
    std::vector<Timed> all;
    make(shape, options.wide);
    const kernels::Target target = kernels::make_target(session_.engine().plan());
    const kernels::Product product = kernels::product_of(region_);
    const kernels::MatmulTile chosen = kernels::choose_matmul(product, target);
    std::vector<kernels::MatmulTile> tiles{chosen};
    const auto add = [&](const std::vector<kernels::MatmulTile>& more) {
      for (const kernels::MatmulTile& tile : more) {
        const std::string name = tile.name();
        const bool is_known = std::any_of(tiles.begin(), tiles.end(),
                                          [&](const auto& other) { return other.name() == name; });
        const bool is_wanted = !is_known && name.find(options.only) != std::string::npos;
        if (is_wanted && !kernels::matmul_obstacle(product, target, tile)) tiles.push_back(tile);
      }
    };
    if (options.variants) add(kernels::candidate_tiles(target));
    if (options.grid) add(grid_tiles(product, target));
    session_.engine().call([&](runtime::Executor& executor, vulkan::Device& device) {
      std::vector<kernels::Lowering> ways;
      for (const kernels::MatmulTile& tile : tiles) {
        ways.push_back(kernels::lower_matmul(region_, target, tile));
        for (const kernels::Launch& d : ways.back().launches) request(executor, device, d);
      }
      // Compiling disturbs what is measured meanwhile.
      for (const kernels::Lowering& way : ways) {
        for (const kernels::Launch& d : way.launches) request(executor, device, d).get();
      }
      for (size_t i = 0; i < ways.size(); ++i) {
        Timed timed{tiles[i].name(), i == 0, 0, {}, {}};
        try {
          time(executor, device, ways[i], options.runs, timed);
        } catch (const Error& e) {
          if (e.status() == Status::device_lost) throw;
          timed.failure = e.what();
        }
        all.push_back(std::move(timed));
      }
    });
    return all;
  }

 private:
  // Numbers between -0.5 and 0.5; `wide`: between 2^-18 and 1, of any power of two alike, as those
  // of gradients are.
  NodeRef factor(nxv::Shape dims, DType type, bool wide) {
    const double most = is_integer(type) ? 100 : 0.5, least = is_unsigned(type) ? 0 : -most;
    if (!wide || is_integer(type)) return session_.uniform(std::move(dims), least, most, type);
    NodeRef x = elementwise(Op::exp, {session_.uniform(std::move(dims), -12.5, 0)});
    if (type != DType::f32) x = cast(x, type);
    session_.evaluate(x);
    return x;
  }

  void make(const Shape& s, bool wide) {
    a_.clear();
    b_.clear();
    const auto bytes = static_cast<uint64_t>(s.bytes());
    const int copies =
        static_cast<int>(std::clamp<uint64_t>(kColdBytes / bytes + 1, 1, kMaxCopies));
    for (int i = 0; i < copies; ++i) {
      a_.push_back(factor({s.batch, s.m, s.k}, s.type, wide));
      b_.push_back(factor({s.batch, s.k, s.n}, s.other, wide));
    }
    c_ = session_.uniform({s.batch, s.m, s.n}, 0, 1, s.result);
    const auto words = [](int64_t rows, int64_t columns, bool transposed) {
      MatrixWords w{0, static_cast<uint32_t>(rows * columns), static_cast<uint32_t>(columns), 1};
      if (transposed) w.row_stride = 1, w.column_stride = static_cast<uint32_t>(rows);
      return w;
    };
    region_ =
        kernels::product_region(a_[0], b_[0], c_,
                                {words(s.m, s.k, s.transposed_a), words(s.k, s.n, s.transposed_b),
                                 static_cast<uint32_t>(s.batch), static_cast<uint32_t>(s.m),
                                 static_cast<uint32_t>(s.n), static_cast<uint32_t>(s.k)},
                                c_->dtype == DType::f32 ? precision_ : Precision::accurate);
  }

  const vulkan::Pipeline& request(runtime::Executor& executor, vulkan::Device& device,
                                  const kernels::Launch& d) {
    return device.kernels().request("variant_" + d.key,
                                    [&] { return executor.compile(d.generate(region_)); });
  }

  static double median(std::vector<double>& values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
  }

  // Median device time of `runs` runs, one after the other, once the device's clocks are up.
  void time(runtime::Executor& executor, vulkan::Device& device, const kernels::Lowering& way,
            int runs, Timed& timed) {
    vulkan::Queue& queue = device.queue();
    std::vector<vulkan::BlockRef> kept;
    std::vector<vulkan::Block*> workspaces;
    for (uint64_t bytes : way.workspaces) {
      kept.push_back(device.memory().allocate(bytes));
      workspaces.push_back(kept.back().get());
    }
    vulkan::Block* const outputs[] = {runtime::device_storage(*c_).block.get()};
    std::vector<double> seconds;
    std::vector<std::vector<double>> of_kernels;
    const auto start = std::chrono::steady_clock::now();
    const auto is_cold = [&] {
      const auto passed = std::chrono::steady_clock::now() - start;
      return passed < (warm_ ? kWarmingEach : kWarming);
    };
    queue.set_profiling(true);
    size_t copy = 0;
    while (is_cold() || seconds.empty()) {
      seconds.clear();
      of_kernels.assign(way.launches.size(), {});
      queue.take_profile();
      for (int run = 0; run < runs; ++run) {
        copy = (copy + 1) % a_.size();
        vulkan::Block* const operands[] = {runtime::device_storage(*a_[copy]).block.get(),
                                           runtime::device_storage(*b_[copy]).block.get()};
        for (const kernels::Launch& d : way.launches) {
          runtime::PackedDispatch packed;
          packed.pack(d, request(executor, device, d).get(), {operands, outputs, {}, workspaces},
                      region_.words);
          queue.dispatch(packed.get());
        }
      }
      const Failure failure = queue.wait(queue.submit());
      if (failure) throw_failure(failure);
      const std::vector<vulkan::KernelTime> times = queue.take_profile();
      for (size_t i = 0; i < times.size(); i += way.launches.size()) {
        double sum = 0;
        for (size_t j = 0; j < way.launches.size(); ++j) {
          of_kernels[j].push_back(times[i + j].nanoseconds * 1e-9);
          sum += of_kernels[j].back();
        }
        seconds.push_back(sum);
      }
    }
    warm_ = true;
    queue.set_profiling(false);
    timed.seconds = median(seconds);
    for (size_t j = 0; j < way.launches.size(); ++j) {
      timed.kernels.emplace_back(way.launches[j].generate(region_).name, median(of_kernels[j]));
    }
  }

  Session& session_;
  const Precision precision_;
  std::vector<NodeRef> a_, b_;
  NodeRef c_;
  Region region_;
  bool warm_ = false;
};

}  // namespace

int run_products(const ProductsOptions& options) {
  std::vector<Shape> shapes;
  for (const std::string& text : options.shapes) shapes.push_back(parse(text));
  Session session(options.device);
  if (!session.engine().plan().has.timestamps) {
    throw Error(Status::unsupported, "this device has no clock that kernels are timed by");
  }
  nlohmann::json all = nlohmann::json::array();
  for (const Shape& shape : shapes) {
    const Precision precision = options.fast ? Precision::fast : Precision::accurate;
    const std::vector<Timed> times = Products(session, precision).run(shape, options);
    double best = 1e9;
    for (const Timed& t : times) {
      if (t.failure.empty()) best = std::min(best, t.seconds);
    }
    for (const Timed& t : times) {
      const double ratio = t.seconds / best;
      if (options.json) {
        all.push_back({{"shape", shape.text},
                       {"variant", t.variant},
                       {"chosen", t.is_chosen},
                       {"microseconds", t.seconds * 1e6},
                       {"failure", t.failure}});
      } else if (!t.failure.empty()) {
        std::printf("%-28s %-36s FAILED: %s\n", shape.text.c_str(), t.variant.c_str(),
                    t.failure.c_str());
      } else if (t.is_chosen || ratio < options.within) {
        std::printf("%-28s %c %-36s %9.1f us %8.1f GFLOP/s %7.0f GB/s %6.2f\n", shape.text.c_str(),
                    t.is_chosen ? '*' : ' ', t.variant.c_str(), t.seconds * 1e6,
                    shape.flops() / t.seconds * 1e-9, shape.bytes() / t.seconds * 1e-9, ratio);
        if (!options.kernels || t.kernels.size() < 2) continue;
        for (const auto& [name, seconds] : t.kernels) {
          std::printf("%-30s %-36s %9.1f us\n", "", name.c_str(), seconds * 1e6);
        }
      }
    }
    std::fflush(stdout);
  }
  if (options.json) std::cout << all.dump(1) << '\n';
  return 0;
}

}  // namespace nxv::tools
