#include "node/provision/cluster_actions.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/host/host_file.h"
#include "base/text/toml_edit.h"
#include "base/text/tree.h"
#include "node/provision/cluster_probe.h"
#include "node/provision/kubeadm_words.h"
#include "node/provision/leaving.h"
#include "node/provision/node_meta_change.h"
#include "node/provision/node_reset.h"
#include "node/provision/packages/lines.h"
#include "node/provision/steps/kubernetes/join_config.h"
#include "node/provision/steps/kubernetes/node_identity.h"

namespace gpunode::provision {
namespace {

constexpr const char* kKubeadm = "/usr/bin/kubeadm";
constexpr const char* kJournalctl = "/usr/bin/journalctl";
constexpr const char* kContainerd = "/usr/bin/containerd";
constexpr const char* kContainerdConfig = "/etc/containerd/config.toml";
constexpr std::chrono::minutes kJoinTime{10};
constexpr std::chrono::seconds kTokenTime{30};
constexpr std::chrono::seconds kJournalTime{30};
constexpr std::size_t kMostOfAToken = 4096;

/// What makes a host a node or half of one: kubeadm's files.
constexpr std::array<const char*, 3> kTraces = {kKubeletConf, kBootstrapConf,
                                                kClusterCa};

std::optional<std::string> own_environment(std::string_view name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets variables here.
  const char* value = std::getenv(std::string(name).c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

bool is_ignored(const JoinCluster& action, std::string_view check) {
  // In kubeadm's configuration, one a line: the names have no other blanks.
  const auto lines = packages::lines_of(action.config);
  bool is_list = false;
  return std::ranges::any_of(lines, [&](std::string_view line) {
    if (line == "  ignorePreflightErrors:") is_list = true;
    return is_list &&
           (line == fmt::format("  - \"{}\"", check) || line == "  - \"all\"");
  });
}

/// Whether somebody listens on TCP port 10250 by the text of /proc/net/tcp or
/// tcp6: "sl local_address rem_address st …", 0A is LISTEN.
bool has_kubelet_port(std::string_view table) {
  for (const std::string_view line : packages::lines_of(table)) {
    const auto words = packages::words_of(line);
    if (words.size() > 3 && words[1].ends_with(":280A") && words[3] == "0A") {
      return true;
    }
  }
  return false;
}

Error no_token(const std::string& words) {
  return {ErrorCode::kPermissionDenied, "the token to join with: " + words};
}

/// What is in a file that nobody else may read or change. It is opened once:
/// what was looked at is what is read, whatever links led there.
Result<std::string> token_in_file(const host::HostRoot& host,
                                  const std::string& path) {
  const auto root = host::open_host(host);
  if (!root) return no_token(root.error().message());
  const auto file = root->open_file(path);
  if (!file) return no_token(file.error().message());
  struct stat status {};
  if (::fstat(file->get(), &status) != 0) {
    return no_token(Error::from_errno("look at " + path, errno).message());
  }
  // Who may change its mode may read it, and may put another token there.
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return no_token(
        fmt::format("{} belongs to the user {}, not to root, and who owns it "
                    "may have read the token or put another there; next: "
                    "`chown root:root {}`, and make a new token if that was "
                    "not meant",
                    path, status.st_uid, path));
  }
  constexpr mode_t kPermissions = 07777;
  constexpr mode_t kOthers = 077;
  if ((status.st_mode & kOthers) != 0) {
    return no_token(
        fmt::format("{} is open to others than root (mode {:04o}), who may "
                    "have it by now; next: `chmod 600 {}`, and make a new "
                    "token if that was not meant",
                    path, status.st_mode & kPermissions, path));
  }
  auto text = host::read_all(file->get(), kMostOfAToken, path);
  if (!text) return no_token(text.error().message());
  return text;
}

}  // namespace

ClusterActions::ClusterActions(const host::HostRoot& host,
                               host::CommandRunner& runner,
                               ClusterSurroundings surroundings)
    : host_(host), runner_(runner), surroundings_(std::move(surroundings)) {
  if (!surroundings_.environment) surroundings_.environment = own_environment;
  if (!surroundings_.now) {
    surroundings_.now = [] { return std::chrono::system_clock::now(); };
  }
}

host::CommandRunner& ClusterActions::quiet() const {
  return surroundings_.quiet_runner == nullptr ? runner_
                                               : *surroundings_.quiet_runner;
}

bool ClusterActions::has_traces() const {
  return std::ranges::any_of(
      kTraces, [&](const char* path) { return host_.exists(path); });
}

Result<std::string> ClusterActions::token_text(const JoinCluster& action) {
  if (!action.token_file.empty()) {
    return token_in_file(host_, action.token_file);
  }
  if (!action.token_variable.empty()) {
    auto text = surroundings_.environment(action.token_variable);
    if (!text || text->empty()) {
      return no_token(fmt::format(
          "the variable {} is not set; next: set it for this command (sudo "
          "passes it on with --preserve-env={}), or use a file: after a reboot "
          "no variable of yours is left",
          action.token_variable, action.token_variable));
    }
    return *std::move(text);
  }
  return printed_token(action.token_command);
}

/// Once a join: a program may make a new token each time, or ask a person.
Result<std::string> ClusterActions::printed_token(
    const std::vector<std::string>& argv) {
  const auto kept = std::exchange(printed_, std::nullopt);
  if (kept && kept->argv == argv) return kept->text;
  host::Command command;
  command.argv = argv;
  command.timeout = kTokenTime;
  // Neither what it prints nor why it failed in its own words: either may have
  // the token, or another secret, in it.
  const auto done = quiet().run(command);
  if (!done) {
    return no_token(
        fmt::format("{} did not end well within {} s; next: run "
                    "it by hand",
                    command.argv[0], kTokenTime.count()));
  }
  if (done->status != 0) {
    return no_token(fmt::format("{} ended with status {}; next: run it by hand",
                                command.argv[0], done->status));
  }
  return done->out;
}

Result<BootstrapToken> ClusterActions::token_of(const JoinCluster& action) {
  TRY(const std::string text, token_text(action));
  auto token = parse_bootstrap_token(text);
  if (!token) return no_token(token.error().message());
  return token;
}

Result<std::string> ClusterActions::kubeadm_version() const {
  if (!host_.exists(kKubeadm)) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{} is not there, and the host joins by it; next: "
                             "install kubeadm, or say `source: pkgs.k8s.io` in "
                             "spec.kubernetes",
                             kKubeadm));
  }
  host::Command command;
  command.argv = {kKubeadm, "version", "-o", "short"};
  TRY(const std::string text, runner_.output(command));
  std::string version(packages::trimmed(text));
  if (version.starts_with('v')) version.erase(0, 1);
  version.erase(std::min(version.find_first_of("-+"), version.size()));
  return version;
}

