#include "node/provision/build_actions.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "node/facts/next_kernel.h"

namespace gpunode::provision {
namespace {

/// On a small machine with a cold disk; a warm one takes three seconds.
constexpr std::chrono::minutes kBuildTimeout{5};
constexpr std::size_t kModuleLimitBytes = std::size_t{16} << 20U;

constexpr const char* kName = "gpunode_probe";
constexpr const char* kSource =
    "#include <linux/module.h>\n"
    "MODULE_DESCRIPTION(\"proof that modules can be built\");\n"
    "MODULE_LICENSE(\"GPL\");\n";

/// A directory that only its owner may enter, and that is gone afterwards.
class PrivateDirectory {
 public:
  explicit PrivateDirectory(std::string path) : path_(std::move(path)) {}
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;
  ~PrivateDirectory() { remove(); }

  Result<void> make() const {
    remove();  // What a killed run left.
    std::error_code error;
    std::filesystem::create_directories(
        std::filesystem::path(path_).parent_path(), error);
    if (::mkdir(path_.c_str(), 0700) != 0) {
      return Error::from_errno("make the directory " + path_, errno);
    }
    return {};
  }

  Result<void> write(const std::string& name, const std::string& text) const {
    std::ofstream out(path_ + "/" + name, std::ios::binary);
    out << text;
    out.close();
    if (!out) {
      return Error(ErrorCode::kUnavailable,
                   fmt::format("write {}/{}: is the disk full?", path_, name));
    }
    return {};
  }

 private:
  void remove() const {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string path_;
};

/// The first complaint of a compiler: what comes after it mostly follows from
/// it. Empty if there is none.
std::string first_error(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.find("error: ") != std::string_view::npos) {
      return host::output_tail(std::string(line)) + "; … ";
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return "";
}

Error cannot_build(const ProveBuild& action, const std::string& why) {
  return {ErrorCode::kUnavailable,
          fmt::format("no module can be built for the kernel {}: {}",
                      action.release, why)};
}

host::Command make_command(const ProveBuild& action, const std::string& build,
                           const std::string& directory) {
  host::Command command;
  command.argv = {"/usr/bin/make", "-C", build, "M=" + directory};
  if (!action.compiler.empty()) {
    command.argv.push_back("CC=" + action.compiler);
    // Its assembler and linker lie beside it: gcc-toolset's.
    const std::size_t end = action.compiler.rfind('/');
    if (end != std::string::npos && end > 0) {
      command.env = {fmt::format("PATH={}:/usr/sbin:/usr/bin:/sbin:/bin",
                                 action.compiler.substr(0, end)),
                     "LC_ALL=C"};
    }
  }
  command.argv.emplace_back("modules");
  command.timeout = kBuildTimeout;
  return command;
}

}  // namespace

std::string kernel_of_module(const std::string& module) {
  // A string of .modinfo, between two zeros.
  constexpr std::string_view kKey("\0vermagic=", 10);
  const std::size_t found = module.find(kKey);
  if (found == std::string::npos) return "";
  const std::size_t begin = found + kKey.size();
  const std::size_t end =
      module.find_first_of(std::string_view(" \0", 2), begin);
  return module.substr(begin, end - begin);
}

Result<Inverse> BuildActions::prepare(const ProveBuild& /*action*/) {
  return Inverse{};
}

Result<void> BuildActions::perform(const ProveBuild& action) const {
  if (!facts::is_release(action.release)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("\"{}\" is no kernel's release", action.release));
  }
  const std::string build = "/lib/modules/" + action.release + "/build";
  if (!host_.exists(build + "/Makefile")) {
    return Error(
        ErrorCode::kNotFound,
        fmt::format("{} leads to nothing that a module can be built with: the "
                    "kernel's devel package is missing or is another's",
                    build));
  }
  const PrivateDirectory directory(host_.outside(kProofDirectory));
  TRY_VOID(directory.make());
  TRY_VOID(directory.write("Makefile", fmt::format("obj-m := {}.o\n", kName)));
  TRY_VOID(directory.write(fmt::format("{}.c", kName), kSource));
  TRY(const host::Completed made,
      runner_.run(make_command(action, host_.outside(build),
                               host_.outside(kProofDirectory))));
  if (made.status != 0) {
    const std::string& said = made.err.empty() ? made.out : made.err;
    return cannot_build(
        action, fmt::format("make ended with status {}: {}{}", made.status,
                            first_error(said), host::output_tail(said)));
  }
  const auto module = host_.read_file(
      fmt::format("{}/{}.ko", kProofDirectory, kName), kModuleLimitBytes);
  if (!module) {
    return cannot_build(action,
                        "make says that it is done, and there is no "
                        "module: " +
                            module.error().message());
  }
  const std::string kernel = kernel_of_module(*module);
  if (kernel != action.release) {
    return cannot_build(
        action, fmt::format("what {} leads to makes modules for \"{}\"", build,
                            kernel));
  }
  return {};
}

}  // namespace gpunode::provision
