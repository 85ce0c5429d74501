#include "apps/gpunode/usage_error.h"

#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text/nearest.h"

namespace gpunode::cli {
namespace {

/// The command whose words were read last, and "gpunode shares resize".
const CLI::App& last_command(const CLI::App& gpunode, std::string& path) {
  const CLI::App* command = &gpunode;
  path = command->get_name();
  for (auto below = command->get_subcommands(); !below.empty();
       below = command->get_subcommands()) {
    command = below.front();
    path += " " + command->get_name();
  }
  return *command;
}

bool is_shown(const CLI::App* command) {
  return !command->get_group().empty();
}

std::vector<std::string> commands_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* below : command.get_subcommands(is_shown)) {
    names.push_back(below->get_name());
  }
  return names;
}

std::vector<std::string> options_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

std::string did_you_mean(std::string_view word,
                         const std::vector<std::string>& names) {
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view nearest = text::nearest_name(word, candidates);
  return nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest);
}

}  // namespace

std::string usage_error(const CLI::App& gpunode,
                        const CLI::ParseError& problem) {
  // What nobody took counts before what is missing: it is often the same,
  // written wrong. A value that is wrong was taken.
  const auto kind = static_cast<CLI::ExitCodes>(problem.get_exit_code());
  const bool is_about_words = kind == CLI::ExitCodes::RequiredError ||
                              kind == CLI::ExitCodes::ExtrasError;
  const std::vector<std::string> left = gpunode.remaining(true);
  if (!is_about_words || left.empty()) return problem.what();
  const std::string& word = left.front();
  std::string path;
  const CLI::App& command = last_command(gpunode, path);
  if (word.starts_with('-')) {
    const std::string name = word.substr(0, word.find('='));
    return fmt::format("{}: no such option of {}{}", name, path,
                       did_you_mean(name, options_of(command)));
  }
  const std::vector<std::string> commands = commands_of(command);
  if (commands.empty()) {
    return fmt::format("{}: one word too many for {}", word, path);
  }
  std::string meant = did_you_mean(word, commands);
  constexpr std::size_t kFew = 4;
  if (meant.empty() && commands.size() <= kFew) {
    meant = fmt::format(" (there are {})", fmt::join(commands, ", "));
  }
  return fmt::format("{}: no such command{}", word, meant);
}

}  // namespace gpunode::cli
