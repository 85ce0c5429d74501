#include "node/provision/steps/kernel/archive.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/driver/kernel_archive.h"
#include "node/provision/file_plan.h"
#include "node/provision/packages/apt_sources.h"
#include "node/provision/packages/lines.h"
#include "node/provision/packages/mirrors.h"
#include "node/provision/seen_content.h"

namespace gpunode::provision {
namespace {

using driver::ArchiveRepository;

constexpr const char* kRepo = "/etc/yum.repos.d/gpunode-kernel-archive.repo";
constexpr const char* kSources =
    "/etc/apt/sources.list.d/gpunode-kernel-archive.sources";

constexpr const char* kPreferences =
    "/etc/apt/preferences.d/gpunode-kernel-archive.pref";

/// Nothing but kernels comes from there, whatever else it has; and a point
/// release that has no archive yet keeps nobody from the other repositories.
constexpr const char* kOnly = "kernel kernel-*";

/// The host that serves `url`, by which apt's preferences tell repositories
/// apart; "" of a directory.
std::string site_of(std::string_view url) {
  return url.starts_with("file:") ? "" : packages::host_and_path(url).first;
}

/// Whether the host's own repositories are of that site: what is said of it is
/// said of them as well.
bool is_site_of_others(const facts::HostFacts& host, const std::string& site) {
  for (const auto& [path, file] : host.files) {
    if (!path.starts_with("/etc/apt/sources.list") || path == kSources ||
        !file.content) {
      continue;
    }
    for (const std::string_view line : packages::lines_of(*file.content)) {
      if (packages::trimmed(line).starts_with('#')) continue;
      for (const std::string_view word : packages::words_of(line)) {
        const bool is_url = word.find("://") != std::string_view::npos ||
                            word.starts_with("file:");
        if (is_url && site_of(word) == site) return true;
      }
    }
  }
  return false;
}

/// apt has no includepkgs: by the site, nothing but kernels, and these where no
/// other repository has them.
std::string preferences_of(const std::string& site) {
  return fmt::format(
      "Package: linux-*\nPin: origin \"{0}\"\nPin-Priority: 100\n\n"
      "Package: *\nPin: origin \"{0}\"\nPin-Priority: -1\n",
      site);
}

/// "file:///…" words of `gpgkey` that the distribution's own base repositories
/// have on this host: what signs those signed what is in the archive. Empty:
/// none of them names a key that lies here.
std::string keys_of_base(const facts::HostFacts& host) {
  std::string section;
  for (const auto& [path, file] : host.files) {
    if (!path.starts_with("/etc/yum.repos.d/") || !file.content) continue;
    for (const std::string_view line : packages::lines_of(*file.content)) {
      if (line.starts_with('[')) {
        section = line.substr(1, line.find(']') - 1);
        std::ranges::transform(section, section.begin(), [](char c) {
          return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        });
      }
      const bool is_base = section == "baseos" || section == "appstream" ||
                           section == "base" || section == "updates";
      const std::size_t equals = line.find('=');
      if (!is_base || equals == std::string_view::npos ||
          packages::trimmed(line.substr(0, equals)) != "gpgkey") {
        continue;
      }
      const std::string_view keys = packages::trimmed(line.substr(equals + 1));
      if (keys.starts_with("file:///")) return std::string(keys);
    }
  }
  return "";
}

std::string keyring_of(const facts::OsRelease& os) {
  return fmt::format("/usr/share/keyrings/{}-archive-keyring.gpg", os.id);
}

/// The file of the archive's repositories; kNotFound without a key.
struct ArchiveFile {
  std::string path;
  std::string body;
  std::string places;            ///< For people.
  std::string preferences = {};  ///< apt's; "" where none can be said.
  std::string site = {};         ///< Which has others as well, if so.
};

Result<ArchiveFile> file_of(const PlanInput& input,
                            const std::vector<ArchiveRepository>& all) {
  const facts::HostFacts& host = input.facts;
  ArchiveFile file;
  const bool is_apt = !all.front().suites.empty();
  file.path = is_apt ? kSources : kRepo;
  const std::string keys = is_apt ? keyring_of(host.os) : keys_of_base(host);
  if (keys.empty()) {
    return Error(ErrorCode::kNotFound,
                 "no file of /etc/yum.repos.d has the distribution's own base "
                 "with a key that lies on this host, and nothing else says who "
                 "signs its archive");
  }
  for (const ArchiveRepository& one : all) {
    const std::string url = packages::mirrored(one.url, input.spec.mirrors);
    file.places += (file.places.empty() ? "" : " and ") + url;
    if (is_apt) {
      file.body += fmt::format(
          "{}Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nSigned-By: "
          "{}\nCheck-Valid-Until: no\n",
          file.body.empty() ? "" : "\n", url, fmt::join(one.suites, " "), keys);
      // All of an archive's are of one site.
      file.site = site_of(url);
    } else {
      file.body += fmt::format(
          "{}[gpunode-kernel-archive-{}]\nname=Kernels of a point release "
          "({})\nbaseurl={}\nenabled=1\ngpgcheck=1\ngpgkey={}\nincludepkgs={}\n"
          "skip_if_unavailable=1\n",
          file.body.empty() ? "" : "\n", one.name, one.name, url, keys, kOnly);
    }
  }
  if (is_apt && !is_site_of_others(host, file.site)) {
    file.preferences = preferences_of(file.site);
  }
  return file;
}

}  // namespace

bool plan_with_archive(const PlanInput& input, const std::string& release,
                       InstallPackages install, StepPlan& plan) {
  const std::string& wanted = input.spec.host.kernel.archive;
  // A bundle has what was fetched for it, archive or not.
  if (wanted.empty() || !input.spec.bundle.empty()) {
    plan.actions.emplace_back(std::move(install));
    return true;
  }
  const auto all = driver::kernel_archive(input.facts, release, wanted);
  if (!all) {
    plan = StepPlan::blocked(all.error().message(),
                             "mend `archive` of spec.host.kernel");
    return false;
  }
  const auto file = file_of(input, *all);
  if (!file) {
    plan = StepPlan::blocked(
        file.error().message(),
        "put the distribution's own files back with `dnf reinstall '*-repos' "
        "'*-release'`, or take `archive` out of spec.host.kernel");
    return false;
  }
  const std::string why = plan.why;
  // Before the repository is there.
  if (!file->preferences.empty()) {
    plan_managed_file(input, kPreferences, file->preferences, plan);
  } else {
    plan_no_managed_file(input, kPreferences, plan);
  }
  plan_managed_file(input, file->path, file->body, plan);
  if (plan.state == StepState::kBlocked) return false;
  if (!why.empty() && plan.state == StepState::kChange) plan.why = why;
  plan.actions.emplace_back(std::move(install));
  plan.actions.emplace_back(RemoveFile{
      file->path, seen_content(std::string(kManagedLine) + file->body)});
  if (!file->preferences.empty()) {
    plan.actions.emplace_back(RemoveFile{
        kPreferences,
        seen_content(std::string(kManagedLine) + file->preferences)});
  } else if (file->path == kSources) {
    plan.notes.push_back(fmt::format(
        "{} has this host's own repositories as well, so apt's preferences "
        "cannot tell the archive from them: it takes the newest of each "
        "package, which the archive's is only where no other has it",
        file->site.empty() ? "a directory" : file->site));
  }
  plan.notes.push_back(
      fmt::format("what no repository has any more comes from the archive: {}; "
                  "its repository is there for kernels alone, signed as the "
                  "distribution's, and goes when they are installed",
                  file->places));
  return true;
}

void plan_no_archive(const PlanInput& input, StepPlan& plan) {
  plan_no_managed_file(input, kRepo, plan);
  plan_no_managed_file(input, kSources, plan);
  plan_no_managed_file(input, kPreferences, plan);
}

facts::Wanted archive_wants(const NodeSpec& spec) {
  facts::Wanted wanted;
  wanted.files = {kRepo, kSources, kPreferences};
  if (!spec.host.kernel.archive.empty()) {
    wanted.files.insert({"/etc/yum.repos.d/*.repo", "/etc/apt/sources.list",
                         "/etc/apt/sources.list.d/*.list",
                         "/etc/apt/sources.list.d/*.sources"});
  }
  return wanted;
}

}  // namespace gpunode::provision
