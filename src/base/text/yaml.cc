#include "base/text/yaml.h"

#include <array>
#include <utility>

#include <fmt/format.h>
#include <yaml.h>

#include "base/text/yaml_builder.h"

namespace gpunode::text {
namespace {

Mark mark_of(const yaml_mark_t& mark) {
  return {mark.line + 1, mark.column + 1};
}

std::string_view view_of(const yaml_char_t* text) {
  if (text == nullptr) return {};
  return reinterpret_cast<const char*>(text);
}

/// A libyaml parser over one text, which must outlive it.
class Parser {
 public:
  explicit Parser(std::string_view text) {
    if (yaml_parser_initialize(&parser_) == 0) return;
    ready_ = true;
    yaml_parser_set_input_string(
        &parser_, reinterpret_cast<const unsigned char*>(text.data()),
        text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() {
    if (ready_) yaml_parser_delete(&parser_);
  }

  bool next(yaml_event_t& event) {
    return ready_ && yaml_parser_parse(&parser_, &event) != 0;
  }
  const yaml_parser_t& state() const { return parser_; }

 private:
  yaml_parser_t parser_{};
  bool ready_ = false;
};

/// Frees what libyaml put into an event.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&event_); }
  yaml_event_t& get() { return event_; }

 private:
  yaml_event_t event_{};
};

struct Advice {
  std::string_view problem;
  std::string_view advice;
};

// What would be right, for the problems people meet.
constexpr std::array<Advice, 14> kAdvice = {{
    {"found character that cannot start any token",
     "indent with spaces, not tabs; quote a value that starts with @, ` or %"},
    {"mapping values are not allowed in this context",
     R"(one "key: value" a line, and quote a value that contains ": ")"},
    {"did not find expected key",
     "indent this line as its neighbours are, and close every bracket"},
    {"did not find expected '-' indicator",
     "indent this line as the list items above are"},
    {"did not find expected ',' or ']'", "close the list with ]"},
    {"did not find expected ',' or '}'", "close the mapping with }"},
    {"did not find expected node content", "write a value here"},
    {"could not find expected ':'", "write \"key: value\""},
    {"found unexpected end of stream", "close the quotes"},
    {"found unknown escape character",
     "use single quotes, or double the backslash"},
    {"block sequence entries are not allowed in this context",
     "start the list on a line of its own"},
    {"control characters are not allowed",
     "remove the control character; is this a text file?"},
    {"found undefined tag handle", "remove the tag"},
    {"found a tab character that violates indentation",
     "indent with spaces, not tabs"},
}};

std::string_view advice_for(std::string_view problem) {
  for (const Advice& row : kAdvice) {
    if (problem == row.problem) return row.advice;
  }
  return "not valid YAML";
}

// The line that go-yaml v2 prints: off by one for parser errors, absent on the
// first line. Kept because people search for these texts.
std::size_t go_line(const yaml_parser_t& state) {
  if (state.problem_mark.line != 0) {
    const bool scanner = state.error == YAML_SCANNER_ERROR;
    return state.problem_mark.line + (scanner ? 1 : 0);
  }
  return state.context_mark.line;
}

Mark mark_of_byte(std::string_view text, std::size_t offset) {
  Mark mark{1, 1};
  for (std::size_t i = 0; i < offset && i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '\n') {
      mark = {mark.line + 1, 1};
    } else if ((byte & 0xC0U) != 0x80U) {
      ++mark.column;
    }
  }
  return mark;
}

Error syntax_error(const yaml_parser_t& state, std::string_view text,
                   std::string_view file_name) {
  if (state.error == YAML_MEMORY_ERROR) {
    return {ErrorCode::kInternal, "yaml: out of memory"};
  }
  const std::string_view problem = state.problem == nullptr
                                       ? "unknown problem parsing YAML content"
                                       : state.problem;
  const bool reader = state.error == YAML_READER_ERROR;
  const Mark mark = reader ? mark_of_byte(text, state.problem_offset)
                           : mark_of(state.problem_mark);
  const std::size_t line = reader ? 0 : go_line(state);
  const std::string where = line == 0 ? "" : fmt::format("line {}: ", line);
  return {ErrorCode::kCorrupt,
          fmt::format("yaml: {}{} ({}: {})", where, problem,
                      at(file_name, mark), advice_for(problem))};
}

Result<void> feed_scalar(YamlBuilder& builder, const yaml_event_t& event) {
  const auto& scalar = event.data.scalar;
  const std::string_view bytes(reinterpret_cast<const char*>(scalar.value),
                               scalar.length);
  std::string_view tag = view_of(scalar.tag);
  const bool plain = scalar.style == YAML_PLAIN_SCALAR_STYLE && tag != "!";
  if (tag == "!") tag = {};
  return builder.scalar(mark_of(event.start_mark), view_of(scalar.anchor),
                        {bytes, tag, plain});
}

Result<void> feed(YamlBuilder& builder, const yaml_event_t& event) {
  const Mark mark = mark_of(event.start_mark);
  switch (event.type) {
    case YAML_SCALAR_EVENT:
      return feed_scalar(builder, event);
    case YAML_ALIAS_EVENT:
      return builder.alias(mark, view_of(event.data.alias.anchor));
    case YAML_SEQUENCE_START_EVENT:
      return builder.open(Node::Kind::kSequence, mark,
                          view_of(event.data.sequence_start.anchor));
    case YAML_MAPPING_START_EVENT:
      return builder.open(Node::Kind::kMapping, mark,
                          view_of(event.data.mapping_start.anchor));
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
      return builder.close();
    default:
      return {};
  }
}

// Where a further document starts. What is wrong in it, or between, is not
// our matter: it is not read.
Mark second_document(Parser& parser) {
  Event event;
  if (!parser.next(event.get())) return mark_of(parser.state().problem_mark);
  if (event.get().type == YAML_DOCUMENT_START_EVENT) {
    return mark_of(event.get().start_mark);
  }
  return {};
}

}  // namespace

Result<YamlDocument> parse_yaml(std::string_view text,
                                std::string_view file_name,
                                const YamlLimits& limits) {
  if (text.size() > limits.bytes) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} has {} bytes, but at most {} are read",
                             file_name, text.size(), limits.bytes)};
  }
  Parser parser(text);
  YamlBuilder builder(file_name, limits);
  while (true) {
    Event event;
    if (!parser.next(event.get())) {
      return syntax_error(parser.state(), text, file_name);
    }
    const yaml_event_type_t type = event.get().type;
    if (type == YAML_STREAM_END_EVENT) return std::move(builder).take();
    if (type == YAML_DOCUMENT_END_EVENT) break;
    TRY_VOID(feed(builder, event.get()));
  }
  YamlDocument document = std::move(builder).take();
  document.second_document = second_document(parser);
  return document;
}

}  // namespace gpunode::text
