// What is wrong with a command line, in words.
#pragma once

#include <string>

// NOLINTNEXTLINE(readability-identifier-naming): CLI11's own.
namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace gpunode::cli {

/// What `problem`, which parsing `gpunode` threw, was about: a word that no
/// command or option is called is named, with the one that is nearly called so;
/// else the parser's own words. One line.
std::string usage_error(const CLI::App& gpunode,
                        const CLI::ParseError& problem);

}  // namespace gpunode::cli
