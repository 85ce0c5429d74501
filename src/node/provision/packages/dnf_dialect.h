// How the forms of dnf differ, as data: dnf 4, dnf 5 (Fedora 41 and later) and
// yum 3 (Enterprise Linux 7, Amazon Linux 2).
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
  /// The newest or nothing, where that is not so anyway.
  std::string_view best = {};
  std::string_view refresh = {};  ///< Of makecache: even what is not old.
  /// "install" of an older version changes nothing: "downgrade" has to be said,
  /// and of a newer one changes nothing in its turn. Changes go by `shell`
  /// alone.
  bool has_downgrade = false;
  /// Without repoquery, which is a package of its own: `list` has versions.
  bool has_list_alone = false;
  /// Lifts version locks for one run. Empty: there is no such option, and
  /// Transaction::may_change_held is refused.
  std::string_view unlocked = {};
  std::string_view query_end =
      {};  ///< Of repoquery's format: what ends a line.
  /// `mark`'s word for "not asked for". Empty: it has no `mark`.
  std::string_view as_dependency = {};
  /// Its version locks are entries of /etc/dnf/versionlock.toml, added and
  /// deleted by name; otherwise lines of a list.
  bool has_named_locks = false;
  /// A lock begins with the epoch: "3:name-580.65-1.*".
  bool has_epoch_first = false;
  /// Streams of modules are known, in /etc/dnf/modules.d.
  bool has_streams = true;
};

/// The form that `host` has: what /usr/bin/dnf is a link to, dnf5 or yum where
/// there is none. dnf 4 where there is nothing at all.
const DnfDialect& dnf_dialect(const host::HostRoot& host);

}  // namespace gpunode::packages
