// Options that several verbs have, the same words with each.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace gpunode::cli {

/// The GPUNode file, as a word of its own or after -f or --file, of which each
/// verb takes both: whoever knows one verb knows all.
void add_spec_file(CLI::App& verb, std::string& path, const char* description);

/// --no-color. For verbs that have colours.
void add_no_color(CLI::App& verb, bool& no_color);

/// --no-color of a verb that has none: taken, so that a script may give it to
/// each alike.
void add_no_color(CLI::App& verb);

}  // namespace gpunode::cli
