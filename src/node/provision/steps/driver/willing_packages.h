// For tests: packages of a host whose managers can do all that they are asked.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::provision {

/// apt, dnf 4 and 5, yum and zypper with the options that they really have: a
/// word that is none of these fails the test. What they install is NVIDIA's
/// (tests/fixtures/driver_repositories.json) where a repository file of the
/// host names the directory, and anything of the distribution's.
class WillingPackages {
 public:
  struct Package {
    std::string version;
    bool is_held = false;
  };

  explicit WillingPackages(const host::HostTree& tree) : tree_(tree) {}

  /// Of a program that is none of theirs: nothing.
  bool knows(const host::Command& command) const;
  host::Completed run(const host::Command& command);

  /// By name.
  std::map<std::string, Package>& installed() { return installed_; }
  /// Somebody installs a version by hand, with what it needs; what is held
  /// stays so.
  void bring(const std::string& name, const std::string& version);
  /// NVIDIA's newest version of `name` of that branch, as the manager has it.
  std::string newest(const std::string& name, const std::string& branch) const;
  /// How often a package that DKMS builds of came, changed or went: its scripts
  /// take the modules of before away.
  int module_changes() const { return module_changes_; }
  /// How many of the releases of each branch there are yet; all unless said.
  void show(std::size_t releases) { releases_ = releases; }

 private:
  struct Offer {
    std::string version;  ///< "3:580.95.05-1".
    std::vector<std::string> needs;
    bool has_module = false;
  };
  struct Asked {
    std::string name;
    std::string version = {};
  };
  struct Change {
    std::string name;
    std::string before = {};
    std::string after = {};
  };

  using Offers = std::map<std::string, std::vector<Offer>>;

  std::string directory() const;
  Offers offers() const;
  std::vector<std::string> bound_to(const Offers& all,
                                    const std::string& name) const;
  std::vector<Change> resolve(const std::vector<Asked>& install,
                              const std::vector<std::string>& remove) const;
  void make(const std::vector<Change>& changes);

  host::Completed dnf(const host::Command& command);
  host::Completed dnf_versionlock(const std::vector<std::string>& words);
  host::Completed dnf_module(const std::vector<std::string>& words) const;
  host::Completed dnf_repoquery(const std::vector<std::string>& words) const;
  host::Completed dnf_change(const host::Command& command,
                             const std::vector<std::string>& words);
  std::string dnf_table(const std::vector<Change>& changes) const;
  host::Completed dnf5(const host::Command& command);
  host::Completed yum(const host::Command& command);
  host::Completed yum_list(const std::vector<std::string>& words) const;
  host::Completed dnf5_versionlock(const std::vector<std::string>& words);
  static std::string dnf5_table(const std::vector<Change>& changes);
  host::Completed apt_get(const host::Command& command);
  host::Completed apt_cache(const std::vector<std::string>& words) const;
  host::Completed apt_mark(const std::vector<std::string>& words);
  host::Completed zypper(const host::Command& command);
  host::Completed zypper_search(const std::vector<std::string>& words) const;
  host::Completed zypper_locks() const;
  host::Completed zypper_change(const host::Command& command,
                                const std::vector<std::string>& words);
  std::string list(bool is_rpm) const;

  const host::HostTree& tree_;
  std::map<std::string, Package> installed_;
  std::vector<std::string> locks_;  ///< dnf's.
  std::size_t releases_ = 99;
  int module_changes_ = 0;
};

}  // namespace gpunode::provision
