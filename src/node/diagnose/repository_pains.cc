// Pains 17, 18 and 21 of docs/doctor.md: where packages come from.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "node/diagnose/pains.h"
#include "node/facts/host_text.h"

namespace gpunode::diagnose {
namespace {

struct DeadPlace {
  std::string_view check;
  std::string_view url;
  std::string_view what;
  std::string_view next;
};

constexpr std::string_view kKubernetesGone =
    "names Kubernetes' old repository, which is gone since 2024";
constexpr std::string_view kKubernetesNext =
    "take it out and write https://pkgs.k8s.io/core:/stable:/v1.X/ of the "
    "release that runs here";
constexpr std::string_view kToolkitNext =
    "take it out; the toolkit is at "
    "https://nvidia.github.io/libnvidia-container/stable/";

constexpr std::array<DeadPlace, 6> kDeadPlaces = {{
    {"repository.kubernetes", "apt.kubernetes.io", kKubernetesGone,
     kKubernetesNext},
    {"repository.kubernetes", "packages.cloud.google.com/yum/repos/kubernetes",
     kKubernetesGone, kKubernetesNext},
    {"repository.kubernetes", "packages.cloud.google.com/apt", kKubernetesGone,
     kKubernetesNext},
    {"repository.toolkit", "nvidia.github.io/nvidia-docker",
     "names the repository of nvidia-docker, which is maintained no more",
     kToolkitNext},
    {"repository.toolkit", "nvidia.github.io/nvidia-container-runtime",
     "names a repository that is maintained no more", kToolkitNext},
    {"repository.key", "7fa2af80",
     "trusts NVIDIA's old key, which signs nothing since 2022",
     "remove it, and let `gpunode apply` write the repository with the key of "
     "this distribution"},
}};

bool is_repository(std::string_view path) {
  return path.starts_with("/etc/apt/") ||
         path.starts_with("/etc/yum.repos.d/") ||
         path.starts_with("/etc/zypp/repos.d/");
}

/// "enabled=0", as dnf and zypper have it; before the next section.
bool is_switched_off(std::string_view rest) {
  const std::string_view section = rest.substr(0, rest.find("\n["));
  return section.find("enabled=0") != std::string_view::npos ||
         section.find("enabled = 0") != std::string_view::npos;
}

/// What a file says without its comments.
std::string without_comments(std::string_view content) {
  std::string kept;
  while (!content.empty()) {
    const std::string_view line = facts::take_line(content);
    if (!facts::trimmed(line).starts_with('#')) {
      kept += line;
      kept += '\n';
    }
  }
  return kept;
}

std::string_view line_at(std::string_view text, std::size_t at) {
  const std::size_t before = text.rfind('\n', at);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

void check_places(const DoctorLook& look, Findings& found) {
  for (const auto& [path, file] : look.host.files) {
    if (!file.content || !is_repository(path)) continue;
    const std::string text = without_comments(*file.content);
    for (const DeadPlace& place : kDeadPlaces) {
      const std::size_t at = text.find(place.url);
      if (at == std::string::npos) continue;
      const std::size_t section = text.rfind("\n[", at);
      if (is_switched_off(std::string_view(text).substr(
              section == std::string::npos ? 0 : section + 2))) {
        continue;
      }
      found.push_back(
          {std::string(place.check), fmt::format("{} {}", path, place.what),
           std::string(place.next), Severity::kWarning,
           fmt::format("{}: {}", path, log_excerpt(line_at(text, at))),
           "an update of packages fails, or installs nothing new"});
    }
  }
}

struct FaultWords {
  PackageFault fault;
  std::string_view check;
  std::string_view what;
  std::string_view why;
  std::string_view next;
};

constexpr std::array<FaultWords, 6> kFaultWords = {{
    {PackageFault::kKey, "repository.key",
     "the last run of the package manager did not have the key of a repository",
     "keys are changed now and then, and expire",
     "`gpunode apply` writes NVIDIA's repository with the key that it knows by "
     "fingerprint; of other repositories take the key from who runs them"},
    {PackageFault::kSignature, "repository.key",
     "the last run of the package manager refused a signature",
     "SHA-1 signatures are refused by newer systems, rightly",
     "take a repository for this release of the system; do not weaken the "
     "system's policy"},
    {PackageFault::kChecksum, "repository.checksum",
     "the last run of the package manager got other files than the "
     "repository's index names",
     "a mirror or cache has parts of two states",
     "`dnf clean all` or `rm -r /var/lib/apt/lists/*`, then try again; of a "
     "mirror, make it anew"},
    {PackageFault::kGone, "repository.gone",
     "the last run of the package manager did not reach a repository",
     "it is gone, moved, or behind a proxy",
     "look at the address named there; releases past their end are at "
     "vault.centos.org, dl.rockylinux.org/vault and old-releases.ubuntu.com"},
    {PackageFault::kNoDevel, "kernel.headers",
     "the headers of this kernel are not in the repositories any more",
     "repositories keep those of the newest kernels alone",
     "install the newest kernel with its headers and reboot "
     "(spec.host.kernel: adoptNewest), or use the vault of this release"},
    {PackageFault::kModular, "packages.modular",
     "a stream of dnf's modules hides the packages",
     "the repository's default stream is of another branch or flavour",
     "`dnf module list nvidia-driver`; `dnf module reset nvidia-driver` and "
     "enable the stream of the branch (`gpunode plan` names it)"},
}};

void check_last_run(const DoctorLook& look, Findings& found) {
  for (const PackageTrouble& trouble : look.packages) {
    const auto words =
        std::ranges::find(kFaultWords, trouble.mark.fault, &FaultWords::fault);
    if (words == kFaultWords.end()) continue;
    found.push_back({std::string(words->check), std::string(words->what),
                     std::string(words->next), Severity::kWarning,
                     fmt::format("{}: {}", trouble.path, trouble.mark.line),
                     std::string(words->why)});
  }
}

}  // namespace

Findings find_repository_pains(const DoctorLook& look) {
  Findings found;
  check_places(look, found);
  check_last_run(look, found);
  return found;
}

}  // namespace gpunode::diagnose
