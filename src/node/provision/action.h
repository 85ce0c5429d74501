// The few things that are ever done to a host, as values.
//
// A Step plans in these and nothing else, so that one place knows how each is
// carried out, journalled, undone and shown (docs/adr/0017). An Action says
// what shall be, not what to do about it: to carry it out a second time changes
// nothing. All text is UTF-8 or passes through as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/host/blank_proof.h"

namespace gpunode::provision {

// Each kind names its fields once; the journal, plan files and comparisons go
// through fields(). `kKind` is its name there and never changes.

/// A regular file with exactly this content. An existing one keeps its owner,
/// mode and attributes unless `mode` says otherwise.
struct WriteFile {
  static constexpr std::string_view kKind = "write-file";
  std::string path = {};
  std::string content = {};
  std::uint32_t mode = 0;  ///< 0: as it is, 0644 for a new one.
  /// A program that must succeed before the file is put in place; "@" among its
  /// arguments is a copy to look at. Empty: none.
  std::vector<std::string> check = {};
  /// What the plan saw at `path` (seen_content.h); anything else there at the
  /// time of writing is a reason to stop. Empty: it did not look.
  std::string before = {};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("path", self.path);
    visit("content", self.content);
    visit("mode", self.mode);
    visit("check", self.check);
    visit("before", self.before);
  }
};

/// No file at `path`.
struct RemoveFile {
  static constexpr std::string_view kKind = "remove-file";
  std::string path = {};
  std::string before = {};  ///< As of WriteFile.

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("path", self.path);
    visit("before", self.before);
  }
};

/// The file as it was kept under `backup`, bytes, owner, mode and attributes.
/// Only an inverse. Refused if the file is neither that nor `written`.
struct RestoreFile {
  static constexpr std::string_view kKind = "restore-file";
  std::string path = {};
  std::string backup = {};   ///< Path of the copy; empty: there was no file.
  std::string written = {};  ///< What we made of it; empty: we removed it.
  /// What stood there was a symbolic link with this text, and is to be one
  /// again; what it led to was left alone. Empty: it was none.
  std::string link = {};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("path", self.path);
    visit("backup", self.backup);
    visit("written", self.written);
    visit("link", self.link);
  }
};

/// A directory at `path`, parents too; one that is there stays as it is.
struct MakeDirectory {
  static constexpr std::string_view kKind = "make-directory";
  std::string path = {};
  std::uint32_t mode = 0755;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("path", self.path);
    visit("mode", self.mode);
  }
};

/// No directory at `path`, if it is empty; one with something in it stays.
struct RemoveDirectory {
  static constexpr std::string_view kKind = "remove-directory";
  std::string path = {};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("path", self.path);
  }
};

/// A setting of the running kernel: "net.ipv4.ip_forward".
struct SetSysctl {
  static constexpr std::string_view kKind = "set-sysctl";
  std::string name = {};
  std::string value = {};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("name", self.name);
    visit("value", self.value);
  }
};

/// A kernel module is loaded, or is not (if nothing uses it).
struct SetModule {
  static constexpr std::string_view kKind = "set-module";
  std::string name = {};
  bool loaded = true;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("name", self.name);
    visit("loaded", self.loaded);
  }
};

/// Swap space is in use, or is not. As an inverse it may be passed over: where
/// no swap space is any more, a disk that went or a zram that its generator
/// makes at the next boot, nothing is to be switched on.
struct SetSwap {
  static constexpr std::string_view kKind = "set-swap";
  std::string path = {};
  bool on = false;
  /// Of the swap space itself: by it the space is found under another name and
  /// not mistaken for what has its name now. Empty: not known.
  std::string uuid = {};
  /// As of /proc/swaps; below 0 the kernel chooses.
  std::string priority = {};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("path", self.path);
    visit("on", self.on);
    visit("uuid", self.uuid);
    visit("priority", self.priority);
  }
};

/// What is to become of a yes or no of a unit.
enum class Wish : std::uint8_t { kAsIs, kYes, kNo };

