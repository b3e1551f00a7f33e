#include "base/markup.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace nxv {
namespace {

TEST(Markup, EscapesWhatXmlReads) {
  EXPECT_EQ(xml_text("a<b> & \"c\""), "a&lt;b&gt; &amp; &quot;c&quot;");
  EXPECT_EQ(xml_text("tab\tnul\x01"), "tab\tnul?");
  EXPECT_EQ(xml_text("\xc3\xa4 \xe2\x86\x92"), "\xc3\xa4 \xe2\x86\x92");
}

TEST(Markup, RefusesWhatIsNoUtf8) {
  for (const char* wrong : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80",
                            "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xff", "\xef\xbf\xbf"}) {
    const std::string text = xml_text(wrong);
    EXPECT_EQ(text, std::string(text.size(), '?')) << wrong;
  }
}

TEST(Markup, JsonReadsBackWhatWasWritten) {
  for (const char* text : {"", "plain", "\"\\/\b\f\n\r\t\x01", "\xc3\xa4\xf0\x9f\x98\x80"}) {
    EXPECT_EQ(nlohmann::json::parse(json_text(text)).get<std::string>(), text);
  }
  EXPECT_EQ(nlohmann::json::parse(json_text("a\xff")).get<std::string>(), "a?");
}

TEST(Markup, NumbersHaveAPointWhateverTheLocale) {
  EXPECT_EQ(decimal(0, 1), "0.0");
  EXPECT_EQ(decimal(1.05, 2), "1.05");
  EXPECT_EQ(decimal(0.9996, 3), "1.000");
  EXPECT_EQ(decimal(-12.006, 2), "-12.01");
  EXPECT_EQ(decimal(-0.001, 2), "0.00");
  EXPECT_EQ(decimal(1234567.5, 0), "1234568");
  EXPECT_EQ(decimal(3e9, 3), "3000000000.000");
}

TEST(Markup, ShortensByWholeCharacters) {
  EXPECT_EQ(shortened("abcdef", 6), "abcdef");
  EXPECT_EQ(shortened("abcdefg", 6), "abc...");
  EXPECT_EQ(shortened("ab\xc3\xa4\xc3\xa4", 5), "ab...");
  EXPECT_EQ(shortened("abcd", 2), "...");
}

}  // namespace
}  // namespace nxv
