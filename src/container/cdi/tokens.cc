#include "container/cdi/tokens.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

#include "base/text/yaml.h"

namespace gpunode::cdi {
namespace {

using Kind = Token::Kind;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

text::Mark mark_at(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0.
  text::Mark mark;
  mark.line = 1 + static_cast<std::size_t>(std::ranges::count(before, '\n'));
  mark.column = 1;
  for (const char c : before.substr(line_start)) {
    // Characters, not bytes.
    if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) ++mark.column;
  }
  return mark;
}

Error corrupt(std::string_view file_name, text::Mark mark,
              std::string_view what) {
  return {ErrorCode::kCorrupt,
          fmt::format("{}: {}", text::at(file_name, mark), what)};
}

using Stream = rapidjson::GenericInsituStringStream<rapidjson::UTF8<>>;

// rapidjson's events, as tokens. A false return stops the reader.
class TokenHandler {
 public:
  TokenHandler(std::vector<Token>& list, const Stream& stream,
               const char* buffer)
      : list_(list), stream_(stream), buffer_(buffer) {}

  // rapidjson's names.
  // NOLINTBEGIN(readability-identifier-naming)
  bool Null() { return add(Kind::kNull, "null", tell(4)); }
  bool Bool(bool value) {
    return value ? add(Kind::kBool, "true", tell(4))
                 : add(Kind::kBool, "false", tell(5));
  }
  bool RawNumber(const char* digits, rapidjson::SizeType size, bool) {
    return add(Kind::kNumber, {digits, size}, offset_of(digits));
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    return add(Kind::kString, {text, size}, offset_of(text) - 1);
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    return add(Kind::kKey, {text, size}, offset_of(text) - 1);
  }
  bool StartObject() { return open(Kind::kObject); }
  bool EndObject(rapidjson::SizeType) { return close(Kind::kEndObject); }
  bool StartArray() { return open(Kind::kArray); }
  bool EndArray(rapidjson::SizeType) { return close(Kind::kEndArray); }
  // With kParseNumbersAsStringsFlag none of these comes.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  // NOLINTEND(readability-identifier-naming)

  std::string_view limit() const { return limit_; }

 private:
  std::size_t offset_of(const char* place) const {
    return static_cast<std::size_t>(place - buffer_);
  }
  // The reader has just passed a word of `length` bytes.
  std::size_t tell(std::size_t length) const {
    return offset_of(stream_.src_) - length;
  }

  bool add(Kind kind, std::string_view text, std::size_t offset) {
    if (list_.size() >= kSpecTokens) {
      limit_ = "too many values for a CDI spec";
      return false;
    }
    list_.push_back({kind, text, offset, {}});
    return true;
  }

  bool open(Kind kind) {
    if (++depth_ > kSpecDepth) {
      limit_ = "too deep for a CDI spec";
      return false;
    }
    return add(kind, {}, tell(1));
  }

  bool close(Kind kind) {
    --depth_;
    return add(kind, {}, tell(1));
  }

  std::vector<Token>& list_;
  const Stream& stream_;
  const char* buffer_;
  std::size_t depth_ = 0;
  std::string_view limit_;
};

// A YAML tree, flattened. Its depth is bounded by its parser.
void flatten(const text::Node& node, std::vector<Token>& list) {
  const auto add = [&list](Kind kind, std::string_view text, text::Mark mark) {
    list.push_back({kind, text, 0, mark});
  };
  switch (node.kind) {
    case text::Node::Kind::kNull:
      return add(Kind::kNull, "null", node.mark);
    case text::Node::Kind::kBool:
      return add(Kind::kBool, node.scalar, node.mark);
    case text::Node::Kind::kInteger:
    case text::Node::Kind::kFloat:
      return add(Kind::kNumber, node.scalar, node.mark);
    case text::Node::Kind::kString:
      return add(Kind::kString, node.scalar, node.mark);
    case text::Node::Kind::kSequence:
      add(Kind::kArray, {}, node.mark);
      for (const text::Node& item : node.items) flatten(item, list);
      return add(Kind::kEndArray, {}, node.mark);
    case text::Node::Kind::kMapping:
      add(Kind::kObject, {}, node.mark);
      for (const text::Entry& entry : node.entries) {
        add(Kind::kKey, entry.key, entry.mark);
        flatten(entry.value, list);
      }
      return add(Kind::kEndObject, {}, node.mark);
  }
}

}  // namespace

text::Mark Tokens::mark_of(const Token& token) const {
  return token.mark.line != 0 ? token.mark : mark_at(text_, token.offset);
}

Result<Tokens> Tokens::parse(std::string_view text,
                             std::string_view file_name) {
  if (text.size() > kSpecBytes) {
    return corrupt(
        file_name, {},
        fmt::format("{} bytes are too many for a CDI spec", text.size()));
  }
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return corrupt(file_name, mark_at(text, nul), "a NUL byte in a text file");
  }
  const auto* const start = std::ranges::find_if_not(text, is_space);
  if (start == text.end()) {
    return corrupt(file_name, {}, "empty; not a CDI spec");
  }
  if (*start != '{') return parse_yaml(text, file_name);
  bool is_over_limit = false;
  auto json = parse_json(text, file_name, is_over_limit);
  if (json || is_over_limit) return json;
  // YAML's flow style starts with a brace too.
  auto yaml = parse_yaml(text, file_name);
  return yaml ? std::move(yaml) : std::move(json);
}

Result<Tokens> Tokens::parse_json(std::string_view text,
                                  std::string_view file_name,
                                  bool& is_over_limit) {
  Tokens tokens;
  tokens.text_ = text;
  // rapidjson looks for the rest of a cut UTF-8 character behind the end.
  constexpr std::size_t kPadding = 4;
  tokens.buffer_.reserve(text.size() + kPadding);
  tokens.buffer_.assign(text.begin(), text.end());
  tokens.buffer_.resize(text.size() + kPadding, '\0');
  tokens.list_.reserve(text.size() / 16);
  Stream stream(tokens.buffer_.data());
  TokenHandler handler(tokens.list_, stream, tokens.buffer_.data());
  rapidjson::Reader reader;
  constexpr unsigned kFlags = rapidjson::kParseInsituFlag |
                              rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, handler);
  if (result) return tokens;
  is_over_limit = !handler.limit().empty();
  if (is_over_limit) {
    return corrupt(file_name, mark_at(text, result.Offset()), handler.limit());
  }
  return corrupt(
      file_name, mark_at(text, result.Offset()),
      fmt::format("not JSON: {}", rapidjson::GetParseError_En(result.Code())));
}

Result<Tokens> Tokens::parse_yaml(std::string_view text,
                                  std::string_view file_name) {
  const text::YamlLimits limits{kSpecBytes, kSpecDepth, kSpecTokens / 4};
  TRY(text::YamlDocument document, text::parse_yaml(text, file_name, limits));
  if (!document.duplicates.empty()) {
    const text::DuplicateKey& twice = document.duplicates.front();
    return corrupt(file_name, twice.second,
                   fmt::format("{} is given twice, first on line {}",
                               text::json_string(twice.key), twice.first.line));
  }
  if (document.second_document.line != 0) {
    return corrupt(file_name, document.second_document,
                   "a second YAML document; a CDI spec is one");
  }
  Tokens tokens;
  tokens.text_ = text;
  tokens.root_ = std::make_unique<text::Node>(std::move(document.root));
  flatten(*tokens.root_, tokens.list_);
  return tokens;
}

}  // namespace gpunode::cdi
