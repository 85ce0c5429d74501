#include "node/diagnose/host_look.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "base/host/host_tree.h"
#include "node/diagnose/status_text.h"

namespace gpunode::diagnose {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kPlugins = "/var/lib/kubelet/device-plugins";
constexpr const char* kRecord =
    R"({"Data":{"PodDeviceEntries":[)"
    R"({"PodUID":"u-1","ContainerName":"main","ResourceName":"nvidia.com/gpu",)"
    R"("DeviceIDs":{"-1":["GPU-a::0","GPU-a::1","GPU-gone::0"]}},)"
    R"({"PodUID":"u-2","ContainerName":"c","ResourceName":"nvidia.com/gpu",)"
    R"("DeviceIDs":{"-1":["GPU-a::2"]}}],)"
    R"("RegisteredDevices":{"nvidia.com/gpu":["GPU-a::0","GPU-a::1",)"
    R"("GPU-a::2","GPU-a::3"]}}})";

struct Host : host::HostTree {
  Host()
      : HostTree{
            {"proc/driver/nvidia/version",
             "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  "
             "580.159.04  Release Build  (nixbld@)  \n"},
            {"proc/driver/nvidia/gpus/0000:3b:00.0/information",
             "Model: \t\t NVIDIA A10G\nGPU UUID: \t GPU-a\nDevice Minor: \t 0\n"
             "GPU Excluded:\t No\n"},
            {"var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
             kRecord},
            {"var/log/pods/team-a_train-0_u-1/main/0.log", ""},
            {"run/gpunode/device-plugin.config",
             "nvidia.com/device-plugin.config=a\n"}} {}

  std::string outside(const std::string& name) const {
    return root().outside(std::string(kPlugins) + "/" + name);
  }
};

UniqueFd listen_on(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  EXPECT_LT(path.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                   sizeof address),
            0);
  EXPECT_EQ(::listen(socket.get(), 1), 0);
  return socket;
}

Error no_socket() {
  return {ErrorCode::kNotFound, "connect to x: no such file or directory"};
}

std::string text_of(const HostLook& look, const Findings& findings) {
  return describe(look, findings, Detail::kSummary).render({});
}

TEST(HostLook, FindsGpusHoldersAndTheLastChoiceInFiles) {
  const Host host;
  const HostLook look = look_at_host(host.root(), kPlugins);
  const std::string text = text_of(look, check_absence(no_socket(), look));
  EXPECT_THAT(text, HasSubstr("Driver\n  580.159.04\n"));
  EXPECT_THAT(
      text,
      HasSubstr("  0  NVIDIA A10G\n      GPU-a\n"
                "      team-a/train-0, container main: 2 shares of "
                "nvidia.com/gpu (0-1)\n"
                "      the Pod with UID u-2, container c: 1 share of "
                "nvidia.com/gpu (2)\n"
                "  of devices that are not here now\n"
                "      team-a/train-0, container main: 3 of nvidia.com/gpu\n"));
  EXPECT_THAT(text, HasSubstr("  nvidia.com/gpu  1 of 4 free\n"));
  EXPECT_THAT(text, HasSubstr("last chosen by the node's label: "
                              "nvidia.com/device-plugin.config=a\n"));
  EXPECT_THAT(text, HasSubstr("from the kubelet's own file"));
}

// The kubelet gives an init container's devices to the next one as well.
TEST(HostLook, ADeviceOfTwoContainersOfOnePodIsHeldOnce) {
  const Host host;
  host.file("var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
            R"({"Data":{"PodDeviceEntries":[)"
            R"({"PodUID":"u-1","ContainerName":"init",)"
            R"("ResourceName":"nvidia.com/gpu",)"
            R"("DeviceIDs":{"-1":["GPU-a"]}},)"
            R"({"PodUID":"u-1","ContainerName":"main",)"
            R"("ResourceName":"nvidia.com/gpu",)"
            R"("DeviceIDs":{"-1":["GPU-a"]}}],)"
            R"("RegisteredDevices":{"nvidia.com/gpu":["GPU-a"]}}})");
  const HostLook look = look_at_host(host.root(), kPlugins);
  ASSERT_EQ(look.known.resources.size(), 1U);
  EXPECT_EQ(look.known.resources.front().held, 1U);
  EXPECT_EQ(look.known.resources.front().free, 0U);
}

