#include "container/cdi/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "container/cdi/spec_reader.h"
#include "container/cdi/spec_writer.h"

namespace gpunode::cdi {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Group = NodeFile::Group;

NodeFile node(Group group, const std::string& path, std::int64_t major,
              std::int64_t minor) {
  return {group, path, major, minor, 0666, 0, false};
}

std::string uuid(unsigned n) {
  return "GPU-00000074-0000-0000-0000-00000000000" + std::to_string(n);
}

// The driver root of the recorded vectors: two libraries, one program.
Findings t4_x4() {
  Findings found;
  found.driver.version = "550.163.01";
  found.driver.libcuda_directories = {"/usr/lib64"};
  using Kind = DriverFile::Kind;
  found.driver.files = {{Kind::kBinary,
                         "/usr/bin/nvidia-smi",
                         "/usr/bin/nvidia-smi",
                         {DriverCapability::kUtility},
                         false},
                        {Kind::kLibrary,
                         "/usr/lib64/libcuda.so.550.163.01",
                         "/usr/lib64/libcuda.so.550.163.01",
                         {DriverCapability::kCompute},
                         false},
                        {Kind::kLibrary,
                         "/usr/lib64/libnvidia-ml.so.550.163.01",
                         "/usr/lib64/libnvidia-ml.so.550.163.01",
                         {DriverCapability::kUtility},
                         false}};
  found.driver.links = {{"/usr/lib64/libcuda.so",
                         "libcuda.so.1",
                         {DriverCapability::kCompute},
                         false},
                        {"/usr/lib64/libcuda.so.1",
                         "libcuda.so.550.163.01",
                         {DriverCapability::kCompute},
                         false},
                        {"/usr/lib64/libnvidia-ml.so.1",
                         "libnvidia-ml.so.550.163.01",
                         {DriverCapability::kUtility},
                         false}};
  for (unsigned i = 0; i < 4; ++i) {
    device::Gpu& gpu = found.inventory.gpus.emplace_back();
    gpu.id.value = uuid(i);
    gpu.index.value = i;
    gpu.minor.value = i;
    gpu.pci_bus_id = "0000:0" + std::to_string(i) + ":00.0";
    found.devices.nodes.push_back(
        node(Group::kGpu, "/dev/nvidia" + std::to_string(i), 195, i));
  }
  found.devices.nodes.insert(
      found.devices.nodes.begin(),
      {node(Group::kControl, "/dev/nvidia-modeset", 195, 254),
       node(Group::kControl, "/dev/nvidia-uvm", 510, 0),
       node(Group::kControl, "/dev/nvidia-uvm-tools", 510, 1)});
  found.devices.nodes.push_back(
      node(Group::kControl, "/dev/nvidiactl", 195, 255));
  return found;
}

GeneratorOptions plugin_options() {
  GeneratorOptions options;
  options.vendor = "k8s.device-plugin.nvidia.com";
  options.naming = {DeviceNaming::kUuid};
  options.driver_root = "/run/nvidia/driver";
  options.dev_root = "/run/nvidia/driver";
  options.hooks.path = "/usr/bin/nvidia-ctk";
  options.with_all_device = false;
  return options;
}

// What NVIDIA's device plugin 0.20.0 writes for this root, key by key; the
// recorded file, with its "..." written out.
TEST(GeneratedSpec, IsTheOneOfNvidiasDevicePlugin) {
  const auto spec = generate(t4_x4(), plugin_options());
  ASSERT_TRUE(spec) << spec.error().message();
  std::string expected =
      R"({"cdiVersion":"0.5.0","kind":"k8s.device-plugin.nvidia.com/gpu",)"
      R"("devices":[)";
  for (unsigned i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i);
    expected += (i == 0 ? "" : ",") +
                (R"({"name":")" + uuid(i) +
                 R"(","containerEdits":{"deviceNodes":[{"path":"/dev/nvidia)" +
                 n + R"(","hostPath":"/run/nvidia/driver/dev/nvidia)" + n +
                 R"(","major":195,)" + (i == 0 ? "" : R"("minor":)" + n + ",") +
                 R"("fileMode":438,"permissions":"rwm"}]}})");
  }
  const auto control = [](const std::string& name, const std::string& numbers) {
    return R"({"path":"/dev/)" + name +
           R"(","hostPath":"/run/nvidia/driver/dev/)" + name + R"(",)" +
           numbers + R"(,"fileMode":438,"permissions":"rwm"})";
  };
  const auto hook = [](const std::string& args) {
    return R"({"hookName":"createContainer","path":"/usr/bin/nvidia-ctk",)"
           R"("args":["nvidia-ctk","hook",)" +
           args + R"(],"env":["NVIDIA_CTK_DEBUG=false"]})";
  };
  const auto mount = [](const std::string& path) {
    return R"({"hostPath":"/run/nvidia/driver)" + path +
           R"(","containerPath":")" + path +
           R"(","options":["ro","nosuid","nodev","rbind","rprivate"]})";
  };
  expected +=
      R"(],"containerEdits":{"env":["NVIDIA_CTK_LIBCUDA_DIR=/usr/lib64",)"
      R"("NVIDIA_VISIBLE_DEVICES=void"],"deviceNodes":[)" +
      control("nvidia-modeset", R"("major":195,"minor":254)") + "," +
      control("nvidia-uvm", R"("major":510)") + "," +
      control("nvidia-uvm-tools", R"("major":510,"minor":1)") + "," +
      control("nvidiactl", R"("major":195,"minor":255)") + R"(],"hooks":[)" +
      hook(R"("create-symlinks",)"
           R"("--link","libcuda.so.1::/usr/lib64/libcuda.so",)"
           R"("--link","libcuda.so.550.163.01::/usr/lib64/libcuda.so.1",)"
           R"("--link",)"
           R"("libnvidia-ml.so.550.163.01::/usr/lib64/libnvidia-ml.so.1")") +
      "," + hook(R"("enable-cuda-compat","--host-driver-version=550.163.01")") +
      "," + hook(R"("update-ldcache","--folder","/usr/lib64")") + "," +
      hook(R"("disable-device-node-modification")") + "," +
      hook(R"("update-application-profile")") + R"(],"mounts":[)" +
      mount("/usr/bin/nvidia-smi") + "," +
      mount("/usr/lib64/libcuda.so.550.163.01") + "," +
      mount("/usr/lib64/libnvidia-ml.so.550.163.01") + "]}}";
  EXPECT_EQ(write_json(*spec), expected);
}