Result<void> ClusterActions::check_host(const JoinCluster& action) const {
  if (!host_.exists(kContainerdSocket)) {
    return Error(ErrorCode::kUnavailable,
                 fmt::format("containerd does not run: there is no {}; next: "
                             "`systemctl enable --now containerd`",
                             kContainerdSocket));
  }
  const auto swaps = host_.read_file("/proc/swaps");
  // Its first line is a heading.
  const bool has_swap = swaps && packages::lines_of(*swaps).size() > 1;
  if (has_swap && !is_ignored(action, "Swap")) {
    return Error(ErrorCode::kUnavailable,
                 "swap is on, and the kubelet does not start with it; next: "
                 "`gpunode apply` with `swap: off` in spec.host turns it off "
                 "for good, or say `ignorePreflight: [Swap]`");
  }
  for (const char* table : {"/proc/1/net/tcp", "/proc/1/net/tcp6"}) {
    const auto text = host_.read_file(table);
    if (!text || !has_kubelet_port(*text) || is_ignored(action, "Port-10250")) {
      continue;
    }
    return Error(ErrorCode::kUnavailable,
                 "port 10250, which is the kubelet's, is in use on this host; "
                 "next: `ss -ltnp 'sport = :10250'` shows by whom, and "
                 "`systemctl stop kubelet` stops one that was left");
  }
  return {};
}

/// What containerd reads: its configuration, with what that imports; nothing if
/// that can't be told. Without a file its own default counts, which is cgroupfs
/// (containerd's docs/cri/config.md), as of an empty one.
std::optional<std::string> ClusterActions::containerd_config() const {
  const auto text = host_.read_file(kContainerdConfig);
  if (!text) {
    if (host_.exists(kContainerdConfig)) return std::nullopt;
    return "";
  }
  const auto editor = text::TomlEditor::open(*text, kContainerdConfig);
  if (!editor) return std::nullopt;
  const text::Node* imports = text::find_at(editor->tree(), {"imports"});
  if (imports == nullptr || imports->items.empty()) return *text;
  host::Command command;
  command.argv = {kContainerd, "--config", host_.outside(kContainerdConfig),
                  "config", "dump"};
  auto whole = runner_.output(command);
  if (!whole) return std::nullopt;
  return *std::move(whole);
}

