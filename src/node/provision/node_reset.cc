#include "node/provision/node_reset.h"

#include <array>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/host/host_file.h"
#include "node/provision/kubeadm_words.h"
#include "node/provision/steps/kubernetes/join_config.h"
#include "node/provision/steps/kubernetes/node_identity.h"

namespace gpunode::provision {
namespace {

constexpr const char* kKubeadm = "/usr/bin/kubeadm";
constexpr const char* kSystemctl = "/usr/bin/systemctl";
constexpr std::chrono::minutes kResetTime{5};

/// What a reset leaves where it could not do all of its work, and what older
/// ones leave.
constexpr auto kLeftovers = std::to_array<const char*>(
    {kKubeletConf, kBootstrapConf, kClusterCa, "/var/lib/kubelet/config.yaml",
     "/var/lib/kubelet/kubeadm-flags.env",
     "/var/lib/kubelet/pki/kubelet-client-current.pem"});

}  // namespace

Result<void> reset_node(const host::HostRoot& host,
                        host::CommandRunner& runner) {
  const auto run = [&](std::vector<std::string> argv) -> Result<void> {
    host::Command command;
    command.argv = std::move(argv);
    command.timeout = kResetTime;
    TRY_VOID(runner.output(command));
    return {};
  };
  // Its files stay until the reset is done: by them it is called again.
  const auto halted = [&](const std::string& why, const char* next) -> Error {
    const auto stopped = run({kSystemctl, "stop", "--", "kubelet.service"});
    return {ErrorCode::kUnavailable,
            fmt::format(
                "{}; the kubelet {}, Pods may still run (`crictl "
                "pods`), and {} and the like are left; next: {}, then "
                "`gpunode leave` again",
                why,
                stopped ? "was stopped"
                        : "was not stopped (" + stopped.error().message() + ")",
                kKubeletConf, next)};
  };
  if (!host.exists(kKubeadm)) {
    return halted(
        fmt::format("{} is not there, and nothing else ends the node's Pods "
                    "and takes its state away",
                    kKubeadm),
        "install kubeadm of the cluster's version");
  }
  // Where containerd does not run, a reset ends no Pod, says so in passing, and
  // takes away kubeadm's files all the same: it would not be called again.
  if (const auto up = run({kSystemctl, "start", "--", "containerd.service"});
      !up) {
    return halted("containerd, which ends the node's Pods, does not run: " +
                      up.error().message(),
                  "mend that (`systemctl status containerd`)");
  }
  // Stops the kubelet and its Pods, unmounts what it mounted, and removes its
  // state and kubeadm's files.
  host::Command reset;
  reset.argv = {kKubeadm, "reset", "--force", "--cri-socket",
                fmt::format("unix://{}", kContainerdSocket)};
  reset.timeout = kResetTime;
  const auto done = runner.run(reset);
  if (!done || done->status != 0) {
    return halted("the node could not be reset: " +
                      (done ? host::output_tail(done->out + "\n" + done->err)
                            : done.error().message()),
                  "mend that (`systemctl status containerd`)");
  }
  for (const char* path : kLeftovers) {
    TRY_VOID(host::remove_host_file(host, path));
  }
  // What that Node was given, the next one was not.
  TRY_VOID(host::remove_host_file(host, kNodeMetaPath));
  const std::string failed = failed_in_reset(done->out + "\n" + done->err);
  if (failed.empty()) return {};
  return Error(
      ErrorCode::kUnavailable,
      fmt::format("{}, and `kubeadm reset` could not do all: {}; next: "
                  "`crictl pods` shows Pods that still run, `crictl "
                  "stopp ID` and `crictl rmp ID` end them, and a "
                  "reboot all of them",
                  kNoNodeAnyMore, failed));
}

}  // namespace gpunode::provision
