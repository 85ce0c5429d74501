#include "node/provision/module_actions.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/driver/kernel_packages.h"
#include "node/facts/driver_look.h"
#include "node/facts/kernels_look.h"
#include "node/facts/next_kernel.h"

namespace gpunode::provision {
namespace {

constexpr const char* kDkms = "/usr/sbin/dkms";
constexpr const char* kTree = "/var/lib/dkms";
constexpr const char* kSources = "/usr/src";
// NVIDIA's modules on two slow processors.
constexpr std::chrono::hours kBuildTimeout{1};
constexpr std::size_t kLogLimitBytes = std::size_t{16} << 20U;
constexpr std::size_t kConfigLimitBytes = std::size_t{2} << 20U;
constexpr int kLogLines = 40;

/// Numbers between dots, as numbers: "580.65.06" before "580.105.08".
bool is_older(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const std::string_view x = a.substr(0, a.find('.'));
    const std::string_view y = b.substr(0, b.find('.'));
    if (x != y) return x.size() != y.size() ? x.size() < y.size() : x < y;
    a.remove_prefix(std::min(x.size() + 1, a.size()));
    b.remove_prefix(std::min(y.size() + 1, b.size()));
  }
  return a.empty() && !b.empty();
}

std::vector<std::string> names_in(const host::HostRoot& host,
                                  const std::string& path) {
  auto names = host.list_directory(path);
  return names ? *std::move(names) : std::vector<std::string>();
}

/// "/usr/src/nvidia-open-570.86.15" as source and version: the version is what
/// begins with a digit after the last dash.
std::pair<std::string, std::string> split(const std::string& directory) {
  const std::size_t dash = directory.rfind('-');
  if (dash == std::string::npos || dash + 1 == directory.size()) return {};
  const char first = directory[dash + 1];
  if (first < '0' || first > '9') return {};
  return {directory.substr(0, dash), directory.substr(dash + 1)};
}

std::string_view participle(std::string_view verb) {
  if (verb == "build") return "built";
  return verb == "install" ? "installed" : "taken off";
}

/// Whether DKMS's source `name` has the module. Those of NVIDIA's driver have
/// several names.
bool has_module(const std::string& name, const std::string& module) {
  return name == module ||
         (module == "nvidia" && facts::is_driver_source(name));
}

/// Where the compiler lies that Oracle's UEK was built with: a gcc-toolset-N,
/// whose program has the system's name in the kernel's configuration, so that
/// DKMS takes the system's. Empty where that is right.
std::string toolset_of(const host::HostRoot& host, const std::string& kernel) {
  if (kernel.find("uek") == std::string::npos) return {};
  for (const std::string& path :
       {"/boot/config-" + kernel, "/lib/modules/" + kernel + "/config"}) {
    const auto config = host.read_file(path, kConfigLimitBytes);
    if (!config) continue;
    const int major =
        driver::compiler_of(facts::compiler_in_config(*config)).major;
    std::string place =
        fmt::format("/opt/rh/gcc-toolset-{}/root/usr/bin", major);
    return host.exists(place + "/gcc") ? place : std::string();
  }
  return {};
}

}  // namespace

std::string last_lines(std::string_view log) {
  while (log.ends_with('\n')) log.remove_suffix(1);
  std::size_t begin = log.size();
  for (int lines = 0; lines < kLogLines && begin > 0; ++lines) {
    const std::size_t end = log.rfind('\n', begin - 1);
    begin = end == std::string_view::npos ? 0 : end;
  }
  if (begin > 0) ++begin;
  std::string text;
  for (const char c : log.substr(begin)) {
    const bool is_control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    text += is_control && c != '\n' ? ' ' : c;
  }
  return text;
}

/// By the file's own word: it is of this kernel and of the source that there
/// is, and modprobe finds it.
Result<bool> ModuleActions::is_there(const BuildModule& action,
                                     const Source& source,
                                     const std::string& kernel) const {
  host::Command command;
  command.argv = {"/sbin/modinfo", "-k", kernel, action.module};
  TRY(const host::Completed said, runner_.run(command));
  if (said.status != 0) return false;
  const auto modules = facts::parse_modinfo(said.out);
  return std::ranges::any_of(modules, [&](const auto& one) {
    const facts::ModuleFile& file = one.second;
    const bool is_current = source.version.empty() || file.version.empty() ||
                            file.version == source.version;
    return is_current &&
           (file.vermagic == kernel ||
            file.vermagic.starts_with(fmt::format("{} ", kernel)));
  });
}

/// Of several sources the newest that DKMS knows: a package that was replaced
/// takes its own along, and what is left of an older one is nobody's.
ModuleActions::Source ModuleActions::find_source(
    const BuildModule& action) const {
  Source best;
  bool is_best_known = false;
  for (const std::string& directory : names_in(host_, kSources)) {
    auto [name, version] = split(directory);
    if (name.empty() || !has_module(name, action.module) ||
        !host_.exists(fmt::format("{}/{}/dkms.conf", kSources, directory))) {
      continue;
    }
    const bool is_known =
        host_.exists(fmt::format("{}/{}/{}", kTree, name, version));
    const bool is_better =
        is_known != is_best_known ? is_known : is_older(best.version, version);
    if (!best.name.empty() && !is_better) continue;
    best = {std::move(name), std::move(version)};
    is_best_known = is_known;
  }
  return best;
}

