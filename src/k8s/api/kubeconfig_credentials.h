// A kubeconfig as credentials: files re-read, plugins run when due.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "k8s/api/credentials.h"
#include "k8s/api/exec_credential.h"
#include "k8s/api/kubeconfig.h"

namespace gpunode::kube {

using WallClock = std::function<WallTime()>;

/// Collaborators outlive it. The file itself is read by whoever makes this.
class KubeconfigCredentials final : public Credentials {
 public:
  KubeconfigCredentials(Kubeconfig config, host::HostRoot root,
                        host::CommandRunner& runner,
                        std::vector<std::string> environment, WallClock now)
      : config_(std::move(config)),
        root_(std::move(root)),
        runner_(runner),
        environment_(std::move(environment)),
        now_(std::move(now)) {}

  Result<Access> access(bool was_refused) override;

 private:
  Result<std::string> text_of(const TextOrFile& source) const;
  Result<void> add_exec(Access& access, bool was_refused);

  Kubeconfig config_;
  host::HostRoot root_;
  host::CommandRunner& runner_;
  std::vector<std::string> environment_;
  WallClock now_;
  std::optional<ExecCredential> made_;
};

}  // namespace gpunode::kube
