// For tests: a host made of literals in a directory of its own.
//
//   const HostTree host{{"proc/modules", "nvidia 1 0\n"}};
//   read_modules(host.root());
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "base/host/host_root.h"

namespace gpunode::host {

/// Files and directories below a fresh temporary directory, all removed with
/// the value. Failing to make one aborts: there is nothing to test then.
class HostTree {
 public:
  /// Each pair is a path and its content; parents are made.
  HostTree(
      std::initializer_list<std::pair<std::string, std::string>> files = {});
  ~HostTree();
  HostTree(const HostTree&) = delete;
  HostTree& operator=(const HostTree&) = delete;

  const std::string& path() const { return path_; }
  std::string path(const std::string& name) const { return path_ + "/" + name; }
  HostRoot root() const { return HostRoot(path_); }

  /// Writes or overwrites a file.
  void file(const std::string& name, const std::string& content) const;
  void directory(const std::string& name) const;
  /// Makes `name` a link with the text `target`.
  void link(const std::string& name, const std::string& target) const;
  /// Removes whatever is at `name`, with what is below it.
  void remove(const std::string& name) const;

 private:
  std::string path_;
};

}  // namespace gpunode::host
