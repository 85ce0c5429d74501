// A small host of files that `gpunode apply` can be let loose on: the program
// sees it as "/", with a /proc of files but for what is its own process.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::integration {

/// A Debian without disks and units. Its `gpunode apply` writes files below
/// /etc and "settings" below /proc/sys, which are files as well.
class NodeRoot {
 public:
  NodeRoot();

  /// Why none can be had here; empty if it can. Needs root and namespaces.
  static std::string obstacle();

  const host::HostTree& tree() const { return tree_; }
  void spec(const std::string& yaml);
  /// A program of the host, as a script of its /bin/sh.
  void program(const std::string& path, const std::string& script);

  /// Runs the program in it, in mount and pid namespaces of its own, after
  /// `before`, lines of a shell in which $T is the root.
  host::Completed run(const std::vector<std::string>& words,
                      const std::string& before = "") const;

  /// What run() runs, for who runs it otherwise.
  host::Command command(const std::vector<std::string>& words,
                        const std::string& before = "") const;

  /// Path to content, kind and mode of all there is but the program's own state
  /// and /proc: equal before and after means that nothing changed.
  std::map<std::string, std::string> digest() const;

 private:
  host::HostTree tree_;
};

}  // namespace gpunode::integration