TEST(GeneratedSpec, HasNoHooksWhenAllAreDisabled) {
  GeneratorOptions options = plugin_options();
  options.hooks.disabled = {"all"};
  const auto spec = generate(t4_x4(), options);
  ASSERT_TRUE(spec);
  EXPECT_THAT(write_json(*spec), testing::Not(HasSubstr("hooks")));
}

std::vector<std::string> device_names(const Spec& spec) {
  std::vector<std::string> names;
  for (const Device& device : spec.devices) names.push_back(device.name);
  return names;
}

TEST(GeneratedSpec, HasIndexAndUuidNamesAndAll) {
  const auto spec = generate(t4_x4(), {});
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->version, "0.5.0");
  EXPECT_EQ(spec->kind, "nvidia.com/gpu");
  EXPECT_THAT(device_names(*spec),
              ElementsAre("0", "1", "2", "3", uuid(0), uuid(1), uuid(2),
                          uuid(3), "all"));
  EXPECT_THAT(spec->devices.back().edits.device_nodes, SizeIs(4));
  ASSERT_THAT(spec->edits.hooks, SizeIs(1));
  EXPECT_EQ(spec->edits.hooks[0].path, "/usr/bin/gpunode-runtime");
}

TEST(GeneratedSpec, TakesTheNamesAndDevicesThatAreAsked) {
  GeneratorOptions options;
  options.naming = {DeviceNaming::kTypeIndex};
  options.device_ids = {"1", uuid(3)};
  const auto spec = generate(t4_x4(), options);
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->version, "0.3.0" /* no digit in front */);
  EXPECT_THAT(device_names(*spec), ElementsAre("all", "gpu1", "gpu3"));
  options.device_ids = {"9"};
  const auto refused = generate(t4_x4(), options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "identifier is not a valid UUID or index: \"9\"");
  options.device_ids = {"none"};
  const auto none = generate(t4_x4(), options);
  ASSERT_TRUE(none);
  EXPECT_THAT(device_names(*none), ElementsAre("none"));
}

