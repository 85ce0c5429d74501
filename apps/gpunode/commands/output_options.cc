#include "apps/gpunode/commands/output_options.h"

#include <CLI/CLI.hpp>

namespace gpunode::cli {
namespace {

constexpr const char* kName = "--no-color";

}  // namespace

void add_no_color(CLI::App& verb, bool& no_color) {
  verb.add_flag(kName, no_color,
                "No colours on a terminal; NO_COLOR says the same");
}

void add_no_color(CLI::App& verb) {
  verb.add_flag(kName)->description(
      "Without effect: there are no colours here");
}

}  // namespace gpunode::cli
