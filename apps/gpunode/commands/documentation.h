// The manual page and shell completions, written from the commands themselves
// so that they cannot fall behind them.
#pragma once

#include <string>

// NOLINTNEXTLINE(readability-identifier-naming): CLI11's own.
namespace CLI {
class App;
}

namespace gpunode::cli {

/// gpunode(8) as troff.
std::string man_page(const CLI::App& gpunode);

/// A script for "bash", "zsh" or "fish".
std::string completion_script(const CLI::App& gpunode,
                              const std::string& shell);

}  // namespace gpunode::cli
