// A host on which the whole program works with real package managers: its
// userland is this machine's, its state a directory.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"
#include "tests/packages/real_packages.h"

namespace gpunode::packages {

/// The program sees it as "/": /usr is this machine's with a layer of its own,
/// /etc and /var are its own, and of /proc the kernel, its modules and its
/// drivers are. It has a T4, a kernel that modules can be built for, and
/// doubles of make, dkms, modinfo and modprobe. Without a network.
class ProgramHost {
 public:
  explicit ProgramHost(Tool tool);

  /// Why none can be had here; empty if it can. Needs root and namespaces.
  static std::string obstacle();

  /// The file of a node that wants a driver of NVIDIA's of that version; `more`
  /// is further YAML of its spec.
  void spec(const std::string& version, const std::string& more = "") const;

  /// From now on there is no repository to read.
  void go_offline() { is_offline_ = true; }

  /// A directory of its own, as it is, to another host.
  void carry(const std::string& path, const ProgramHost& other) const;

  /// A program of its /usr, as a script of its shell.
  void program(const std::string& path, const std::string& script) const;

  /// While it lives, the program `path` with `words` among its arguments ends
  /// gpunode by SIGKILL before it does anything. Empty: with any.
  class Killer {
   public:
    Killer(const ProgramHost& host, const std::string& path,
           const std::string& words);
    ~Killer();
    Killer(const Killer&) = delete;
    Killer& operator=(const Killer&) = delete;

   private:
    std::string place_;
    std::string set_aside_;  ///< The double that was there; empty: none.
  };

  host::Completed run(const std::vector<std::string>& words) const;

  /// What is not the package managers' own or the program's: path to content
  /// and mode, of /etc and of all that was written to /usr.
  std::map<std::string, std::string> files() const;
  /// The manager's words on what is installed, and apt's on what is held.
  std::string packages() const;
  std::string text(const std::string& path) const;

 private:
  void lay_host();
  void lay_apt() const;
  void lay_dnf() const;
  /// No part of a state: what the tools leave beside it.
  bool is_by_the_way(const std::string& path) const;
  host::Completed in_it(const std::vector<std::string>& words) const;

  Tool tool_;
  bool is_offline_ = false;
  host::HostTree tree_;
};

}  // namespace gpunode::packages