/// A systemd unit is enabled, masked, active. daemon-reload is done before, if
/// a unit file was written since the last.
struct SetUnit {
  static constexpr std::string_view kKind = "set-unit";
  std::string unit = {};
  Wish enabled = Wish::kAsIs;
  Wish masked = Wish::kAsIs;
  Wish active = Wish::kAsIs;
  /// Active already: start it anew.
  bool restart = false;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("unit", self.unit);
    visit("enabled", self.enabled);
    visit("masked", self.masked);
    visit("active", self.active);
    visit("restart", self.restart);
  }
};

/// Packages are installed, in these versions where one is given, as the host's
/// own manager does it. Undone by removing those that were not there before.
struct InstallPackages {
  static constexpr std::string_view kKind = "install-packages";
  std::vector<std::string> packages =
      {};  ///< "containerd" or "containerd=1.7.24".

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("packages", self.packages);
  }
};

struct RemovePackages {
  static constexpr std::string_view kKind = "remove-packages";
  std::vector<std::string> packages = {};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("packages", self.packages);
  }
};

/// Packages that belong together, all in one upstream version: the newest that
/// the repository has of every one of them. A mirror that is between two
/// versions gives the older one, whole, or nothing. What was there before comes
/// back where its version can still be had.
struct InstallSet {
  static constexpr std::string_view kKind = "install-set";
  /// Names; "name=version" is taken as it stands.
  std::vector<std::string> packages = {};
  std::vector<std::string> others = {};  ///< In any version, with them.
  std::string version = {};              ///< "580" (a branch) or "580.178.04".
  /// The repository: its id, or a part of its URL (apt). Empty: any.
  std::string from = {};
  std::vector<std::string> removed = {};  ///< Go in the same transaction.
  /// What else may go or become older by it; "*" at the end for any rest.
  std::vector<std::string> family = {};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("packages", self.packages);
    visit("others", self.others);
    visit("version", self.version);
    visit("from", self.from);
    visit("removed", self.removed);
    visit("family", self.family);
  }
};

/// The stream of a module of dnf's that packages are taken from.
struct SetModuleStream {
  static constexpr std::string_view kKind = "set-module-stream";
  std::string module = {};  ///< "nvidia-driver".
  std::string stream = {};  ///< "580-open"; empty: none is enabled.

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("module", self.module);
    visit("stream", self.stream);
  }
};

/// A key file that holds these keys and no others, none of them expired. What
/// is fetched is looked at before it is put in place.
struct FetchKey {
  static constexpr std::string_view kKind = "fetch-key";
  std::string url = {};  ///< http, https, or file:/// of a bundle.
  std::string path = {};
  std::vector<std::string> fingerprints = {};  ///< 40 hex digits each.

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("url", self.url);
    visit("path", self.path);
    visit("fingerprints", self.fingerprints);
  }
};

/// Nothing is signed any more by these keys as far as rpm's own database of
/// keys goes, which zypper and dnf put a repository's key into. Only an
/// inverse, for keys that were not in it before.
struct DistrustKeys {
  static constexpr std::string_view kKind = "distrust-keys";
  std::vector<std::string> fingerprints = {};  ///< 40 hex digits each.

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("fingerprints", self.fingerprints);
  }
};

/// No update changes these packages, or updates may again: dpkg's holds, dnf's
/// versionlock, zypper's locks. One that is held in another version than the
/// installed one is held anew.
struct HoldPackages {
  static constexpr std::string_view kKind = "hold-packages";
  std::vector<std::string> packages = {};  ///< Names.
  bool held = true;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("packages", self.packages);
    visit("held", self.held);
  }
};

/// A module that DKMS builds is there for each of these kernels, in the version
/// of the source that is installed; or for none of them.
struct BuildModule {
  static constexpr std::string_view kKind = "build-module";
  std::string module = {};                ///< "nvidia".
  std::vector<std::string> kernels = {};  ///< As `uname -r` says them.
  bool built = true;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("module", self.module);
    visit("kernels", self.kernels);
    visit("built", self.built);
  }
};

