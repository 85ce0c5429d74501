// `gpunode verify` and gpunode-probe on the doubles of NVML and CUDA: each way
// in which a driver can be ill, and what is said of it.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/command_runner.h"
#include "tests/doubles/nvml/control.h"
#include "tests/doubles/nvml/driver_tree.h"
#include "tests/doubles/nvml/profile.h"
#include "tests/integration/bare_host.h"

namespace gpunode::integration {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr int kVerificationFailed = 7;
constexpr int kUnsupportedHost = 8;

class Verify : public testing::Test {
 protected:
  Verify() {
    auto control = FakeNvmlControl::open(tree().path("control"));
    EXPECT_TRUE(control);
    control_.emplace(*std::move(control));
    use_profile("a10g-x1");
    // gpunode hands no environment on: a program in front of the probe does.
    run_in_front("");
  }

  const host::HostTree& tree() const { return bare_.tree; }

  /// The host has the machine of a profile; `changes` go over each GPU's model.
  void use_profile(const std::string& name, const json& changes = {}) {
    std::ifstream in(std::string(FAKE_NVML_PROFILES) + "/" + name + ".json");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    json profile = json::parse(text, nullptr, false);
    ASSERT_TRUE(profile.is_object());
    if (changes.is_object()) profile["model"].update(changes);
    tree().file("profile.json", profile.dump());
    const auto loaded = fake_nvml::load_profile(tree().path("profile.json"));
    ASSERT_TRUE(loaded) << loaded.error().message();
    const fake_nvml::DriverTree laid{tree().path(),
                                     tree().path("profile.json"),
                                     FAKE_NVML_LIBRARY,
                                     {FAKE_CUDA_LIBRARY}};
    ASSERT_TRUE(fake_nvml::lay_driver_tree(*loaded, laid));
    tree().file("sys/module/nvidia/version", loaded->driver_version + "\n");
    for (const auto& gpu : loaded->gpus) {
      const std::string link =
          "sys/bus/pci/devices/" + gpu.pci_bus_id + "/driver";
      tree().remove(link);
      tree().link(link, "../../drivers/nvidia");
    }
  }

  /// `shell` runs before the probe, with its arguments.
  void run_in_front(const std::string& shell) const {
    tree().file("probe",
                "#!/bin/sh\n" + shell + "\nexport GPUNODE_FAKE_NVML_CONTROL=" +
                    tree().path("control") +
                    " GPUNODE_FAKE_NVML=" + tree().path("profile.json") +
                    " GPUNODE_FAKE_DEV=" + tree().path("dev") + "\nexec " +
                    GPUNODE_PROBE + " \"$@\"\n");
    std::filesystem::permissions(tree().path("probe"),
                                 std::filesystem::perms::owner_all);
  }

  void fail(const std::string& function, int code) {
    FakeNvmlControl::Fault fault;
    fault.function = function;
    fault.code = code;
    ASSERT_TRUE(control_->add(fault));
  }

  host::Completed run(const std::vector<std::string>& more = {}) {
    host::Command command;
    command.argv = {GPUNODE,       "verify",  "--root",
                    tree().path(), "--probe", tree().path("probe")};
    command.argv.insert(command.argv.end(), more.begin(), more.end());
    auto done = host::SystemCommandRunner().run(command);
    EXPECT_TRUE(done) << done.error().message();
    return done ? *std::move(done) : host::Completed();
  }

  /// The verdict and the evidence of `id`, and the exit code in `status_`.
  std::string answer(const std::string& id,
                     const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const host::Completed done = run(arguments);
    status_ = done.status;
    const json said = json::parse(done.out, nullptr, false);
    if (!said.is_object()) return "no JSON: " + done.out + done.err;
    for (const json& check : said["checks"]) {
      if (check["id"] == id) {
        return std::string(check["verdict"]) + ": " +
               std::string(check["evidence"]) + " / " +
               std::string(check["hint"]);
      }
    }
    return "no such check";
  }

