// Writes the kernels of the corpus for devices that need not be there, for comparison with those of
// another version (tools/compare_kernels.sh).
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <span>

#include "base/error.h"
#include "commands.h"
#include "ir/fingerprint.h"
#include "kernels/kernel_ledger.h"
#include "kernels/lowering.h"
#include "runtime/module.h"
#include "schedule/schedule.h"
#include "spirv/translate.h"
#include "testing/corpus/corpus.h"
#include "testing/driver/plans.h"
#include "testing/reference/reference.h"

namespace nxv::tools {
namespace {

namespace fs = std::filesystem;

// Devices that get the random graphs too.
const std::set<std::string> kCommon = {"discrete", "no f64", "bare", "cpu"};

// Fingerprint of a kernel's words.
std::string hash_of(const std::vector<uint32_t>& words) {
  uint64_t hash = words.size();
  for (uint32_t w : words) hash = (hash ^ w) * 0x100000001b3u;
  return std::to_string(hash);
}

// index.txt: a line for each dispatch of each graph on each plan; ir/ and spirv/: what it names.
class CorpusWriter {
 public:
  // Modules are those that a known device gets; of the others they have all float controls.
  CorpusWriter(const fs::path& folder, bool is_known) : folder_(folder), is_known_(is_known) {
    fs::create_directories(folder / "ir");
    fs::create_directories(folder / "spirv");
    index_.open(folder / "index.txt");
    if (!index_) throw Error(Status::invalid_argument, "cannot write to " + folder.string());
  }

  void write(const kernels::AbsentDevice& device, const testing::CorpusGraph& graph) {
    const kernels::Target target = kernels::make_target(device.plan);
    int root = 0;
    std::vector<Node*> all;
    const std::vector<NodeRef> nodes = graph.build(host_graveyard());
    for (const NodeRef& node : nodes) {
      const std::string label =
          device.name + " | " + graph.name + " | root " + std::to_string(root++);
      if (!node->is_pending() || node->op == Op::data) continue;
      all.push_back(node.get());
      write(device, target, label, std::span(&all.back(), 1), 1);
    }
    // Regions that roots have in common.
    if (all.size() > 1) write(device, target, device.name + " | " + graph.name + " | all", all, 2);
  }

  size_t kernels() const { return seen_.size(); }

 private:
  // Regions of so many roots at least.
  void write(const kernels::AbsentDevice& device, const kernels::Target& target,
             const std::string& label, std::span<Node* const> nodes, size_t least) {
    try {
      write_steps(device, target, label, nodes, least);
    } catch (const Error& e) {
      // A device without f64, say: that, too, is to stay as it is.
      index_ << label << " | " << e.what() << '\n';
    }
  }

  void write_steps(const kernels::AbsentDevice& device, const kernels::Target& target,
                   const std::string& label, std::span<Node* const> nodes, size_t least) {
    int step = 0;
    std::map<std::string, int> lines;  // equal ones are counted: a decomposition repeats its steps
    for (const schedule::Item& s : schedule::make_schedule(nodes, {})) {
      if (s.is_alias || s.region.roots.size() < least) continue;
      for (const kernels::Launch& d : kernels::lower(s.region, target).launches) {
        const ir::Kernel kernel = d.generate(s.region);
        ledgers_[device.name].check(d.key, kernel);
        const std::string print = ir::to_string(ir::fingerprint(kernel));
        std::string& spirv = seen_[print + device.name];
        if (spirv.empty()) spirv = write(print, kernel, device.plan);
        ++lines["step " + std::to_string(step) + " | " + kernel.name + " | " +
                std::to_string(d.groups[0]) + 'x' + std::to_string(d.groups[1]) + " | " +
                std::to_string(kernel.body.size()) + " instructions | ir " + print + " | spirv " +
                spirv];
      }
      ++step;
    }
    for (const auto& [line, count] : lines) {
      index_ << label << " | " << line << " | " << count << " times\n";
    }
  }

  std::string write(const std::string& print, const ir::Kernel& kernel,
                    const plan::DevicePlan& plan) {
    std::ofstream(folder_ / "ir" / (print + ".txt")) << ir::to_string(kernel);
    const spirv::Options options = is_known_ ? runtime::spirv_options(plan) : spirv::Options{};
    const std::vector<uint32_t> words = spirv::translate(kernels::legalised(kernel, plan), options);
    const std::string hash = hash_of(words);
    std::ofstream(folder_ / "spirv" / (hash + ".spv"), std::ios::binary)
        .write(reinterpret_cast<const char*>(words.data()),
               static_cast<std::streamsize>(words.size() * sizeof(uint32_t)));
    return hash;
  }

  const fs::path folder_;
  const bool is_known_;
  std::ofstream index_;
  std::map<std::string, kernels::KernelLedger> ledgers_;  // by plan
  std::map<std::string, std::string> seen_;               // kernel and plan -> SPIR-V
};

}  // namespace

namespace {

kernels::AbsentDevice known_device(const std::string& name) {
  std::string all;
  for (const plan::Snapshot& device : testing::known_devices()) {
    const std::string full = device.name + " (" + device.driver_name + ")";
    if (full.find(name) != std::string::npos) {
      return kernels::absent_device(full, plan::make_plan(device), false);
    }
    all += (all.empty() ? "" : ", ") + full;
  }
  throw Error(Status::invalid_argument, "no known device has '" + name + "'; there are " + all);
}

}  // namespace

int run_corpus(const std::string& folder, const std::string& known) {
  const std::vector<testing::CorpusGraph> graphs = testing::corpus();
  const bool is_known = !known.empty();
  CorpusWriter writer(folder, is_known);
  const auto devices = is_known ? std::vector{known_device(known)} : kernels::absent_devices();
  for (const kernels::AbsentDevice& device : devices) {
    const bool is_common = is_known || kCommon.contains(device.name);
    for (const testing::CorpusGraph& graph : graphs) {
      if (is_common || !graph.is_random) writer.write(device, graph);
    }
  }
  std::cout << graphs.size() << " graphs, " << writer.kernels() << " kernels, written to " << folder
            << '\n';
  return 0;
}

}  // namespace nxv::tools
