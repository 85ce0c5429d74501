#include "node/facts/wanted_files.h"

#include <set>
#include <string_view>
#include <utility>

#include "base/digest/digest.h"
#include "base/host/selinux_policy.h"
#include "node/facts/host_text.h"

namespace gpunode::facts {
namespace {

FileFacts read_one(const host::HostRoot& host, const std::string& path,
                   std::vector<std::string>& gaps) {
  FileFacts file;
  if (auto link = host.read_link(path)) file.link_target = *std::move(link);
  const auto status = host.status(path);
  if (!status) {
    if (status.error().code() == ErrorCode::kNotFound) return file;
    file.error = cause_of(host, path, status.error());
  } else if (status->kind != host::FileKind::kRegular) {
    // Not even opened: a device may answer to that.
    file.error = "not a regular file";
  } else {
    file.mode = status->mode;
    auto content = host.read_file(path, kFileLimitBytes);
    if (content) {
      file.content = *std::move(content);
    } else {
      file.error = cause_of(host, path, content.error());
    }
  }
  if (!file.error.empty()) gaps.push_back("read " + path + ": " + file.error);
  // Keyrings alone are meant to be none.
  if (file.content && !path.ends_with(".gpg") &&
      file.content->find('\0') != std::string::npos) {
    gaps.push_back(path + " is no text: it has a byte 0");
  }
  return file;
}

FileFacts read_digest(const host::HostRoot& host, const std::string& path,
                      std::vector<std::string>& gaps) {
  FileFacts file;
  auto content = host.read_file(path, kProgramLimitBytes);
  if (content) {
    file.content = digest::sha256(*content);
  } else if (content.error().code() != ErrorCode::kNotFound) {
    file.error = cause_of(host, path, content.error());
    gaps.push_back("read " + path + ": " + file.error);
  }
  return file;
}

/// The paths that `pattern` stands for: itself, if it is none.
std::vector<std::string> paths_of(const host::HostRoot& host,
                                  const std::string& pattern,
                                  std::vector<std::string>& gaps) {
  const std::size_t slash = pattern.rfind('/');
  if (slash == std::string::npos || pattern.compare(slash, 2, "/*") != 0) {
    return {pattern};
  }
  const std::string directory = pattern.substr(0, slash);
  const std::string ending = pattern.substr(slash + 2);
  const auto names = host.list_directory(directory);
  if (!names) {
    if (names.error().code() != ErrorCode::kNotFound) {
      gaps.push_back("list " + directory + ": " +
                     cause_of(host, directory, names.error()));
    }
    return {};
  }
  std::vector<std::string> paths;
  for (const std::string& name : *names) {
    if (name.starts_with('.') || !name.ends_with(ending)) continue;
    if (paths.size() == kPatternLimit) {
      gaps.push_back(directory);
      gaps.back() += " has more than " + std::to_string(kPatternLimit);
      gaps.back() += " files *" + ending;
      break;
    }
    paths.push_back(directory);
    paths.back() += "/";
    paths.back() += name;
  }
  return paths;
}

/// What SELinux knows the directory as; nothing where it does not.
std::string selinux_label(const host::HostRoot& host, const std::string& path) {
  const auto label = host.read_attribute(path, "security.selinux");
  return label ? label->substr(0, label->find('\0')) : "";
}

/// The first part of `path` that is a symbolic link; "" if none is.
std::string first_link(const host::HostRoot& host, const std::string& path) {
  std::size_t end = 0;
  while (end != std::string::npos) {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    if (host.read_link(part)) return part;
  }
  return "";
}

}  // namespace

void read_wanted_files(const host::HostRoot& host, const Wanted& wanted,
                       HostFacts& facts) {
  for (const std::string& pattern : wanted.files) {
    if (pattern.ends_with(kDigestEnding)) {
      const std::string path =
          pattern.substr(0, pattern.size() - kDigestEnding.size());
      facts.files.emplace(pattern, read_digest(host, path, facts.gaps));
      continue;
    }
    for (const std::string& path : paths_of(host, pattern, facts.gaps)) {
      const auto link = host.read_link(path);
      if (path != pattern && link && *link == "/dev/null") {
        // How one is put out of use that a package brings by the same name.
        FileFacts& masked = facts.files[path];
        masked.content = "";
        masked.link_target = *link;
        continue;
      }
      facts.files.emplace(path, read_one(host, path, facts.gaps));
    }
  }
}

void read_wanted_trees(const host::HostRoot& host, const Wanted& wanted,
                       HostFacts& facts) {
  if (wanted.trees.empty()) return;
  std::set<std::string_view> mount_points;
  for (const host::Mount& mount : facts.storage.mounts) {
    mount_points.insert(mount.mount_point);
  }
  for (const std::string& path : wanted.trees) {
    TreeFacts tree;
    tree.link = first_link(host, path);
    const auto status = host.status(path);
    if (status) {
      tree.exists = true;
      tree.is_directory = status->kind == host::FileKind::kDirectory;
      tree.is_mount_point = mount_points.contains(path);
    } else if (status.error().code() != ErrorCode::kNotFound) {
      facts.gaps.push_back("look at " + path + ": " +
                           cause_of(host, path, status.error()));
    }
    if (tree.is_directory) {
      tree.selinux_label = selinux_label(host, path);
      const auto entries = host.count_entries(path, kEntryLimit);
      if (entries) {
        tree.entries = *entries;
      } else {
        facts.gaps.push_back("list " + path + ": " +
                             cause_of(host, path, entries.error()));
      }
    }
    facts.trees.emplace(path, tree);
  }
}

void read_policy_labels(const host::HostRoot& host, host::CommandRunner& runner,
                        HostFacts& facts) {
  if (!facts.machine.selinux || host.prefix() != "/") return;
  std::vector<std::string> paths;
  for (const auto& [path, tree] : facts.trees) paths.push_back(path);
  auto labels = host::policy_labels(runner, paths);
  if (!labels) {
    facts.gaps.push_back("ask SELinux's policy: " + labels.error().message());
    return;
  }
  for (auto& [path, label] : *labels) {
    facts.trees[path].selinux_policy_label = std::move(label);
  }
}

}  // namespace gpunode::facts
