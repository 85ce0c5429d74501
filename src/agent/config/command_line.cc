#include "agent/config/command_line.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/text/go_text.h"
#include "base/text/nearest.h"

namespace gpunode::config {
namespace {

Error usage(std::string_view message) {
  return {ErrorCode::kInvalidArgument, text::one_line(message)};
}

OptionValue fallback_of(const OptionSpec& spec) {
  OptionValue value;
  switch (spec.type) {
    case OptionType::kBool:
      value.value = spec.fallback == "true";
      break;
    case OptionType::kText:
    case OptionType::kDuration:
    case OptionType::kNumber:
    case OptionType::kInteger:
      value.value = std::string(spec.fallback);
      break;
    case OptionType::kTextList:
      value.value = std::vector<std::string>{};
      if (!spec.fallback.empty()) {
        value.value = std::vector<std::string>{std::string(spec.fallback)};
      }
      break;
    case OptionType::kIntList:
      value.value = std::vector<std::int64_t>{};
      break;
  }
  return value;
}

// Each reader below puts `written` into `value` and fails with Go's reason.

Result<void> read_texts(std::string_view written,
                        std::vector<std::string>& into) {
  for (const std::string_view item : text::split_at_commas(written)) {
    into.emplace_back(text::trimmed(item));
  }
  return {};
}

Result<void> read_numbers(std::string_view written,
                          std::vector<std::int64_t>& into) {
  for (const std::string_view item : text::split_at_commas(written)) {
    TRY(const std::int64_t number, text::parse_go_int(text::trimmed(item)));
    into.push_back(number);
  }
  return {};
}

Result<void> check_duration(std::string_view written) {
  if (written == "infinite") return {};
  if (auto parsed = text::parse_go_duration(written); !parsed) {
    return std::move(parsed).error();
  }
  return {};
}

// Nothing is done with these numbers but to see that they are some.
Result<void> check_number(std::string_view written) {
  double number = 0;
  const char* const end = written.data() + written.size();
  const auto parsed = std::from_chars(written.data(), end, number);
  if (parsed.ec == std::errc() && parsed.ptr == end) return {};
  return Error{ErrorCode::kInvalidArgument, "parse error"};
}

// Appends lists; replaces everything else.
Result<void> read_value(OptionType type, std::string_view written,
                        OptionValue& value) {
  switch (type) {
    case OptionType::kBool: {
      TRY(value.value, text::parse_go_bool(written));
      return {};
    }
    case OptionType::kDuration:
      TRY_VOID(check_duration(written));
      value.value = std::string(written);
      return {};
    case OptionType::kNumber:
      TRY_VOID(check_number(written));
      value.value = std::string(written);
      return {};
    case OptionType::kInteger:
      if (auto parsed = text::parse_go_int(written); !parsed) {
        return std::move(parsed).error();
      }
      value.value = std::string(written);
      return {};
    case OptionType::kText:
      value.value = std::string(written);
      return {};
    case OptionType::kTextList:
      return read_texts(written,
                        std::get<std::vector<std::string>>(value.value));
    case OptionType::kIntList:
      return read_numbers(written,
                          std::get<std::vector<std::int64_t>>(value.value));
  }
  return {};
}

OptionValue emptied(const OptionSpec& spec, Source source) {
  OptionValue value = fallback_of(spec);
  if (spec.type == OptionType::kTextList) {
    value.value = std::vector<std::string>{};
  }
  value.source = source;
  return value;
}

/// How Go names the type, and what to write.
struct TypeWords {
  std::string_view in_environment;
  std::string_view advice;
};

TypeWords words_of(OptionType type) {
  switch (type) {
    case OptionType::kBool:
      return {"as bool value ", "give true or false"};
    case OptionType::kDuration:
      return {"", "give a duration like 60s, or infinite"};
    case OptionType::kNumber:
      return {"as float64 value ", "give a number"};
    case OptionType::kInteger:
      return {"as int value ", "give a whole number"};
    case OptionType::kText:
    case OptionType::kTextList:
    case OptionType::kIntList:
      break;
  }
  return {"as int slice value ", "give numbers separated by commas"};
}

Error environment_error(const OptionSpec& spec, std::string_view variable,
                        const std::string& written, const Error& reason) {
  const TypeWords words = words_of(spec.type);
  return usage(fmt::format(
      "could not parse {} {}from environment variable \"{}\" {}for flag {}: "
      "{} ({})",
      text::go_quote(written), words.in_environment, variable,
      words.in_environment.empty() ? "as value " : "", spec.names[0],
      reason.message(), words.advice));
}

// Those that an empty variable leaves at their default.
bool is_kept_when_empty(OptionType type) {
  return type == OptionType::kIntList || type == OptionType::kDuration ||
         type == OptionType::kNumber || type == OptionType::kInteger;
}

Result<void> read_environment(const OptionSpec& spec,
                              const Environment& environment,
                              OptionValue& value) {
  for (const std::string_view variable : spec.environment) {
    const auto found = environment.find(variable);
    if (found == environment.end()) continue;
    const std::string& written = found->second;
    if (written.empty() && is_kept_when_empty(spec.type)) return {};
    value = emptied(spec, Source::kEnvironment);
    value.variable = variable;
    if (written.empty() && spec.type == OptionType::kBool) {
      value.value = false;
      return {};
    }
    if (auto read = read_value(spec.type, written, value); !read) {
      return environment_error(spec, variable, written, read.error());
    }
    return {};
  }
  return {};
}

// Go's flag package has words of its own for a number that is none.
std::string_view reason_in_flag(OptionType type, const Error& reason) {
  constexpr std::string_view kTooLarge = "value out of range";
  if (type != OptionType::kInteger) return reason.message();
  return reason.message().ends_with(kTooLarge) ? kTooLarge : "parse error";
}

/// One pass over the arguments, in the manner of Go's flag package.
class ArgumentReader {
 public:
  ArgumentReader(std::span<const std::string> arguments, CommandLine& into)
      : rest_(arguments), into_(into) {}

