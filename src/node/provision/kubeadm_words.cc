#include "node/provision/kubeadm_words.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "base/host/command_runner.h"
#include "node/provision/packages/lines.h"

namespace gpunode::provision {
namespace {

/// Part of a message and what it means.
struct Meaning {
  std::string_view part;
  std::string_view words;
};

// The first that fits counts: the causes before what follows from them. The
// messages are of kubeadm's app/preflight, app/discovery and app/phases.
constexpr auto kMeanings = std::to_array<Meaning>({
    {":10250: bind: address already in use",
     "another program has the kubelet's port 10250 by now; next: `ss -ltnp "
     "'sport = :10250'` shows which, then apply again"},
    {"no space left on device",
     "a disk is full; next: `df -h /etc /var/lib/kubelet /run` shows which, "
     "make room and apply again"},
    {"could not find a JWS signature",
     "the token has expired or was deleted; next: on a control plane `kubeadm "
     "token create --print-join-command`"},
    {"is invalid for this cluster or it has expired",
     "the token has expired or was deleted; next: on a control plane `kubeadm "
     "token create --print-join-command`"},
    {"failed to verify JWS signature",
     "the token is wrong; next: on a control plane `kubeadm token create "
     "--print-join-command`"},
    {"none of the public keys",
     "the CA of the cluster is none of spec.kubernetes.join.caCertHashes; "
     "next: compare it with `kubeadm token create --print-join-command`"},
    {"and status \"Ready\" already exists",
     "another host has this name in the cluster; next: `hostnamectl "
     "set-hostname NAME`, or `kubectl delete node NAME` if it is an old one"},
    {"unknown service runtime.v1",
     "containerd does not speak the CRI that this kubelet wants: its plugin is "
     "off, or it is too old; next: take \"cri\" out of disabled_plugins in "
     "/etc/containerd/config.toml and `systemctl restart containerd`"},
    {"container runtime is not running",
     "containerd does not answer; next: `systemctl status containerd`, and "
     "\"cri\" must not stand in disabled_plugins of "
     "/etc/containerd/config.toml"},
    {"[ERROR CRI]",
     "containerd does not answer; next: `systemctl status containerd`"},
    {"[ERROR Swap]",
     "swap is on; next: `swapoff -a`, or say `swap: off` in spec.host"},
    {"running with swap on is not supported",
     "swap is on; next: `swapoff -a`, or say `swap: off` in spec.host"},
    {"[ERROR Port-10250]",
     "the kubelet's port 10250 is in use; next: `ss -ltnp 'sport = :10250'` "
     "shows by whom"},
    {"[ERROR FileContent--proc-sys-net",
     "a network setting of the kernel is not as Pods need it; next: `gpunode "
     "apply`, whose prep.modules and prep.sysctl set it, and `sysctl --system` "
     "shows who sets it back"},
    {"[ERROR FileAvailable-",
     "files of another join are there; next: `gpunode leave --force` takes "
     "them away"},
    {"[ERROR DirAvailable-",
     "files of another join are there; next: `gpunode leave --force` takes "
     "them away"},
    {"[ERROR KubeletVersion]",
     "kubelet and kubeadm are of versions that do not go together; next: "
     "install both of the version in spec.kubernetes.version"},
    {"not found in system path",
     "a program that the kubelet calls is missing; next: `gpunode apply` "
     "installs what prep.packages has"},
    {"only supports deploying clusters with the control plane version",
     "kubeadm is too new for the cluster; next: say the cluster's version in "
     "spec.kubernetes.version"},
    {"is not supported by this version of kubeadm",
     "kubeadm and the cluster are of versions that do not go together; next: "
     "say the cluster's version in spec.kubernetes.version"},
    {"certificate has expired or is not yet valid",
     "a certificate is not valid by this host's clock; next: compare `date -u` "
     "here and on a control plane, then `kubeadm certs check-expiration` "
     "there"},
    {"x509:",
     "the API server's certificate is not good for the endpoint; next: use one "
     "of the names that the certificate has"},
    {"Unauthorized",
     "the token is not taken any more; next: on a control plane `kubeadm token "
     "create --print-join-command`"},
    {"misconfiguration: kubelet cgroup driver",
     "kubelet and containerd leave cgroups to different managers; next: "
     "SystemdCgroup in /etc/containerd/config.toml must be true where the "
     "cluster says cgroupDriver systemd"},
    {"[kubelet-check] It seems like the kubelet isn't running",
     "the kubelet does not come up; next: `journalctl -xeu kubelet` says why; "
     "often its cgroup driver is not containerd's, or swap is on"},
    {"error uploading crisocket",
     "the kubelet has its certificate, and did not register its Node in time; "
     "next: `journalctl -xeu kubelet` says why; does the API server still "
     "answer?"},
    // What comes after it lays it to the kubelet, which answers kubeadm.
    {"to perform the TLS Bootstrap",
     "the kubelet runs, and got no certificate from the cluster in time; "
     "next: `journalctl -u kubelet` says what it was told; on a control plane "
     "`kubectl get csr` shows whether it asked, and the controller manager "
     "must sign"},
    {"kubelet is not running",
     "the kubelet does not come up; next: `journalctl -xeu kubelet` says why; "
     "often its cgroup driver is not containerd's, or swap is on"},
    {"kubelet is unhealthy",
     "the kubelet does not come up; next: `journalctl -xeu kubelet` says why; "
     "often its cgroup driver is not containerd's, or swap is on"},
    {"timed out waiting for the condition",
     "the kubelet did not become a node in time; next: `journalctl -xeu "
     "kubelet` says why"},
    {"context deadline exceeded",
     "the API server did not answer in time; next: `curl -k "
     "https://ENDPOINT/healthz`"},
    {"connection refused",
     "the API server does not answer; next: `curl -k "
     "https://ENDPOINT/healthz`"},
    {"i/o timeout",
     "the API server does not answer; next: `curl -k "
     "https://ENDPOINT/healthz`"},
});

void replace_all(std::string& text, std::string_view what) {
  if (what.empty()) return;
  constexpr std::string_view kHidden = "[token]";
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + kHidden.size())) {
    text.replace(at, what.size(), kHidden);
  }
}

}  // namespace

