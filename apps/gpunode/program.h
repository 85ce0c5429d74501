// What a program called `gpunode` does with its command line, whichever verbs
// it has: the host's has all, that of the agent's image a few.
#pragma once

#include <functional>
#include <string>

// NOLINTNEXTLINE(readability-identifier-naming): CLI11's own.
namespace CLI {
class App;
}  // namespace CLI

namespace gpunode::cli {

struct Session;

struct Program {
  std::string about;  ///< The first line of --help.
  /// Said after the complaint about a command that it does not have. Empty:
  /// nothing.
  std::string elsewhere;
  std::function<void(CLI::App&, Session&)> add_verbs;
};

/// Runs the verb that the command line says; what main returns. What it throws,
/// memory that is not to be had or a bug, ends in words, too.
int run_program(int argc, char** argv, const Program& program);

/// As run_program(), for what reads its command line itself.
int run_in_session(int argc, char** argv,
                   const std::function<int(Session&)>& work);

}  // namespace gpunode::cli
