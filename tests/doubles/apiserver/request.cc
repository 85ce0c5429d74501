#include "tests/doubles/apiserver/request.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::kube::apiserver {

namespace {

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%' || i + 2 >= text.size()) {
      out += text[i];
      continue;
    }
    const std::string digits(text.substr(i + 1, 2));
    out += static_cast<char>(std::strtoul(digits.c_str(), nullptr, 16));
    i += 2;
  }
  return out;
}

/// "a=1,b" as pairs; the second empty where there is no "=".
std::vector<std::pair<std::string, std::optional<std::string>>> terms_of(
    const std::string& selector) {
  std::vector<std::pair<std::string, std::optional<std::string>>> terms;
  std::string_view rest = selector;
  while (!rest.empty()) {
    const std::string_view term = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), term.size() + 1));
    const std::size_t equals = term.find('=');
    terms.emplace_back(term.substr(0, equals),
                       equals == std::string_view::npos
                           ? std::nullopt
                           : std::optional(std::string(
                                 term.substr(term.find_last_of('=') + 1))));
  }
  return terms;
}

}  // namespace

std::string Request::parameter(const std::string& name) const {
  const std::string all = "&" + query;
  const std::size_t at = all.find("&" + name + "=");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + name.size() + 2;
  return all.substr(begin, all.find('&', begin) - begin);
}

bool Request::selects(const std::string& object) const {
  constexpr std::string_view kAllPods = "/api/v1/pods";
  if (path == kAllPods) {  // Of every namespace.
    return object.starts_with("/api/v1/namespaces/") &&
           object.find("/pods/") != std::string::npos;
  }
  if (!object.starts_with(path + "/") ||
      object.find('/', path.size() + 1) != std::string::npos) {
    return false;
  }
  const std::string selector = parameter("fieldSelector");
  return !selector.starts_with("metadata.name%3D") ||
         selector == "metadata.name%3D" + object.substr(path.size() + 1);
}

bool Request::selects_content(const text::Node& object) const {
  for (const auto& [key, value] :
       terms_of(unescaped(parameter("labelSelector")))) {
    const text::Node* const label =
        text::find_at(object, {"metadata", "labels", key});
    if (label == nullptr || (value && label->scalar != *value)) return false;
  }
  for (const auto& [key, value] :
       terms_of(unescaped(parameter("fieldSelector")))) {
    if (key == "spec.nodeName" &&
        text::string_at(object, {"spec", "nodeName"}) != value) {
      return false;
    }
  }
  return true;
}

bool Request::is_collection() const {
  constexpr std::array<std::string_view, 5> kCollections = {
      "/nodes", "/pods", "/configmaps", "/events", "/nodefeatures"};
  return std::any_of(
      kCollections.begin(), kCollections.end(),
      [this](std::string_view one) { return path.ends_with(one); });
}

std::string Request::line() const {
  return method + " " + path + (query.empty() ? "" : "?" + query);
}

std::optional<Request> take_request(std::string& bytes) {
  const std::size_t head_end = bytes.find("\r\n\r\n");
  if (head_end == std::string::npos) return std::nullopt;
  const std::size_t at = bytes.find("Content-Length: ");
  const std::size_t length =
      at < head_end ? std::strtoul(bytes.c_str() + at + 16, nullptr, 10) : 0;
  const std::size_t whole = head_end + 4 + length;
  if (bytes.size() < whole) return std::nullopt;
  Request request;
  request.head = bytes.substr(0, head_end + 2);
  request.body = bytes.substr(head_end + 4, length);
  bytes.erase(0, whole);
  const std::size_t space = request.head.find(' ');
  const std::size_t end = request.head.find(' ', space + 1);
  request.method = request.head.substr(0, space);
  const std::string target = request.head.substr(space + 1, end - space - 1);
  request.path = target.substr(0, target.find('?'));
  if (request.path.size() < target.size()) {
    request.query = target.substr(request.path.size() + 1);
  }
  return request;
}

Reply Reply::failure(int code, const std::string& reason,
                     const std::string& message) {
  return {code, status_json(code, reason, message), ""};
}

std::string Reply::on_the_wire() const {
  return fmt::format(
      "HTTP/1.1 {} x\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n{}\r\n{}",
      status, body.size(), headers, body);
}

std::string status_json(int code, const std::string& reason,
                        const std::string& message) {
  return fmt::format(
      R"({{"kind":"Status","apiVersion":"v1","status":"Failure","message":{},"reason":{},"code":{}}})",
      text::json_string(message), text::json_string(reason), code);
}

}  // namespace gpunode::kube::apiserver
