#include "node/facts/host_text.h"

#include <algorithm>

namespace gpunode::facts {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\f\v";
constexpr std::size_t kValueLimitBytes = std::size_t{64} << 10U;

}  // namespace

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string last_line(std::string_view text) {
  std::string_view last;
  while (!text.empty()) {
    const std::string_view line = trimmed(take_line(text));
    if (!line.empty()) last = line;
  }
  return std::string(last);
}

std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

std::string_view take_line(std::string_view& text) {
  return take_until(text, '\n');
}

std::string read_value(const host::HostRoot& host, const std::string& path) {
  const auto text = host.read_file(path, kValueLimitBytes);
  return text ? std::string(trimmed(*text)) : std::string();
}

std::string inside(const host::HostRoot& host, std::string text) {
  if (host.prefix() == "/") return text;
  const std::string prefix = host.prefix() + "/";
  for (std::size_t at = 0; (at = text.find(prefix, at)) != std::string::npos;
       ++at) {
    text.erase(at, host.prefix().size());
  }
  return text;
}

std::string cause_of(const host::HostRoot& host, const std::string& path,
                     const Error& error) {
  const std::string message = inside(host, error.message());
  const std::string named = path + ": ";
  const std::size_t at = message.find(named);
  return at == std::string::npos ? message : message.substr(at + named.size());
}

}  // namespace gpunode::facts
