// A container whose image asks for every GPU and whom nobody granted one: from
// the runtime that refuses, by its log, to what `gpunode doctor` says.
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "container/hook/own_mounts_test.h"
#include "tests/integration/agent_process.h"
#include "tests/integration/runtime_process.h"

namespace gpunode::runtime {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

namespace fs = std::filesystem;

// gpunode's exit codes.
constexpr int kOk = 0;
constexpr int kError = 1;
constexpr int kPersonNeeded = 5;
constexpr int kUsage = 64;

constexpr const char* kLog = "run/gpunode/ungranted.ndjson";

constexpr const char* kAsksForAll =
    R"({"ociVersion":"1.0.2","process":{"env":["NVIDIA_VISIBLE_DEVICES=all"]},)"
    R"("annotations":{"io.kubernetes.cri.container-type":"container",)"
    R"("io.kubernetes.cri.container-name":"main",)"
    R"("io.kubernetes.cri.sandbox-uid":"uid-1",)"
    R"("io.kubernetes.cri.sandbox-name":"web-0",)"
    R"("io.kubernetes.cri.sandbox-namespace":"team",)"
    R"("io.kubernetes.cri.image-name":"cuda:12"}})";

class UngrantedTest : public RuntimeProcess {
 protected:
  UngrantedTest() {
    // What makes a host of it, for the doctor.
    host_.file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    host_.file("proc/sys/kernel/osrelease", "6.1.0\n");
    host_.file("proc/sys/kernel/arch", "x86_64\n");
    host_.file("proc/sys/kernel/random/boot_id",
               "0d3f4f6e-1111-4222-8333-444455556666\n");
    host_.file("proc/meminfo", "MemTotal: 8000000 kB\n");
    host_.file("lib/modules/6.1.0/modules.builtin", "");
    host_.file("proc/self/mountinfo", "");
    host_.file("proc/swaps", "Filename Type Size Used Priority\n");
    host_.file("var/lib/dpkg/status", "");
    host_.file("var/log/kern.log",
               "Nov 1 00:00:00 n kernel: [    0.000000] Linux\n");
    host_.directory("sys/block");
  }

  host::Completed doctor(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"doctor", "--root", host_.path()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(GPUNODE_PROGRAM, arguments);
  }

  /// A container of that image, on a host whose kubelet granted nothing. What
  /// the runtime noted goes to `host_`.
  void start_asker() {
    write_config(kAsksForAll);
    ASSERT_EQ(::mount("none", "/run", "tmpfs", 0, nullptr), 0);
    const auto done = run_shim(create());
    EXPECT_EQ(done.status, 0) << done.err;
    // No GPU, and nothing else that was not there.
    EXPECT_EQ(read_config(), kAsksForAll);
    if (!fs::exists(std::string("/") + kLog)) return;
    host_.directory("run/gpunode");
    fs::copy_file(std::string("/") + kLog, host_.path(kLog));
  }

  const host::HostTree host_;
};

TEST_F(UngrantedTest, TheDoctorNamesAnImageThatAsksUnasked) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  write_toml("[gpunode]\nrequire-allocation = true\nkubelet-root = \"" +
             tree_.path("kubelet") + "\"\n");
  IN_OWN_MOUNTS([&] { start_asker(); });
  const auto lines = doctor();
  EXPECT_EQ(lines.status, kPersonNeeded) << lines.err;
  EXPECT_THAT(lines.out,
              AllOf(StartsWith("ungranted: team/web-0, container main "
                               "(cuda:12) asked for GPUs (all): no GPU was "
                               "allocated to it; 1 times"),
                    HasSubstr("next: let the Pod request nvidia.com/gpu")));
  EXPECT_EQ(lines.err, "");

  const auto json = doctor({"--json"});
  EXPECT_EQ(json.status, kPersonNeeded);
  EXPECT_THAT(json.out, AllOf(StartsWith(R"({"check":"ungranted","what":")"),
                              HasSubstr("cuda:12"), HasSubstr(R"("next":")")));
}

TEST_F(UngrantedTest, TheAgentSwitchesItOnAndOffForTheNode) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  tree_.directory("plugins");
  const auto agent = [this](const std::string& option) {
    return integration::Process(
        {GPUNODE_AGENT,
         "--kubelet-socket=" + tree_.path("plugins/kubelet.sock"),
         "--nvml-library=/nowhere", option},
        {}, tree_.path("agent.log"));
  };
  IN_OWN_MOUNTS([&] {
    ASSERT_EQ(::mount("none", "/var/lib", "tmpfs", 0, nullptr), 0);
    fs::create_directory("/var/lib/gpunode");
    const std::string mark = "/var/lib/gpunode/require-allocation";
    {
      const auto on = agent("--require-allocation");
      ASSERT_TRUE(doubles::eventually([&] { return fs::exists(mark); }))
          << on.log();
      start_asker();
      EXPECT_TRUE(host_.root().exists(kLog));
    }
    // The runtime's own word comes first; without a GPU here that fails.
    write_toml("[gpunode]\nrequire-allocation = false\n");
    EXPECT_EQ(run_shim(create()).status, 1);
    write_toml("");
    EXPECT_EQ(run_shim(create()).status, 0);
    const auto off = agent("--require-allocation=false");
    ASSERT_TRUE(doubles::eventually([&] { return !fs::exists(mark); }))
        << off.log();
    EXPECT_EQ(run_shim(create()).status, 1);
  });
}

TEST_F(UngrantedTest, TheDoctorHasNothingToSayOfAHealthyHost) {
  const auto done = doctor();
  EXPECT_EQ(done.status, kOk) << done.err;
  EXPECT_EQ(done.out, "Nothing to report.\n");
}

TEST_F(UngrantedTest, TheDoctorSaysWhatItCannotRead) {
  host_.directory(kLog);
  const auto done = doctor();
  EXPECT_EQ(done.status, kError);
  EXPECT_THAT(done.err, HasSubstr(kLog));
  EXPECT_EQ(doctor({"--jason"}).status, kUsage);
}

TEST_F(UngrantedTest, ALogOfNonsenseIsPassedOver) {
  host_.file(kLog, "{\n\xff\n[]\n{\"time\":1}\n" + std::string(9000, '[') +
                       "\n{\"time\":\"t\",\"asked\":\"all\",\"why\":\"w\"}");
  const auto done = doctor();
  EXPECT_EQ(done.status, kPersonNeeded);
  EXPECT_THAT(done.out, HasSubstr("a container outside Kubernetes asked for"));
}

}  // namespace
}  // namespace gpunode::runtime
