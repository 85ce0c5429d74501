// Files and directories of a host, carried out and prepared for undoing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "base/host/root_directory.h"
#include "node/provision/action.h"
#include "node/provision/inverse.h"

namespace gpunode::provision {

/// Durable: what these write survives a power cut once they return. Links in
/// paths never lead out of the host.
class FileActions {
 public:
  /// `overwrite_drift`: a file changed by hand since is no reason to stop.
  /// Checks of files are run through `runner`, which must outlive this.
  FileActions(const host::HostRoot& host, host::CommandRunner& runner,
              bool overwrite_drift)
      : host_(host), runner_(&runner), overwrite_drift_(overwrite_drift) {}

  /// Keeps what is there under /var/lib/gpunode/backup/`seq`, outside /etc:
  /// services read every file in directories such as /etc/yum.repos.d.
  Result<Inverse> prepare(const WriteFile& action, std::uint64_t seq) const;
  Result<Inverse> prepare(const RemoveFile& action, std::uint64_t seq) const;
  Result<Inverse> prepare(const MakeDirectory& action, std::uint64_t seq) const;

  Result<void> perform(const WriteFile& action) const;
  Result<void> perform(const RemoveFile& action) const;
  Result<void> perform(const RestoreFile& action) const;
  Result<void> perform(const MakeDirectory& action) const;
  Result<void> perform(const RemoveDirectory& action) const;

 private:
  Result<Inverse> keep(const std::string& path,
                       const std::optional<std::string>& ours,
                       const std::string& seen, std::uint64_t seq) const;

  Result<void> check(const WriteFile& action) const;
  Result<void> restore_link(const RestoreFile& action) const;
  /// The label that SELinux's policy has for a file that is not there yet: by
  /// itself a program's file gets one that depends on who writes it.
  std::optional<host::FileAttribute> policy_label(
      const std::string& path) const;
  /// Removes what is made for `path`, the deepest first.
  void add_missing_directories(std::string path, Inverse& inverse) const;

  host::HostRoot host_;
  host::CommandRunner* runner_;
  bool overwrite_drift_;
};

}  // namespace gpunode::provision
