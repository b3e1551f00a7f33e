// Subcommands of `nxv`. Each returns the process's exit status.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nxv::tools {

// `device` selects as NXV_DEVICE does: an index, a part of a name, "cpu"; empty: the preferred one.
int run_info(const std::string& device, bool list);
// What is right and wrong with this machine; fails where the device does not compute rightly.
int run_doctor(const std::string& device);
// What the device reports and its probes found, as JSON.
int run_snapshot(const std::string& device);

struct ExplainOptions {
  std::string device;
  std::vector<std::string> names;  // empty: all
  bool list = false;
  bool ir = false;     // print the KernelIR of each kernel too
  bool spirv = false;  // and its SPIR-V
  bool svg = false;    // print a picture instead, of one expression
};
int run_explain(const ExplainOptions& options);

struct ProfileOptions {
  std::string device;
  std::vector<std::string> names;  // expressions; empty: all
  std::string trace;               // file to write; empty: none
  int runs = 1;                    // of each expression, in turn
};
int run_profile(const ProfileOptions& options);

struct BenchOptions {
  std::string device;
  std::vector<std::string> names;  // benchmarks whose name contains one of them; empty: all
  bool list = false;
  bool json = false;
  bool kernels = false;              // print the time of each kernel
  int64_t elements = 0;              // of elementwise benchmarks; 0: by the kind of device
  int64_t side = 0;                  // of square matrices; 0: likewise
  std::vector<int64_t> matmul;       // sizes; empty: likewise
  double seconds = 600;              // no benchmark is started later than this
  double seconds_per_benchmark = 1;  // of measuring
  double warm_up = 1;                // seconds before, on GPUs, and up to four times that
};
int run_bench(const BenchOptions& options);

struct ProductsOptions {
  std::string device;
  std::vector<std::string> shapes;  // as f32:1x256x784x512:nt
  bool fast = false;                // of f32, at that precision
  bool variants = false;            // every tile that could compute it, not the chosen one alone
  bool grid = false;                // and many that no choice takes
  bool wide = false;                // elements of a wide range
  bool kernels = false;             // of each, where there are several
  std::string only;                 // part of the names of variants
  bool json = false;
  int runs = 20;
  double within = 1.5;  // of the best: variants that are listed
};
int run_products(const ProductsOptions& options);

struct CompareOptions {
  std::vector<std::string> files;  // two outputs of `nxv bench --json`: before, after
  double threshold = 5;            // percent of time that is no difference
};
// Fails when something is slower by more than the threshold, or does not run any more.
int run_compare(const CompareOptions& options);

struct BesideOptions {
  std::string ours;                // output of `nxv bench --json`
  std::vector<std::string> peers;  // outputs of bench/peers
  bool markdown = false;
  std::string svg;  // file to write a picture to; empty: none
};
int run_beside(const BesideOptions& options);

struct AccuracyOptions {
  std::string device;
  std::vector<std::string> names;
  bool markdown = false;
  size_t points = 20000;
  bool products = false;  // of matrices, instead of functions
};
int run_accuracy(const AccuracyOptions& options);
int run_product_accuracy(const AccuracyOptions& options);

struct KernelsOptions {
  std::string device;
  std::vector<std::string> names;   // parts of names of kernels and graphs; empty: all
  std::string plan;                 // file of JSON, put over what the device reports
  std::vector<std::string> except;  // parts of "kernel graph" that may spill or take longer
  double seconds = 1;               // that a kernel may take
  bool json = false;
};
// Compiles the corpus of kernels and runs none. Fails when one does not compile, spills or takes
// longer than it may.
int run_kernels(const KernelsOptions& options);
// Writes the kernels of the corpus to a folder: for devices that are made up, each of which lacks
// something, or for one that is known, by a part of its name and driver.
int run_corpus(const std::string& folder, const std::string& known);

// Prints docs/operations.md; with a file, fails unless that is what it holds.
int run_operations(const std::string& check);

}  // namespace nxv::tools
