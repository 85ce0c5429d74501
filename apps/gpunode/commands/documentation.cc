#include "apps/gpunode/commands/documentation.h"

#include <functional>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/session.h"

namespace gpunode::cli {
namespace {

using Visit = std::function<void(const CLI::App&, const std::string&)>;

bool is_shown(const CLI::App* command) {
  return !command->get_group().empty();
}

// `path` is " runtime configure".
void walk(const CLI::App& command, const std::string& path,
          const Visit& visit) {
  visit(command, path);
  for (const CLI::App* below : command.get_subcommands(is_shown)) {
    walk(*below, path + " " + below->get_name(), visit);
  }
}

std::vector<const CLI::Option*> options_of(const CLI::App& command) {
  return command.get_options(
      [](const CLI::Option* option) { return !option->get_group().empty(); });
}

bool takes_value(const CLI::Option& option) {
  return option.get_expected_max() > 0 && option.get_items_expected_max() > 0;
}

std::string words_of(const CLI::App& command) {
  std::string words;
  for (const CLI::App* below : command.get_subcommands(is_shown)) {
    words += below->get_name() + " ";
  }
  for (const CLI::Option* option : options_of(command)) {
    for (const std::string& name : option->get_lnames()) {
      words += "--" + name + " ";
    }
  }
  if (!words.empty()) words.pop_back();
  return words;
}

std::string bash_script(const CLI::App& gpunode) {
  std::string known;
  std::string cases;
  walk(gpunode, "", [&](const CLI::App& command, const std::string& path) {
    if (!path.empty()) known += (known.empty() ? "" : "|") + ('"' + path + '"');
    cases +=
        fmt::format("    \"{}\") words=\"{}\" ;;\n", path, words_of(command));
  });
  return fmt::format(R"(_gpunode() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path="" words="" word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$path $word" in
    {}) path="$path $word" ;;
    esac
  done
  case "$path" in
{}  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ "${{#COMPREPLY[@]}}" -eq 0 ]; then
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}}
complete -o filenames -F _gpunode gpunode
)",
                     known, cases);
}

std::string fish_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// A command is meant when its own words were seen and none below it.
std::string fish_condition(const CLI::App& command, const std::string& path) {
  std::string condition;
  std::string_view rest = path;
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view word = rest.substr(0, rest.find(' '));
    condition += fmt::format("{}__fish_seen_subcommand_from {}",
                             condition.empty() ? "" : "; and ", word);
    rest.remove_prefix(word.size());
  }
  std::string below;
  for (const CLI::App* each : command.get_subcommands(is_shown)) {
    below += " " + each->get_name();
  }
  if (!below.empty()) {
    condition += fmt::format("{}not __fish_seen_subcommand_from{}",
                             condition.empty() ? "" : "; and ", below);
  }
  return condition;
}

std::string fish_script(const CLI::App& gpunode) {
  std::string out;
  walk(gpunode, "", [&](const CLI::App& command, const std::string& path) {
    const std::string start =
        fmt::format("complete -c gpunode -n {}",
                    fish_quoted(fish_condition(command, path)));
    for (const CLI::App* below : command.get_subcommands(is_shown)) {
      out += fmt::format("{} -f -a {} -d {}\n", start, below->get_name(),
                         fish_quoted(below->get_description()));
    }
    for (const CLI::Option* option : options_of(command)) {
      for (const std::string& name : option->get_lnames()) {
        out += fmt::format("{} -l {}{} -d {}\n", start, name,
                           takes_value(*option) ? " -r" : "",
                           fish_quoted(option->get_description()));
      }
    }
  });
  return out;
}

// A line of troff text: no escapes, no requests, hyphens that stay hyphens.
std::string troff(std::string_view text) {
  std::string out;
  bool is_line_start = true;
  for (const char c : text) {
    if (is_line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    is_line_start = c == '\n';
  }
  return out;
}

std::string option_entry(const CLI::Option& option) {
  std::string names;
  for (const std::string& name : option.get_snames()) {
    names +=
        fmt::format(R"({}\fB\-{}\fR)", names.empty() ? "" : ", ", troff(name));
  }
  for (const std::string& name : option.get_lnames()) {
    names += fmt::format(R"({}\fB\-\-{}\fR)", names.empty() ? "" : ", ",
                         troff(name));
  }
  const std::string value = takes_value(option) ? " \\fIVALUE\\fR" : "";
  std::string meaning = troff(option.get_description()) + ".";
  if (!option.get_default_str().empty()) {
    meaning += fmt::format(" Default: {}.", troff(option.get_default_str()));
  }
  return fmt::format(".TP\n{}{}\n{}\n", names, value, meaning);
}

constexpr std::string_view kExitCodes = R"(.SH EXIT STATUS
0 done; 1 failed; 2 changes pending; 3 refused for safety; 4 reboot needed; 5 a
person must act; 6 locked; 7 verification failed; 8 unsupported host; 64 usage.
)";

}  // namespace

std::string man_page(const CLI::App& gpunode) {
  std::string out = fmt::format(
      ".TH GPUNODE 8\n.SH NAME\ngpunode \\- {}\n.SH SYNOPSIS\n\\fBgpunode\\fR "
      "\\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n",
      troff(gpunode.get_description()));
  walk(gpunode, "", [&out](const CLI::App& command, const std::string& path) {
    if (path.empty() || !command.get_subcommands(is_shown).empty()) return;
    out += fmt::format(".SH GPUNODE{}\n{}.\n", CLI::detail::to_lower(path),
                       troff(command.get_description()));
    for (const CLI::Option* option : options_of(command)) {
      out += option_entry(*option);
    }
    if (!command.get_footer().empty()) {
      out += ".PP\n.nf\n" + troff(command.get_footer()) + "\n.fi\n";
    }
  });
  return out + std::string(kExitCodes);
}

std::string completion_script(const CLI::App& gpunode,
                              const std::string& shell) {
  if (shell == "fish") return fish_script(gpunode);
  if (shell == "bash") return bash_script(gpunode);
  return "#compdef gpunode\nautoload -U +X bashcompinit && bashcompinit\n" +
         bash_script(gpunode);
}

void add_documentation(CLI::App& gpunode, Session& session) {
  const auto show = [&session](const std::string& text) {
    if (const auto printed = print(text); !printed) {
      session.fail(printed.error());
    }
  };
  CLI::App* man = gpunode.add_subcommand("man", "Print the manual page");
  man->callback([&gpunode, show] { show(man_page(gpunode)); });
  CLI::App* completion = gpunode.add_subcommand(
      "completion", "Print a completion script for a shell");
  completion->footer("\nExample:\n  source <(gpunode completion bash)");
  completion->require_subcommand(1);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    CLI::App* verb = completion->add_subcommand(
        shell, fmt::format("Completion for {}", shell));
    verb->callback([&gpunode, show, name = std::string(shell)] {
      show(completion_script(gpunode, name));
    });
  }
}

}  // namespace gpunode::cli
