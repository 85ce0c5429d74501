#include "node/provision/packages/dnf_dialect.h"

#include <array>
#include <string>

namespace gpunode::packages {
namespace {

constexpr auto kDnf4Options = std::to_array<std::string_view>(
    {"--color=never", "--setopt=exit_on_lock=True",
     "--setopt=install_weak_deps=False",
     "--setopt=clean_requirements_on_remove=False",
     "--setopt=installonly_limit=0"});
constexpr DnfDialect kDnf4 = {.program = "/usr/bin/dnf",
                              .options = kDnf4Options,
                              .no_repository = "--disablerepo=*",
                              .with_repository = "--enablerepo=",
                              .best = "--best",
                              .refresh = "--refresh",
                              .unlocked = "--disableplugin=versionlock",
                              .as_dependency = "remove"};

// dnf5(8) and dnf5's own sources: --color is a setting, the old spellings of
// options are aliases in a file that need not be there, and exit_on_lock is
// known and not heeded.
constexpr auto kDnf5Options = std::to_array<std::string_view>(
    {"--setopt=color=never", "--setopt=install_weak_deps=False",
     "--setopt=clean_requirements_on_remove=False",
     "--setopt=installonly_limit=0"});
constexpr DnfDialect kDnf5 = {.program = "/usr/bin/dnf5",
                              .options = kDnf5Options,
                              .no_repository = "--disable-repo=*",
                              .with_repository = "--enable-repo=",
                              .has_shell = false,
                              .best = "--best",
                              .refresh = "--refresh",
                              .query_end = "\\n",
                              .as_dependency = "dependency",
                              .has_named_locks = true,
                              .has_streams = false};

// yum.conf(5) and yum's own cli.py, shell.py and config.py of 3.4.3: weak
// dependencies are not known to it, and nor is a setting of that name.
constexpr auto kYumOptions =
    std::to_array<std::string_view>({"--color=never", "--setopt=exit_on_lock=1",
                                     "--setopt=clean_requirements_on_remove=0",
                                     "--setopt=installonly_limit=0"});
constexpr DnfDialect kYum = {.program = "/usr/bin/yum",
                             .options = kYumOptions,
                             .no_repository = "--disablerepo=*",
                             .with_repository = "--enablerepo=",
                             .has_downgrade = true,
                             .has_list_alone = true,
                             .unlocked = "--disableplugin=versionlock",
                             .has_epoch_first = true,
                             .has_streams = false};

}  // namespace

const DnfDialect& dnf_dialect(const host::HostRoot& host) {
  const auto target = host.read_link("/usr/bin/dnf");
  if (target) {
    return target->find("dnf5") == std::string::npos ? kDnf4 : kDnf5;
  }
  if (host.exists("/usr/bin/dnf")) return kDnf4;
  if (host.exists("/usr/bin/dnf5")) return kDnf5;
  return host.exists("/usr/bin/yum") ? kYum : kDnf4;
}

}  // namespace gpunode::packages