  const BareHost bare_;
  std::optional<FakeNvmlControl> control_;
  int status_ = -1;
};

TEST_F(Verify, OfAHealthyHostPassesToTheLastLevel) {
  const host::Completed done = run();
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(
      done.out,
      AllOf(StartsWith("L0  PCI\n"), HasSubstr("\nL3  CUDA\n"),
            HasSubstr("pass  nvml.count"), HasSubstr("pass  cuda.vectoradd"),
            HasSubstr(", 0 failed, ")));
  const json said = json::parse(run({"--json"}).out, nullptr, false);
  EXPECT_EQ(said["level"], 3);
  EXPECT_NE(said["verdict"], "fail");
}

TEST_F(Verify, TakesAProbeByAPathFromHere) {
  host::Command command;
  command.argv = {GPUNODE,       "verify",  "--root",
                  tree().path(), "--probe", "./probe"};
  command.directory = tree().path();
  const auto done = host::SystemCommandRunner().run(command);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->status, 0) << done->out;
  EXPECT_THAT(done->out, HasSubstr("pass  nvml.start"));
}

TEST_F(Verify, CountsGpusByTheFileOfTheHost) {
  const auto counted = [&](const std::string& gpu) {
    tree().file(
        "etc/gpunode/node.yaml",
        "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\nspec: {gpu: " + gpu +
            "}\n");
    return answer("pci.count", {"--level", "0"});
  };
  EXPECT_THAT(counted("{count: 60}"), HasSubstr("fail: "));
  EXPECT_EQ(status_, 7);
  EXPECT_THAT(counted("{count: 1}"), HasSubstr("pass: "));
  EXPECT_EQ(status_, 0);
  EXPECT_THAT(counted("{cuont: 1}"), HasSubstr("skip: /etc/gpunode/node.yaml "
                                               "cannot be used"));
  EXPECT_THAT(counted("{expect: [{pciId: '10de:ffff'}]}"), HasSubstr("skip: "));
  EXPECT_EQ(status_, 7);
  EXPECT_THAT(answer("pci.kinds", {"--level", "0"}),
              HasSubstr("fail: not those of spec.gpu.expect: 0 x 10de:ffff"));
  tree().remove("etc/gpunode/node.yaml");
  EXPECT_THAT(answer("pci.count", {"--level", "0"}), HasSubstr("skip: no "));
}

TEST_F(Verify, AsksNoMoreThanItIsTold) {
  run_in_front("kill -SEGV $$");
  const host::Completed done = run({"--level", "1"});
  EXPECT_EQ(done.status, 0) << done.out;
  EXPECT_THAT(done.out, Not(HasSubstr("L2")));
  EXPECT_EQ(run({"--level", "8"}).status, 64);
}

TEST_F(Verify, TriesEveryGpu) {
  use_profile("t4-x4");
  const host::Completed done = run();
  EXPECT_EQ(done.status, 0) << done.out;
  for (const char* gpu : {"GPU 0: ", "GPU 1: ", "GPU 2: ", "GPU 3: "}) {
    EXPECT_THAT(done.out, HasSubstr(std::string("cuda.vectoradd    ") + gpu));
  }
}

TEST_F(Verify, TellsAMissingFabricManager) {
  use_profile("h100-x8",
              {{"fabric",
                {{"state", "in-progress"},
                 {"clique", 0},
                 {"clusterUuid", "00000000-0000-0000-0000-000000000000"}}}});
  run_in_front("export GPUNODE_FAKE_CUDA_FAIL=cuInit:802");
  EXPECT_THAT(answer("nvml.fabric"),
              AllOf(StartsWith("fail: "), HasSubstr("fabricmanager")));
  EXPECT_EQ(status_, kVerificationFailed);
  EXPECT_THAT(answer("cuda.vectoradd"),
              AllOf(StartsWith("fail: GPU 0: "), HasSubstr("802"),
                    HasSubstr("fabric manager")));
}

