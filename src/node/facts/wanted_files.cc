#include "node/facts/wanted_files.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include <array>
#include <set>
#include <utility>

#include "node/facts/fstab.h"
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

/// What is mounted on, in the first process's view.
std::set<std::string> mount_points_of(const host::HostRoot& host) {
  std::set<std::string> points;
  const auto table = host.read_file("/proc/1/mountinfo");
  if (!table) return points;
  std::string_view rest = *table;
  while (!rest.empty()) {
    std::string_view line = take_line(rest);
    for (int i = 0; i < 4; ++i) take_until(line, ' ');
    points.insert(unescape_octal(take_until(line, ' ')));
  }
  return points;
}

/// What SELinux knows the directory as; nothing where it does not.
std::string selinux_label(const host::HostRoot& host, const std::string& path) {
  const auto fd = host.open(path, O_RDONLY | O_DIRECTORY);
  if (!fd) return "";
  std::array<char, 256> label{};
  const ssize_t size = ::fgetxattr(fd->get(), "security.selinux", label.data(),
                                   label.size() - 1);
  return size > 0 ? std::string(label.data()) : "";
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
  const std::set<std::string> mount_points = mount_points_of(host);
  if (mount_points.empty()) {
    facts.gaps.emplace_back("/proc/1/mountinfo does not tell what is mounted");
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
