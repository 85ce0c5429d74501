#include "base/text/toml_layout.h"

#include <charconv>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace gpunode::text {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

void append_utf8(std::string& out, std::uint32_t code) {
  const auto byte = [&out](std::uint32_t value) {
    out += static_cast<char>(static_cast<unsigned char>(value));
  };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0U | (code >> 6U));
    byte(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    byte(0xE0U | (code >> 12U));
    byte(0x80U | ((code >> 6U) & 0x3FU));
    byte(0x80U | (code & 0x3FU));
  } else {
    byte(0xF0U | (code >> 18U));
    byte(0x80U | ((code >> 12U) & 0x3FU));
    byte(0x80U | ((code >> 6U) & 0x3FU));
    byte(0x80U | (code & 0x3FU));
  }
}

// `written` without its quotes.
std::string unescaped(std::string_view written) {
  std::string out;
  for (std::size_t i = 0; i < written.size(); ++i) {
    if (written[i] != '\\' || i + 1 == written.size()) {
      out += written[i];
      continue;
    }
    const char kind = written[++i];
    constexpr std::string_view kLetters = "btnfr\"\\";
    constexpr std::string_view kMeanings = "\b\t\n\f\r\"\\";
    if (const std::size_t at = kLetters.find(kind); at != kLetters.npos) {
      out += kMeanings[at];
      continue;
    }
    const std::size_t digits = kind == 'U' ? 8 : kind == 'x' ? 2 : 4;
    const std::string_view hex = written.substr(i + 1, digits);
    std::uint32_t code = 0;
    std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
    append_utf8(out, code);
    i += hex.size();
  }
  return out;
}

/// Walks over one text. Each `pass_` leaves the position behind what it names.
class Walker {
 public:
  Walker(std::string_view text, ByteRange part)
      : text_(text.substr(0, part.end)), position_(part.begin) {}

  Result<std::vector<TomlSection>> document();
  Result<std::vector<TomlItem>> inline_table(const KeyPath& path);
  Result<std::vector<ByteRange>> array();

 private:
  bool at_end() const { return position_ >= text_.size(); }
  char now() const { return at_end() ? '\0' : text_[position_]; }
  bool sees(std::string_view what) const {
    return text_.substr(position_).starts_with(what);
  }
  Error lost() const {
    return {ErrorCode::kInternal,
            fmt::format("cannot find the way at byte {}", position_)};
  }
  void pass_blanks() {
    while (now() == ' ' || now() == '\t') ++position_;
  }
  void pass_space_and_comments();
  Result<void> expect(char wanted);
  Result<void> pass_string();
  Result<void> pass_value();
  Result<void> pass_bracketed();
  Result<std::string> key_part();
  Result<KeyPath> key(KeyPath before);
  Result<TomlItem> item(const KeyPath& section);
  Result<TomlSection> header();

  std::string_view text_;
  std::size_t position_;
};

void Walker::pass_space_and_comments() {
  while (!at_end()) {
    const char c = now();
    if (c == '#') {
      position_ = std::min(text_.size(), text_.find('\n', position_));
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++position_;
    } else {
      return;
    }
  }
}

Result<void> Walker::expect(char wanted) {
  if (now() != wanted) return lost();
  ++position_;
  return {};
}

Result<void> Walker::pass_string() {
  const char quote = now();
  const std::string three(3, quote);
  const bool is_long = sees(three);
  position_ += is_long ? 3 : 1;
  while (!at_end()) {
    if (now() == '\\' && quote == '"') {
      position_ += 2;
    } else if (is_long && sees(three)) {
      position_ += 3;
      // One or two quotes more belong to the value.
      for (int i = 0; i < 2 && now() == quote; ++i) ++position_;
      return {};
    } else if (!is_long && now() == quote) {
      ++position_;
      return {};
    } else {
      ++position_;
    }
  }
  return lost();
}

// An array or inline table; brackets inside may be nested in any way.
Result<void> Walker::pass_bracketed() {
  std::size_t depth = 0;
  do {
    pass_space_and_comments();
    if (at_end()) return lost();
    const char c = now();
    if (c == '"' || c == '\'') {
      TRY_VOID(pass_string());
      continue;
    }
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    ++position_;
  } while (depth > 0);
  return {};
}

