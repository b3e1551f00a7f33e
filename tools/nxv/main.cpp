// nxv: what the devices are, what an expression would run, how fast and how accurate it is.

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>

#include "base/error.h"
#include "commands.h"

int main(int argc, char** argv) {
  CLI::App app("Tensors on Vulkan compute: devices, kernels, speed and accuracy", "nxv");
  app.require_subcommand(1);

  std::string device;
  const auto add_device = [&](CLI::App* command) {
    command->add_option("--device", device, "index, part of the name, or 'cpu'");
  };

  CLI::App* info = app.add_subcommand("info", "device, driver, plan, limits, probes and memory");
  bool list_devices = false;
  add_device(info);
  info->add_flag("--list", list_devices, "one line for each device");
  bool snapshot = false;
  info->add_flag("--json", snapshot, "what one device reports, as `nxv kernels --plan` reads it");

  CLI::App* doctor = app.add_subcommand(
      "doctor", "what is right and wrong with this machine, and what to do; for reports");
  add_device(doctor);

  nxv::tools::ExplainOptions explain_options;
  CLI::App* explain = app.add_subcommand("explain", "what built-in expressions run, as text");
  add_device(explain);
  explain->add_option("expressions", explain_options.names, "default: all");
  explain->add_flag("--list", explain_options.list, "names of the expressions");
  explain->add_flag("--ir", explain_options.ir, "print the KernelIR of each kernel as it runs");
  explain->add_flag("--spirv", explain_options.spirv, "print the SPIR-V of each kernel too");
  explain->add_flag("--svg", explain_options.svg, "print one expression as a picture");

  nxv::tools::ProfileOptions profile_options;
  CLI::App* profile = app.add_subcommand("profile", "where time goes in built-in expressions");
  add_device(profile);
  profile->add_option("expressions", profile_options.names,
                      "of `nxv explain --list`; default: all");
  profile->add_option("--trace", profile_options.trace, "file for chrome://tracing to write");
  profile->add_option("--runs", profile_options.runs, "of each expression")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();

  nxv::tools::BenchOptions bench_options;
  CLI::App* bench = app.add_subcommand("bench", "measures speed and checks what is measured");
  add_device(bench);
  bench->add_option("benchmarks,--only", bench_options.names, "parts of names; default: all");
  bench->add_flag("--list", bench_options.list, "names of the benchmarks");
  bench->add_flag("--json", bench_options.json, "print JSON instead of a table");
  bench->add_flag("--kernels", bench_options.kernels, "print the time of each kernel");
  bench->add_option("--elements", bench_options.elements, "elements of elementwise benchmarks");
  bench->add_option("--side", bench_options.side, "rows and columns of square matrices");
  bench->add_option("--matmul", bench_options.matmul, "sizes of matmul")->delimiter(',');
  bench->add_option("--seconds", bench_options.seconds, "start no benchmark later than this");
  bench->add_option("--each", bench_options.seconds_per_benchmark, "seconds to measure each");
  bench->add_option("--warm-up", bench_options.warm_up, "seconds to warm up a GPU before each");

  nxv::tools::CompareOptions compare_options;
  CLI::Option* compare =
      bench->add_option("--compare", compare_options.files, "two outputs of --json: what is slower")
          ->expected(2)
          ->type_name("BEFORE AFTER")
          ->check(CLI::ExistingFile);
  bench->add_option("--threshold", compare_options.threshold, "percent that count as slower")
      ->needs(compare)
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();

  nxv::tools::BesideOptions beside_options;
  CLI::App* beside = bench->add_subcommand("beside", "an output of --json beside other libraries");
  beside->add_option("ours", beside_options.ours, "output of `nxv bench --json`")
      ->required()
      ->check(CLI::ExistingFile);
  beside->add_option("peers", beside_options.peers, "outputs of bench/peers/peers.py")
      ->required()
      ->check(CLI::ExistingFile);
  beside->add_flag("--markdown", beside_options.markdown, "print a table for the docs");
  beside->add_option("--svg", beside_options.svg, "file to write a picture of the ratios to");

  nxv::tools::AccuracyOptions accuracy_options;
  CLI::App* accuracy =
      bench->add_subcommand("accuracy", "errors of the functions in ULP, against MPFR");
  add_device(accuracy);
  accuracy->add_option("functions", accuracy_options.names, "default: all");
  accuracy->add_flag("--markdown", accuracy_options.markdown, "print a table for the docs");
  accuracy->add_flag("--products", accuracy_options.products,
                     "errors of matrix products by precision, instead");
  accuracy->add_option("--points", accuracy_options.points, "arguments of each function");

  nxv::tools::ProductsOptions products_options;
  CLI::App* products =
      bench->add_subcommand("products", "matrix products of given shapes, and their variants");
  add_device(products);
  products
      ->add_option("shapes", products_options.shapes,
                   "type:batchxmxnxk:nn, t for a transposed factor")
      ->required();
  products->add_flag("--fast", products_options.fast, "products of f32 at the fast precision");
  products->add_flag("--variants", products_options.variants, "time every tile that could do it");
  products->add_flag("--grid", products_options.grid,
                     "time many tiles that are hardly ever chosen");
  products->add_flag("--wide", products_options.wide, "elements of a wide range of sizes");
  products->add_option("--only", products_options.only, "part of the names of variants");
  products->add_flag("--kernels", products_options.kernels, "print the time of each kernel");
  products->add_flag("--json", products_options.json, "print JSON instead of a table");
  products->add_option("--runs", products_options.runs, "of each")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  products
      ->add_option("--within", products_options.within,
                   "list variants within so many times the best")
      ->capture_default_str();

  CLI::App* operations = app.add_subcommand("operations", "the page docs/operations.md");
  std::string page;
  operations->add_option("--check", page, "fail unless this file is the page");

  nxv::tools::KernelsOptions kernels_options;
  CLI::App* kernels = app.add_subcommand(
      "kernels", "compiles the kernels of a fixed corpus of graphs, and runs none");
  std::string corpus, known;
  add_device(kernels);
  kernels->add_option("names,--only", kernels_options.names,
                      "parts of names of kernels and graphs; default: all");
  kernels
      ->add_option("--plan", kernels_options.plan,
                   "JSON of a device, as `nxv info --json` prints it, or of some of its members")
      ->check(CLI::ExistingFile);
  kernels->add_option("--except", kernels_options.except,
                      "parts of 'kernel graph' that may spill or take longer");
  kernels->add_option("--seconds", kernels_options.seconds, "that a kernel may take to compile")
      ->capture_default_str();
  kernels->add_flag("--json", kernels_options.json, "print JSON instead of a table");
  kernels->add_option("--corpus", corpus, "folder to write keys, IR and SPIR-V to, instead");
  kernels
      ->add_option("--known", known, "with --corpus: a known device, by part of its name or driver")
      ->needs("--corpus");

  CLI11_PARSE(app, argc, argv);
  try {
    if (*doctor) return nxv::tools::run_doctor(device);
    if (*info && snapshot) return nxv::tools::run_snapshot(device);
    if (*info) return nxv::tools::run_info(device, list_devices);
    if (*operations) return nxv::tools::run_operations(page);
    if (*kernels && !corpus.empty()) return nxv::tools::run_corpus(corpus, known);
    if (*kernels) {
      kernels_options.device = device;
      return nxv::tools::run_kernels(kernels_options);
    }
    if (*explain) {
      explain_options.device = device;
      return nxv::tools::run_explain(explain_options);
    }
    if (*profile) {
      profile_options.device = device;
      return nxv::tools::run_profile(profile_options);
    }
    if (*accuracy) {
      accuracy_options.device = device;
      return accuracy_options.products ? nxv::tools::run_product_accuracy(accuracy_options)
                                       : nxv::tools::run_accuracy(accuracy_options);
    }
    if (*beside) return nxv::tools::run_beside(beside_options);
    if (*products) {
      products_options.device = device;
      return nxv::tools::run_products(products_options);
    }
    if (*compare) return nxv::tools::run_compare(compare_options);
    bench_options.device = device;
    return nxv::tools::run_bench(bench_options);
  } catch (const std::exception& e) {
    std::cerr << "nxv: " << e.what() << '\n';
    return 1;
  }
}