TEST(HostLook, NamesWhoElseServesTheKubelet) {
  const Host host;
  const UniqueFd kubelet = listen_on(host.outside("kubelet.sock"));
  const UniqueFd plugin = listen_on(host.outside("nvidia-gpu.sock"));
  const UniqueFd nic = listen_on(host.outside("rdma.sock"));
  const HostLook look = look_at_host(host.root(), kPlugins);
  EXPECT_TRUE(look.kubelet_listens);
  EXPECT_EQ(look.plugins.size(), 2U);
  const Findings findings = check_absence(no_socket(), look);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_THAT(findings[1].what, AllOf(HasSubstr(std::to_string(::getpid())),
                                      HasSubstr("nvidia-gpu.sock")));
  EXPECT_THAT(findings[1].next, HasSubstr("--take-over"));
}

TEST(HostLook, OfAHostWithoutAnythingSaysWhatIsMissing) {
  const host::HostTree host;
  const HostLook look = look_at_host(host.root(), kPlugins);
  const Findings findings = check_absence(no_socket(), look);
  const std::string text = text_of(look, findings);
  EXPECT_THAT(text, HasSubstr("GPUs\n  none: "));
  EXPECT_THAT(text, HasSubstr("who holds what is not known: "));
  EXPECT_THAT(text, HasSubstr("no kubelet listens"));
  EXPECT_THAT(text, HasSubstr("next: lspci -d 10de:"));
  EXPECT_THAT(text, Not(HasSubstr("Configuration")));
}

TEST(HostLook, NextDependsOnWhyNobodyAnswers) {
  const Host host;
  HostLook look = look_at_host(host.root(), kPlugins);
  EXPECT_THAT(check_absence(no_socket(), look)[0].next,
              HasSubstr("kubectl get pods -A -o wide"));
  look.has_service = true;
  EXPECT_THAT(check_absence(no_socket(), look)[0].next,
              HasSubstr("systemctl enable --now gpunode-agent"));
  EXPECT_THAT(check_absence({ErrorCode::kUnavailable, "refused"}, look)[0].next,
              HasSubstr("journalctl -u gpunode-agent"));
  const Findings denied =
      check_absence({ErrorCode::kPermissionDenied, "no"}, look);
  ASSERT_EQ(denied.size(), 1U);
  EXPECT_THAT(denied[0].next, HasSubstr("sudo gpunode status"));
}

TEST(HostLook, HostileRecordsAndNamesCannotSpoilTheTerminal) {
  const Host host;
  host.file("var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
            R"({"Data":{"PodDeviceEntries":[{"PodUID":"\u001b[2J",)"
            R"("ContainerName":"c\nd","ResourceName":"r\u009b",)"
            R"("DeviceIDs":{"0":["GPU-a"]}}],"RegisteredDevices":{}}})");
  host.file("run/gpunode/device-plugin.config", "\x1b]0;x\a=\r\n");
  const HostLook look = look_at_host(host.root(), kPlugins);
  const std::string text = text_of(look, check_absence(no_socket(), look));
  for (const char c : {'\x1b', '\r', '\a', '\x9b', '\xc2'}) {
    EXPECT_EQ(text.find(c), std::string::npos);
  }
  EXPECT_THAT(text, HasSubstr("UID ?[2J, container c?d: r??\n"));
}

TEST(HostLook, ARecordThatCannotBeReadIsSaidToBe) {
  const Host host;
  host.file("var/lib/kubelet/device-plugins/kubelet_internal_checkpoint", "{");
  const HostLook look = look_at_host(host.root(), kPlugins);
  EXPECT_EQ(look.known.holder_source, "none");
  EXPECT_THAT(look.known.holder_problem,
              HasSubstr("kubelet_internal_checkpoint"));
  EXPECT_THAT(look.known.holders, IsEmpty());
}

TEST(PodNames, ComeFromTheDirectoryOfLogs) {
  const host::HostTree host{{"var/log/pods/a_b_u-1/c/0.log", ""},
                            {"var/log/pods/nonsense/c/0.log", ""}};
  std::vector<AgentStatus::Holder> holders = {{"", "", "u-1", "c", "r", {}},
                                              {"", "", "u-2", "c", "r", {}},
                                              {"x", "y", "", "c", "r", {}}};
  name_pods(holders, host.root());
  EXPECT_EQ(holders[0].pod_namespace, "a");
  EXPECT_EQ(holders[0].pod, "b");
  EXPECT_EQ(holders[1].pod, "");
  EXPECT_EQ(holders[2].pod, "y");
}

}  // namespace
}  // namespace gpunode::diagnose
