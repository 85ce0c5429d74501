#include "container/cdi/spec_writer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "base/text/node.h"

namespace gpunode::cdi {
namespace {

/// What a spec is told to, value by value.
class Sink {
 public:
  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  virtual ~Sink() = default;

  virtual void begin_object() = 0;
  virtual void end_object() = 0;
  virtual void begin_list() = 0;
  virtual void end_list() = 0;
  virtual void key(std::string_view name) = 0;
  virtual void text(std::string_view value) = 0;
  virtual void number(std::int64_t value) = 0;
};

class JsonSink : public Sink {
 public:
  void begin_object() override { open('{'); }
  void end_object() override { close('}'); }
  void begin_list() override { open('['); }
  void end_list() override { close(']'); }

  void key(std::string_view name) override {
    separate();
    out_ += text::json_string(name);
    out_ += ':';
    needs_comma_ = false;
  }
  void text(std::string_view value) override {
    separate();
    out_ += text::json_string(value);
  }
  void number(std::int64_t value) override {
    separate();
    fmt::format_to(std::back_inserter(out_), "{}", value);
  }

  std::string result() && { return std::move(out_); }

 private:
  void separate() {
    if (needs_comma_) out_ += ',';
    needs_comma_ = true;
  }
  void open(char bracket) {
    separate();
    out_ += bracket;
    needs_comma_ = false;
  }
  void close(char bracket) {
    out_ += bracket;
    needs_comma_ = true;
  }

  std::string out_;
  bool needs_comma_ = false;
};

/// True for text that YAML 1.1 may take for something else than a string when
/// it stands without quotes: numbers of every base, dates, booleans, null.
bool resolves_to_other(std::string_view text) {
  constexpr std::array<std::string_view, 16> kWords = {
      "~", "null", "true", "false", "yes", "no",  "on", "off",
      "y", "n",    ".inf", ".nan",  "<<",  "---", "=",  "..."};
  std::string lower(text);
  for (char& c : lower) {
    c = to_lower(c);
  }
  if (std::ranges::find(kWords, lower) != kWords.end()) return true;
  std::string_view rest = text;
  if (rest.starts_with('+') || rest.starts_with('-')) rest.remove_prefix(1);
  if (rest.starts_with('.')) rest.remove_prefix(1);
  if (rest.empty() || !is_digit(rest.front())) return false;
  // Digits with what numbers, times and dates have between them. "0.5.0" and
  // "1g.10gb" are none of these.
  const bool looks_hex = rest.starts_with("0x") || rest.starts_with("0X");
  const std::string_view inner =
      looks_hex ? "0123456789abcdefABCDEFxX_" : "0123456789_:.eE+-boTtZz ";
  if (rest.find_first_not_of(inner) != std::string_view::npos) return false;
  return std::ranges::count(rest, '.') < 2;
}

/// True if `text` may stand in a block without quotes.
bool is_plain(std::string_view text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ' ||
      text.back() == ':') {
    return false;
  }
  constexpr std::string_view kIndicators = "-?:,[]{}#&*!|>'\"%@`";
  if (kIndicators.find(text.front()) != std::string_view::npos) {
    // "--link" may start with a dash; "- x" may not.
    const bool is_word = text.front() == '-' && text.size() > 1 &&
                         text[1] != ' ' && text[1] != '-';
    const bool is_flag = text.starts_with("--") && text.size() > 2 &&
                         text[2] != ' ' && text[2] != '-';
    if (!is_word && !is_flag) return false;
  }
  if (text.find(": ") != std::string_view::npos ||
      text.find(" #") != std::string_view::npos) {
    return false;
  }
  const bool is_printable =
      std::ranges::all_of(text, [](char c) { return c >= ' ' && c < '\x7f'; });
  return is_printable && !resolves_to_other(text);
}

/// The character at the front of `text`, taken off it. Bytes that are no UTF-8
/// count one by one.
std::uint32_t take_character(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  std::size_t size = 1;
  std::uint32_t character = first;
  if (first >= 0xF0U) {
    size = 4;
    character = first & 0x07U;
  } else if (first >= 0xE0U) {
    size = 3;
    character = first & 0x0FU;
  } else if (first >= 0xC0U) {
    size = 2;
    character = first & 0x1FU;
  }
  size = std::min(size, text.size());
  for (const char c : text.substr(1, size - 1)) {
    character = (character << 6U) | (static_cast<unsigned char>(c) & 0x3FU);
  }
  text.remove_prefix(size);
  return character;
}

/// In double quotes. Everything beyond ASCII is escaped: YAML 1.1 folds some of
/// it as line breaks.
std::string yaml_quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::uint32_t c = take_character(text);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c >= ' ' && c < 0x7f) {
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c <= 0xFFFF) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    } else {
      fmt::format_to(std::back_inserter(out), "\\U{:08x}", c);
    }
  }
  return out + '"';
}

std::string yaml_scalar(std::string_view text) {
  return is_plain(text) ? std::string(text) : yaml_quoted(text);
}

/// Blocks only. After a "- " the first key stands on the same line.
class YamlSink : public Sink {
 public:
  void begin_object() override { open(false); }
  void end_object() override { levels_.pop_back(); }
  void begin_list() override { open(true); }
  void end_list() override { levels_.pop_back(); }

