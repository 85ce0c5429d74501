// For tests: the root of a small container, and the hook run in it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::runtime {

/// A bundle with a root that has glibc's loader and a program,
/// /bin/asks-driver, which exits 0 if it finds libgpunode-fixture.so.1 and 127
/// if not. Beside the bundle are "driver/", which has that library under a
/// versioned name, and "outside/", which nothing may touch.
class HookFixture {
 public:
  /// Without kProgram the root has a loader in name only: quicker to make.
  enum class With { kProgram, kNames };
  explicit HookFixture(With with = With::kProgram);

  const host::HostTree& tree() const { return tree_; }
  std::string root(const std::string& name = "") const {
    return tree_.path("bundle/rootfs/" + name);
  }
  /// As tree().file() and the like, in the root.
  void file(const std::string& name, const std::string& content) const {
    tree_.file("bundle/rootfs/" + name, content);
  }
  void link(const std::string& name, const std::string& target) const {
    tree_.link("bundle/rootfs/" + name, target);
  }
  void remove(const std::string& name) const {
    tree_.remove("bundle/rootfs/" + name);
  }

  /// Copies the driver's library to /opt/driver of the root.
  void install_driver() const;

  /// Makes `user` the owner of all in the root, and lets it get there.
  void give_root_to(unsigned user) const;

  /// Runs the hook with crun's state, which names the root, and `environment`.
  host::Completed run(const std::vector<std::string>& arguments,
                      const std::vector<std::string>& environment = {
                          "PATH=/usr/bin"}) const;
  /// The same with other bytes on standard input.
  host::Completed run_with_state(const std::vector<std::string>& arguments,
                                 const std::string& state,
                                 const std::vector<std::string>& environment = {
                                     "PATH=/usr/bin"}) const;
  std::string state() const;

  /// The program's exit status, with the root as "/"; -1 if it may not be
  /// started so here.
  int ask_driver() const;

  /// "outside/" is as it was made, and nothing else lies beside the bundle.
  void expect_outside_as_it_was() const;

 private:
  host::HostTree tree_;
};

/// Every name below `path` with what it is: type, mode, content.
std::map<std::string, std::string> listing(const std::string& path);

/// The version under which the driver's library lies in driver/.
inline constexpr const char* kFixtureFile = "libgpunode-fixture.so.550.1";

}  // namespace gpunode::runtime
