#include "base/http/request.h"

#include <algorithm>
#include <optional>

#include "base/core/ascii.h"

namespace gpunode::http {
namespace {

using State = ParsedRequest::State;

/// A refusal, as what a step of parsing returns; nothing when it went well.
using Refusal = std::optional<int>;

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alphanumeric(c) || kMarks.find(c) != std::string_view::npos;
  });
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return to_lower(x) == to_lower(y); });
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Whether a comma-separated list has `word`.
bool list_has(std::string_view list, std::string_view word) {
  for (;;) {
    const std::size_t comma = list.find(',');
    if (equals_ignoring_case(trim(list.substr(0, comma)), word)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

/// Takes a line off `text`, without its CR LF or LF.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

/// Length of the empty lines before a request.
std::size_t leading_empty_lines(std::string_view bytes) {
  std::size_t at = 0;
  for (;;) {
    const std::string_view rest = bytes.substr(at);
    if (rest.substr(0, 1) == "\n") {
      at += 1;
    } else if (rest.substr(0, 2) == "\r\n") {
      at += 2;
    } else {
      return at;
    }
  }
}

/// Where the head of a request ends, its empty line included; npos if not yet.
std::size_t end_of_head(std::string_view bytes) {
  std::size_t line_end = bytes.find('\n');
  while (line_end != std::string_view::npos) {
    const std::string_view rest = bytes.substr(line_end + 1);
    if (rest.substr(0, 1) == "\n") return line_end + 2;
    if (rest.substr(0, 2) == "\r\n") return line_end + 3;
    line_end = bytes.find('\n', line_end + 1);
  }
  return std::string_view::npos;
}

/// The path of a request target: "/p?q", or "http://host/p?q" (RFC 9112, 3.2).
std::optional<std::string_view> path_of(std::string_view target) {
  if (target == "*") return target;  // OPTIONS *; no page has this path.
  const std::size_t scheme = target.find("://");
  if (target.front() != '/' && scheme != std::string_view::npos) {
    const std::size_t slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  if (target.front() != '/') return std::nullopt;
  return target.substr(0, target.find_first_of("?#"));
}

class HeadParser {
 public:
  Refusal request_line(std::string_view line) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return 400;
    const std::string_view method = line.substr(0, first);
    const std::string_view target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (!is_token(method) || target.empty() || has_control(target) ||
        target.find_first_of(" \t") != std::string_view::npos) {
      return 400;
    }
    if (version.size() != 8 || version.substr(0, 5) != "HTTP/") return 400;
    if (version != "HTTP/1.1" && version != "HTTP/1.0") return 505;
    const auto path = path_of(target);
    if (!path) return 400;
    is_1_1_ = version == "HTTP/1.1";
    request_.method = method;
    request_.path = *path;
    request_.keep_alive = is_1_1_;
    return std::nullopt;
  }

  Refusal header(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return 400;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    // A folded line starts with a space, which is no token either.
    if (!is_token(name) || has_control(value)) return 400;
    if (equals_ignoring_case(name, "host")) ++hosts_;
    if (equals_ignoring_case(name, "connection") && list_has(value, "close")) {
      request_.keep_alive = false;
    }
    if (equals_ignoring_case(name, "transfer-encoding") ||
        (equals_ignoring_case(name, "content-length") && value != "0")) {
      request_.keep_alive = false;
    }
    return std::nullopt;
  }

  Refusal end() const {
    if (hosts_ > 1 || (is_1_1_ && hosts_ == 0)) return 400;
    return std::nullopt;
  }

  const Request& request() const { return request_; }

 private:
  Request request_;
  bool is_1_1_ = true;
  int hosts_ = 0;
};

ParsedRequest refused(int status) {
  ParsedRequest parsed;
  parsed.state = State::kRefused;
  parsed.status = status;
  return parsed;
}

}  // namespace

ParsedRequest parse_request(std::string_view bytes) {
  const std::size_t skipped = leading_empty_lines(bytes);
  const std::size_t size = end_of_head(bytes.substr(skipped));
  if (size == std::string_view::npos || skipped + size > kMaxHeadBytes) {
    return bytes.size() >= kMaxHeadBytes ? refused(431) : ParsedRequest{};
  }
  std::string_view head = bytes.substr(skipped, size);
  HeadParser parser;
  Refusal refusal = parser.request_line(take_line(head));
  for (std::string_view line = take_line(head); !refusal && !line.empty();
       line = take_line(head)) {
    refusal = parser.header(line);
  }
  if (!refusal) refusal = parser.end();
  if (refusal) return refused(*refusal);
  ParsedRequest parsed;
  parsed.state = State::kComplete;
  parsed.request = parser.request();
  parsed.size_bytes = skipped + size;
  return parsed;
}

}  // namespace gpunode::http