/// Both must leave cgroups to the same manager, or Pods are killed.
Result<void> ClusterActions::check_cgroups(const JoinCluster& action,
                                           const std::string& driver) const {
  if (driver.empty() || is_ignored(action, "CgroupDriver")) return {};
  const auto text = containerd_config();
  if (!text) return {};
  const auto editor = text::TomlEditor::open(*text, kContainerdConfig);
  if (!editor) return {};
  const text::Node* version = text::find_at(editor->tree(), {"version"});
  const std::string number = version == nullptr ? "1" : version->scalar;
  std::string plugin = "io.containerd.cri.v1.runtime";
  if (number == "1") plugin = "cri";
  if (number == "2") plugin = "io.containerd.grpc.v1.cri";
  const text::Node* systemd = text::find_at(
      editor->tree(), {"plugins", plugin, "containerd", "runtimes", "runc",
                       "options", "SystemdCgroup"});
  const bool is_systemd = systemd != nullptr && systemd->scalar == "true";
  if (is_systemd == (driver == "systemd")) return {};
  return Error(
      ErrorCode::kUnsupported,
      fmt::format("the cluster's kubelets leave cgroups to {}, and containerd "
                  "here to {}: Pods would be killed under load; next: "
                  "{}SystemdCgroup = {} in {}, then `systemctl restart "
                  "containerd`; or say `ignorePreflight: [CgroupDriver]`",
                  driver, is_systemd ? "systemd" : "cgroupfs",
                  text->empty() ? fmt::format("`containerd config default > "
                                              "{}` if it is not there, then ",
                                              kContainerdConfig)
                                : "",
                  !is_systemd, kContainerdConfig));
}

Result<std::optional<ClusterInfo>> ClusterActions::discovered(
    const JoinCluster& action) const {
  using Found = std::optional<ClusterInfo>;
  if (action.discovery_file.empty()) return Found(std::nullopt);
  TRY(const std::string text, host_.read_file(action.discovery_file));
  TRY(ClusterInfo info, read_cluster_info(text, action.discovery_file));
  if (info.authority.empty() && !info.authority_path.empty()) {
    TRY(info.authority, host_.read_file(info.authority_path));
  }
  return Found(std::move(info));
}

Result<void> ClusterActions::forget_token() const {
  return host::remove_host_file(host_, kJoinConfigPath);
}

Result<ClusterAnswer> ClusterActions::ask(const JoinCluster& action,
                                          JoinQuestion question) const {
  question.endpoint = action.endpoint;
  question.ca_cert_hashes = action.ca_cert_hashes;
  question.trusts_any_ca = action.trusts_any_ca;
  question.node = action.node;
  TRY(question.discovered, discovered(action));
  const auto now =
      std::chrono::time_point_cast<std::chrono::seconds>(surroundings_.now());
  return ask_cluster(question, now);
}

Result<void> ClusterActions::ask_early(const JoinCluster& action) {
  if (host_.exists(kKubeletConf) || !action.token_command.empty()) return {};
  JoinQuestion question;
  // Of the packages that are to be installed.
  question.version = action.version;
  if (!action.token_file.empty() || !action.token_variable.empty()) {
    TRY(question.token, token_of(action));
  }
  TRY_VOID(ask(action, std::move(question)));
  return {};
}

Result<Inverse> ClusterActions::prepare(const JoinCluster& action) {
  TRY_VOID(forget_token());
  // A node already: nothing will be done, and nothing is to be undone.
  if (host_.exists(kKubeletConf)) return Inverse{};
  JoinQuestion question;
  TRY(question.version, kubeadm_version());
  TRY_VOID(check_host(action));
  const bool has_token = !action.token_file.empty() ||
                         !action.token_variable.empty() ||
                         !action.token_command.empty();
  if (has_token) {
    printed_.reset();
    TRY(question.token, token_of(action));
    if (action.token_file.empty() && action.token_variable.empty()) {
      printed_ = Printed{action.token_command, question.token->text()};
    }
  }
  TRY(const ClusterAnswer answer, ask(action, std::move(question)));
  TRY_VOID(check_cgroups(action, answer.cgroup_driver));
  return Inverse::of(LeaveCluster{action.node, answer.endpoint, answer.ca},
                     Undo::kCompensating);
}

Result<Inverse> ClusterActions::prepare(const LeaveCluster& /*action*/) {
  // To join again takes a token that is another one by then.
  return Inverse::none();
}

