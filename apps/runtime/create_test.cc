// What the shim does to config.json, on a host made of files: the rows of
// NVIDIA's recorded behaviour (nvidia-container-toolkit 1.20, main d34b3046,
// T4 x4, driver 550.163.01) and ours where they differ.
#include "apps/runtime/create.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/host_tree.h"
#include "container/cdi/inventory_cache.h"
#include "gpu/procfs/gpu_list.h"

namespace gpunode::runtime {
namespace {

using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string uuid(unsigned n) {
  return "GPU-00000074-0000-0000-0000-00000000000" + std::to_string(n);
}

class Create : public testing::Test {
 protected:
  Create() {
    host_.file("proc/driver/nvidia/version",
               "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  "
               "Tue Apr  8 12:41:17 UTC 2025\n");
    host_.file("proc/devices",
               "Character devices:\n195 nvidia\n241 nvidia-caps\n"
               "510 nvidia-uvm\n");
    for (unsigned i = 0; i < 4; ++i) {
      host_.file("proc/driver/nvidia/gpus/0000:0" + std::to_string(i) +
                     ":00.0/information",
                 "Model: \t\t Tesla T4\nGPU UUID: \t " + uuid(i) +
                     "\nBus Type: \t PCIe\nDevice Minor: \t " +
                     std::to_string(i) + "\nGPU Excluded:\t No\n");
    }
    host_.directory("dev");
    for (const char* stem : {"libcuda", "libnvidia-ml", "libnvidia-encode"}) {
      host_.file(std::string("usr/lib64/") + stem + ".so.550.163.01", "ELF");
    }
    host_.file("usr/bin/nvidia-smi", "");
    host_.directory("bundle");
    call_.bundle = host_.path("bundle");
    call_.program = "/usr/bin/nvidia-container-runtime";
    call_.state_directory = host_.path("state");
    call_.cache_path = host_.path("state/inventory");
    call_.host = host_.root();
  }

  static Json minimal(const std::vector<std::string>& env) {
    Json all = Json::array({"PATH=/bin"});
    for (const std::string& variable : env) all.push_back(variable);
    return {{"ociVersion", "1.0.2"}, {"process", {{"env", all}}}};
  }

  /// Runs `create`; returns config.json after it, or its error as a string.
  Json after(const Json& config) {
    const std::string before = config.dump();
    host_.file("bundle/config.json", before);
    report_ = Report();
    report_.add_destination({host_.path("log"), false});
    host_.remove("log");
    const auto done = prepare_bundle(call_, rules_, report_);
    report_.flush();
    const auto text = host_.root().read_file("bundle/config.json");
    EXPECT_TRUE(text);
    is_untouched_ = *text == before;
    if (done) return Json::parse(*text);
    EXPECT_TRUE(is_untouched_) << done.error().message();
    return done.error().message();
  }
  Json after_env(const std::vector<std::string>& env) {
    return after(minimal(env));
  }

  std::string log() const {
    return host_.root().read_file("log").has_value()
               ? *host_.root().read_file("log")
               : "";
  }

