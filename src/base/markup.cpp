#include "base/markup.h"

#include <cmath>
#include <cstdint>
#include <cstdio>

namespace nxv {
namespace {

bool continues(unsigned char byte) { return (byte & 0xc0) == 0x80; }

// Bytes of the character of UTF-8 that the text begins with; 0: none (RFC 3629).
size_t character(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  const size_t length = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!continues(at(i))) return 0;
  }
  if (first == 0xe0 && at(1) < 0xa0) return 0;                    // too long
  if (first == 0xed && at(1) >= 0xa0) return 0;                   // a surrogate
  if (first == 0xef && at(1) == 0xbf && at(2) >= 0xbe) return 0;  // XML has none of these two
  if (first == 0xf0 && at(1) < 0x90) return 0;
  if (first == 0xf4 && at(1) >= 0x90) return 0;
  return length;
}

// Calls `write(character)` for each.
template <typename Write>
void each_character(std::string_view text, Write&& write) {
  while (!text.empty()) {
    const size_t length = character(text);
    write(length == 0 ? std::string_view("?") : text.substr(0, length));
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

}  // namespace

std::string xml_text(std::string_view text) {
  std::string out;
  each_character(text, [&](std::string_view c) {
    switch (c[0]) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\t':
      case '\n':
        out += c;
        break;
      default:
        out += c.size() == 1 && static_cast<unsigned char>(c[0]) < 0x20 ? "?" : c;
    }
  });
  return out;
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  each_character(text, [&](std::string_view c) {
    if (c[0] == '"' || c[0] == '\\') {
      out += '\\';
      out += c;
    } else if (c.size() == 1 && static_cast<unsigned char>(c[0]) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c[0]));
      out += code;
    } else {
      out += c;
    }
  });
  return out + '"';
}

std::string decimal(double value, int digits) {
  const double scale = std::pow(10.0, digits);
  const double scaled = std::round(std::abs(value) * scale);
  const auto whole = static_cast<uint64_t>(scaled / scale);
  std::string text = (value < 0 && scaled > 0 ? "-" : "") + std::to_string(whole);
  if (digits == 0) return text;
  const std::string rest =
      std::to_string(static_cast<uint64_t>(scaled - static_cast<double>(whole) * scale));
  return text + '.' + std::string(static_cast<size_t>(digits) - rest.size(), '0') + rest;
}

std::string shortened(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  size_t end = most < 3 ? 0 : most - 3;
  while (end > 0 && continues(static_cast<unsigned char>(text[end]))) --end;
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace nxv