TEST_F(Verify, TellsLibrariesOfAnotherVersion) {
  fail("nvmlInit_v2", 18);
  EXPECT_THAT(answer("nvml.start"),
              AllOf(StartsWith("fail: "), HasSubstr("(18)"),
                    HasSubstr("an update replaced")));
  EXPECT_EQ(status_, kVerificationFailed);
  EXPECT_THAT(answer("cuda.vectoradd"), StartsWith("skip: "));
}

TEST_F(Verify, OutlivesADriverThatHangs) {
  FakeNvmlControl::Fault hang;
  hang.function = "nvmlInit_v2";
  hang.delay = std::chrono::hours(1);
  ASSERT_TRUE(control_->add(hang));
  EXPECT_THAT(answer("nvml.start", {"--timeout", "1"}),
              AllOf(StartsWith("fail: "), HasSubstr("does not answer")));
  EXPECT_EQ(status_, kVerificationFailed);
}

TEST_F(Verify, OutlivesADriverThatCrashes) {
  run_in_front("kill -SEGV $$");
  EXPECT_THAT(answer("nvml.start"), StartsWith("fail: "));
  EXPECT_EQ(status_, kVerificationFailed);
  run_in_front("[ \"$1\" = --vectoradd ] && kill -SEGV $$");
  EXPECT_THAT(answer("nvml.start"), StartsWith("pass: "));
  EXPECT_THAT(answer("cuda.vectoradd"),
              AllOf(StartsWith("fail: GPU 0: "), HasSubstr("hung or crashed")));
}

TEST_F(Verify, TellsAMissingLibrary) {
  run_in_front("shift; set -- --health --library /nowhere/libnvidia-ml.so.1");
  EXPECT_THAT(answer("nvml.start"),
              AllOf(StartsWith("fail: "), HasSubstr("/nowhere/libnvidia-ml"),
                    HasSubstr("installed")));
  run_in_front(
      "[ \"$1\" = --vectoradd ] && set -- --vectoradd --library /nowhere/c");
  EXPECT_THAT(answer("cuda.vectoradd"),
              AllOf(StartsWith("fail: GPU 0: "), HasSubstr("/nowhere/c"),
                    HasSubstr("libcuda.so.1")));
}

TEST_F(Verify, OfAnotherRootLoadsNoLibraryOfThisMachine) {
  tree().remove("usr/lib/x86_64-linux-gnu");
  // Whatever this machine has is not asked: it would not know of that host.
  run_in_front("touch " + tree().path("asked"));
  EXPECT_THAT(answer("nvml.start"),
              AllOf(StartsWith("fail: there is no libnvidia-ml.so.1 in "),
                    HasSubstr(tree().path()), HasSubstr("installed")));
  EXPECT_EQ(status_, kVerificationFailed);
  EXPECT_THAT(answer("cuda.vectoradd"), StartsWith("skip: NVML does not"));
  EXPECT_FALSE(std::filesystem::exists(tree().path("asked")));
}

TEST_F(Verify, OfAnotherRootWithoutCudaTriesNone) {
  tree().remove("usr/lib/x86_64-linux-gnu/libcuda.so.1");
  EXPECT_THAT(answer("nvml.start"), StartsWith("pass: "));
  EXPECT_THAT(answer("cuda.vectoradd"),
              AllOf(StartsWith("fail: GPU 0: there is no libcuda.so.1 in "),
                    HasSubstr("install the driver's CUDA library")));
}

TEST_F(Verify, TellsAMemberThatNvmlFailsToTell) {
  fail("nvmlDeviceGetEccMode", 999);
  EXPECT_THAT(
      answer("nvml.answers"),
      AllOf(StartsWith("fail: GPU 0 does not tell ecc: "), HasSubstr("(999)")));
  EXPECT_EQ(status_, kVerificationFailed);
  EXPECT_THAT(answer("nvml.modes"), StartsWith("skip: not told of GPU 0"));
}

