// A host becomes a node by the whole program, and leaves again: with a cluster
// and a kubeadm that are doubles, and a token that must be nowhere.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/base64.h"
#include "tests/doubles/cluster/cluster_double.h"
#include "tests/integration/node_root.h"

namespace gpunode::integration {
namespace {

using host::Completed;
using kube::ClusterDouble;
using kube::ClusterManner;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kToken = "abcdef.plantedsecret012";
constexpr const char* kSecret = "plantedsecret012";

/// What kubeadm leaves, by the shell's own words: there is no other program.
constexpr const char* kKubeadm = R"(
case "$1" in
version) echo v1.25.16 ;;
join)
  while IFS= read -r line; do echo "$line" >> /opt/given; done < "$3"
  echo half > /etc/kubernetes/pki/ca.crt
  if [ -e /opt/fails ]; then
    echo "error: this is what I was given:" >&2
    while IFS= read -r line; do echo "$line" >&2; done < "$3"
    exit 1
  fi
  if [ -e /opt/words ]; then
    while IFS= read -r line; do echo "$line" >&2; done < /opt/words
    exit 1
  fi
  echo "$PATH" > /opt/path
  while IFS= read -r line; do echo "$line"; done \
    < /opt/kubelet.conf > /etc/kubernetes/kubelet.conf || exit 1
  echo "This node has joined the cluster" ;;
reset) echo reset >> /opt/resets ;;
esac
)";

constexpr const char* kSystemctl = R"(
while [ "$1" != -- ]; do shift; done
shift
for unit in "$@"; do
  echo Id=$unit
  echo LoadState=loaded
  echo ActiveState=inactive
  echo UnitFileState=enabled
  echo
done
)";

class Join : public testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = NodeRoot::obstacle();
    if (!obstacle.empty()) GTEST_SKIP() << obstacle;
    ClusterManner manner;
    manner.token = kToken;
    begin(manner);
  }

  void begin(ClusterManner manner) {
    cluster_ = std::make_unique<ClusterDouble>(std::move(manner));
    const auto& tree = root_.tree();
    tree.directory("run/systemd/system");
    tree.file("proc/1/comm", "systemd\n");
    tree.file("proc/sys/kernel/hostname", "GPU-1\n");
    tree.file("run/containerd/containerd.sock", "");
    tree.directory("etc/kubernetes/pki");
    root_.program("usr/bin/systemctl", kSystemctl);
    root_.program("usr/bin/kubeadm", kKubeadm);
    tree.file("opt/kubelet.conf",
              "apiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster:\n"
              "    server: https://" +
                  cluster_->endpoint() + "\n    certificate-authority-data: " +
                  text::encode_base64(cluster_->ca_pem()) +
                  "\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\n"
                  "current-context: c\nusers:\n- name: u\n  user: {}\n");
    tree.file("etc/gpunode/join-token", std::string(kToken) + "\n");
    std::filesystem::permissions(tree.path("etc/gpunode/join-token"),
                                 std::filesystem::perms(0600));
    ask_for("{file: /etc/gpunode/join-token}");
  }

  void ask_for(const std::string& token_from) {
    root_.spec(
        "spec:\n  host: {swap: keep, timeSync: keep}\n  check: {interval: "
        "off}\n  kubernetes:\n    version: \"1.25\"\n    source: preinstalled\n"
        "    labels: {nvidia.com/gpu.product: A10G}\n    join:\n      "
        "endpoint: " +
        cluster_->endpoint() + "\n      tokenFrom: " + token_from +
        "\n      caCertHashes: [\"" + cluster_->ca_hash() + "\"]\n");
  }

  bool exists(const std::string& path) const {
    return root_.tree().root().exists(path);
  }
  std::string text(const std::string& path) const {
    const auto read = root_.tree().root().read_file(path);
    return read ? *read : "(absent)";
  }

  /// Runs it, and holds all it printed to the token.
  Completed run(const std::vector<std::string>& words,
                const std::string& before = "") const {
    Completed done = root_.run(words, before);
    EXPECT_THAT(done.out + done.err, Not(HasSubstr(kSecret)));
    return done;
  }

  /// Every file of the host but those that the test put the token into.
  void expect_no_secret() const {
    namespace fs = std::filesystem;
    for (const auto& entry :
         fs::recursive_directory_iterator(root_.tree().path())) {
      const std::string path =
          entry.path().string().substr(root_.tree().path().size());
      const bool is_ours = path == "/etc/gpunode/join-token" ||
                           path == "/opt/given" || path == "/opt/token" ||
                           path == "/opt/gpunode";
      if (is_ours || !entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string content(std::istreambuf_iterator<char>(in), {});
      EXPECT_EQ(content.find(kSecret), std::string::npos) << path;
    }
  }

  NodeRoot root_;
  std::unique_ptr<ClusterDouble> cluster_;
};