  static std::vector<std::string> devices_of(const Json& config) {
    std::vector<std::string> paths;
    if (!config.is_object()) return {config.dump()};
    for (const Json& device :
         config.value("/linux/devices"_json_pointer, Json::array())) {
      paths.push_back(device["path"]);
    }
    return paths;
  }
  /// Only /dev/nvidiaN, sorted.
  static std::vector<std::string> gpus_of(const Json& config) {
    std::vector<std::string> paths = devices_of(config);
    std::erase_if(paths, [](const std::string& path) {
      return path.starts_with("/dev/") &&
             path.find_first_of("0123456789") == std::string::npos;
    });
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  static std::vector<std::string> env_of(const Json& config) {
    return config["process"]["env"];
  }
  static std::vector<std::string> mounts_of(const Json& config) {
    std::vector<std::string> paths;
    for (const Json& mount : config.value("mounts", Json::array())) {
      paths.push_back(mount["destination"]);
    }
    return paths;
  }

  host::HostTree host_;
  CreateCall call_;
  oci::ToolkitConfig rules_;
  Report report_;
  bool is_untouched_ = false;
};

const std::vector<std::string> kAll = {"/dev/nvidia0", "/dev/nvidia1",
                                       "/dev/nvidia2", "/dev/nvidia3"};
const std::vector<std::string> kNoGpu;

// vectors.md §5, rows "auto -> jit-cdi".
TEST_F(Create, VisibleDevices) {
  struct Row {
    std::vector<std::string> env;
    std::vector<std::string> gpus;
  };
  const std::vector<std::string> first_two = {"/dev/nvidia0", "/dev/nvidia1"};
  const std::vector<std::string> first = {"/dev/nvidia0"};
  for (const Row& row : std::vector<Row>{
           {{"NVIDIA_VISIBLE_DEVICES=all"}, kAll},
           {{"NVIDIA_VISIBLE_DEVICES=1,0"}, first_two},
           {{"NVIDIA_VISIBLE_DEVICES= 0 , 1 "}, first_two},
           {{"NVIDIA_VISIBLE_DEVICES=all,0"}, kAll},
           {{"NVIDIA_VISIBLE_DEVICES=" + uuid(2)}, {"/dev/nvidia2"}},
           {{"NVIDIA_VISIBLE_DEVICES=0," + uuid(0)}, first},
           {{"NVIDIA_VISIBLE_DEVICES=runtime.nvidia.com/gpu=0"}, first},
           {{"CUDA_VERSION=11.0"}, kAll},
           // A repeated id gives no GPU at all with NVIDIA's.
           {{"NVIDIA_VISIBLE_DEVICES=0,0"}, first},
           {{"NVIDIA_VISIBLE_DEVICES=0,1,0"}, first_two},
       }) {
    const Json config = after_env(row.env);
    EXPECT_EQ(gpus_of(config), row.gpus) << testing::PrintToString(row.env);
    ASSERT_TRUE(config.is_object());
    EXPECT_THAT(mounts_of(config),
                AllOf(Contains("/usr/lib64/libcuda.so.550.163.01"),
                      Contains("/usr/lib64/libnvidia-ml.so.550.163.01"),
                      Contains("/usr/bin/nvidia-smi")));
    EXPECT_THAT(devices_of(config),
                AllOf(Contains("/dev/nvidiactl"), Contains("/dev/nvidia-uvm")));
    EXPECT_THAT(env_of(config), Contains("NVIDIA_VISIBLE_DEVICES=void"));
    EXPECT_EQ(config["hooks"]["createContainer"].size(), 1U);
    EXPECT_FALSE(config["hooks"]["createContainer"][0]["env"].empty());
  }
}

TEST_F(Create, TheContainersVariableIsReplacedNotShadowed) {
  EXPECT_EQ(env_of(after_env({"NVIDIA_VISIBLE_DEVICES=0", "X=1"}))[1],
            "NVIDIA_VISIBLE_DEVICES=void");
}

TEST_F(Create, NoneIsTheDriverWithoutAGpu) {
  for (const char* value : {"none", "0,none"}) {
    const Json config =
        after_env({std::string("NVIDIA_VISIBLE_DEVICES=") + value});
    EXPECT_EQ(gpus_of(config), kNoGpu) << value;
    EXPECT_THAT(mounts_of(config),
                Contains("/usr/lib64/libcuda.so.550.163.01"));
    EXPECT_THAT(env_of(config), Contains("NVCT_EMPTY_DEVICE="));
  }
}

TEST_F(Create, WithoutARequestNotAByteChanges) {
  for (const std::vector<std::string>& env :
       std::vector<std::vector<std::string>>{
           {},
           {"NVIDIA_VISIBLE_DEVICES="},
           {"NVIDIA_VISIBLE_DEVICES=void"},
           {"NVIDIA_VISIBLE_DEVICES=0,void"},
           {"CUDA_VERSION=11.0", "NVIDIA_REQUIRE_CUDA=cuda>=11.0"},
           {"NVIDIA_GDS=enabled", "NVIDIA_IMEX_CHANNELS=0"}}) {
    const Json config = after_env(env);
    EXPECT_TRUE(is_untouched_) << testing::PrintToString(env) << config;
  }
}

TEST_F(Create, WhatIsNoDeviceIsRefusedByName) {
  for (const char* value :
       {"foo", "GPU-00000074", "/var/run/nvidia-container-devices"}) {
    EXPECT_THAT(
        std::string(
            after_env({std::string("NVIDIA_VISIBLE_DEVICES=") + value})),
        AllOf(HasSubstr("could not apply required modification to OCI "
                        "specification: error modifying OCI spec: failed to "
                        "generate CDI spec for mode \"auto\""),
              HasSubstr(value)));
  }
}

TEST_F(Create, KindsDoNotMix) {
  EXPECT_THAT(
      std::string(after_env({"NVIDIA_VISIBLE_DEVICES=runtime.nvidia.com/gpu=0,"
                             "nvidia.com/gpu=1"})),
      HasSubstr("requesting a CDI device with vendor 'runtime.nvidia.com' is "
                "not supported when requesting other CDI devices"));
}

TEST_F(Create, RequirementsAreKeptInEveryMode) {
  EXPECT_THAT(std::string(after_env({"NVIDIA_VISIBLE_DEVICES=0",
                                     "NVIDIA_REQUIRE_CUDA=cuda>=99.0"})),
              HasSubstr("requirement error: unsatisfied condition: cuda>=99.0, "
                        "please update your driver to a newer version"));
  EXPECT_THAT(gpus_of(after_env({"NVIDIA_VISIBLE_DEVICES=0",
                                 "NVIDIA_REQUIRE_CUDA=cuda>=12.4"})),
              ElementsAre("/dev/nvidia0"));
  EXPECT_THAT(
      gpus_of(after_env({"NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_DISABLE_REQUIRE=1",
                         "NVIDIA_REQUIRE_CUDA=cuda>=99.0"})),
      ElementsAre("/dev/nvidia0"));
  // Nobody who asks for nothing is refused anything.
  after_env({"NVIDIA_REQUIRE_CUDA=cuda>=99.0"});
  EXPECT_TRUE(is_untouched_);
}

TEST_F(Create, CapabilitiesChooseLibraries) {
  const std::string encode = "/usr/lib64/libnvidia-encode.so.550.163.01";
  EXPECT_THAT(mounts_of(after_env({"NVIDIA_VISIBLE_DEVICES=0"})),
              Not(Contains(encode)));
  EXPECT_THAT(mounts_of(after_env({"NVIDIA_VISIBLE_DEVICES=0",
                                   "NVIDIA_DRIVER_CAPABILITIES=video"})),
              AllOf(Contains(encode),
                    Not(Contains("/usr/lib64/libnvidia-ml.so.550.163.01"))));
  EXPECT_THAT(mounts_of(after_env({"NVIDIA_VISIBLE_DEVICES=0",
                                   "NVIDIA_DRIVER_CAPABILITIES=all"})),
              Contains(encode));
  after_env({"NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_DRIVER_CAPABILITIES=foo"});
  EXPECT_THAT(log(), HasSubstr("unsupported capabilities found in 'foo'"));
  rules_.runtime.mode = "legacy";
  EXPECT_THAT(std::string(after_env({"NVIDIA_VISIBLE_DEVICES=0",
                                     "NVIDIA_DRIVER_CAPABILITIES=foo"})),
              HasSubstr("unsupported capabilities found in 'foo' (allowed"));
}

std::string hook_of(const Json& config) {
  return config.is_object()
             ? config
                   .value("/hooks/createContainer/0/args"_json_pointer,
                          Json::array())
                   .dump()
             : config.dump();
}

TEST_F(Create, CompatibilityOfCudaCanBeTurnedOff) {
  const auto make = [this] {
    return hook_of(after_env({"NVIDIA_VISIBLE_DEVICES=0"}));
  };
  EXPECT_THAT(make(), HasSubstr("--host-driver-version"));
  rules_.features.disable_cuda_compat_lib_hook = true;
  EXPECT_THAT(make(), Not(HasSubstr("--host-driver-version")));
  rules_.features.disable_cuda_compat_lib_hook = false;
  rules_.runtime.legacy_cuda_compat_mode = "disabled";
  EXPECT_THAT(make(), Not(HasSubstr("--host-driver-version")));
}

// A node of the host, for what only its presence tells.
bool make_node(const host::HostTree& host, const std::string& path) {
  host.directory(path.substr(0, path.rfind('/')));
  return ::mknod(host.path(path).c_str(), S_IFCHR | 0666, makedev(10, 125)) ==
         0;
}

TEST_F(Create, GatesAndChannelsBringTheirNodes) {
  if (!make_node(host_, "dev/gdrdrv") ||
      !make_node(host_, "dev/nvidia-caps-imex-channels/channel3")) {
    GTEST_SKIP() << "device nodes cannot be made here";
  }
  EXPECT_THAT(devices_of(after_env(
                  {"NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_GDRCOPY=enabled"})),
              Contains("/dev/gdrdrv"));
  EXPECT_THAT(devices_of(after_env(
                  {"NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_IMEX_CHANNELS=3"})),
              Contains("/dev/nvidia-caps-imex-channels/channel3"));
  EXPECT_THAT(
      devices_of(after_env({"NVIDIA_VISIBLE_DEVICES=0"})),
      AllOf(Not(Contains("/dev/gdrdrv")), Not(Contains(HasSubstr("imex")))));
}

/// GPU 0 in two slices, whose UUIDs only the driver's library tells.
class CreateMig : public Create {
 protected:
  CreateMig() {
    const std::string mig = "proc/driver/nvidia/capabilities/gpu0/mig/";
    host_.directory(mig + "gi7/ci0");
    host_.directory(mig + "gi9/ci0");
    host_.file("proc/driver/nvidia-caps/mig-minors",
               "gpu0/gi7/access 66\ngpu0/gi7/ci0/access 67\n"
               "gpu0/gi9/access 84\ngpu0/gi9/ci0/access 85\n");
  }

