// Programs of ours that lie beside this one.
#pragma once

#include <string>
#include <string_view>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace gpunode::cli {

/// "/usr/bin/gpunode-probe" of "gpunode-probe": the path beside this program.
std::string own_program(std::string_view name);

/// An option for another one than own_program(name). A path that is relative is
/// one below the directory that the command is given in.
CLI::Option* add_own_program(CLI::App& verb, const std::string& option,
                             std::string& path, std::string_view name,
                             const std::string& help);

}  // namespace gpunode::cli
