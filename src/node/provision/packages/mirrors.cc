#include "node/provision/packages/mirrors.h"

#include <algorithm>

namespace gpunode::packages {
namespace {

bool is_url(std::string_view text, bool may_be_file) {
  const bool has_scheme = text.starts_with("http://") ||
                          text.starts_with("https://") ||
                          (may_be_file && text.starts_with("file:///"));
  const std::size_t rest = text.find("//");
  return has_scheme && text.size() > rest + 2 && text.size() < 2000 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return c > 0x20 && c < 0x7f &&
                  std::string_view("\"#,;[]\\'<>").find(c) ==
                      std::string_view::npos;
         });
}

bool has_user(std::string_view url) {
  const std::size_t begin = url.find("//") + 2;
  return url.substr(begin, url.find('/', begin) - begin).find('@') !=
         std::string_view::npos;
}

}  // namespace

std::string mirrored(std::string_view url, const Mirrors& mirrors) {
  const Mirrors::value_type* best = nullptr;
  for (const auto& one : mirrors) {
    const std::string& from = one.first;
    const bool fits = url.starts_with(from) &&
                      (url.size() == from.size() || url[from.size()] == '/');
    if (fits && (best == nullptr || from.size() > best->first.size())) {
      best = &one;
    }
  }
  if (best == nullptr) return std::string(url);
  return best->second + std::string(url.substr(best->first.size()));
}

Result<void> check_mirror(std::string_view from, std::string_view to) {
  const auto bad = [](const std::string& words) {
    return Error(ErrorCode::kInvalidArgument, words);
  };
  if (!is_url(from, false)) {
    return bad(
        "the key is no beginning of a URL, such as "
        "\"https://dl.fedoraproject.org/pub/epel\"");
  }
  if (!is_url(to, true)) {
    return bad("it is no URL of http, https or file:///");
  }
  if (has_user(from) || has_user(to)) {
    return bad(
        "a user or password would stand in a file that everyone can read");
  }
  return {};
}

}  // namespace gpunode::packages
