// Completion scripts, from the option tables.
#include <iterator>

#include <fmt/format.h>

#include "agent/config/help.h"
#include "agent/config/option_text.h"

namespace gpunode::config {
namespace {

std::string all_names(std::span<const OptionSpec> table) {
  std::string out;
  for (const OptionSpec& spec : table) {
    for (const std::string_view name : spec.names) {
      fmt::format_to(std::back_inserter(out), "--{} ", name);
    }
  }
  for (const BuiltinOption& option : kBuiltinOptions) {
    fmt::format_to(std::back_inserter(out), "--{} ", option.name);
  }
  out.pop_back();
  return out;
}

// "--a|--b": the case label of an option.
std::string case_label(const OptionSpec& spec) {
  std::string out;
  for (const std::string_view name : spec.names) {
    fmt::format_to(std::back_inserter(out), "{}--{}", out.empty() ? "" : "|",
                   name);
  }
  return out;
}

bool wants_path(const OptionSpec& spec) {
  return spec.group == OptionGroup::kPaths ||
         spec.option == Option::kConfigFile ||
         spec.option == Option::kKubeletSocket ||
         spec.option == Option::kPodResourcesSocket;
}

// A function name has no dashes in a POSIX shell.
std::string function_name(std::string_view program) {
  std::string name = "_" + std::string(program);
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

std::string bash_script(std::string_view program,
                        std::span<const OptionSpec> table) {
  std::string out = fmt::format(
      "{}() {{\n"
      "  local word=\"${{COMP_WORDS[COMP_CWORD]}}\"\n"
      "  local before=\"${{COMP_WORDS[COMP_CWORD-1]}}\"\n"
      "  if [[ $word == = ]]; then word=\"\"; fi\n"
      "  if [[ $before == = ]]; then "
      "before=\"${{COMP_WORDS[COMP_CWORD-2]}}\"; fi\n"
      "  case \"$before\" in\n",
      function_name(program));
  for (const OptionSpec& spec : table) {
    if (!spec.values.empty()) {
      fmt::format_to(std::back_inserter(out),
                     "    {}) COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); "
                     "return ;;\n",
                     case_label(spec), joined(spec.values, " "));
    } else if (wants_path(spec)) {
      fmt::format_to(std::back_inserter(out),
                     "    {}) COMPREPLY=($(compgen -f -- \"$word\")); return "
                     ";;\n",
                     case_label(spec));
    }
  }
  fmt::format_to(std::back_inserter(out),
                 "    --completion) COMPREPLY=($(compgen -W \"bash zsh fish\" "
                 "-- \"$word\")); return ;;\n"
                 "  esac\n"
                 "  COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))\n"
                 "}}\n"
                 "complete -F {} {}\n",
                 all_names(table), function_name(program), program);
  return out;
}

// Within '...[...]...': quotes end the word, brackets the description.
std::string zsh_safe(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (c == '[' || c == ']' || c == ':' || c == '\\') {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string zsh_script(std::string_view program,
                       std::span<const OptionSpec> table) {
  std::string out = fmt::format("#compdef {}\n_arguments \\\n", program);
  for (const OptionSpec& spec : table) {
    for (const std::string_view name : spec.names) {
      std::string action;
      if (!spec.values.empty()) {
        action = fmt::format(":value:({})", joined(spec.values, " "));
      } else if (wants_path(spec)) {
        action = ":path:_files";
      } else if (spec.type != OptionType::kBool) {
        action = ":value:";
      }
      fmt::format_to(std::back_inserter(out), "  '--{}{}[{}]{}' \\\n", name,
                     spec.type == OptionType::kBool ? "" : "=",
                     zsh_safe(spec.help), action);
    }
  }
  out +=
      "  '--completion=[Print completions]:shell:(bash zsh fish)' \\\n"
      "  '(- *)'{-h,--help}'[Print help]' \\\n"
      "  '(- *)'{-v,--version}'[Print the version]' \\\n"
      "  '(- *)--man[Print the manual page]'\n";
  return out;
}

std::string fish_safe(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string fish_script(std::string_view program,
                        std::span<const OptionSpec> table) {
  std::string out;
  for (const OptionSpec& spec : table) {
    for (const std::string_view name : spec.names) {
      fmt::format_to(std::back_inserter(out), "complete -c {} -l {} -d '{}'",
                     program, name, fish_safe(spec.help));
      if (!spec.values.empty()) {
        fmt::format_to(std::back_inserter(out), " -x -a '{}'",
                       joined(spec.values, " "));
      } else if (wants_path(spec)) {
        out += " -r";
      } else if (spec.type != OptionType::kBool) {
        out += " -x";
      }
      out += '\n';
    }
  }
  for (const BuiltinOption& option : kBuiltinOptions) {
    fmt::format_to(std::back_inserter(out), "complete -c {} -l {} -d '{}'{}\n",
                   program, option.name, fish_safe(option.help),
                   option.argument.empty() ? "" : " -x -a 'bash zsh fish'");
  }
  return out;
}

}  // namespace

Result<std::string> completion_script(std::string_view shell,
                                      std::string_view program) {
  const std::string name = program_name(program);
  const auto table = option_table(program_called(name));
  if (shell == "bash") return bash_script(name, table);
  if (shell == "zsh") return zsh_script(name, table);
  if (shell == "fish") return fish_script(name, table);
  return Error{ErrorCode::kInvalidArgument,
               fmt::format("no completions for shell '{}' (give bash, zsh or "
                           "fish)",
                           shell)};
}

}  // namespace gpunode::config
