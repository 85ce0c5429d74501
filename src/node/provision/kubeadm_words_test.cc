#include "node/provision/kubeadm_words.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::provision {
namespace {

using testing::HasSubstr;

TEST(KubeadmWords, KnownFailuresSayWhatToDo) {
  for (const auto& [output, words] :
       std::vector<std::pair<std::string, std::string>>{
           {"could not find a JWS signature in the cluster-info ConfigMap",
            "kubeadm token create"},
           {"[ERROR Port-10250]: Port 10250 is in use", "ss -ltnp"},
           {"rpc error: code = Unimplemented desc = unknown service "
            "runtime.v1.RuntimeService",
            "disabled_plugins"},
           // As kubeadm 1.20.2 says them.
           {"error execution phase preflight: couldn't validate the identity "
            "of the API Server: cluster CA found in cluster-info ConfigMap is "
            "invalid: none of the public keys \"sha256:94f9\" are pinned",
            "caCertHashes"},
           {"couldn't validate the identity of the API Server: failed to "
            "verify JWS signature of received cluster info object, can't trust "
            "this API Server",
            "the token is wrong"},
           {"\t[ERROR FileContent--proc-sys-net-ipv4-ip_forward]: "
            "/proc/sys/net/ipv4/ip_forward contents are not set to 1",
            "prep.sysctl"},
           {"\t[ERROR FileAvailable--etc-kubernetes-pki-ca.crt]: "
            "/etc/kubernetes/pki/ca.crt already exists",
            "gpunode leave --force"},
           {"[kubelet-start] Waiting for the kubelet to perform the TLS "
            "Bootstrap...\n\nUnfortunately, an error has occurred:\n\ttimed "
            "out "
            "waiting for the condition\n\nThis error is likely caused by:\n"
            "\t- The kubelet is not running\n",
            "kubectl get csr"},
           {"[kubelet-start] Waiting for the kubelet to perform the TLS "
            "Bootstrap...\n[kubelet-check] Initial timeout of 40s passed.\n"
            "[kubelet-check] It seems like the kubelet isn't running or "
            "healthy.\n",
            "does not come up"},
           {"timed out waiting for the condition", "journalctl -xeu kubelet"},
           {"x509: certificate has expired or is not yet valid", "date -u"},
           {"something new", "something new"},
           {"", "journalctl"}}) {
    EXPECT_THAT(kubeadm_words(output), HasSubstr(words)) << output;
  }
}

}  // namespace
}  // namespace gpunode::provision