// One node 0660 with gid 44, as Debian's udev rules for video groups make.
TEST(GeneratedSpec, GivesTheGroupOfANodeThatIsNotForAll) {
  Findings found = t4_x4();
  NodeFile& restricted = found.devices.nodes.at(4);
  restricted.mode = 0660;
  restricted.gid = 44;
  const auto spec = generate(found, {});
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->version, "0.7.0");
  const Device& device = spec->devices.at(1);
  EXPECT_EQ(device.edits.device_nodes.at(0).gid, 44U);
  EXPECT_THAT(device.edits.additional_gids, ElementsAre(44));
  EXPECT_THAT(spec->devices.at(0).edits.additional_gids, IsEmpty());
  GeneratorOptions options;
  options.with_additional_gids = false;
  const auto older = generate(found, options);
  ASSERT_TRUE(older);
  EXPECT_EQ(older->version, "0.5.0");
  EXPECT_EQ(older->devices.at(1).edits.device_nodes.at(0).gid, 44U);
}

Findings with_mig() {
  Findings found = t4_x4();
  device::Gpu& gpu = found.inventory.gpus[1];
  gpu.mig_enabled = true;
  for (unsigned i = 0; i < 2; ++i) {
    device::MigDevice& mig = gpu.mig_devices.emplace_back();
    mig.mig_index = i;
    mig.gpu_instance = 7 + i;
    mig.gpu_instance_cap_path =
        "/dev/nvidia-caps/nvidia-cap" + std::to_string(10 + 2 * i);
    mig.compute_instance_cap_path =
        "/dev/nvidia-caps/nvidia-cap" + std::to_string(11 + 2 * i);
    for (const std::string& path :
         {mig.gpu_instance_cap_path, mig.compute_instance_cap_path}) {
      found.devices.nodes.push_back(node(Group::kCapability, path, 241, 0));
    }
  }
  gpu.mig_devices[1].id.value = "MIG-x";
  std::ranges::sort(found.devices.nodes, {}, &NodeFile::path);
  return found;
}

TEST(GeneratedSpec, ListsMigDevicesInsteadOfTheirGpu) {
  const auto spec = generate(with_mig(), {});
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_THAT(device_names(*spec),
              ElementsAre("0", "1:0", "1:1", "2", "3", uuid(0), uuid(2),
                          uuid(3), "MIG-x", "all"));
  std::vector<std::string> paths;
  for (const DeviceNode& each : spec->devices[1].edits.device_nodes) {
    paths.push_back(each.path);
  }
  EXPECT_THAT(paths,
              ElementsAre("/dev/nvidia1", "/dev/nvidia-caps/nvidia-cap10",
                          "/dev/nvidia-caps/nvidia-cap11"));
}

TEST(GeneratedSpec, BringsDrmNodesAndTheirLinks) {
  Findings found = t4_x4();
  found.devices.nodes.insert(
      found.devices.nodes.begin(),
      {node(Group::kDrm, "/dev/dri/card1", 226, 1),
       node(Group::kDrm, "/dev/dri/renderD128", 226, 128)});
  found.devices.drm = {{"0000:00:00.0",
                        {"/dev/dri/card1", "/dev/dri/renderD128"},
                        {{"pci-0000:00:00.0-card", "../card1"}}}};
  const auto spec = generate(found, {});
  ASSERT_TRUE(spec);
  const ContainerEdits& edits = spec->devices.at(0).edits;
  EXPECT_THAT(edits.device_nodes, SizeIs(3));
  ASSERT_THAT(edits.hooks, SizeIs(1));
  EXPECT_THAT(edits.hooks[0].args,
              ElementsAre("gpunode-runtime", "hook", "apply", "--link",
                          "../card1::/dev/dri/by-path/pci-0000:00:00.0-card"));
  EXPECT_THAT(spec->devices.at(1).edits.hooks, IsEmpty());
  GeneratorOptions options;
  options.capabilities = {DriverCapability::kCompute};
  const auto compute = generate(found, options);
  ASSERT_TRUE(compute);
  EXPECT_THAT(compute->devices.at(0).edits.device_nodes, SizeIs(1));
}

