// Pains 14 to 16, 19, 20 and 24 of docs/doctor.md: engine, labels, join.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/text/node.h"
#include "base/text/toml_reader.h"
#include "node/diagnose/pains.h"

namespace gpunode::diagnose {
namespace {

using text::Entry;
using text::Node;

constexpr const char* kContainerd = "/etc/containerd/config.toml";

/// The unit is installed and wanted here.
bool is_in_use(const DoctorLook& look, const char* unit) {
  const auto found = look.host.units.find(unit);
  if (found == look.host.units.end()) return false;
  return found->second.active_state == "active" ||
         found->second.unit_file_state == "enabled";
}

const Node* child(const Node* node, std::string_view key) {
  if (node == nullptr || !node->is(Node::Kind::kMapping)) return nullptr;
  const Entry* entry = node->find(key);
  return entry == nullptr ? nullptr : &entry->value;
}

/// containerd's settings of CRI: in file version 3 under a name of its own.
struct CriSettings {
  std::string file;
  const Node* disabled = nullptr;    ///< disabled_plugins.
  const Node* containerd = nullptr;  ///< With default_runtime_name.
  const Node* cri = nullptr;
  bool has_imports = false;
};

CriSettings settings_of(const Node& root) {
  CriSettings settings;
  settings.file = kContainerd;
  settings.disabled = child(&root, "disabled_plugins");
  const Node* imports = child(&root, "imports");
  settings.has_imports = imports != nullptr && !imports->items.empty();
  const Node* plugins = child(&root, "plugins");
  for (const char* name :
       {"io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"}) {
    const Node* cri = child(plugins, name);
    if (cri == nullptr) continue;
    settings.cri = cri;
    settings.containerd = child(cri, "containerd");
  }
  return settings;
}

void check_cri(const DoctorLook& look, const CriSettings& settings,
               Findings& found) {
  if (settings.disabled == nullptr || !is_in_use(look, "kubelet.service")) {
    return;
  }
  for (const Node& item : settings.disabled->items) {
    if (item.scalar != "cri" && item.scalar != "io.containerd.grpc.v1.cri") {
      continue;
    }
    found.push_back(
        {"cri.disabled",
         "containerd's CRI is switched off: the kubelet cannot start a Pod",
         fmt::format("take {} out of disabled_plugins in {}, then `systemctl "
                     "restart containerd`",
                     text::json_string(item.scalar), settings.file),
         Severity::kBad,
         fmt::format("{}:{}: disabled_plugins has {}", settings.file,
                     item.mark.line, text::json_string(item.scalar)),
         "Docker's containerd.io package comes so"});
    return;
  }
}

std::string runtime_name(const CriSettings& settings) {
  const Node* name = child(settings.containerd, "default_runtime_name");
  return name == nullptr ? "" : name->scalar;
}

void check_default_runtime(const DoctorLook& look, const CriSettings& settings,
                           Findings& found) {
  const std::string name = runtime_name(settings);
  const Node* runtimes = child(settings.containerd, "runtimes");
  if (name.empty() || name == "runc" || settings.has_imports) return;
  if (child(runtimes, name) != nullptr || !is_in_use(look, "kubelet.service")) {
    return;
  }
  found.push_back(
      {"runtime.default",
       fmt::format("containerd's default runtime {} is not among its runtimes: "
                   "no container starts",
                   text::json_string(name)),
       "`gpunode runtime configure --runtime=containerd --set-as-default`, "
       "then `systemctl restart containerd`",
       Severity::kBad,
       fmt::format("{}: default_runtime_name = {}", settings.file,
                   text::json_string(name)),
       "one of two that write this file has overwritten the other"});
}

/// The toolkit is here, and containerd neither knows it nor reads CDI.
void check_nvidia_runtime(const DoctorLook& look, const CriSettings& settings,
                          Findings& found) {
  const bool has_toolkit =
      look.host.packages.contains("nvidia-container-toolkit");
  if (!has_toolkit || settings.has_imports || settings.cri == nullptr ||
      running_driver_of(look.host).version.empty() ||
      !is_in_use(look, "kubelet.service") ||
      !is_in_use(look, "containerd.service")) {
    return;
  }
  const Node* cdi = child(settings.cri, "enable_cdi");
  const Node* runtimes = child(settings.containerd, "runtimes");
  const bool knows =
      runtimes != nullptr &&
      std::ranges::any_of(runtimes->entries, [](const Entry& entry) {
        return entry.key.find("nvidia") != std::string::npos ||
               entry.key.find("gpunode") != std::string::npos;
      });
  if (knows || (cdi != nullptr && cdi->is_true())) return;
  found.push_back({"runtime.default",
                   "containerd has no runtime of NVIDIA's and does not read "
                   "CDI: no container gets a GPU",
                   "`gpunode runtime configure --runtime=containerd "
                   "--set-as-default`, then `systemctl restart containerd`",
                   Severity::kWarning,
                   fmt::format("{} names runtimes without one", settings.file),
                   "an update or another program wrote the file anew"});
}

void check_containerd(const DoctorLook& look, Findings& found) {
  const auto file = look.host.files.find(kContainerd);
  if (file == look.host.files.end() || !file->second.content) return;
  const auto root = text::parse_toml(*file->second.content, kContainerd);
  if (!root) {
    if (!is_in_use(look, "containerd.service")) return;
    found.push_back({"runtime.config",
                     "containerd's configuration cannot be read: it will not "
                     "start again",
                     fmt::format("mend {}; `containerd config dump` tells "
                                 "whether it is good",
                                 kContainerd),
                     Severity::kBad, root.error().message(), ""});
    return;
  }
  const CriSettings settings = settings_of(*root);
  check_cri(look, settings, found);
  check_default_runtime(look, settings, found);
  check_nvidia_runtime(look, settings, found);
}

void check_device_links(const DoctorLook& look, Findings& found) {
  if (look.has_device_links.value_or(true) ||
      !is_in_use(look, "kubelet.service")) {
    return;
  }
  found.push_back(
      {"runtime.device-links",
       "running containers lose their GPUs at the next `systemctl "
       "daemon-reload`",
       "`gpunode runtime device-links`; containers that run already must be "
       "started anew",
       Severity::kWarning, "/dev/char/195:255 is missing, /dev/nvidiactl there",
       "systemd finds devices by /dev/char and makes the rules of every "
       "container anew; with CDI this does not matter"});
}

/// Types that no engine's data may have; others are somebody's policy.
void check_labels(const DoctorLook& look, Findings& found) {
  if (!look.host.machine.selinux_enforcing) return;
  constexpr std::array<std::string_view, 5> kWrong = {
      ":unlabeled_t:", ":default_t:", ":mnt_t:", ":tmp_t:", ":user_home_t:"};
  for (const auto& [path, tree] : look.host.trees) {
    const bool is_wrong = std::ranges::any_of(
        kWrong, [&, label = &tree.selinux_label](std::string_view type) {
          return label->find(type) != std::string::npos;
        });
    if (!is_wrong) continue;
    found.push_back({"selinux.labels",
                     fmt::format("{} is labelled as nobody's: SELinux keeps "
                                 "containers from it",
                                 path),
                     fmt::format("`restorecon -RF {}`", path), Severity::kBad,
                     fmt::format("{} is {}", path, tree.selinux_label),
                     "data that is moved or a fresh file system has no labels "
                     "of its place"});
  }
}

void check_join(const DoctorLook& look, Findings& found) {
  if (!look.is_joining) return;
  found.push_back(
      {"join.unfinished",
       "this machine began to join a cluster and has not: its token may have "
       "expired",
       "`kubeadm token create --print-join-command` on a control plane, "
       "`kubeadm reset` here, and join anew",
       Severity::kWarning,
       "/etc/kubernetes/bootstrap-kubelet.conf is there, kubelet.conf is not",
       "tokens live for a day; kubeadm then speaks of a JWS signature"});
}

void check_writable(const DoctorLook& look, Findings& found) {
  for (const std::string& path : look.writable_programs) {
    found.push_back({"files.writable",
                     fmt::format("anybody on this host may replace {}, which "
                                 "runs as root",
                                 path),
                     fmt::format("`chmod 0755 {0}`, and `rpm -V` or `dpkg -V` "
                                 "whether it still is the package's",
                                 path),
                     Severity::kBad, path + " is writable for others",
                     "a script for installing left it so"});
  }
}

}  // namespace

Findings find_runtime_pains(const DoctorLook& look) {
  Findings found;
  check_containerd(look, found);
  check_device_links(look, found);
  check_labels(look, found);
  check_join(look, found);
  check_writable(look, found);
  return found;
}

}  // namespace gpunode::diagnose