  Result<void> read();

 private:
  Result<bool> read_one();
  Result<void> set(std::string_view name, std::optional<std::string> written);
  Result<void> set_builtin(std::string_view name,
                           std::optional<std::string> written);
  Result<std::string> argument_of(std::string_view name,
                                  std::optional<std::string> written);
  void note_name(const OptionSpec& spec, std::string_view name);

  std::span<const std::string> rest_;
  CommandLine& into_;
  std::array<std::string_view, kOptionCount> used_names_{};
  std::string two_forms_;
  bool help_ = false;
  bool version_ = false;
};

bool is_switch(std::string_view name) {
  return name == "help" || name == "h" || name == "version" || name == "v" ||
         name == "man";
}

Error unknown_option(std::string_view name, Program program) {
  std::vector<std::string_view> known = {"help", "version", "completion",
                                         "man"};
  for (const OptionSpec& spec : option_table(program)) {
    known.insert(known.end(), spec.names.begin(), spec.names.end());
  }
  const std::string_view near = text::nearest_name(name, known);
  return usage(fmt::format(
      "flag provided but not defined: -{}{}", name,
      near.empty() ? "" : fmt::format(" (did you mean --{}?)", near)));
}

Error bad_bool(std::string_view name, std::string_view written) {
  return usage(fmt::format(
      "invalid boolean value {} for -{}: parse error (give true or false)",
      text::go_quote(written), name));
}

Result<std::string> ArgumentReader::argument_of(
    std::string_view name, std::optional<std::string> written) {
  if (written) return *std::move(written);
  if (rest_.empty()) {
    return usage(fmt::format("flag needs an argument: -{}", name));
  }
  std::string next = rest_.front();
  rest_ = rest_.subspan(1);
  return next;
}

Result<void> ArgumentReader::set_builtin(std::string_view name,
                                         std::optional<std::string> written) {
  if (name == "completion") {
    TRY(into_.shell, argument_of(name, std::move(written)));
    into_.action = Action::kCompletion;
    return {};
  }
  const auto on = text::parse_go_bool(written.value_or("true"));
  if (!on) return bad_bool(name, *written);
  if (name == "man") {
    if (*on) into_.action = Action::kMan;
  } else if (name == "help" || name == "h") {
    help_ = *on;
  } else {
    version_ = *on;
  }
  return {};
}

// urfave/cli refuses a name and its alias on one command line, after the rest
// was parsed.
void ArgumentReader::note_name(const OptionSpec& spec, std::string_view name) {
  std::string_view& used = used_names_[static_cast<std::size_t>(spec.option)];
  const auto now = std::ranges::find(spec.names, name);
  const auto before = std::ranges::find(spec.names, used);
  if (!used.empty() && now != before && two_forms_.empty()) {
    two_forms_ = fmt::format("Cannot use two forms of the same flag: {} {}",
                             *std::max(now, before), *std::min(now, before));
  }
  used = *now;  // The table's own text, which stays.
}

Result<void> ArgumentReader::set(std::string_view name,
                                 std::optional<std::string> written) {
  if (is_switch(name) || name == "completion") {
    return set_builtin(name, std::move(written));
  }
  const OptionSpec* spec = find_option(name, into_.program);
  if (spec == nullptr) return unknown_option(name, into_.program);
  note_name(*spec, name);
  OptionValue& value = into_.options[static_cast<std::size_t>(spec->option)];
  if (value.source != Source::kCommandLine) {
    value = emptied(*spec, Source::kCommandLine);
  }
  if (spec->type == OptionType::kBool) {
    const std::string text = written.value_or("true");
    if (!read_value(spec->type, text, value)) return bad_bool(name, text);
    return {};
  }
  TRY(const std::string text, argument_of(name, std::move(written)));
  if (auto read = read_value(spec->type, text, value); !read) {
    return usage(fmt::format(
        "invalid value {} for flag -{}: {} ({})", text::go_quote(text), name,
        reason_in_flag(spec->type, read.error()), words_of(spec->type).advice));
  }
  return {};
}

// False at the end of the options.
Result<bool> ArgumentReader::read_one() {
  if (rest_.empty()) return false;
  const std::string word = rest_.front();
  if (word.size() < 2 || word[0] != '-') return false;
  rest_ = rest_.subspan(1);
  if (word == "--") return false;
  std::string name = word.substr(word[1] == '-' ? 2 : 1);
  if (name.empty() || name[0] == '-' || name[0] == '=') {
    return usage("bad flag syntax: " + word);
  }
  std::optional<std::string> written;
  if (const std::size_t equals = name.find('='); equals != std::string::npos) {
    written = name.substr(equals + 1);
    name.resize(equals);
  }
  TRY_VOID(set(name, std::move(written)));
  return true;
}

Result<void> ArgumentReader::read() {
  while (true) {
    TRY(const bool more, read_one());
    if (!more) break;
  }
  if (!two_forms_.empty()) return usage(two_forms_);
  into_.ignored.assign(rest_.begin(), rest_.end());
  // cli has a command "help" beside the option.
  if (!rest_.empty() && (rest_.front() == "help" || rest_.front() == "h")) {
    help_ = true;
  }
  if (version_) into_.action = Action::kVersion;
  if (help_) into_.action = Action::kHelp;
  return {};
}

}  // namespace

bool CommandLine::enabled(Option option) const {
  return std::get<bool>((*this)[option].value);
}

const std::string& CommandLine::text(Option option) const {
  return std::get<std::string>((*this)[option].value);
}

const std::vector<std::string>& CommandLine::list(Option option) const {
  return std::get<std::vector<std::string>>((*this)[option].value);
}

const std::vector<std::int64_t>& CommandLine::numbers(Option option) const {
  return std::get<std::vector<std::int64_t>>((*this)[option].value);
}

Result<CommandLine> parse_command_line(std::span<const std::string> arguments,
                                       const Environment& environment,
                                       Program program) {
  CommandLine command_line;
  command_line.program = program;
  for (const OptionSpec& spec : option_table(program)) {
    OptionValue& value =
        command_line.options[static_cast<std::size_t>(spec.option)];
    value = fallback_of(spec);
    TRY_VOID(read_environment(spec, environment, value));
  }
  TRY_VOID(ArgumentReader(arguments, command_line).read());
  return command_line;
}

}  // namespace gpunode::config