TEST(GeneratedSpec, LeavesFilesOutThatNoCapabilityAsksFor) {
  GeneratorOptions options;
  options.capabilities = {DriverCapability::kUtility};
  const auto spec = generate(t4_x4(), options);
  ASSERT_TRUE(spec);
  std::vector<std::string> paths;
  for (const Mount& mount : spec->edits.mounts) {
    paths.push_back(mount.container_path);
  }
  EXPECT_THAT(paths, ElementsAre("/usr/bin/nvidia-smi",
                                 "/usr/lib64/libnvidia-ml.so.550.163.01"));
  EXPECT_THAT(spec->edits.hooks.at(0).args,
              ElementsAre("gpunode-runtime", "hook", "apply", "--link",
                          "libnvidia-ml.so.550.163.01::/usr/lib64/"
                          "libnvidia-ml.so.1",
                          "--folder", "/usr/lib64", "--host-driver-version",
                          "550.163.01", "--device-node-policy",
                          "--application-profile"));
}

TEST(GeneratedSpec, NeedsADriverAndAGpu) {
  Findings found;
  found.driver.problems = {"no libcuda here"};
  const auto none = generate(found, {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(none.error().message(), "no libcuda here");
  found = t4_x4();
  found.inventory.gpus.clear();
  EXPECT_FALSE(generate(found, {}));
  GeneratorOptions options;
  options.klass = "g pu";
  const auto bad = generate(t4_x4(), options);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code(), ErrorCode::kInvalidArgument);
}

TEST(GeneratedSpec, OfManagementHasEveryNode) {
  Findings found = with_mig();
  found.devices.nodes.push_back(node(Group::kNvswitch, "/dev/nvsw", 1, 1));
  GeneratorOptions options;
  options.mode = Mode::kManagement;
  options.vendor = "management.nvidia.com";
  const auto spec = generate(found, options);
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->kind, "management.nvidia.com/gpu");
  EXPECT_THAT(device_names(*spec), ElementsAre("all"));
  // 4 GPUs, 4 capabilities, 4 control nodes.
  EXPECT_THAT(spec->devices[0].edits.device_nodes, SizeIs(12));
  EXPECT_THAT(spec->edits.device_nodes, IsEmpty());
  EXPECT_THAT(
      spec->edits.hooks.at(0).args,
      testing::Not(testing::AnyOf(testing::Contains("--device-node-policy"),
                                  testing::Contains("--application-profile"))));
}

TEST(GeneratedSpec, OfOtherModesHasTheirNodes) {
  Findings found;
  found.devices.nodes = {
      node(Group::kGdrcopy, "/dev/gdrdrv", 1, 0),
      node(Group::kMofed, "/dev/infiniband/uverbs0", 2, 0),
      node(Group::kImex, "/dev/nvidia-caps-imex-channels/channel7", 3, 7),
      node(Group::kGds, "/dev/nvidia-fs0", 4, 0),
      node(Group::kNvswitch, "/dev/nvidia-nvswitchctl", 5, 0)};
  struct Case {
    const char* mode;
    const char* kind;
    const char* device;
  };
  for (const Case& each : {Case{"gdrcopy", "nvidia.com/gdrcopy", "all"},
                           Case{"mofed", "nvidia.com/mofed", "all"},
                           Case{"imex", "nvidia.com/imex-channel", "7"},
                           Case{"gds", "nvidia.com/gds", "all"},
                           Case{"nvswitch", "nvidia.com/nvswitch", "all"}}) {
    GeneratorOptions options;
    options.mode = *parse_mode(each.mode);
    options.has_udev = true;
    const auto spec = generate(found, options);
    ASSERT_TRUE(spec) << each.mode;
    EXPECT_EQ(spec->kind, each.kind);
    EXPECT_THAT(device_names(*spec), ElementsAre(each.device));
    EXPECT_THAT(spec->devices[0].edits.device_nodes, SizeIs(1));
    EXPECT_EQ(spec->devices[0].edits.mounts.size(),
              each.mode == std::string("gds") ? 1U : 0U);
    const auto nothing = generate({}, options);
    ASSERT_FALSE(nothing);
    EXPECT_EQ(nothing.error().message(),
              "no device node for " + std::string(each.kind) + " on this host");
  }
  const auto unknown = parse_mode("foo");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message(), "invalid discovery mode: foo");
  EXPECT_EQ(parse_mode("csv").error().message(),
            "discovery mode csv is not served: it is for Tegra systems; "
            "NVIDIA's nvidia-ctk writes such specs");
  EXPECT_EQ(parse_mode("wsl").error().code(), ErrorCode::kUnsupported);
}