Result<void> ClusterActions::run_join(const JoinCluster& action,
                                      const std::string& token) {
  std::string config = action.config;
  for (std::size_t at = config.find(kTokenPlace); at != std::string::npos;
       at = config.find(kTokenPlace)) {
    config.replace(at, kTokenPlace.size(), token);
  }
  constexpr mode_t kRootAlone = 0600;
  TRY_VOID(host::replace_host_file(host_, kJoinConfigPath, config,
                                   {.mode = kRootAlone}));
  host::Command command;
  command.argv = {kKubeadm, "join", "--config", host_.outside(kJoinConfigPath)};
  command.timeout = kJoinTime;
  const auto since = surroundings_.now();
  const auto done = quiet().run(command);
  const auto removed = forget_token();
  if (!done) {
    return Error(ErrorCode::kUnavailable,
                 "kubeadm join: " + kubeadm_words(without_token(
                                        done.error().message(), token)));
  }
  if (done->status != 0) {
    // Its errors come last, on standard error. The token goes first: of one
    // that the end of the output begins with, half would not be known.
    const std::string output = done->out + "\n" + done->err;
    return Error(ErrorCode::kUnavailable,
                 "kubeadm join: " +
                     without_token(kubeadm_words(without_token(output, token),
                                                 kubelet_says(output, since)),
                                   token));
  }
  if (!host_.exists(kKubeletConf)) {
    return Error(ErrorCode::kInternal,
                 fmt::format("kubeadm join ended well, and there is no {}",
                             kKubeletConf));
  }
  return removed;
}

KubeletWords ClusterActions::kubelet_says(std::string_view output,
                                          kube::WallTime since) const {
  if (output.find("execution phase kubelet-start") == std::string_view::npos) {
    return {};
  }
  host::Command command;
  const auto seconds =
      std::chrono::time_point_cast<std::chrono::seconds>(since);
  command.argv = {
      kJournalctl,
      "--unit=kubelet.service",
      "--boot",
      fmt::format("--since=@{}", seconds.time_since_epoch().count()),
      "--output=cat",
      "--no-pager"};
  command.timeout = kJournalTime;
  const auto done = quiet().run(command);
  if (!done || done->status != 0) return {};
  return kubelet_words(done->out);
}

Result<void> ClusterActions::perform(const JoinCluster& action) {
  TRY_VOID(forget_token());
  if (host_.exists(kKubeletConf)) return {};
  std::string token;
  if (action.config.find(kTokenPlace) != std::string::npos) {
    TRY(const BootstrapToken read, token_of(action));
    token = read.text();
  }
  auto joined = run_join(action, token);
  if (joined) return {};
  if (!has_traces()) return joined;
  const auto left = leave();
  return std::move(joined).error().with_context(
      left ? "what was begun was taken back, the host is no node"
           : fmt::format("what was begun could not be taken back, which the "
                         "next `gpunode apply` does first: {}",
                         left.error().message()));
}

Result<void> ClusterActions::leave() const {
  TRY_VOID(forget_token());
  return reset_node(host_, runner_);
}

/// A host may have changed clusters since, or become one.
Result<void> ClusterActions::check_left(const LeaveCluster& action) const {
  constexpr const char* kApiServer =
      "/etc/kubernetes/manifests/kube-apiserver.yaml";
  if (host_.exists(kApiServer)) {
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("this host is a control plane ({} is there), and "
                             "to reset it would end a cluster; nothing was "
                             "done; next: `kubeadm reset` by hand if that is "
                             "meant, then the same again",
                             kApiServer));
  }
  const bool is_anyone = action.endpoint.empty() && action.ca.empty();
  if (is_anyone || !host_.exists(kKubeletConf)) return {};
  const auto now = joined_to(host_);
  std::string server = "a cluster that cannot be told: ";
  if (!now) {
    server += now.error().message();
  } else {
    const auto keys = key_hashes(now->authority);
    const bool is_same = action.ca.empty() || keys.empty()
                             ? now->server == "https://" + action.endpoint
                             : std::ranges::find(keys, action.ca) != keys.end();
    if (is_same) return {};
    server = now->server;
  }
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("the join led to {}, and {} now leads to {}: "
                           "somebody joined the host anew; nothing was done; "
                           "next: `gpunode leave --force` if it is to leave "
                           "that one, then the same again",
                           action.endpoint, kKubeletConf, server));
}

Result<void> ClusterActions::perform(const LeaveCluster& action) {
  TRY_VOID(forget_token());
  if (!has_traces()) return {};
  TRY_VOID(check_left(action));
  return leave();
}

Result<Inverse> ClusterActions::prepare(const SetNodeMeta& action) {
  if (!host_.exists(kKubeletConf)) return Inverse{};
  NodeMetaChange change(host_, runner_, surroundings_.now);
  TRY(SetNodeMeta before, change.inverse_of(action));
  return Inverse::of(std::move(before));
}

Result<void> ClusterActions::perform(const SetNodeMeta& action) {
  if (!host_.exists(kKubeletConf)) return {};
  return NodeMetaChange(host_, runner_, surroundings_.now).make(action);
}

}  // namespace gpunode::provision
