#include "base/env.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace nxv::env {
namespace {

// Sets a variable for as long as it lives.
class Setting {
 public:
  Setting(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  ~Setting() { set(before_ ? before_->c_str() : nullptr); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  void set(const char* value) const {
#if defined(_WIN32)
    _putenv_s(name_, value == nullptr ? "" : value);
#else
    value == nullptr ? unsetenv(name_) : setenv(name_, value, 1);
#endif
  }

  const char* name_;
  std::optional<std::string> before_;
};

std::string trimmed(const std::string& s) {
  const size_t first = s.find_first_not_of(' ');
  return first == std::string::npos ? "" : s.substr(first, s.find_last_not_of(' ') - first + 1);
}

// Name and meaning of the first table's rows: | `NAME` | meaning | ...
std::vector<std::pair<std::string, std::string>> documented() {
  std::ifstream page(NXV_ENVIRONMENT_PAGE);
  std::vector<std::pair<std::string, std::string>> rows;
  for (std::string line; std::getline(page, line);) {
    if (line.rfind("| `", 0) != 0) {
      if (rows.empty()) continue;
      break;
    }
    const size_t name_end = line.find("` |");
    const size_t meaning_end = line.find(" |", name_end + 3);
    rows.emplace_back(line.substr(3, name_end - 3),
                      trimmed(line.substr(name_end + 3, meaning_end - name_end - 3)));
  }
  return rows;
}

TEST(Environment, PageListsTheVariables) {
  std::vector<std::pair<std::string, std::string>> expected;
  for (const Variable& v : kVariables) expected.emplace_back(v.name, v.meaning);
  EXPECT_EQ(documented(), expected) << NXV_ENVIRONMENT_PAGE;
}

TEST(Environment, EmptyIsUnset) {
  const Setting empty("NXV_DEVICE", "");
  EXPECT_EQ(get("NXV_DEVICE"), std::nullopt);
  const Setting cpu("NXV_DEVICE", "cpu");
  EXPECT_EQ(get("NXV_DEVICE"), "cpu");
}

TEST(Environment, UnlistedVariablesAreRefused) { EXPECT_THROW(get("HOME"), std::logic_error); }

TEST(Environment, ZeroSwitchesAFlagOff) {
  const Setting zero("NXV_NO_FUSION", "0");
  EXPECT_FALSE(flag("NXV_NO_FUSION"));
  const Setting one("NXV_NO_FUSION", "1");
  EXPECT_TRUE(flag("NXV_NO_FUSION"));
}

TEST(Environment, BytesTakeASuffix) {
  const std::pair<const char*, uint64_t> cases[] = {
      {"1000", 1000}, {"4k", 4096}, {"256m", 256u << 20}, {"3G", uint64_t{3} << 30}};
  for (const auto& [text, expected] : cases) {
    const Setting budget("NXV_MEMORY_BUDGET", text);
    EXPECT_EQ(bytes("NXV_MEMORY_BUDGET"), expected) << text;
  }
  for (const char* text : {"much", "12x", "1mb", "m", "-1", "99999999999g"}) {
    const Setting budget("NXV_MEMORY_BUDGET", text);
    EXPECT_THROW(bytes("NXV_MEMORY_BUDGET"), Error) << text;
  }
}

TEST(Environment, CacheFolder) {
  const Setting chosen("NXV_CACHE_DIR", "somewhere");
  EXPECT_EQ(cache_folder(), "somewhere");
  const Setting off("NXV_CACHE_DIR", "off");
  EXPECT_EQ(cache_folder(), "");
}

}  // namespace
}  // namespace nxv::env
