// The net under keys: all kernels that were ever made for a key must be one kernel. A choice that a
// generator makes and its key does not name would run the wrong cached kernel.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "ir/fingerprint.h"

namespace nxv::kernels {

class KernelLedger {
 public:
  // Throws Error(internal) when another kernel was seen for the key. Any thread.
  void check(const std::string& key, const ir::Kernel& kernel);

 private:
  struct Entry {
    ir::Fingerprint fingerprint;
    std::string name;
    size_t instructions = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

}  // namespace nxv::kernels
