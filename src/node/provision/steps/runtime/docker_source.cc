#include "node/provision/steps/runtime/docker_source.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "node/provision/package_actions.h"
#include "node/provision/packages/lines.h"
#include "node/provision/packages/mirrors.h"
#include "node/provision/packages/repo_file.h"

namespace gpunode::provision {
namespace {

using packages::lines_of;
using packages::Tool;
using packages::trimmed;

// docs.docker.com/engine/install, of Debian and of RHEL: the two keys that all
// of its repositories are signed by.
constexpr const char* kDebKey = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88";
constexpr const char* kRpmKey = "060A61C51B558A7F742B77AAC52FEB6B621E9F35";

Error no_packages(const facts::OsRelease& os) {
  return {
      ErrorCode::kUnsupported,
      fmt::format("Docker's repository for {} is not known", os.pretty_name)};
}

/// The directory below kDockerBase; empty if Docker has none.
std::string directory_of(const facts::OsRelease& os, Tool tool) {
  if (tool == Tool::kApt) {
    return os.id == "debian" || os.id == "ubuntu" ? os.id : "";
  }
  if (tool != Tool::kDnf || os.major_version() < 8 || os.major_version() > 10) {
    return {};
  }
  if (os.id == "rhel") return "rhel";
  // Amazon Linux is like Fedora; Fedora itself has numbers of its own.
  return os.id == "centos" || os.is_like("rhel") ? "centos" : "";
}

/// An address without its scheme, as both kinds of file have it.
bool names(std::string_view line, std::string_view base) {
  base.remove_prefix(std::min(base.find("//") + 2, base.size()));
  return line.find(base) != std::string_view::npos;
}

bool says(std::string_view line, std::string_view key, bool meant) {
  const std::size_t at = line.find_first_of("=:");
  return at != std::string_view::npos && trimmed(line.substr(0, at)) == key &&
         packages::is_yes(trimmed(line.substr(at + 1))) == meant;
}

/// A section of a .repo file that is on.
std::optional<DockerSource> in_repo(const std::string& path,
                                    const std::string& text,
                                    const std::string& base) {
  const auto sections = packages::repo_sections(text);
  std::optional<DockerSource> found;
  bool is_on = false;
  bool is_it = false;
  bool is_checked = true;
  const auto close = [&] {
    if (is_on && is_it && !found) found = DockerSource{path, is_checked};
    is_on = is_it = false;
    is_checked = true;
  };
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with('[')) {
      close();
      const std::string_view id = line.substr(1, line.find(']') - 1);
      is_on = std::ranges::any_of(sections, [&](const auto& one) {
        return one.id == id && one.is_enabled;
      });
    }
    if (line.starts_with("baseurl") && names(line, base) &&
        trimmed(line).ends_with("/stable")) {
      is_it = true;
    }
    if (says(line, "gpgcheck", false)) is_checked = false;
  }
  close();
  return found;
}

std::optional<DockerSource> in_list(const std::string& path,
                                    const std::string& text,
                                    const std::string& base) {
  for (const std::string_view line : lines_of(text)) {
    const std::string_view words = trimmed(line);
    if (!words.starts_with("deb ") && !words.starts_with("deb\t")) continue;
    if (!names(words, base)) continue;
    const bool is_open =
        words.find("trusted=yes") != std::string_view::npos ||
        words.find("allow-insecure=yes") != std::string_view::npos;
    return DockerSource{path, !is_open};
  }
  return std::nullopt;
}

std::optional<DockerSource> in_stanzas(const std::string& path,
                                       const std::string& text,
                                       const std::string& base) {
  std::optional<DockerSource> found;
  bool is_on = true;
  bool is_it = false;
  bool is_checked = true;
  const auto close = [&] {
    if (is_on && is_it && !found) found = DockerSource{path, is_checked};
    is_on = is_checked = true;
    is_it = false;
  };
  for (const std::string_view line : lines_of(text)) {
    if (trimmed(line).empty()) close();
    if (line.starts_with("URIs:") && names(line, base)) is_it = true;
    if (says(line, "Enabled", false)) is_on = false;
    if (says(line, "Trusted", true) || says(line, "Allow-Insecure", true)) {
      is_checked = false;
    }
  }
  close();
  return found;
}

}  // namespace

Result<DockerRepository> docker_repository(const PlanInput& input) {
  const facts::OsRelease& os = input.facts.os;
  DockerRepository docker;
  TRY(docker.tool, package_tool(os));
  const std::string directory = directory_of(os, docker.tool);
  const bool is_apt = docker.tool == Tool::kApt;
  if (directory.empty() || (is_apt && os.codename.empty())) {
    return no_packages(os);
  }
  const std::string base = fmt::format("{}/{}", kDockerBase, directory);
  packages::Repository& repository = docker.repository;
  repository.id = kDockerRepository;
  repository.name =
      fmt::format("Docker for {} ({})", directory, kDockerRepository);
  const std::string url =
      is_apt ? base
             : fmt::format("{}/{}/{}/stable", base, os.major_version(),
                           input.facts.kernel.machine);
  repository.urls = {packages::mirrored(url, input.spec.mirrors)};
  if (is_apt) {
    repository.suite = os.codename;
    repository.components = {"stable"};
  }
  docker.key_url = packages::mirrored(base + "/gpg", input.spec.mirrors);
  docker.fingerprint = is_apt ? kDebKey : kRpmKey;
  return docker;
}

std::optional<DockerSource> docker_source(
    const std::map<std::string, facts::FileFacts>& files,
    const std::string& base) {
  for (const auto& [path, file] : files) {
    if (!file.content || path.find(kDockerRepository) != std::string::npos) {
      continue;
    }
    std::optional<DockerSource> found;
    if (path.ends_with(".repo")) {
      found = in_repo(path, *file.content, base);
    } else if (path.ends_with(".list")) {
      found = in_list(path, *file.content, base);
    } else if (path.ends_with(".sources")) {
      found = in_stanzas(path, *file.content, base);
    }
    if (found) return found;
  }
  return std::nullopt;
}

facts::Wanted docker_wants() {
  facts::Wanted wanted;
  wanted.files = {
      "/etc/yum.repos.d/*.repo",
      "/etc/apt/sources.list",
      "/etc/apt/sources.list.d/*.list",
      "/etc/apt/sources.list.d/*.sources",
      packages::repository_key_path(Tool::kApt, kDockerRepository, true),
      packages::repository_key_path(Tool::kDnf, kDockerRepository, true)};
  return wanted;
}

}  // namespace gpunode::provision