  /// As `gpunode cdi refresh` leaves it behind.
  void refresh() {
    const std::vector<procfs::MigUuid> uuids = {{{0}, 7, 0, 0, {"MIG-seven"}},
                                                {{0}, 9, 0, 1, {"MIG-nine"}}};
    const auto source = cdi::source_for(call_.host, "");
    const timespec begun = cdi::look_begins();
    auto inventory = procfs::list_gpus(call_.host, uuids);
    ASSERT_TRUE(inventory) << inventory.error().message();
    ASSERT_TRUE(cdi::store_findings(call_.cache_path, source,
                                    cdi::find_all(source, *inventory), begun));
  }

  std::vector<std::string> slice(const std::string& uuid) {
    return devices_of(after_env({"NVIDIA_VISIBLE_DEVICES=" + uuid}));
  }
};

TEST_F(CreateMig, ByUuidGivesTheSliceWhateverElseChangesOnTheHost) {
  refresh();
  EXPECT_THAT(
      slice("MIG-nine"),
      AllOf(Contains("/dev/nvidia0"), Contains("/dev/nvidia-caps/nvidia-cap84"),
            Contains("/dev/nvidia-caps/nvidia-cap85"),
            Not(Contains("/dev/nvidia-caps/nvidia-cap66"))));
  // A package was installed, a disk was attached.
  host_.file("usr/bin/unrelated", "");
  host_.file("dev/dm-0", "");
  EXPECT_THAT(slice("MIG-seven"),
              AllOf(Contains("/dev/nvidia-caps/nvidia-cap66"),
                    Contains("/dev/nvidia-caps/nvidia-cap67")));
}

TEST_F(CreateMig, AnUnknownSliceIsRefusedWithWhatToDo) {
  refresh();
  EXPECT_THAT(slice("MIG-other"),
              ElementsAre(AllOf(HasSubstr("MIG-other"),
                                HasSubstr("gpunode cdi refresh"))));
}

TEST_F(CreateMig, ASliceWithoutItsNodesIsRefused) {
  host_.file("proc/driver/nvidia-caps/mig-minors", "gpu0/gi7/access 66\n");
  refresh();
  EXPECT_THAT(slice("MIG-seven"),
              ElementsAre(HasSubstr("has no capability node")));
}

TEST_F(Create, WhatWasFoundIsKeptForTheNext) {
  for (const char* name : {"usr/lib64", "usr/bin", "dev"}) {
    const std::array<timespec, 2> past = {{{1000, 0}, {1000, 0}}};
    ASSERT_EQ(::utimensat(AT_FDCWD, host_.path(name).c_str(), past.data(), 0),
              0);
  }
  after_env({"NVIDIA_VISIBLE_DEVICES=0"});
  // Not looked at again: the kernel's list is of another GPU now, and its
  // directory, which is what is looked at, the same.
  host_.file("proc/driver/nvidia/gpus/0000:00:00.0/information", "damaged");
  EXPECT_THAT(gpus_of(after_env({"NVIDIA_VISIBLE_DEVICES=0"})),
              ElementsAre("/dev/nvidia0"));
  host_.remove("state/inventory");
  EXPECT_THAT(gpus_of(after_env({"NVIDIA_VISIBLE_DEVICES=0"})),
              ElementsAre(HasSubstr("0")));
}

TEST_F(Create, GatesWithNothingBehindThemAreNoError) {
  EXPECT_THAT(
      gpus_of(after_env({"NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_GDS=enabled",
                         "NVIDIA_MOFED=enabled"})),
      ElementsAre("/dev/nvidia0"));
}

TEST_F(Create, AnImexChannelThatIsNotThereIsRefused) {
  EXPECT_THAT(std::string(after_env(
                  {"NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_IMEX_CHANNELS=0"})),
              AllOf(HasSubstr("IMEX channel 0 not found at "),
                    HasSubstr("/dev/nvidia-caps-imex-channels/channel0")));
}

TEST_F(Create, TheUnprivilegedMayBeRefusedTheEnvironment) {
  rules_.accept_envvar_when_unprivileged = false;
  after_env({"NVIDIA_VISIBLE_DEVICES=0"});
  EXPECT_TRUE(is_untouched_);
  EXPECT_THAT(log(), HasSubstr("Ignoring devices requested by environment "
                               "variable(s) in unprivileged container: "
                               "[NVIDIA_VISIBLE_DEVICES]"));
  Json config = minimal({"NVIDIA_VISIBLE_DEVICES=0"});
  config["process"]["capabilities"]["bounding"] = {"CAP_SYS_ADMIN"};
  EXPECT_THAT(gpus_of(after(config)), ElementsAre("/dev/nvidia0"));
}

TEST_F(Create, MountsAskToo) {
  rules_.accept_volume_mounts = true;
  for (const char* name :
       {"1", "cdi/runtime.nvidia.com/gpu/1", "cdi/runtime.nvidia.com/gpu=1"}) {
    const std::string path =
        std::string("/var/run/nvidia-container-devices/") + name;
    Json config = minimal({"NVIDIA_VISIBLE_DEVICES=2"});
    config["mounts"] = {{{"destination", path}, {"source", "/dev/null"}}};
    const Json out = after(config);
    EXPECT_THAT(gpus_of(out), ElementsAre("/dev/nvidia1")) << name;
    EXPECT_THAT(mounts_of(out), Contains(path)) << "the mount stays";
  }
}

TEST_F(Create, TheLegacyHookIsRemovedEvenWithoutARequest) {
  Json config = minimal({});
  config["hooks"]["prestart"] = {
      {{"path", "/usr/bin/nvidia-container-runtime-hook"}},
      {{"path", "/bin/other"}}};
  const Json out = after(config);
  ASSERT_EQ(out["hooks"]["prestart"].size(), 1U);
  EXPECT_EQ(out["hooks"]["prestart"][0]["path"], "/bin/other");
}

TEST_F(Create, ModesThatAreNone) {
  rules_.runtime.mode = "foo";
  EXPECT_EQ(std::string(after_env({"NVIDIA_VISIBLE_DEVICES=0"})),
            "failed to create NVIDIA Container Runtime: failed to construct "
            "OCI spec modifier: invalid mode \"foo\"");
}

TEST_F(Create, WithoutADriverTheRequestFails) {
  host_.remove("proc/driver");
  EXPECT_THAT(std::string(after_env({"NVIDIA_VISIBLE_DEVICES=all"})),
              HasSubstr("no NVIDIA driver is loaded on this host"));
}

constexpr const char* kSpec = R"({"cdiVersion":"0.5.0","kind":"nvidia.com/gpu",
  "devices":[{"name":"0","containerEdits":{"env":["A=0"],"deviceNodes":[
    {"path":"/dev/zero0","type":"c","major":195,"minor":0}]}},
   {"name":"all","containerEdits":{"env":["A=all"]}}],
  "containerEdits":{"env":["C=1","PATH=/x"],"mounts":[
    {"hostPath":"/usr/lib64/libnvidia-encode.so.550.1",
     "containerPath":"/usr/lib64/libnvidia-encode.so.550.1"}]}})";

// vectors.md §5, rows "cdi".
TEST_F(Create, CdiModeTakesTheSpecs) {
  rules_.runtime.mode = "cdi";
  host_.file("etc/cdi/nvidia.json", kSpec);
  const Json out = after_env({"NVIDIA_VISIBLE_DEVICES=0"});
  EXPECT_THAT(env_of(out),
              ElementsAre("PATH=/x", "NVIDIA_VISIBLE_DEVICES=0", "C=1", "A=0"));
  EXPECT_EQ(devices_of(out), std::vector<std::string>{"/dev/zero0"});
  EXPECT_THAT(mounts_of(out),
              ElementsAre("/usr/lib64/libnvidia-encode.so.550.1"));
  EXPECT_THAT(mounts_of(after_env({"NVIDIA_VISIBLE_DEVICES=0",
                                   "NVIDIA_DRIVER_CAPABILITIES=compute"})),
              IsEmpty());
}

TEST_F(Create, AnnotationsNameCdiDevices) {
  host_.file("etc/cdi/nvidia.json", kSpec);
  Json config = minimal({"NVIDIA_VISIBLE_DEVICES=void"});
  config["annotations"] = {{"cdi.k8s.io/z", "nvidia.com/gpu=all"},
                           {"foo/b", "nvidia.com/gpu=0"}};
  rules_.runtime.cdi_annotation_prefixes = {"cdi.k8s.io/", "foo/"};
  const Json out = after(config);
  EXPECT_THAT(env_of(out), Contains("A=0")) << "keys are sorted: all, then 0";
  rules_.runtime.mode = "jit-cdi";
  after(config);
  EXPECT_TRUE(is_untouched_) << "jit-cdi has no annotations";
}

TEST_F(Create, UnknownCdiDevicesAreNamed) {
  for (const char* mode : {"auto", "cdi"}) {
    rules_.runtime.mode = mode;
    EXPECT_THAT(
        std::string(after_env({"NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=0"})),
        HasSubstr("failed to inject CDI devices: unresolvable CDI devices "
                  "nvidia.com/gpu=0"));
  }
}

TEST_F(Create, ASpecsNodeThatTheHostLacksIsRefused) {
  host_.file("etc/cdi/a.json",
             R"({"cdiVersion":"0.5.0","kind":"a.com/b","devices":[
             {"name":"c","containerEdits":{"deviceNodes":[
             {"path":"/dev/missing"}]}}]})");
  EXPECT_EQ(std::string(after_env({"NVIDIA_VISIBLE_DEVICES=a.com/b=c"})),
            "could not apply required modification to OCI specification: "
            "error modifying OCI spec: failed to inject CDI devices: failed "
            "to inject devices: failed to stat CDI host device "
            "\"/dev/missing\": no such file or directory");
}