Result<void> ModuleActions::check_source(const BuildModule& action,
                                         const Source& source) const {
  if (source.name.empty()) {
    return Error(
        ErrorCode::kNotFound,
        fmt::format("there is no source of the module {} in {} that DKMS could "
                    "build, and no module for {}: install the package that has "
                    "it again",
                    action.module, kSources, fmt::join(action.kernels, ", ")));
  }
  if (!host_.exists(kDkms)) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{} is not there, and {} {} is to be built with "
                             "it: install the package dkms",
                             kDkms, source.name, source.version));
  }
  return {};
}

/// What make said: where the build failed, or where DKMS keeps it.
std::string ModuleActions::log_of(const Source& source,
                                  const std::string& kernel) const {
  const std::string at =
      fmt::format("{}/{}/{}", kTree, source.name, source.version);
  std::vector<std::string> places = {at + "/build/make.log"};
  const std::string builds = fmt::format("{}/{}", at, kernel);
  for (const std::string& machine : names_in(host_, builds)) {
    places.push_back(fmt::format("{}/{}/log/make.log", builds, machine));
  }
  for (const std::string& place : places) {
    const auto log = host_.read_file(place, kLogLimitBytes);
    if (log && !log->empty()) {
      return fmt::format("; the end of {}:\n{}", place, last_lines(*log));
    }
  }
  return "";
}

Result<void> ModuleActions::dkms(const Source& source,
                                 const std::string& kernel,
                                 std::string_view verb) const {
  host::Command command;
  command.argv = {kDkms, std::string(verb), "-m", source.name,
                  "-v",  source.version,    "-k", kernel};
  // What a killed build left is built anew, and an older version may take a
  // newer one's place: a downgrade.
  if (verb != "uninstall") command.argv.emplace_back("--force");
  command.timeout = kBuildTimeout;
  if (const std::string toolset = toolset_of(host_, kernel); !toolset.empty()) {
    for (std::string& one : command.env) {
      if (one.starts_with("PATH=")) one.insert(5, toolset + ":");
    }
  }
  TRY(const host::Completed done, runner_.run(command));
  if (done.status == 0) return {};
  const std::string said =
      host::output_tail(done.err.empty() ? done.out : done.err);
  return Error(ErrorCode::kUnavailable,
               fmt::format("{} {} cannot be {} for the kernel {}: dkms ended "
                           "with status {}: {}{}",
                           source.name, source.version, participle(verb),
                           kernel, done.status, said, log_of(source, kernel)));
}

Result<std::vector<std::string>> ModuleActions::kernels_without(
    const BuildModule& action, const Source& source) const {
  std::vector<std::string> kernels;
  for (const std::string& kernel : action.kernels) {
    if (!facts::is_release(kernel)) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("\"{}\" is no kernel's release", kernel));
    }
    TRY(const bool is_here, is_there(action, source, kernel));
    if (!is_here) kernels.push_back(kernel);
  }
  return kernels;
}

Result<void> ModuleActions::take_off(const BuildModule& action,
                                     const Source& source) const {
  // A package that was undone took its source and its modules along.
  if (source.name.empty()) return {};
  for (const std::string& kernel : action.kernels) {
    TRY(const bool is_here, is_there(action, source, kernel));
    if (!is_here) continue;
    TRY_VOID(check_source(action, source));
    TRY_VOID(dkms(source, kernel, "uninstall"));
  }
  return {};
}

Result<Inverse> ModuleActions::prepare(const BuildModule& action) const {
  if (!action.built) return Inverse::none();
  TRY(std::vector<std::string> missing,
      kernels_without(action, find_source(action)));
  if (missing.empty()) return Inverse{};
  return Inverse::of(BuildModule{.module = action.module,
                                 .kernels = std::move(missing),
                                 .built = false},
                     Undo::kCompensating);
}

Result<void> ModuleActions::perform(const BuildModule& action) const {
  const Source source = find_source(action);
  if (!action.built) return take_off(action, source);
  TRY(const std::vector<std::string> missing, kernels_without(action, source));
  if (missing.empty()) return {};
  TRY_VOID(check_source(action, source));
  for (const std::string& kernel : missing) {
    TRY_VOID(dkms(source, kernel, "build"));
  }
  for (const std::string& kernel : missing) {
    TRY_VOID(dkms(source, kernel, "install"));
    TRY(const bool is_here, is_there(action, source, kernel));
    if (is_here) continue;
    return Error(
        ErrorCode::kUnavailable,
        fmt::format("dkms says that {} {} is installed for the kernel {}, and "
                    "modprobe would find no module of that kernel{}",
                    source.name, source.version, kernel,
                    log_of(source, kernel)));
  }
  return {};
}

}  // namespace gpunode::provision
