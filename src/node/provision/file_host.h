// For tests: a host of files, with programs that are doubled. All that it is,
// what runs and what systemd has read too, is in files below its root: it
// outlives whoever worked on it and can be compared whole.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"
#include "node/facts/host_facts.h"
#include "node/facts/wanted.h"

namespace gpunode::provision {

/// Debian 12 with swap, containerd, a GPU and two disks that have their file
/// systems; nothing of gpunode's yet.
class FileHost final : public host::CommandRunner {
 public:
  FileHost();
  /// All that is there, in a place of its own.
  FileHost(const FileHost& other);

  const host::HostTree& tree() const { return tree_; }
  host::HostRoot root() const { return tree_.root(); }

  /// What the Steps see of it: its files, and what this double knows of units
  /// and mounts.
  Result<facts::HostFacts> observe(const facts::Wanted& wanted);

  /// Programs of the host. One that is not known fails the test.
  Result<host::Completed> run(const host::Command& command) override;

  /// Called before each program that changes something.
  std::function<void()> on_change = [] {};

  /// Path to kind, mode, owner and content of all there is, but for the journal
  /// with its copies.
  std::map<std::string, std::string> snapshot() const;

 private:
  void lay_out();
  void own(const std::string& name, std::uint32_t mode,
           std::uint32_t group) const;
  std::string text(const std::string& name) const;
  bool is_there(const std::string& name) const;

  Result<host::Completed> change(const std::vector<std::string>& argv);
  Result<host::Completed> modprobe(const std::vector<std::string>& argv);
  Result<host::Completed> swap(const std::vector<std::string>& argv);
  Result<host::Completed> systemctl(const std::vector<std::string>& argv);
  host::Completed show(const std::string& unit) const;
  void enable(const std::string& unit) const;
  void disable(const std::string& unit) const;
  void start(const std::string& unit) const;
  void reload() const;
  std::string unit_file(const std::string& unit) const;
  /// A mount unit that systemd made of a line of fstab.
  bool is_of_fstab(const std::string& unit) const;
  /// What systemd would read of a unit now: its file and drop-ins.
  std::string unit_text(const std::string& unit) const;

  host::HostTree tree_;
};

}  // namespace gpunode::provision