std::string kubeadm_words(std::string_view output,
                          const KubeletWords& kubelet) {
  const auto meaning_of = [](std::string_view text) {
    return std::ranges::find_if(kMeanings, [&](const Meaning& meaning) {
      return text.find(meaning.part) != std::string_view::npos;
    });
  };
  const auto with_next = [&](std::string_view text) {
    const auto known = meaning_of(text);
    return fmt::format("{}; {}", text,
                       known == kMeanings.end()
                           ? "next: `journalctl -xeu kubelet`"
                           : known->words);
  };
  if (!kubelet.fault.empty()) {
    return "the kubelet that it started ended: " + with_next(kubelet.fault);
  }
  const bool was_in_vain =
      output.find("timed out waiting for the condition") !=
          std::string_view::npos ||
      output.find("deadline exceeded") != std::string_view::npos;
  if (was_in_vain && !kubelet.complaint.empty()) {
    return "the kubelet that it started runs, is no node, and says: " +
           with_next(kubelet.complaint);
  }
  const auto found = meaning_of(output);
  const std::string tail = host::output_tail(std::string(output));
  if (found == kMeanings.end()) {
    return tail.empty() ? "it said nothing; next: `journalctl -xeu kubelet`"
                        : tail;
  }
  return fmt::format("{} ({})", found->words, tail);
}

KubeletWords kubelet_words(std::string_view log) {
  // Of a kubelet that goes on, 1.20 to 1.33.
  constexpr std::array<std::string_view, 4> kComplaints = {
      "Failed to connect to apiserver", "Unable to register node",
      "cannot create certificate signing request",
      "certificate signing request was not signed"};
  KubeletWords words;
  for (const std::string_view line : packages::lines_of(log)) {
    // "F1129 18:16:40.705417    2922 server.go:257] unable to load …"; from
    // 1.23 on an E, and `"command failed" err="failed to run Kubelet: …"`.
    const std::size_t bracket = line.find("] ");
    if (line.size() < 2 || !is_digit(line[1]) ||
        bracket == std::string_view::npos) {
      continue;
    }
    const std::string_view text = line.substr(bracket + 2);
    const bool is_fatal =
        line[0] == 'F' || text.starts_with(R"("command failed" err=)") ||
        text.starts_with(R"("Failed to listen and serve" err=)");
    // With which each start ended that was before kubeadm's.
    const bool is_older =
        text.find("ubelet config file") != std::string_view::npos;
    if (is_fatal) {
      if (!is_older) words.fault = text;
    } else if (std::ranges::any_of(kComplaints, [&](std::string_view part) {
                 return text.find(part) != std::string_view::npos;
               })) {
      words.complaint = text;
    } else if (text.find("Successfully registered node") !=
               std::string_view::npos) {
      // The API server answered after all.
      words.complaint.clear();
    }
  }
  return words;
}

std::string failed_in_reset(std::string_view output) {
  std::string failed;
  for (const std::string_view line : packages::lines_of(output)) {
    // "W1129 17:02:11.123456    1234 cleanupnode.go:81] [reset] Failed to …".
    const std::size_t at = line.find("[reset] Failed to ");
    if (at == std::string_view::npos) continue;
    if (!failed.empty()) failed += "; ";
    failed += line.substr(at);
  }
  return failed;
}

std::string without_token(std::string text, std::string_view token) {
  replace_all(text, token);
  const std::size_t dot = token.find('.');
  if (dot != std::string_view::npos) replace_all(text, token.substr(dot + 1));
  return text;
}

}  // namespace gpunode::provision
