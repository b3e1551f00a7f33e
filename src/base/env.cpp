#include "base/env.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <system_error>

#include "base/error.h"
#include "base/platform.h"

namespace nxv::env {

std::optional<std::string> get(std::string_view name) {
  const bool listed = std::any_of(kVariables.begin(), kVariables.end(),
                                  [&](const Variable& v) { return v.name == name; });
  if (!listed) throw std::logic_error("unlisted environment variable " + std::string(name));
  const auto value = platform::variable(std::string(name).c_str());
  return value && value->empty() ? std::nullopt : value;
}

std::optional<std::string> of_loader(const char* name) {
  const auto value = platform::variable(name);
  return value && value->empty() ? std::nullopt : value;
}

bool flag(std::string_view name) {
  const auto value = get(name);
  return value && *value != "0";
}

std::optional<uint64_t> bytes(std::string_view name) {
  const auto value = get(name);
  if (!value) return std::nullopt;
  const char* const last = value->data() + value->size();
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(value->data(), last, number);
  const std::string_view suffix(end, static_cast<size_t>(last - end));
  int shift = 0;
  if (suffix == "k" || suffix == "K") shift = 10;
  if (suffix == "m" || suffix == "M") shift = 20;
  if (suffix == "g" || suffix == "G") shift = 30;
  const bool known = suffix.empty() || shift > 0;
  if (error != std::errc{} || !known || number > UINT64_MAX >> shift) {
    throw Error(
        Status::invalid_argument,
        std::string(name) + "=" + *value + " is not a number of bytes (such as 268435456 or 256m)");
  }
  return number << shift;
}

std::string cache_folder() {
  if (const auto chosen = get("NXV_CACHE_DIR")) return *chosen == "off" ? "" : *chosen;
  return platform::user_cache_folder();
}

}  // namespace nxv::env
