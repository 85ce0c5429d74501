#include "base/text/go_flags.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "base/text/go_text.h"

namespace gpunode::text {
namespace {

Error refusal(std::string_view message) {
  return {ErrorCode::kInvalidArgument, one_line(message)};
}

void append_items(std::string_view written, std::vector<std::string>& into) {
  for (const std::string_view item : split_at_commas(written)) {
    into.emplace_back(trimmed(item));
  }
}

const GoFlag* find_flag(std::span<const GoFlag> table, std::string_view name) {
  const auto found = std::ranges::find_if(table, [name](const GoFlag& flag) {
    return flag.name == name ||
           std::ranges::find(flag.aliases, name) != flag.aliases.end();
  });
  return found == table.end() ? nullptr : &*found;
}

/// "-name=written" or "--name", taken apart.
struct Word {
  std::string name;
  std::optional<std::string> written;
};

// Nothing: the argument is no flag. Go stops at "-" and at what has no dash.
Result<std::optional<Word>> read_word(const std::string& argument) {
  if (argument.size() < 2 || argument[0] != '-') return std::optional<Word>{};
  Word word{argument.substr(argument[1] == '-' ? 2 : 1), std::nullopt};
  if (word.name.empty()) return std::optional<Word>{};
  if (word.name[0] == '-' || word.name[0] == '=') {
    return refusal("bad flag syntax: " + argument);
  }
  if (const std::size_t equals = word.name.find('=');
      equals != std::string::npos) {
    word.written = word.name.substr(equals + 1);
    word.name.resize(equals);
  }
  return std::optional<Word>(std::move(word));
}

Result<bool> read_bool(std::string_view name, const std::string& written) {
  const auto on = parse_go_bool(written);
  if (on) return *on;
  return refusal(fmt::format("invalid boolean value {} for -{}: parse error",
                             go_quote(written), name));
}

}  // namespace

/// One pass over the environment and the arguments.
class GoFlags::Reader {
 public:
  Reader(std::span<const GoFlag> table, std::span<const std::string> arguments)
      : table_(table), rest_(arguments) {}

  Result<GoFlags> read(const Environment& environment) &&;

 private:
  void set_default(const GoFlag& flag);
  Result<void> set_from_environment(const GoFlag& flag,
                                    const Environment& environment);
  Result<bool> read_one();
  Result<void> set(Word word);
  void store(const GoFlag& flag, std::string_view written);