Json pod(std::vector<std::string> env, const std::string& name_space) {
  Json all = Json::array();
  for (std::string& variable : env) all.push_back(std::move(variable));
  return {{"process", {{"env", all}}},
          {"annotations",
           {{"io.kubernetes.cri.container-type", "container"},
            {"io.kubernetes.cri.container-name", "main"},
            {"io.kubernetes.cri.sandbox-uid", "uid-1"},
            {"io.kubernetes.cri.sandbox-name", "pod-1"},
            {"io.kubernetes.cri.image-name", "cuda:12"},
            {"io.kubernetes.cri.sandbox-namespace", name_space}}}};
}

class RequireAllocation : public Create {
 protected:
  RequireAllocation() { rules_.gpunode.require_allocation = true; }

  void grant(const std::string& response) const {
    host_.file("var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
               R"({"Data":{"PodDeviceEntries":[{"PodUID":"uid-1",)"
               R"("ContainerName":"main","ResourceName":"nvidia.com/gpu",)"
               R"("DeviceIDs":{"-1":["0"]},"AllocResp":")" +
                   response + R"("}],"RegisteredDevices":{}},"Checksum":1})");
  }
  std::string noted() const {
    const auto text = host_.root().read_file("state/ungranted.ndjson");
    return text ? *text : "";
  }
};