/// A module can be built for the kernel `release`: one of three lines is,
/// against /lib/modules/RELEASE/build, in a private directory that is removed
/// again. Installs nothing and loads nothing.
struct ProveBuild {
  static constexpr std::string_view kKind = "prove-build";
  std::string release = {};   ///< As `uname -r` says it.
  std::string compiler = {};  ///< An absolute path; empty: make's own "gcc".

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("release", self.release);
    visit("compiler", self.compiler);
  }
};

/// Which disk, whatever the kernel calls it today: serial, size and model must
/// fit exactly one disk.
using host::DiskIdentity;

/// A file system with this label and UUID on a whole disk that is blank, or
/// whose erasure its owner confirmed by serial.
struct MakeFilesystem {
  static constexpr std::string_view kKind = "make-filesystem";
  std::vector<DiskIdentity> disks = {};  ///< More than one: what `layout` says.
  std::string layout = "single";         ///< "single", "raid0", "lvm".
  std::string type = "xfs";
  std::string label = {};
  std::string uuid = {};
  std::string proof = {};  ///< Digest of what the plan saw on the disks.
  bool wipe = false;       ///< Confirmed by serial on the command line.

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("disks", self.disks);
    visit("layout", self.layout);
    visit("type", self.type);
    visit("label", self.label);
    visit("uuid", self.uuid);
    visit("proof", self.proof);
    visit("wipe", self.wipe);
  }
};

/// The disks hold nothing. Only an inverse, and only for confirmed serials.
struct WipeFilesystem {
  static constexpr std::string_view kKind = "wipe-filesystem";
  std::vector<DiskIdentity> disks = {};
  std::string layout = {};
  std::string uuid = {};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("disks", self.disks);
    visit("layout", self.layout);
    visit("uuid", self.uuid);
  }
};

/// The file system `uuid` can be mounted with these options: it is, where
/// nobody looks, and unmounted again. Leaves nothing.
struct ProveMount {
  static constexpr std::string_view kKind = "prove-mount";
  std::string uuid = {};
  std::string type = {};
  std::vector<std::string> options = {};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("uuid", self.uuid);
    visit("type", self.type);
    visit("options", self.options);
  }
};

/// What is in the directory `path` is moved to the file system `uuid`, which is
/// mounted elsewhere for that; the old tree is kept beside as `aside`.
struct MigrateTree {
  static constexpr std::string_view kKind = "migrate-tree";
  std::string path = {};
  std::string uuid = {};
  std::string type = {};
  std::string aside = {};  ///< "/var/lib/containerd.gpunode-old".
  bool discard = false;    ///< Nothing is copied; the tree is only set aside.

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("path", self.path);
    visit("uuid", self.uuid);
    visit("type", self.type);
    visit("aside", self.aside);
    visit("discard", self.discard);
  }
};

/// The tree set aside is back at its place, and no half copy of it is left on
/// its disk. Only an inverse.
struct RestoreTree {
  static constexpr std::string_view kKind = "restore-tree";
  std::string path = {};
  std::string aside = {};
  std::string uuid = {};  ///< Of the disk; empty in the first journals.
  std::string type = {};  ///< As of MigrateTree.

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("path", self.path);
    visit("aside", self.aside);
    visit("uuid", self.uuid);
    visit("type", self.type);
  }
};

/// A program of the host is run, for what no other kind says. It must change
/// nothing when run twice. `undo` empty: it leaves nothing to undo.
struct RunProgram {
  static constexpr std::string_view kKind = "run-program";
  std::vector<std::string> argv = {};  ///< argv[0] absolute.
  std::vector<std::string> undo = {};
  std::uint64_t timeout_seconds = 60;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("argv", self.argv);
    visit("undo", self.undo);
    visit("timeout_seconds", self.timeout_seconds);
  }
};

/// The host starts anew; the run goes on after it.
struct Reboot {
  static constexpr std::string_view kKind = "reboot";
  std::string reason = {};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("reason", self.reason);
  }
};

/// A program of ours at `path`, copied from `from` on the host.
struct InstallProgram {
  static constexpr std::string_view kKind = "install-program";
  std::string from = {};
  std::string path = {};
  std::string digest = {};  ///< SHA-256 of what is to be there, in hex.
  /// Only of an inverse: SHA-256 of what it takes the place of; anything else
  /// there but `digest` is a reason to stop. Empty: whatever is there.
  std::string over = {};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("from", self.from);
    visit("path", self.path);
    visit("digest", self.digest);
    visit("over", self.over);
  }
};