TEST(GeneratedSpec, ReadsBackWhateverItIs) {
  for (const Findings& found : {t4_x4(), with_mig()}) {
    const auto spec = generate(found, {});
    ASSERT_TRUE(spec);
    for (const std::string& text : {write_yaml(*spec), write_json(*spec)}) {
      const auto read = read_spec(text, "f");
      ASSERT_TRUE(read) << read.error().message();
      EXPECT_EQ(write_json(*read), write_json(*spec));
    }
  }
}

// The paths of GPU nodes that a request gets, or the error.
std::vector<std::string> gpus_for(const Findings& found,
                                  const std::vector<std::string>& ids) {
  const auto edits = edits_for(found, ids, {});
  if (!edits) return {edits.error().message()};
  std::vector<std::string> paths;
  for (const DeviceNode& each : edits->device_nodes) {
    if (each.path == "/dev/nvidia-modeset") break;  // Common nodes follow.
    paths.push_back(each.path);
  }
  return paths;
}

// The rows of the recorded table for jit-cdi; an id that is there twice counts
// once, where NVIDIA's runtime then gives no GPU at all.
TEST(RequestedEdits, AreThoseOfTheIds) {
  const Findings found = t4_x4();
  EXPECT_THAT(gpus_for(found, {"1", "0"}),
              ElementsAre("/dev/nvidia1", "/dev/nvidia0"));
  EXPECT_THAT(gpus_for(found, {"all", "0"}), SizeIs(4));
  EXPECT_THAT(gpus_for(found, {uuid(2)}), ElementsAre("/dev/nvidia2"));
  EXPECT_THAT(gpus_for(found, {"0", uuid(0), "0"}),
              ElementsAre("/dev/nvidia0"));
  EXPECT_THAT(gpus_for(found, {"none"}), IsEmpty());
  for (const char* id : {"foo", "GPU-00000074", "4", "", "0:0",
                         "/var/run/nvidia-container-devices"}) {
    EXPECT_THAT(gpus_for(found, {id}),
                ElementsAre("identifier is not a valid UUID or index: \"" +
                            std::string(id) + "\""));
  }
}

TEST(RequestedEdits, OfAGpuInMigModeAreItsParts) {
  const Findings found = with_mig();
  const auto whole = gpus_for(found, {"1"});
  EXPECT_THAT(whole, SizeIs(6));
  EXPECT_THAT(gpus_for(found, {uuid(1)}), SizeIs(6));
  EXPECT_THAT(gpus_for(found, {"1:1"}),
              ElementsAre("/dev/nvidia1", "/dev/nvidia-caps/nvidia-cap12",
                          "/dev/nvidia-caps/nvidia-cap13"));
  EXPECT_THAT(gpus_for(found, {"MIG-x"}), SizeIs(3));
  EXPECT_THAT(gpus_for(found, {"MIG-" + uuid(1) + "/7/0"}), SizeIs(3));
}

TEST(RequestedEdits, OfNoneAreTheDriverAlone) {
  const auto edits = edits_for(t4_x4(), std::vector<std::string>{"none"}, {});
  ASSERT_TRUE(edits);
  EXPECT_THAT(edits->env, ElementsAre("NVCT_EMPTY_DEVICE=",
                                      "NVIDIA_CTK_LIBCUDA_DIR=/usr/lib64",
                                      "NVIDIA_VISIBLE_DEVICES=void"));
  EXPECT_THAT(edits->mounts, SizeIs(3));
}

TEST(RequestedEdits, OfAGpuWithoutNodeAreAnError) {
  Findings found = t4_x4();
  std::erase_if(found.devices.nodes, [](const NodeFile& each) {
    return each.path == "/dev/nvidia2";
  });
  EXPECT_THAT(gpus_for(found, {"2"}),
              ElementsAre("GPU 2 has no device node /dev/nvidia2; is the "
                          "driver loaded?"));
}

}  // namespace
}  // namespace gpunode::cdi