// envs {NVIDIA_VISIBLE_DEVICES: "0"} as a ContainerAllocateResponse.
constexpr const char* kGrantsZero = "ChsKFk5WSURJQV9WSVNJQkxFX0RFVklDRVMSATA=";

TEST_F(RequireAllocation, AnImageThatAsksUnaskedGetsNothingAndIsNamed) {
  const Json config = pod({"NVIDIA_VISIBLE_DEVICES=all"}, "team");
  after(config);
  EXPECT_TRUE(is_untouched_);
  EXPECT_THAT(noted(), AllOf(HasSubstr(R"("namespace":"team","pod":"pod-1")"),
                             HasSubstr(R"("image":"cuda:12","asked":"all")")));
  EXPECT_THAT(log(), HasSubstr("require-allocation is on"));
}

TEST_F(RequireAllocation, SoDoesAContainerThatIsNoPods) {
  after_env({"NVIDIA_VISIBLE_DEVICES=all"});
  EXPECT_TRUE(is_untouched_);
  EXPECT_THAT(noted(), HasSubstr(R"("asked":"all")"));
}

TEST_F(RequireAllocation, WhatWasGrantedIsGiven) {
  grant(kGrantsZero);
  EXPECT_THAT(gpus_of(after(pod({"NVIDIA_VISIBLE_DEVICES=0"}, "team"))),
              ElementsAre("/dev/nvidia0"));
  EXPECT_EQ(noted(), "");
}

