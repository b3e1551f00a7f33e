#include "kernels/kernel_ledger.h"

#include "base/error.h"

namespace nxv::kernels {
namespace {

// Keys hold bytes of any value.
std::string printable(const std::string& key) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > ' ' && byte < 0x7f) {
      text += c;
    } else {
      text += std::string("<") + kDigits[byte >> 4] + kDigits[byte & 15] + '>';
    }
  }
  return text;
}

}  // namespace

void KernelLedger::check(const std::string& key, const ir::Kernel& kernel) {
  const ir::Fingerprint fingerprint = ir::fingerprint(kernel);
  const std::lock_guard lock(mutex_);
  const auto [at, is_new] =
      entries_.try_emplace(key, Entry{fingerprint, kernel.name, kernel.body.size()});
  const Entry& first = at->second;
  if (is_new || first.fingerprint == fingerprint) return;
  throw Error(Status::internal,
              "two kernels have the key " + printable(key) + ": '" + first.name + "' of " +
                  std::to_string(first.instructions) + " instructions, then '" + kernel.name +
                  "' of " + std::to_string(kernel.body.size()) + ":\n" + ir::to_string(kernel));
}

}  // namespace nxv::kernels
