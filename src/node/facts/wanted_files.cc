#include "node/facts/wanted_files.h"

#include <set>
#include <string_view>
#include <utility>

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
  if (file.content && file.content->find('\0') != std::string::npos) {
    gaps.push_back(path + " is no text: it has a byte 0");
  }
  return file;
}

/// What SELinux knows the directory as; nothing where it does not.
std::string selinux_label(const host::HostRoot& host, const std::string& path) {
  const auto label = host.read_attribute(path, "security.selinux");
  return label ? label->substr(0, label->find('\0')) : "";
}

}  // namespace

void read_wanted_files(const host::HostRoot& host, const Wanted& wanted,
                       HostFacts& facts) {
  for (const std::string& path : wanted.files) {
    facts.files.emplace(path, read_one(host, path, facts.gaps));
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

}  // namespace gpunode::facts
