// Text inside of XML and JSON.
#pragma once

#include <string>
#include <string_view>

namespace nxv {

// As XML content or attribute: what means something there escaped, what it may not hold (control
// characters, what is no UTF-8) as '?'.
std::string xml_text(std::string_view text);
// As a JSON string, with its quotation marks.
std::string json_text(std::string_view text);

// With so many digits behind the point, whatever the locale. Of a finite number below 2^53.
std::string decimal(double value, int digits);

// At most `most` bytes, with "..." where something is left out; whole characters of UTF-8.
std::string shortened(std::string_view text, size_t most);

}  // namespace nxv
