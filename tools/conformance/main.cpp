// nxv-conformance: runs recorded cases on a device, or on the reference evaluator, and compares.

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <deque>
#include <iostream>
#include <set>

#include "report.h"
#include "target.h"

namespace {

using nxv::conformance::Counts;
using nxv::conformance::Report;
using nxv::conformance::Result;
using nxv::conformance::Target;

struct Options {
  std::string folder;
  std::vector<std::string> families;
  std::vector<std::string> ops;
  std::vector<std::string> types;
  bool reference = false;
  bool json = false;
  bool allow_unsupported = false;
  int device = -1;
  size_t engines = 1;
  size_t failures = 10;
};

// Whether every tensor of the case has one of the types.
bool has_only(const nxv::VectorCase& c, const std::set<std::string>& types) {
  const auto allowed = [&](const nxv::HostTensor& t) {
    return types.contains(std::string(nxv::name(t.dtype)));
  };
  return std::all_of(c.inputs.begin(), c.inputs.end(), allowed) &&
         std::all_of(c.outputs.begin(), c.outputs.end(), allowed);
}

bool is_selected(const nxv::VectorCase& c, const Options& options) {
  const auto lists = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  const bool op_selected = options.ops.empty() || lists(options.ops, c.op) ||
                           (c.op == "block" && lists(options.ops, c.opts.at("block")));
  return op_selected &&
         (options.types.empty() || has_only(c, {options.types.begin(), options.types.end()}));
}

using Targets = std::vector<std::unique_ptr<Target>>;

// Starts and compares cases with a bounded number under way.
class Pipeline {
 public:
  Pipeline(const Targets& targets, Report& report) : targets_(targets), report_(report) {}

  void push(nxv::VectorCase c) {
    std::future<Result> result = target_of(c).start(c);
    running_.push_back({std::move(c), std::move(result)});
    if (running_.size() > kUnderWay) finish_oldest();
  }
  void finish() {
    while (!running_.empty()) finish_oldest();
  }

 private:
  static constexpr size_t kUnderWay = 512;
  struct Running {
    nxv::VectorCase c;
    std::future<Result> result;
  };

  // Cases of an operation on equal types and shapes go to one target: they share kernels.
  Target& target_of(const nxv::VectorCase& c) const {
    std::string key = c.op;
    for (const nxv::HostTensor& t : c.inputs) {
      key += nxv::name(t.dtype);
      for (int64_t n : t.shape) key += ' ' + std::to_string(n);
    }
    return *targets_[std::hash<std::string>()(key) % targets_.size()];
  }
  void finish_oldest() {
    report_.add(running_.front().c, running_.front().result.get());
    running_.pop_front();
  }

  const Targets& targets_;
  Report& report_;
  std::deque<Running> running_;
};

Targets open(const Options& options) {
  using namespace nxv::conformance;
  Targets targets;
  while (targets.size() < std::max<size_t>(options.engines, 1)) {
    targets.push_back(options.reference ? open_reference() : open_device(options.device));
  }
  return targets;
}

Report run(const Targets& targets, const Options& options) {
  Report report(targets[0]->flushes_subnormals(), options.failures);
  Pipeline pipeline(targets, report);
  const std::vector<std::string> families =
      options.families.empty() ? nxv::vector_families(options.folder) : options.families;
  for (const std::string& family : families) {
    nxv::read_vectors(std::filesystem::path(options.folder) / (family + ".jsonl"),
                      [&](nxv::VectorCase c) {
                        if (is_selected(c, options)) pipeline.push(std::move(c));
                      });
  }
  pipeline.finish();
  return report;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Runs conformance vectors and compares the results");
  app.add_option("folder", options.folder, "Folder of the .jsonl files")->required();
  app.add_option("--family", options.families, "Families to run: names of files")->delimiter(',');
  app.add_option("--op", options.ops, "Operations or blocks to run")->delimiter(',');
  app.add_option("--types", options.types, "Run cases of these element types only")->delimiter(',');
  app.add_option("--device", options.device, "Device index; the best one by default");
  app.add_option("--engines", options.engines,
                 "Engines to share the cases; a driver for CPUs compiles on one thread in each");
  app.add_option("--failures", options.failures, "Failures to print in full");
  app.add_flag("--reference", options.reference, "Run on the host's reference evaluator");
  app.add_flag("--allow-unsupported", options.allow_unsupported,
               "Succeed though operations are not offered");
  app.add_flag("--json", options.json, "Print JSON");
  CLI11_PARSE(app, argc, argv);
  try {
    const Targets targets = open(options);
    const Report report = run(targets, options);
    if (options.json) {
      nlohmann::json text = report.to_json();
      text["target"] = targets[0]->description();
      std::cout << text.dump(1) << "\n";
    } else {
      std::cout << targets[0]->description() << "\n";
      report.print_table(std::cout);
      report.print_failures(std::cout);
    }
    const Counts total = report.total();
    return total.failed != 0 || (total.unsupported != 0 && !options.allow_unsupported) ? 1 : 0;
  } catch (const std::exception& e) {
    std::cerr << "nxv-conformance: " << e.what() << "\n";
    return 2;
  }
}
