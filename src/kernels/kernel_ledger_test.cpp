#include "kernels/kernel_ledger.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/builder.h"

namespace nxv::kernels {
namespace {

ir::Kernel kernel_storing(const std::string& name, uint32_t v) {
  ir::Builder b(name);
  const ir::Value out = b.buffer("out", ir::Access::write);
  b.store(out, b.u32(0), b.u32(v));
  return b.finish();
}

TEST(KernelLedger, AKeyHasOneKernelWhateverItIsCalled) {
  KernelLedger ledger;
  ledger.check("a", kernel_storing("first", 1));
  ledger.check("a", kernel_storing("second", 1));
  ledger.check("b", kernel_storing("first", 2));
  EXPECT_THROW(ledger.check("a", kernel_storing("first", 2)), Error);
}

TEST(KernelLedger, NamesKeyAndKernels) {
  KernelLedger ledger;
  ledger.check(std::string("k\x01"), kernel_storing("first", 1));
  try {
    ledger.check(std::string("k\x01"), kernel_storing("second", 2));
    FAIL() << "two kernels of one key";
  } catch (const Error& e) {
    const std::string what = e.what();
    EXPECT_NE(what.find("k<01>"), std::string::npos) << what;
    EXPECT_NE(what.find("'first'"), std::string::npos) << what;
    EXPECT_NE(what.find("'second'"), std::string::npos) << what;
  }
}

}  // namespace
}  // namespace nxv::kernels
