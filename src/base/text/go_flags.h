// Command lines read the way urfave/cli and Go's flag package read them.
//
// NVIDIA's tools are written with these, and under their names ours must take
// what they take: -flag and --flag alike, --flag=value and --flag value,
// --flag=false, the first environment name that is set, lists repeated or
// separated by commas; and refuse with their words.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::text {

/// One flag of a command. Passive data, meant for constant tables.
struct GoFlag {
  enum class Kind { kBool, kString, kList };

  std::string_view name;  ///< Without dashes.
  Kind kind = Kind::kString;
  // Every member has a default, so that tables may leave it out.
  std::vector<std::string_view> aliases = {};      ///< "d" for -d.
  std::vector<std::string_view> environment = {};  ///< First that is set wins.
  /// "true" for a bool; a list's items separated by commas.
  std::string_view default_text = {};
  std::string_view usage = {};  ///< One sentence for --help.
  bool is_hidden = false;       ///< Not in --help.
};

/// What a command line and the environment gave to a table of flags.
class GoFlags {
 public:
  /// Looks an environment variable up; nothing if it is not set.
  using Environment =
      std::function<std::optional<std::string>(std::string_view)>;

  /// Reads flags up to the first argument that is none, or "--". Fails with
  /// kInvalidArgument and Go's words: "flag provided but not defined: -x",
  /// "flag needs an argument: -x", "invalid boolean value \"y\" for -x:
  /// parse error". `table` must outlive the value.
  static Result<GoFlags> parse(std::span<const GoFlag> table,
                               std::span<const std::string> arguments,
                               const Environment& environment);

  // Each takes the name of a flag of the table, not an alias; anything else
  // aborts.
  bool is_true(std::string_view name) const;
  const std::string& text(std::string_view name) const;
  const std::vector<std::string>& list(std::string_view name) const;

  /// Given on the command line or by the environment, not by default.
  bool is_set(std::string_view name) const;

  /// --help or -h was given; the other values are not to be used then.
  bool asks_for_help() const { return asks_for_help_; }

  /// What follows the flags.
  const std::vector<std::string>& arguments() const { return arguments_; }

 private:
  struct Value {
    std::string text;
    std::vector<std::string> items;
    bool is_set = false;
  };

  class Reader;

  const Value& value(std::string_view name) const;

  std::map<std::string, Value, std::less<>> values_;
  std::vector<std::string> arguments_;
  bool asks_for_help_ = false;
};

/// The OPTIONS part of a --help text, aligned.
std::string describe_flags(std::span<const GoFlag> table);

}  // namespace gpunode::text