  std::span<const GoFlag> table_;
  std::span<const std::string> rest_;
  GoFlags flags_;
  // Lists that hold what the command line gave, and grow with it.
  std::vector<std::string_view> growing_;
};

void GoFlags::Reader::set_default(const GoFlag& flag) {
  Value value;
  if (flag.kind == GoFlag::Kind::kBool) {
    value.text = flag.default_text == "true" ? "true" : "false";
  } else if (flag.kind == GoFlag::Kind::kString) {
    value.text = flag.default_text;
  } else if (!flag.default_text.empty()) {
    append_items(flag.default_text, value.items);
  }
  flags_.values_[std::string(flag.name)] = std::move(value);
}

Result<void> GoFlags::Reader::set_from_environment(
    const GoFlag& flag, const Environment& environment) {
  for (const std::string_view variable : flag.environment) {
    const std::optional<std::string> found = environment(variable);
    if (!found) continue;
    Value& value = flags_.values_[std::string(flag.name)];
    value.is_set = true;
    if (flag.kind == GoFlag::Kind::kString) {
      value.text = *found;
    } else if (flag.kind == GoFlag::Kind::kList) {
      value.items.clear();
      append_items(*found, value.items);
    } else {
      const auto on = found->empty() ? false : parse_go_bool(*found);
      if (!on) {
        return refusal(fmt::format(
            "could not parse {} as bool value from environment variable "
            "\"{}\" for flag {}: {}",
            go_quote(*found), variable, flag.name, on.error().message()));
      }
      value.text = *on ? "true" : "false";
    }
    return {};
  }
  return {};
}

void GoFlags::Reader::store(const GoFlag& flag, std::string_view written) {
  Value& value = flags_.values_[std::string(flag.name)];
  value.is_set = true;
  if (flag.kind != GoFlag::Kind::kList) {
    value.text = written;
    return;
  }
  if (std::ranges::find(growing_, flag.name) == growing_.end()) {
    value.items.clear();
    growing_.push_back(flag.name);
  }
  append_items(written, value.items);
}

Result<void> GoFlags::Reader::set(Word word) {
  const GoFlag* flag = find_flag(table_, word.name);
  if (flag == nullptr && (word.name == "help" || word.name == "h")) {
    TRY(const bool on, read_bool(word.name, word.written.value_or("true")));
    flags_.asks_for_help_ = flags_.asks_for_help_ || on;
    return {};
  }
  if (flag == nullptr) {
    return refusal("flag provided but not defined: -" + word.name);
  }
  if (flag->kind == GoFlag::Kind::kBool) {
    TRY(const bool on, read_bool(word.name, word.written.value_or("true")));
    store(*flag, on ? "true" : "false");
    return {};
  }
  if (!word.written) {
    if (rest_.empty()) {
      return refusal("flag needs an argument: -" + word.name);
    }
    word.written = rest_.front();
    rest_ = rest_.subspan(1);
  }
  store(*flag, *word.written);
  return {};
}

// False at the end of the flags.
Result<bool> GoFlags::Reader::read_one() {
  if (rest_.empty()) return false;
  const std::string& argument = rest_.front();
  TRY(auto word, read_word(argument));
  if (word || argument == "--") rest_ = rest_.subspan(1);
  if (!word) return false;
  TRY_VOID(set(*std::move(word)));
  return true;
}

Result<GoFlags> GoFlags::Reader::read(const Environment& environment) && {
  for (const GoFlag& flag : table_) {
    set_default(flag);
    TRY_VOID(set_from_environment(flag, environment));
  }
  while (true) {
    TRY(const bool more, read_one());
    if (!more) break;
  }
  flags_.arguments_.assign(rest_.begin(), rest_.end());
  return std::move(flags_);
}

Result<GoFlags> GoFlags::parse(std::span<const GoFlag> table,
                               std::span<const std::string> arguments,
                               const Environment& environment) {
  return Reader(table, arguments).read(environment);
}

// A name that no table has is a mistake of the programmer's.
const GoFlags::Value& GoFlags::value(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) std::abort();
  return found->second;
}

bool GoFlags::is_true(std::string_view name) const {
  return value(name).text == "true";
}

const std::string& GoFlags::text(std::string_view name) const {
  return value(name).text;
}

const std::vector<std::string>& GoFlags::list(std::string_view name) const {
  return value(name).items;
}

bool GoFlags::is_set(std::string_view name) const {
  return value(name).is_set;
}

namespace {

std::string spelled(const GoFlag& flag, std::string_view name) {
  return fmt::format("{}{}{}", name.size() == 1 ? "-" : "--", name,
                     flag.kind == GoFlag::Kind::kBool ? "" : " value");
}

std::string names_of(const GoFlag& flag) {
  std::string names = spelled(flag, flag.name);
  for (const std::string_view alias : flag.aliases) {
    names += ", " + spelled(flag, alias);
  }
  return names;
}

std::string meaning_of(const GoFlag& flag) {
  std::string meaning(flag.usage);
  if (flag.kind == GoFlag::Kind::kString && !flag.default_text.empty()) {
    meaning += fmt::format(" (default: {})", go_quote(flag.default_text));
  } else if (!flag.default_text.empty() && flag.default_text != "false") {
    meaning += fmt::format(" (default: {})", flag.default_text);
  }
  for (const std::string_view variable : flag.environment) {
    meaning += fmt::format(" [${}]", variable);
  }
  return meaning;
}

}  // namespace

std::string describe_flags(std::span<const GoFlag> table) {
  std::vector<std::pair<std::string, std::string>> rows;
  std::size_t width = 0;
  for (const GoFlag& flag : table) {
    if (flag.is_hidden) continue;
    rows.emplace_back(names_of(flag), meaning_of(flag));
  }
  rows.emplace_back("--help, -h", "show help");
  for (const auto& row : rows) width = std::max(width, row.first.size());
  std::string out = "OPTIONS:\n";
  for (const auto& [names, meaning] : rows) {
    out += fmt::format("   {:<{}}  {}\n", names, width, meaning);
  }
  return out;
}

}  // namespace gpunode::text
