// Options of how a verb prints, the same words with each.
#pragma once

namespace CLI {
class App;
}

namespace gpunode::cli {

/// --no-color. For verbs that have colours.
void add_no_color(CLI::App& verb, bool& no_color);

/// --no-color of a verb that has none: taken, so that a script may give it to
/// each alike.
void add_no_color(CLI::App& verb);

}  // namespace gpunode::cli
