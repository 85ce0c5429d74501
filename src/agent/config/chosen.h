// Every option after precedence, still as written, with its origin.
#pragma once

#include <string>
#include <string_view>

#include "agent/config/command_line.h"
#include "agent/config/file_config.h"

namespace gpunode::config {

/// Flag > environment > file > default, per option. Refers to its arguments.
class Chosen {
 public:
  Chosen(const CommandLine& command_line, const FileConfig& file,
         std::string_view file_name)
      : command_line_(command_line), file_(file), file_name_(file_name) {}

  template <class T>
  const T& get(Option option) const {
    return std::get<T>(value(option));
  }

  /// `message`, then in parentheses where the value was given and `advice`;
  /// an empty `advice` stands for the option's known values.
  Error refuse(Option option, std::string_view message,
               std::string_view advice = {}) const;

 private:
  bool is_from_file(Option option) const {
    return !command_line_.is_set(option) && file_[option].has_value();
  }
  const Value& value(Option option) const {
    return is_from_file(option) ? file_[option]->value
                                : command_line_[option].value;
  }
  const OptionSpec& spec(Option option) const {
    return spec_of(option, command_line_.program);
  }
  std::string origin(Option option) const;

  const CommandLine& command_line_;
  const FileConfig& file_;
  std::string_view file_name_;
};

}  // namespace gpunode::config
