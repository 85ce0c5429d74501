#include "base/text/toml_reader.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <utility>

#include <fmt/format.h>

// Some of the parser's assertions do not hold for what people write ("[" at the
// end of a line), and the code behind them copes. Under NDEBUG they would be
// promises to the optimiser instead.
#undef NDEBUG
#define TOML_ASSERT(expr) static_cast<void>(0)
// Errors are values here; the formatters need iostreams and locales.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "base/text/go_text.h"

namespace gpunode::text {
namespace {

// The parser and the trees it makes recurse over dotted keys without a bound
// of their own.
constexpr std::size_t kMostDotsInLine = 100;
constexpr std::size_t kDeepest = 100;

Error corrupt(std::string_view file_name, Mark mark, std::string_view words) {
  return {ErrorCode::kCorrupt,
          one_line(fmt::format("{}: {}", at(file_name, mark), words))};
}

Mark mark_of(const toml::source_region& source) {
  return {source.begin.line, source.begin.column};
}

// Dots in a row are decoration of a comment and no keys.
Result<void> check_dots(std::string_view text, std::string_view file_name) {
  std::size_t line = 1;
  std::size_t dots = 0;
  char before = '\n';
  for (const char c : text) {
    if (c == '\n') {
      ++line;
      dots = 0;
    } else if (c == '.' && before != '.' && ++dots > kMostDotsInLine) {
      return corrupt(file_name, {line, 1},
                     fmt::format("more than {} dots in one line; keys this "
                                 "deep are not read",
                                 kMostDotsInLine));
    }
    if (c != ' ' && c != '\t') before = c;
  }
  return {};
}

// Behind the string that starts at `i`, or the end if it does not end.
std::size_t string_end(std::string_view text, std::size_t i) {
  const char quote = text[i];
  const std::string three(3, quote);
  const bool is_long = text.substr(i).starts_with(three);
  for (i += is_long ? 3 : 1; i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"') {
      ++i;
    } else if (is_long ? text.substr(i).starts_with(three)
                       : text[i] == quote || text[i] == '\n') {
      i += is_long ? 3 : 1;
      break;
    }
  }
  return std::min(i, text.size());
}

// Outside strings and comments TOML is ASCII; the parser does not survive all
// of what is not.
Result<void> check_ascii(std::string_view text, std::string_view file_name) {
  std::size_t i = text.starts_with("\xef\xbb\xbf") ? 3 : 0;
  while (i < text.size()) {
    if (text[i] == '"' || text[i] == '\'') {
      i = string_end(text, i);
    } else if (text[i] == '#') {
      i = std::min(text.size(), text.find('\n', i));
    } else if ((static_cast<unsigned char>(text[i]) & 0x80U) != 0) {
      const auto line = std::ranges::count(text.substr(0, i), '\n');
      return corrupt(file_name, {static_cast<std::size_t>(line) + 1, 1},
                     "letters beyond ASCII stand in quotes and comments only");
    } else {
      ++i;
    }
  }
  return {};
}

/// Turns the parser's tree into ours.
class Converter {
 public:
  explicit Converter(std::string_view file_name) : file_name_(file_name) {}

  Result<Node> convert(const toml::node& from, std::size_t depth);

 private:
  Result<void> convert_table(const toml::table& from, std::size_t depth,
                             Node& into);

  std::string_view file_name_;
};

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

template <class T>
std::string streamed(const T& value) {
  std::ostringstream out;
  out << value;
  return std::move(out).str();
}

void convert_scalar(const toml::node& from, Node& into) {
  into.kind = Node::Kind::kString;
  if (const auto* text = from.as_string()) {
    into.scalar = text->get();
  } else if (const auto* integer = from.as_integer()) {
    into.kind = Node::Kind::kInteger;
    into.scalar = std::to_string(integer->get());
  } else if (const auto* real = from.as_floating_point()) {
    into.kind = Node::Kind::kFloat;
    into.scalar = float_text(real->get());
  } else if (const auto* boolean = from.as_boolean()) {
    into.kind = Node::Kind::kBool;
    into.scalar = boolean->get() ? "true" : "false";
  } else if (const auto* date = from.as_date()) {
    into.scalar = streamed(date->get());
  } else if (const auto* time = from.as_time()) {
    into.scalar = streamed(time->get());
  } else if (const auto* moment = from.as_date_time()) {
    into.scalar = streamed(moment->get());
  }
}

Result<void> Converter::convert_table(const toml::table& from,
                                      std::size_t depth, Node& into) {
  into.kind = Node::Kind::kMapping;
  for (const auto& [key, value] : from) {
    TRY(Node converted, convert(value, depth + 1));
    into.entries.push_back(
        {std::string(key.str()), mark_of(key.source()), std::move(converted)});
  }
  // The parser keeps them sorted by name.
  std::ranges::stable_sort(into.entries, {}, [](const Entry& entry) {
    return std::pair(entry.mark.line, entry.mark.column);
  });
  return {};
}

Result<Node> Converter::convert(const toml::node& from, std::size_t depth) {
  Node into;
  into.mark = mark_of(from.source());
  if (depth > kDeepest) {
    return corrupt(file_name_, into.mark,
                   fmt::format("nested more than {} levels deep", kDeepest));
  }
  if (const toml::table* table = from.as_table()) {
    TRY_VOID(convert_table(*table, depth, into));
  } else if (const toml::array* array = from.as_array()) {
    into.kind = Node::Kind::kSequence;
    for (const toml::node& item : *array) {
      TRY(Node converted, convert(item, depth + 1));
      into.items.push_back(std::move(converted));
    }
  } else {
    convert_scalar(from, into);
  }
  return into;
}

}  // namespace

Result<Node> parse_toml(std::string_view text, std::string_view file_name) {
  if (text.size() > kTomlLimitBytes) {
    return corrupt(file_name, {},
                   fmt::format("{} bytes; a configuration of more than {} is "
                               "not read",
                               text.size(), kTomlLimitBytes));
  }
  TRY_VOID(check_dots(text, file_name));
  TRY_VOID(check_ascii(text, file_name));
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& problem = parsed.error();
    return corrupt(file_name, mark_of(problem.source()), problem.description());
  }
  return Converter(file_name).convert(parsed.table(), 0);
}

}  // namespace gpunode::text
