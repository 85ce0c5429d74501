#include "node/provision/preflight_facts.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "node/facts/packages.h"
#include "node/provision/cluster_actions.h"
#include "node/provision/package_actions.h"
#include "node/provision/packages/apt_output.h"
#include "node/provision/packages/lock_holder.h"
#include "node/provision/packages/package_manager.h"

namespace gpunode::provision {
namespace {

std::optional<std::int64_t> number_in(std::string_view text) {
  std::int64_t number = 0;
  const auto [at, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

/// The time of day of the host at `host`, which need not be this one: when it
/// was started and for how long it runs. The kernel moves the first with its
/// clock.
std::optional<std::int64_t> read_clock(const host::HostRoot& host) {
  const auto stat = host.read_file("/proc/stat");
  const auto uptime = host.read_file("/proc/uptime");
  if (!stat || !uptime) return std::nullopt;
  constexpr std::string_view kKey = "\nbtime ";
  const std::size_t at = stat->find(kKey);
  if (at == std::string::npos) return std::nullopt;
  const auto start =
      number_in(std::string_view(*stat).substr(at + kKey.size()));
  const auto running = number_in(*uptime);
  if (!start || !running) return std::nullopt;
  return *start + *running;
}

/// dpkg's status as dpkg-query would list it: no program, and so under any
/// root.
std::string dpkg_list(std::string_view text) {
  std::string list;
  for (const facts::DpkgStanza& stanza : facts::dpkg_stanzas(text)) {
    std::string three(stanza.status);  // "install ok installed"
    std::ranges::replace(three, ' ', '\t');
    list += fmt::format("{}\t{}\t{}\t{}\t0\n", stanza.package,
                        stanza.architecture, stanza.version, three);
  }
  return list;
}

void look_at_dpkg(const host::HostRoot& host, PreflightFacts& facts) {
  // What dpkg had not yet merged into its status when it was stopped.
  const auto updates = host.list_directory("/var/lib/dpkg/updates");
  if (updates && std::ranges::any_of(*updates, [](const std::string& name) {
        return name.find_first_not_of("0123456789") == std::string::npos;
      })) {
    facts.half_configured.push_back(
        {"dpkg was interrupted", "dpkg --configure -a"});
  }
  constexpr std::size_t kLimitBytes = std::size_t{64} << 20U;
  const auto status = host.read_file("/var/lib/dpkg/status", kLimitBytes);
  if (!status) return;
  const auto seen = packages::parse_dpkg_list(dpkg_list(*status));
  if (!seen) return;
  for (const auto& trouble : seen->troubles) {
    facts.half_configured.push_back({trouble.what, trouble.remedy});
  }
}

void look_at_packages(const host::HostRoot& host, host::CommandRunner& runner,
                      const facts::OsRelease& os, bool may_ask,
                      PreflightFacts& facts) {
  const auto tool = package_tool(os);
  if (!tool) return;
  for (const auto& holder : packages::lock_holders(host, *tool)) {
    facts.lock_holders.push_back(packages::describe(holder));
  }
  if (*tool == packages::Tool::kApt) return look_at_dpkg(host, facts);
  // Programs of a host that is mounted elsewhere are not this host's.
  if (!may_ask || host.prefix() != "/") return;
  const auto manager = packages::make_package_manager(*tool, runner, {});
  const auto seen = manager->observe({"rpm"});
  if (!seen) return;
  for (const auto& trouble : seen->troubles) {
    facts.half_configured.push_back({trouble.what, trouble.remedy});
  }
}

std::optional<PreflightFacts::Trouble> look_at_cluster(
    const host::HostRoot& host, host::CommandRunner& runner,
    const JoinCluster& join) {
  const auto asked = ClusterActions(host, runner).ask_early(join);
  if (asked) return std::nullopt;
  constexpr std::string_view kNext = "; next: ";
  const std::string& words = asked.error().message();
  const std::size_t at = words.find(kNext);
  if (at == std::string::npos) {
    return PreflightFacts::Trouble{words, "look at spec.kubernetes.join"};
  }
  return PreflightFacts::Trouble{words.substr(0, at),
                                 words.substr(at + kNext.size())};
}

}  // namespace

PreflightFacts observe_preflight(const host::HostRoot& host,
                                 host::CommandRunner& runner,
                                 const facts::OsRelease& os,
                                 const PreflightNeeds& needs, bool may_ask) {
  PreflightFacts facts;
  if (!needs.changes) return facts;
  for (const char* path : {"/", "/etc", "/usr", "/var", "/boot"}) {
    if (auto space = host::read_space(host, path)) facts.space[path] = *space;
  }
  facts.now = read_clock(host);
  if (needs.packages) look_at_packages(host, runner, os, may_ask, facts);
  if (needs.join && may_ask && host.prefix() == "/") {
    facts.cluster = look_at_cluster(host, runner, *needs.join);
  }
  return facts;
}

}  // namespace gpunode::provision