Result<void> Walker::pass_value() {
  const char c = now();
  if (c == '"' || c == '\'') return pass_string();
  if (c == '[' || c == '{') return pass_bracketed();
  const std::size_t begin = position_;
  position_ =
      std::min(text_.size(), text_.find_first_of(",]}#\r\n", position_));
  while (position_ > begin &&
         (text_[position_ - 1] == ' ' || text_[position_ - 1] == '\t')) {
    --position_;
  }
  if (position_ == begin) return lost();
  return {};
}

Result<std::string> Walker::key_part() {
  const std::size_t begin = position_;
  if (now() == '"' || now() == '\'') {
    const bool has_escapes = now() == '"';
    TRY_VOID(pass_string());
    const std::string_view written =
        text_.substr(begin + 1, position_ - begin - 2);
    return has_escapes ? unescaped(written) : std::string(written);
  }
  position_ =
      std::min(text_.size(), text_.find_first_of(".=] \t\r\n\"'#", position_));
  if (position_ == begin) return lost();
  return std::string(text_.substr(begin, position_ - begin));
}

// Leaves the position behind the last part, not behind blanks.
Result<KeyPath> Walker::key(KeyPath before) {
  while (true) {
    TRY(std::string part, key_part());
    before.push_back(std::move(part));
    const std::size_t end = position_;
    pass_blanks();
    if (now() != '.') {
      position_ = end;
      return before;
    }
    ++position_;
    pass_blanks();
  }
}

Result<TomlItem> Walker::item(const KeyPath& section) {
  TomlItem item;
  item.key.begin = position_;
  TRY(item.path, key(section));
  item.key.end = position_;
  pass_blanks();
  TRY_VOID(expect('='));
  pass_blanks();
  item.value.begin = position_;
  TRY_VOID(pass_value());
  item.value.end = position_;
  return item;
}

Result<TomlSection> Walker::header() {
  TomlSection section;
  section.header.begin = position_;
  section.is_list = sees("[[");
  position_ += section.is_list ? 2 : 1;
  pass_blanks();
  TRY(section.path, key({}));
  pass_blanks();
  TRY_VOID(expect(']'));
  if (section.is_list) TRY_VOID(expect(']'));
  section.header.end = position_;
  return section;
}

Result<std::vector<TomlSection>> Walker::document() {
  std::vector<TomlSection> sections(1);
  if (sees(kByteOrderMark)) position_ += kByteOrderMark.size();
  sections[0].header = {position_, position_};
  for (pass_space_and_comments(); !at_end(); pass_space_and_comments()) {
    if (now() == '[') {
      TRY(auto section, header());
      sections.push_back(std::move(section));
    } else {
      TRY(auto found, item(sections.back().path));
      sections.back().items.push_back(std::move(found));
    }
  }
  return sections;
}

Result<std::vector<TomlItem>> Walker::inline_table(const KeyPath& path) {
  std::vector<TomlItem> items;
  TRY_VOID(expect('{'));
  pass_space_and_comments();
  while (now() != '}') {
    TRY(auto found, item(path));
    items.push_back(std::move(found));
    pass_space_and_comments();
    if (now() == ',') ++position_;
    pass_space_and_comments();
  }
  return items;
}

Result<std::vector<ByteRange>> Walker::array() {
  std::vector<ByteRange> items;
  TRY_VOID(expect('['));
  pass_space_and_comments();
  while (now() != ']') {
    const std::size_t begin = position_;
    TRY_VOID(pass_value());
    items.push_back({begin, position_});
    pass_space_and_comments();
    if (now() == ',') ++position_;
    pass_space_and_comments();
  }
  return items;
}

}  // namespace

Result<std::vector<TomlSection>> toml_layout(std::string_view text) {
  return Walker(text, {0, text.size()}).document();
}

Result<std::vector<TomlItem>> inline_items(std::string_view text,
                                           ByteRange table,
                                           const KeyPath& path) {
  return Walker(text, table).inline_table(path);
}

Result<std::vector<ByteRange>> array_items(std::string_view text,
                                           ByteRange array) {
  return Walker(text, array).array();
}

}  // namespace gpunode::text
