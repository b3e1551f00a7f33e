// Keys of regions.
#include "graph/region.h"

#include <gtest/gtest.h>

#include <set>

namespace nxv {
namespace {

TEST(RegionKey, NoTwoSequencesOfNumbersAreOneKey) {
  const std::vector<int64_t> numbers = {-1,  0,     1,     253, 254,  255,       256,
                                        511, 65535, 65536, -2,  -256, INT64_MAX, INT64_MIN};
  // All sequences of up to three numbers.
  std::vector<std::string> keys = {""};
  size_t longest = 0;
  for (int length = 1; length <= 3; ++length) {
    const size_t end = keys.size();
    for (size_t i = longest; i < end; ++i) {
      for (int64_t n : numbers) {
        std::string key = keys[i];
        append_to_key(key, n);
        keys.push_back(key);
      }
    }
    longest = end;
  }
  EXPECT_EQ(std::set(keys.begin(), keys.end()).size(), keys.size());
}

}  // namespace
}  // namespace nxv