TEST_F(RequireAllocation, APodThatOverridesItsGrantGetsTheGrant) {
  grant(kGrantsZero);
  EXPECT_THAT(gpus_of(after(pod({"NVIDIA_VISIBLE_DEVICES=all"}, "team"))),
              ElementsAre("/dev/nvidia0"));
  EXPECT_THAT(noted(), HasSubstr("it was allocated 0"));
}

TEST_F(RequireAllocation, ExemptNamespacesAskByThemselves) {
  rules_.gpunode.exempt_namespaces = {"monitoring"};
  EXPECT_EQ(gpus_of(after(pod({"NVIDIA_VISIBLE_DEVICES=all"}, "monitoring"))),
            kAll);
  after(pod({"NVIDIA_VISIBLE_DEVICES=all"}, "team"));
  EXPECT_TRUE(is_untouched_);
}

TEST_F(RequireAllocation, AnAnnotationOfTheImagesOwnIsNoGrant) {
  host_.file("etc/cdi/nvidia.json", kSpec);
  Json config = pod({}, "team");
  config["annotations"]["cdi.k8s.io/forged"] = "nvidia.com/gpu=all";
  after(config);
  EXPECT_TRUE(is_untouched_);
  EXPECT_THAT(noted(), HasSubstr(R"("asked":"nvidia.com/gpu=all")"));
}

TEST_F(RequireAllocation, ARecordThatCannotBeReadFailsTheContainer) {
  host_.file("var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
             "{\"Data\":");
  EXPECT_THAT(std::string(after(pod({"NVIDIA_VISIBLE_DEVICES=0"}, "team"))),
              HasSubstr("kubelet_internal_checkpoint:1:9: unexpected end"));
}

TEST_F(RequireAllocation, WithoutARequestTheRecordIsNotEvenRead) {
  host_.file("var/lib/kubelet/device-plugins/kubelet_internal_checkpoint", "{");
  after(pod({}, "team"));
  EXPECT_TRUE(is_untouched_);
}

}  // namespace
}  // namespace gpunode::runtime