TEST_F(Verify, NamesEveryGpuAlsoAfterOneThatHangs) {
  use_profile("t4-x4");
  run_in_front("[ \"$1\" = --vectoradd ] && exec sleep 3600");
  const host::Completed done = run({"--timeout", "1"});
  EXPECT_EQ(done.status, kVerificationFailed);
  EXPECT_THAT(done.out, HasSubstr("fail  cuda.vectoradd    GPU 0: "));
  for (const char* gpu : {"GPU 1", "GPU 2", "GPU 3"}) {
    EXPECT_THAT(done.out, HasSubstr(std::string("skip  cuda.vectoradd    ") +
                                    gpu + ": GPU 0 hung before"));
  }
}

TEST_F(Verify, TellsWhatWaitsForAReset) {
  use_profile(
      "a10g-x1",
      {{"eccPending", false}, {"persistence", false}, {"remapPending", true}});
  EXPECT_THAT(answer("nvml.modes"), StartsWith("warn: "));
  EXPECT_EQ(status_, 0);
  EXPECT_THAT(answer("nvml.memory"), StartsWith("warn: "));
  EXPECT_THAT(answer("nvml.persistence"), StartsWith("warn: "));
  use_profile("a10g-x1", {{"remapFailed", true}});
  EXPECT_THAT(answer("nvml.memory"), StartsWith("fail: "));
  EXPECT_EQ(status_, kVerificationFailed);
}

TEST_F(Verify, TellsAGpuThatIsLost) {
  use_profile("t4-x4");
  control_->lose(2);
  EXPECT_THAT(answer("nvml.answers"), StartsWith("fail: GPU 2 "));
  EXPECT_EQ(status_, kVerificationFailed);
}

TEST_F(Verify, TellsThatNvmlHasFewerThanTheBus) {
  tree().file("profile.json", "");
  std::ifstream in(std::string(FAKE_NVML_PROFILES) + "/none.json");
  tree().file("profile.json", {std::istreambuf_iterator<char>(in), {}});
  EXPECT_THAT(answer("nvml.count"),
              StartsWith("fail: 0 by NVML, 1 on the PCI bus"));
}

TEST_F(Verify, TellsAGpuThatComputesWrongly) {
  run_in_front("export GPUNODE_FAKE_CUDA_MUTATE=add.f32=sub.f32");
  EXPECT_THAT(answer("cuda.vectoradd"),
              AllOf(StartsWith("fail: "), HasSubstr("computes wrongly")));
}

TEST_F(Verify, IsContentWithAGpuThatIsBusy) {
  run_in_front("export GPUNODE_FAKE_CUDA_FAIL=cuMemAlloc_v2:2");
  EXPECT_THAT(answer("cuda.vectoradd"), StartsWith("warn: "));
  EXPECT_EQ(status_, 0);
}

TEST_F(Verify, NamesGpusThatMigDividesAndWhyTheyAreNotTried) {
  use_profile("a100-x8-mig-single");
  const std::string said = run().out;
  for (int gpu = 0; gpu < 8; ++gpu) {
    EXPECT_THAT(said, HasSubstr("skip  cuda.vectoradd    GPU " +
                                std::to_string(gpu) + ": MIG divides it"));
  }
}

TEST_F(Verify, StopsWhereThereIsNoModule) {
  tree().remove("sys/module/nvidia");
  tree().remove("proc/driver/nvidia");
  EXPECT_THAT(answer("module.loaded"), StartsWith("fail: "));
  EXPECT_EQ(status_, kVerificationFailed);
  EXPECT_THAT(answer("nvml.start"), StartsWith("skip: no module is loaded"));
}

TEST_F(Verify, SaysThatThereIsNoHost) {
  const host::HostTree empty;
  host::Command command;
  command.argv = {GPUNODE, "verify", "--root", empty.path()};
  const auto done = host::SystemCommandRunner().run(command);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->status, kUnsupportedHost);
}

}  // namespace
}  // namespace gpunode::integration
