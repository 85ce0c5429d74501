// How the forms of dnf differ, as data: dnf 4, and dnf 5 (Fedora 41 and later).
// Who asks for packages need not know which one is there.
#pragma once

#include <span>
#include <string_view>

#include "base/host/host_root.h"

namespace gpunode::packages {

/// What Dnf says to one form. All are words of its command line.
struct DnfDialect {
  std::string_view program = {};
  /// Of each run: nothing weak comes, nothing unneeded goes, and no kernel
  /// because another comes (without a limit none is removed).
  std::span<const std::string_view> options = {};
  std::string_view no_repository = {};    ///< Turns all of them off.
  std::string_view with_repository = {};  ///< Turns one on; its name follows.
  /// Changes of more than one kind in one transaction: a script of verbs that
  /// `shell` reads, or `do --action=VERB` and what it is of.
  bool has_shell = true;
  /// Lifts version locks for one run. Empty: there is no such option, and
  /// Transaction::may_change_held is refused.
  std::string_view unlocked = {};
  std::string_view query_end =
      {};  ///< Of repoquery's format: what ends a line.
  std::string_view as_dependency = {};  ///< `mark`'s word for "not asked for".
  /// Its version locks are entries of /etc/dnf/versionlock.toml, added and
  /// deleted by name; otherwise lines of a list.
  bool has_named_locks = false;
  /// Streams of modules are known, in /etc/dnf/modules.d.
  bool has_streams = true;
};

/// The form that `host` has: what /usr/bin/dnf is a link to. dnf 4 where there
/// is none.
const DnfDialect& dnf_dialect(const host::HostRoot& host);

}  // namespace gpunode::packages
