// What tools read: conformance vectors, snapshots of devices and results of benchmarks. Any text is
// read, or refused with an error.
#include <fuzzer/FuzzedDataProvider.h>

#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "bench_comparison.h"
#include "snapshot_json.h"
#include "testing/driver/snapshots.h"
#include "testing/numbers/vectors.h"

namespace {

using nlohmann::json;
using namespace nxv;

template <typename Read>
void read_or_refuse(Read read) {
  try {
    read();
  } catch (const Error&) {
    // It says what is wrong.
  } catch (const json::exception&) {
    // So does it, and who reads a file adds the line.
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider in(data, size);
  const int reader = in.ConsumeIntegralInRange<int>(0, 2);
  const json text = json::parse(in.ConsumeRemainingBytesAsString(), nullptr, false, true);
  if (text.is_discarded()) return 0;
  read_or_refuse([&] {
    switch (reader) {
      case 0: {
        const VectorCase c = parse_case(text);
        for (size_t i = 0; i < c.outputs.size(); ++i) {
          if (!compare_output(c, i, c.outputs[i]).wrong_kind.empty()) std::abort();
        }
        for (const HostTensor& t : c.inputs) static_cast<void>(to_string(t));
        break;
      }
      case 1:
        static_cast<void>(tools::to_json(tools::amended(nxv::testing::common_gpu(), text)));
        break;
      default: {
        const tools::BenchComparison same = tools::compare_benches(text, text, 10);
        static_cast<void>(tools::to_text(same));
        if (!same.only_before.empty() || !same.only_after.empty()) std::abort();
      }
    }
  });
  return 0;
}