/// The host is a node of the cluster at `endpoint`, by kubeadm.
struct JoinCluster {
  static constexpr std::string_view kKind = "join-cluster";
  std::string endpoint = {};        ///< "10.0.0.10:6443".
  std::string discovery_file = {};  ///< A kubeconfig; else token and hashes.
  std::vector<std::string> ca_cert_hashes = {};
  bool trusts_any_ca = false;
  // Where the token is; the token itself is nowhere here.
  std::string token_file = {};
  std::string token_variable = {};
  std::vector<std::string> token_command = {};
  std::string node = {};     ///< The name that it is to have.
  std::string version = {};  ///< Of kubelet and kubeadm: "1.25".
  /// kubeadm's JoinConfiguration with "@TOKEN@" where the token belongs.
  std::string config = {};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("endpoint", self.endpoint);
    visit("discovery_file", self.discovery_file);
    visit("ca_cert_hashes", self.ca_cert_hashes);
    visit("trusts_any_ca", self.trusts_any_ca);
    visit("token_file", self.token_file);
    visit("token_variable", self.token_variable);
    visit("token_command", self.token_command);
    visit("node", self.node);
    visit("version", self.version);
    visit("config", self.config);
  }
};

/// The host is no node any more: what kubeadm made of it is taken back. Only an
/// inverse, or `gpunode leave`.
struct LeaveCluster {
  static constexpr std::string_view kKind = "leave-cluster";
  std::string node = {};
  // Of an inverse, which cluster the join led to: another one is not left.
  std::string endpoint = {};  ///< "10.0.0.10:6443".
  std::string ca = {};        ///< "sha256:…" of its CA's key.

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("node", self.node);
    visit("endpoint", self.endpoint);
    visit("ca", self.ca);
  }
};

/// Labels and taints of this host's Node, by the kubelet's own credentials.
struct SetNodeMeta {
  static constexpr std::string_view kKind = "set-node-meta";
  std::string node = {};
  std::vector<std::string> labels = {};          ///< "key=value".
  std::vector<std::string> removed_labels = {};  ///< Keys.
  std::vector<std::string> taints = {};          ///< "key=value:Effect".
  std::vector<std::string> removed_taints = {};  ///< "key:Effect".

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("node", self.node);
    visit("labels", self.labels);
    visit("removed_labels", self.removed_labels);
    visit("taints", self.taints);
    visit("removed_taints", self.removed_taints);
  }
};

using AnyAction =
    std::variant<WriteFile, RemoveFile, RestoreFile, MakeDirectory,
                 RemoveDirectory, SetSysctl, SetModule, SetSwap, SetUnit,
                 InstallPackages, RemovePackages, InstallSet, SetModuleStream,
                 FetchKey, HoldPackages, BuildModule, ProveBuild,
                 MakeFilesystem, WipeFilesystem, ProveMount, MigrateTree,
                 RestoreTree, RunProgram, Reboot, DistrustKeys, InstallProgram,
                 JoinCluster, LeaveCluster, SetNodeMeta>;

/// One of these. It is the variant, but for how it is copied, moved and
/// destroyed: that is compiled once, in action.cc, not in every file that has
/// a vector of them.
class Action : public AnyAction {
 public:
  using AnyAction::AnyAction;
  Action();
  Action(const Action& other);
  Action(Action&& other) noexcept;
  Action& operator=(const Action& other);
  Action& operator=(Action&& other) noexcept;
  ~Action();
};

/// The kind's name: "write-file".
std::string_view kind_of(const Action& action);

/// What it does, for a person, in one line: "write /etc/fstab".
std::string describe(const Action& action);

/// '+' for what comes, '-' for what goes, '~' for what changes.
char symbol_of(const Action& action);

/// It destroys what cannot be brought back.
bool is_destructive(const Action& action);

}  // namespace gpunode::provision
