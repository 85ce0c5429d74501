#include "apps/gpunode/commands/output_options.h"

#include <CLI/CLI.hpp>

namespace gpunode::cli {
namespace {

constexpr const char* kNoColor = "--no-color";

}  // namespace

void add_spec_file(CLI::App& verb, std::string& path, const char* description) {
  verb.add_option("-f,--file,file", path, description)->capture_default_str();
}

void add_no_color(CLI::App& verb, bool& no_color) {
  verb.add_flag(kNoColor, no_color,
                "No colours on a terminal; NO_COLOR says the same");
}

void add_no_color(CLI::App& verb) {
  verb.add_flag(kNoColor)->description(
      "Without effect: there are no colours here");
}

}  // namespace gpunode::cli