  void key(std::string_view name) override {
    start_line();
    out_ += yaml_scalar(name);
    out_ += ':';
    is_after_key_ = true;
  }
  void text(std::string_view value) override { scalar(yaml_scalar(value)); }
  void number(std::int64_t value) override { scalar(fmt::format("{}", value)); }

  std::string result() && { return std::move(out_); }

 private:
  struct Level {
    std::size_t indent;
    bool is_list;
  };

  static constexpr std::size_t kStep = 4;

  // The next stop of four after the parent's column, as go-yaml indents.
  void open(bool is_list) {
    if (levels_.empty()) {
      levels_.push_back({0, is_list});
      return;
    }
    const Level parent = levels_.back();
    if (parent.is_list) {
      // An element's keys follow its dash.
      start_line();
      out_ += "- ";
      is_after_dash_ = true;
      levels_.push_back({parent.indent + 2, is_list});
      return;
    }
    out_ += '\n';
    is_after_key_ = false;
    const std::size_t indent = kStep * ((parent.indent + kStep) / kStep);
    levels_.push_back({indent, is_list});
  }

  void start_line() {
    if (is_after_dash_) {
      is_after_dash_ = false;
      return;
    }
    out_.append(levels_.back().indent, ' ');
  }

  void scalar(const std::string& text) {
    if (is_after_key_) {
      out_ += ' ';
      is_after_key_ = false;
    } else {
      start_line();
      out_ += "- ";
    }
    out_ += text;
    out_ += '\n';
  }

  std::string out_ = "---\n";
  std::vector<Level> levels_;
  bool is_after_key_ = false;
  bool is_after_dash_ = false;
};

void field(Sink& sink, std::string_view name, const std::string& value) {
  if (value.empty()) return;
  sink.key(name);
  sink.text(value);
}

template <class Int>
void field(Sink& sink, std::string_view name, const std::optional<Int>& value) {
  if (value.value_or(0) == 0) return;
  sink.key(name);
  sink.number(static_cast<std::int64_t>(*value));
}

void field(Sink& sink, std::string_view name,
           const std::vector<std::string>& values) {
  if (values.empty()) return;
  sink.key(name);
  sink.begin_list();
  for (const std::string& value : values) sink.text(value);
  sink.end_list();
}

void field(Sink& sink, std::string_view name, const Annotations& values) {
  if (values.empty()) return;
  sink.key(name);
  sink.begin_object();
  for (const auto& [key, value] : values) {
    sink.key(key);
    sink.text(value);
  }
  sink.end_object();
}

template <class T, class Tell>
void list(Sink& sink, std::string_view name, const std::vector<T>& values,
          Tell tell) {
  if (values.empty()) return;
  sink.key(name);
  sink.begin_list();
  for (const T& value : values) tell(sink, value);
  sink.end_list();
}

void tell_node(Sink& sink, const DeviceNode& node) {
  sink.begin_object();
  field(sink, "path", node.path);
  field(sink, "hostPath", node.host_path);
  field(sink, "type", node.type);
  field(sink, "major", node.major);
  field(sink, "minor", node.minor);
  field(sink, "fileMode", node.file_mode);
  field(sink, "permissions", node.permissions);
  field(sink, "uid", node.uid);
  field(sink, "gid", node.gid);
  sink.end_object();
}

void tell_hook(Sink& sink, const Hook& hook) {
  sink.begin_object();
  field(sink, "hookName", hook.name);
  field(sink, "path", hook.path);
  field(sink, "args", hook.args);
  field(sink, "env", hook.env);
  field(sink, "timeout", hook.timeout_seconds);
  sink.end_object();
}

void tell_mount(Sink& sink, const Mount& mount) {
  sink.begin_object();
  field(sink, "hostPath", mount.host_path);
  field(sink, "containerPath", mount.container_path);
  field(sink, "options", mount.options);
  field(sink, "type", mount.type);
  sink.end_object();
}

void tell_edits(Sink& sink, const ContainerEdits& edits) {
  if (edits.is_empty()) return;
  sink.key("containerEdits");
  sink.begin_object();
  field(sink, "env", edits.env);
  list(sink, "deviceNodes", edits.device_nodes, tell_node);
  list(sink, "hooks", edits.hooks, tell_hook);
  list(sink, "mounts", edits.mounts, tell_mount);
  list(sink, "additionalGids", edits.additional_gids,
       [](Sink& to, std::uint32_t gid) { to.number(gid); });
  sink.end_object();
}

void tell_device(Sink& sink, const Device& device) {
  sink.begin_object();
  field(sink, "name", device.name);
  field(sink, "annotations", device.annotations);
  tell_edits(sink, device.edits);
  sink.end_object();
}

void tell_spec(Sink& sink, const Spec& spec) {
  sink.begin_object();
  field(sink, "cdiVersion", spec.version);
  field(sink, "kind", spec.kind);
  field(sink, "annotations", spec.annotations);
  list(sink, "devices", spec.devices, tell_device);
  tell_edits(sink, spec.edits);
  sink.end_object();
}

}  // namespace

std::string write_yaml(const Spec& spec) {
  YamlSink sink;
  tell_spec(sink, spec);
  return std::move(sink).result();
}

std::string write_json(const Spec& spec) {
  JsonSink sink;
  tell_spec(sink, spec);
  return std::move(sink).result();
}

}  // namespace gpunode::cdi
