#include "node/facts/kernels_look.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "node/facts/host_text.h"
#include "node/facts/next_kernel.h"
#include "node/facts/secure_boot_look.h"

namespace gpunode::facts {
namespace {

// A kernel's configuration has some 250 KB.
constexpr std::size_t kConfigLimitBytes = std::size_t{2} << 20U;
constexpr std::size_t kValueLimitBytes = std::size_t{64} << 10U;
/// A host that never removed one; more are somebody's joke.
constexpr std::size_t kMostKernels = 64;

/// Whether a kernel of this release could be booted: Fedora and its kin keep
/// it beside its modules, others in /boot; Arm's has no "z".
bool has_kernel(const host::HostRoot& host, const std::string& release) {
  const std::string beside = "/lib/modules/" + release + "/";
  constexpr std::array<const char*, 3> kNames = {"vmlinuz", "vmlinux", "Image"};
  return std::ranges::any_of(kNames, [&](const char* name) {
    return host.exists(beside + name) ||
           host.exists(fmt::format("/boot/{}-{}", name, release));
  });
}

/// "5.14.0-362.el9" of a header that says so in C.
std::string release_in_header(std::string_view header) {
  while (!header.empty()) {
    std::string_view line = take_line(header);
    if (!line.starts_with("#define UTS_RELEASE \"")) continue;
    take_until(line, '"');
    return std::string(take_until(line, '"'));
  }
  return "";
}

/// Which release the tree that build/ leads to was made for; "" if it says
/// nothing, or leads nowhere.
std::string devel_release(const host::HostRoot& host,
                          const std::string& build) {
  const auto header = host.read_file(build + "/include/generated/utsrelease.h",
                                     kValueLimitBytes);
  std::string release = header ? release_in_header(*header) : std::string();
  if (release.empty()) {
    release = read_value(host, build + "/include/config/kernel.release");
  }
  return is_release(release) ? release : std::string();
}

std::string compiler_of(const host::HostRoot& host,
                        const std::string& release) {
  for (const std::string& path :
       {"/boot/config-" + release, "/lib/modules/" + release + "/config",
        "/lib/modules/" + release + "/build/include/config/auto.conf"}) {
    const auto config = host.read_file(path, kConfigLimitBytes);
    if (!config) continue;
    std::string compiler = compiler_in_config(*config);
    if (!compiler.empty()) return compiler;
  }
  return "";
}

KernelImage look_at(const host::HostRoot& host, const std::string& release) {
  KernelImage image;
  image.release = release;
  const std::string build = "/lib/modules/" + release + "/build";
  const std::string devel = devel_release(host, build);
  image.has_devel = devel == release && host.exists(build + "/Makefile");
  if (devel != release) image.devel_release = devel;
  image.compiler = compiler_of(host, release);
  image.module.path = nvidia_module_of(host, release);
  return image;
}

void ask_modinfo(host::CommandRunner& runner, HostFacts& facts) {
  host::Command command;
  command.argv = {"/sbin/modinfo"};
  for (const KernelImage& image : facts.kernels.images) {
    if (!image.module.path.empty()) command.argv.push_back(image.module.path);
  }
  if (command.argv.size() == 1) return;
  const auto said = runner.run(command);
  if (!said) {
    facts.gaps.push_back("which driver the modules are of is not known: " +
                         said.error().message());
    return;
  }
  // One that cannot be read ends it with 1, and the others are told.
  auto modules = parse_modinfo(said->out);
  for (KernelImage& image : facts.kernels.images) {
    const auto found = modules.find(image.module.path);
    if (found != modules.end()) {
      image.module = found->second;
    } else if (!image.module.path.empty()) {
      facts.gaps.push_back(fmt::format("modinfo says nothing of {}: {}",
                                       image.module.path,
                                       host::output_tail(said->err)));
    }
  }
}

void list_kernels(const host::HostRoot& host, HostFacts& facts) {
  const std::string directory = "/lib/modules";
  const auto names = host.list_directory(directory);
  if (!names) {
    if (names.error().code() != ErrorCode::kNotFound) {
      facts.gaps.push_back("which kernels are installed is not known: list " +
                           directory + ": " +
                           cause_of(host, directory, names.error()));
    }
    return;
  }
  for (const std::string& name : *names) {
    if (!is_release(name) || !has_kernel(host, name)) continue;
    if (facts.kernels.images.size() == kMostKernels) break;
    facts.kernels.images.push_back(look_at(host, name));
  }
}

/// For kernels whose configuration does not say it, or is not there.
void add_running_compiler(const host::HostRoot& host, HostFacts& facts) {
  for (KernelImage& image : facts.kernels.images) {
    if (image.release != facts.kernel.release || !image.compiler.empty()) {
      continue;
    }
    image.compiler = compiler_in_version(read_value(host, "/proc/version"));
  }
}

}  // namespace

std::map<std::string, ModuleFile> parse_modinfo(std::string_view text) {
  std::map<std::string, ModuleFile> modules;
  ModuleFile* module = nullptr;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view key = take_until(line, ':');
    const std::string value(trimmed(line));
    if (key == "filename") {
      module = &modules[value];
      module->path = value;
    }
    if (module == nullptr) continue;
    const auto keep = [&](std::string_view name, std::string& into) {
      if (key == name && into.empty()) into = value;
    };
    keep("version", module->version);
    keep("vermagic", module->vermagic);
    keep("license", module->license);
    keep("signer", module->signer);
  }
  return modules;
}

std::string compiler_in_config(std::string_view config) {
  constexpr std::string_view kKey = "CONFIG_CC_VERSION_TEXT=";
  while (!config.empty()) {
    std::string_view line = trimmed(take_line(config));
    if (!line.starts_with(kKey)) continue;
    line.remove_prefix(kKey.size());
    // In auto.conf it has no quotes from Linux 6.1 on.
    if (line.size() >= 2 && line.front() == '"' && line.back() == '"') {
      line = line.substr(1, line.size() - 2);
    }
    return std::string(line);
  }
  return "";
}

std::string compiler_in_version(std::string_view version) {
  // "Linux version R (who@where) (gcc (GCC) 8.5.0 20210514 …, GNU ld …) #1 …";
  // before 5.8 "(gcc version 4.8.5 20150623 (Red Hat 4.8.5-44) (GCC) )".
  const std::size_t begin =
      std::min(version.find(" (gcc"), version.find(" (clang"));
  if (begin == std::string_view::npos) return "";
  version.remove_prefix(begin + 2);
  std::size_t end = version.find(", ");
  if (end == std::string_view::npos) end = version.find(") #");
  return std::string(trimmed(version.substr(0, end)));
}

void look_at_kernels(const host::HostRoot& host, host::CommandRunner& runner,
                     const Wanted& wanted, HostFacts& facts) {
  if (!wanted.driver) return;
  list_kernels(host, facts);
  add_running_compiler(host, facts);
  NextKernel next = next_kernel_of(read_boot_choice(host));
  facts.kernels.next = std::move(next.release);
  facts.kernels.next_why = std::move(next.why);
  if (host.prefix() == "/") ask_modinfo(runner, facts);
  facts.secure_boot = look_at_secure_boot(host, facts.os);
}

}  // namespace gpunode::facts