TEST_F(Join, AHostBecomesANodeAndLeavesWithTheTokenNowhere) {
  Completed done = run({"plan"});
  EXPECT_EQ(done.status, 2) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("join the cluster"));
  done = run({"apply", "--yes"});
  ASSERT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(text("/opt/given"),
              AllOf(HasSubstr(std::string("token: \"") + kToken),
                    HasSubstr("apiVersion: kubeadm.k8s.io/v1beta3"),
                    HasSubstr("node-labels: \"nvidia.com/gpu.product=A10G\"")));
  EXPECT_TRUE(exists("/etc/kubernetes/kubelet.conf"));
  EXPECT_FALSE(exists("/run/gpunode/kubeadm-join.yaml"));
  expect_no_secret();

  done = run({"apply", "--yes"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("0 to change"));
  for (const char* verb : {"plan", "status"}) run({verb, "--json"});

  done = run({"leave"});
  EXPECT_EQ(done.status, 5) << done.out << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("kubectl drain gpu-1"),
                              HasSubstr("/etc/cni/net.d")));
  EXPECT_TRUE(exists("/etc/kubernetes/kubelet.conf"));
  done = run({"leave", "--yes"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("kubectl delete node gpu-1"));
  EXPECT_EQ(text("/opt/resets"), "reset\n");
  EXPECT_FALSE(exists("/etc/kubernetes/kubelet.conf"));
  done = run({"leave", "--yes"});
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.out, HasSubstr("nothing to do"));

  // And again, with a token of that day.
  done = run({"apply", "--yes"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_TRUE(exists("/etc/kubernetes/kubelet.conf"));
  // All of it undone: a node by us is none any more.
  done = run({"rollback", "--yes"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_FALSE(exists("/etc/kubernetes/kubelet.conf"));
  expect_no_secret();
}

TEST_F(Join, AJoinThatFailsLeavesNoHalfNodeAndNoToken) {
  root_.tree().file("opt/fails", "");
  const Completed done = run({"apply", "--yes"});
  EXPECT_EQ(done.status, 1) << done.out << done.err;
  EXPECT_THAT(done.out + done.err,
              HasSubstr("was taken back, the host is no node"));
  EXPECT_FALSE(exists("/etc/kubernetes/pki/ca.crt"));
  EXPECT_FALSE(exists("/run/gpunode/kubeadm-join.yaml"));
  EXPECT_EQ(text("/opt/resets"), "reset\n");
  expect_no_secret();
  // Mended, it goes on.
  root_.tree().remove("opt/fails");
  const Completed again = run({"apply", "--yes"});
  EXPECT_EQ(again.status, 0) << again.out << again.err;
}

TEST_F(Join, ATokenThatAProgramPrintsIsNotShownWhileItRuns) {
  root_.program("opt/token", std::string("echo ") + kToken + "\n");
  ask_for("{exec: [/opt/token, --of, gpu-1]}");
  const Completed done = run({"apply", "--yes", "--json"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(text("/opt/given"), HasSubstr(kToken));
  expect_no_secret();
}

TEST_F(Join, ATokenOfTheEnvironmentIsTaken) {
  ask_for("{env: JOIN_TOKEN}");
  Completed done = run({"apply", "--yes"});
  EXPECT_EQ(done.status, 5) << done.out << done.err;
  EXPECT_THAT(done.out + done.err, HasSubstr("JOIN_TOKEN is not set"));
  EXPECT_THAT(text("/opt/given"), HasSubstr("(absent)"));
  done = run({"apply", "--yes"},
             std::string("export JOIN_TOKEN=") + kToken + "\n");
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(text("/opt/given"), HasSubstr(kToken));
  expect_no_secret();
}

TEST_F(Join, ADeadTokenIsToldBeforeALongRunBegins) {
  ClusterManner manner;
  manner.token = kToken;
  manner.has_signature = false;
  begin(manner);
  const std::string sysctls = "/etc/sysctl.d/99-gpunode.conf";
  Completed done = run({"apply", "--yes"});
  EXPECT_EQ(done.status, 5) << done.out << done.err;
  EXPECT_THAT(
      done.out + done.err,
      AllOf(HasSubstr("expired"), HasSubstr("--ignore-preflight=cluster"),
            HasSubstr("kubeadm token create --print-join-command")));
  EXPECT_FALSE(exists(sysctls));
  // A plan looks at this host alone.
  EXPECT_EQ(run({"plan"}).status, 2);
  done = run({"apply", "--yes", "--ignore-preflight", "cluster"});
  EXPECT_EQ(done.status, 1) << done.out << done.err;
  EXPECT_TRUE(exists(sysctls));
  EXPECT_FALSE(exists("/opt/given"));
  EXPECT_FALSE(exists("/opt/resets"));
  expect_no_secret();
}

TEST_F(Join, ANodeOfSomebodyElsesIsNotTakenOut) {
  root_.tree().file("etc/kubernetes/kubelet.conf", text("/opt/kubelet.conf"));
  Completed done = run({"leave", "--yes"});
  EXPECT_EQ(done.status, 3) << done.out << done.err;
  EXPECT_THAT(done.err, HasSubstr("was not made a node by gpunode"));
  EXPECT_TRUE(exists("/etc/kubernetes/kubelet.conf"));
  done = run({"leave", "--yes", "--force"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_FALSE(exists("/etc/kubernetes/kubelet.conf"));
  root_.tree().file("etc/kubernetes/admin.conf", "");
  root_.tree().file("etc/kubernetes/kubelet.conf", text("/opt/kubelet.conf"));
  EXPECT_EQ(run({"leave", "--yes", "--force"}).status, 3);
}

TEST_F(Join, ThePathOfWhoeverTypedItDoesNotSayWhatRuns) {
  for (const char* name : {"kubeadm", "systemctl", "sh", "rm"}) {
    root_.program(std::string("opt/theirs/") + name, "echo $0 >> /opt/ran\n");
  }
  const Completed done =
      run({"apply", "--yes"}, "export PATH=/opt/theirs:$PATH\n");
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_FALSE(exists("/opt/ran")) << text("/opt/ran");
  // kubeadm finds its own helpers by it.
  EXPECT_THAT(text("/opt/path"), Not(HasSubstr("theirs")));
}

TEST_F(Join, AFullDiskAmidTheJoinLeavesNoHalfNode) {
  // Room for the CA's certificate alone.
  const std::string small =
      "mount -t tmpfs -o size=8k none $T/etc/kubernetes\n"
      "mkdir $T/etc/kubernetes/pki\n"
      "head -c 4096 /dev/zero > $T/etc/kubernetes/filler\n";
  Completed done = run({"apply", "--yes"}, small);
  EXPECT_EQ(done.status, 1) << done.out << done.err;
  EXPECT_THAT(done.out + done.err,
              HasSubstr("was taken back, the host is no node"));
  EXPECT_EQ(text("/opt/resets"), "reset\n");
  root_.tree().remove("opt/resets");
  root_.tree().remove("opt/given");
  // None for the configuration that kubeadm is to read: it is not begun.
  done = run({"apply", "--yes"},
             "mkdir -p $T/run/gpunode\n"
             "mount -t tmpfs -o size=4k none $T/run/gpunode\n"
             "head -c 4096 /dev/zero > $T/run/gpunode/filler\n");
  EXPECT_EQ(done.status, 1) << done.out << done.err;
  EXPECT_THAT(done.out + done.err, HasSubstr("no space left on device"));
  EXPECT_FALSE(exists("/opt/given"));
  expect_no_secret();
  done = run({"apply", "--yes"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
}

TEST_F(Join, ContainerdWithoutItsCriIsToldInWords) {
  root_.tree().file(
      "opt/words",
      "error execution phase preflight: [preflight] Some fatal errors "
      "occurred:\n\t[ERROR CRI]: container runtime is not running: output: "
      "time=\"2024-01-05T17:20:00Z\" level=fatal msg=\"validate service "
      "connection: CRI v1 runtime API is not implemented for endpoint "
      "\\\"unix:///run/containerd/containerd.sock\\\": rpc error: code = "
      "Unimplemented desc = unknown service runtime.v1.RuntimeService\"\n");
  const Completed done = run({"apply", "--yes"});
  EXPECT_EQ(done.status, 1) << done.out << done.err;
  EXPECT_THAT(done.out + done.err,
              AllOf(HasSubstr("disabled_plugins"),
                    HasSubstr("was taken back, the host is no node")));
  EXPECT_FALSE(exists("/etc/kubernetes/kubelet.conf"));
}

TEST_F(Join, HalfAJoinThatAPowerCutLeftIsMended) {
  root_.tree().file("etc/kubernetes/pki/ca.crt", "half\n");
  root_.tree().file("etc/kubernetes/bootstrap-kubelet.conf", "half\n");
  const Completed done = run({"apply", "--yes"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("leave the cluster"));
  EXPECT_TRUE(exists("/etc/kubernetes/kubelet.conf"));
  EXPECT_FALSE(exists("/etc/kubernetes/bootstrap-kubelet.conf"));
}

}  // namespace
}  // namespace gpunode::integration
