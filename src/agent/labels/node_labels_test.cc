// What the node is labelled with. Cases "Vector…" are what NVIDIA's GPU feature
// discovery 0.20.0 answers for the same machine.
#include "agent/labels/node_labels.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gpunode::labels {
namespace {

using config::MigStrategy;
using config::ReplicatedResource;
using config::Settings;
using device::Gpu;
using device::Inventory;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::Pair;
using testing::SizeIs;

constexpr std::uint64_t kMib = 1024ULL * 1024;

Gpu t4() {
  Gpu gpu;
  gpu.name = "NVIDIA T4";
  gpu.memory_bytes = 16384 * kMib;
  gpu.compute_major = 7;
  gpu.compute_minor = 5;
  gpu.pci_class = 0x030200;
  return gpu;
}

Gpu a100() {
  Gpu gpu = t4();
  gpu.name = "NVIDIA A100-SXM4-40GB";
  gpu.memory_bytes = 40960 * kMib;
  gpu.compute_major = 8;
  gpu.compute_minor = 0;
  gpu.mig_capable = true;
  return gpu;
}

device::MigDevice mig(const std::string& profile, std::uint64_t memory_mib) {
  device::MigDevice mig;
  mig.profile = profile;
  mig.attributes = {14, 1, 1, 1, 2, 3, 4, 5, memory_mib};
  return mig;
}

Gpu sliced(const std::vector<std::string>& profiles, Gpu gpu = a100()) {
  gpu.mig_enabled = true;
  for (const std::string& profile : profiles) {
    gpu.mig_devices.push_back(mig(profile, 4864));
  }
  return gpu;
}

Inventory node(std::vector<Gpu> gpus) {
  Inventory inventory;
  inventory.driver_version = "550.163.01";
  inventory.cuda_driver_version = 12040;
  inventory.gpus = std::move(gpus);
  return inventory;
}

Machine plain_machine() {
  Machine machine;
  machine.type = "Standard PC";
  machine.vgpus.emplace();
  return machine;
}

Settings with_strategy(MigStrategy strategy) {
  Settings settings;
  settings.mig_strategy = strategy;
  return settings;
}

config::Replication replicas(std::uint64_t count, const std::string& name,
                             const std::string& rename) {
  config::Replication replication;
  ReplicatedResource resource;
  resource.name = name;
  resource.rename = rename;
  resource.replicas = count;
  replication.resources.push_back(resource);
  return replication;
}

Settings time_sliced(std::uint64_t count,
                     const std::string& rename = "nvidia.com/gpu",
                     MigStrategy strategy = MigStrategy::kNone) {
  Settings settings = with_strategy(strategy);
  settings.time_slicing = replicas(count, "nvidia.com/gpu", rename);
  return settings;
}

LabelSet labels_of(const Inventory& inventory, const Settings& settings = {}) {
  return make_node_labels(inventory, settings, plain_machine()).labels;
}

std::string value(const LabelSet& labels, const std::string& key) {
  const auto found = labels.find("nvidia.com/" + key);
  return found == labels.end() ? "(absent)" : found->second;
}

TEST(NodeLabels, VectorT4x4) {
  EXPECT_EQ(to_feature_file(labels_of(node({4, t4()}))),
            "nvidia.com/cuda.driver-version.full=550.163.01\n"
            "nvidia.com/cuda.driver-version.major=550\n"
            "nvidia.com/cuda.driver-version.minor=163\n"
            "nvidia.com/cuda.driver-version.revision=01\n"
            "nvidia.com/cuda.driver.major=550\n"
            "nvidia.com/cuda.driver.minor=163\n"
            "nvidia.com/cuda.driver.rev=01\n"
            "nvidia.com/cuda.runtime-version.full=12.4\n"
            "nvidia.com/cuda.runtime-version.major=12\n"
            "nvidia.com/cuda.runtime-version.minor=4\n"
            "nvidia.com/cuda.runtime.major=12\n"
            "nvidia.com/cuda.runtime.minor=4\n"
            "nvidia.com/gpu.compute.major=7\n"
            "nvidia.com/gpu.compute.minor=5\n"
            "nvidia.com/gpu.count=4\n"
            "nvidia.com/gpu.family=turing\n"
            "nvidia.com/gpu.machine=Standard-PC\n"
            "nvidia.com/gpu.memory=16384\n"
            "nvidia.com/gpu.mode=compute\n"
            "nvidia.com/gpu.product=NVIDIA-T4\n"
            "nvidia.com/gpu.replicas=1\n"
            "nvidia.com/gpu.sharing-strategy=none\n"
            "nvidia.com/mig.capable=false\n"
            "nvidia.com/mps.capable=false\n"
            "nvidia.com/vgpu.present=false\n");
}

TEST(NodeLabels, VectorTimeSlicing20) {
  const LabelSet labels = labels_of(node({4, t4()}), time_sliced(20));
  EXPECT_EQ(value(labels, "gpu.product"), "NVIDIA-T4-SHARED");
  EXPECT_EQ(value(labels, "gpu.replicas"), "20");
  EXPECT_EQ(value(labels, "gpu.sharing-strategy"), "time-slicing");
  EXPECT_EQ(value(labels, "gpu.count"), "4");
}

TEST(NodeLabels, VectorRenameByDefaultKeepsKeysAndProduct) {
  const LabelSet labels =
      labels_of(node({4, t4()}), time_sliced(20, "nvidia.com/gpu.shared"));
  EXPECT_EQ(value(labels, "gpu.product"), "NVIDIA-T4");
  EXPECT_EQ(value(labels, "gpu.replicas"), "20");
  EXPECT_EQ(value(labels, "gpu.sharing-strategy"), "time-slicing");
}

TEST(NodeLabels, VectorMps4) {
  Settings settings;
  settings.mps = replicas(4, "nvidia.com/gpu", "nvidia.com/gpu");
  const LabelSet labels = labels_of(node({4, t4()}), settings);
  EXPECT_EQ(value(labels, "gpu.product"), "NVIDIA-T4-SHARED");
  EXPECT_EQ(value(labels, "gpu.replicas"), "4");
  EXPECT_EQ(value(labels, "gpu.sharing-strategy"), "mps");
  EXPECT_EQ(value(labels, "mps.capable"), "true");
}

TEST(NodeLabels, VectorMpsWinsOverTimeSlicing) {
  Settings settings = time_sliced(3);
  settings.mps = replicas(4, "nvidia.com/gpu", "nvidia.com/gpu");
  const LabelSet labels = labels_of(node({4, t4()}), settings);
  EXPECT_EQ(value(labels, "gpu.replicas"), "4");
  EXPECT_EQ(value(labels, "gpu.sharing-strategy"), "mps");
}

TEST(NodeLabels, SharingOfAnotherResourceLeavesThisOneUnshared) {
  Settings settings;
  settings.time_slicing =
      replicas(5, "nvidia.com/mig-1g.5gb", "nvidia.com/mig-1g.5gb");
  const LabelSet labels = labels_of(node({t4()}), settings);
  EXPECT_EQ(value(labels, "gpu.product"), "NVIDIA-T4");
  EXPECT_EQ(value(labels, "gpu.replicas"), "1");
  EXPECT_EQ(value(labels, "gpu.sharing-strategy"), "none");
}

TEST(NodeLabels, VectorStrategyWithoutMigOnlyAddsItsName) {
  for (const auto& [strategy, name] :
       {std::pair(MigStrategy::kSingle, "single"),
        std::pair(MigStrategy::kMixed, "mixed")}) {
    LabelSet labels = labels_of(node({4, t4()}), with_strategy(strategy));
    EXPECT_EQ(value(labels, "mig.strategy"), name);
    labels.erase("nvidia.com/mig.strategy");
    EXPECT_EQ(labels, labels_of(node({4, t4()})));
  }
}

TEST(NodeLabels, VectorNoGpusIsOnlyVgpuAndTimestamp) {
  Machine machine = plain_machine();
  machine.timestamp = 1700000000;
  const NodeLabels made = make_node_labels({}, {}, machine);
  EXPECT_THAT(made.labels,
              ElementsAre(Pair("nvidia.com/gfd.timestamp", "1700000000"),
                          Pair("nvidia.com/vgpu.present", "false")));
}

TEST(NodeLabels, VectorModeIsOfThePciClassOfAll) {
  Gpu vga = t4();
  vga.pci_class = 0x030000;
  EXPECT_EQ(value(labels_of(node({vga, vga})), "gpu.mode"), "graphics");
  EXPECT_EQ(value(labels_of(node({t4(), vga})), "gpu.mode"), "unknown");
  Gpu unseen = t4();
  unseen.pci_class.reset();
  EXPECT_EQ(value(labels_of(node({unseen})), "gpu.mode"), "unknown");
  EXPECT_EQ(value(labels_of(node({t4(), unseen})), "gpu.mode"), "unknown");
}

TEST(NodeLabels, VectorMachineType) {
  Machine machine = plain_machine();
  const auto shown = [&] {
    return value(make_node_labels(node({t4()}), {}, machine).labels,
                 "gpu.machine");
  };
  machine.type = "Google Compute  Engine (x) \xc3\xa9_1\n";
  EXPECT_EQ(shown(), "Google-Compute-Engine-x-_1");
  machine.type = "";
  EXPECT_EQ(shown(), "");
  machine.type.reset();
  EXPECT_EQ(shown(), "unknown");
}

TEST(NodeLabels, UnreadableConfigSpaceLeavesVgpuOpen) {
  Machine machine;
  EXPECT_THAT(make_node_labels(node({t4()}), {}, machine).labels,
              Not(Contains(Key("nvidia.com/vgpu.present"))));
}

TEST(NodeLabels, VgpuTellsTheHostsDriver) {
  Machine machine = plain_machine();
  machine.vgpus->push_back({"0000:00:04.0", "440.1", "r440_00"});
  machine.vgpus->push_back({"0000:00:05.0", "460.16", "r460_00"});
  const LabelSet labels = make_node_labels({}, {}, machine).labels;
  EXPECT_EQ(value(labels, "vgpu.present"), "true");
  EXPECT_EQ(value(labels, "vgpu.host-driver-version"), "460.16");
  EXPECT_EQ(value(labels, "vgpu.host-driver-branch"), "r460_00");
}

TEST(NodeLabels, DriverVersionsHaveTwoOrThreeParts) {
  Inventory inventory = node({t4()});
  inventory.driver_version = "545.02";
  LabelSet labels = labels_of(inventory);
  EXPECT_EQ(value(labels, "cuda.driver-version.minor"), "02");
  EXPECT_EQ(value(labels, "cuda.driver-version.revision"), "");
  EXPECT_EQ(value(labels, "cuda.driver.rev"), "");
  for (const char* wrong : {"", "545", "1.2.3.4"}) {
    inventory.driver_version = wrong;
    const NodeLabels made = make_node_labels(inventory, {}, plain_machine());
    EXPECT_EQ(value(made.labels, "cuda.driver-version.full"), "(absent)");
    EXPECT_EQ(value(made.labels, "gpu.count"), "1");
    EXPECT_THAT(made.remarks,
                ElementsAre(HasSubstr("does not match format \"X.Y[.Z]\"")));
  }
}

TEST(NodeLabels, UnknownNumbersAreAbsentAndNotZero) {
  Inventory inventory = node({t4()});
  inventory.cuda_driver_version = 0;
  inventory.gpus[0].memory_bytes = 0;
  inventory.gpus[0].compute_major = 0;
  const LabelSet labels = labels_of(inventory);
  EXPECT_EQ(value(labels, "cuda.runtime-version.full"), "(absent)");
  EXPECT_EQ(value(labels, "gpu.memory"), "(absent)");
  EXPECT_EQ(value(labels, "gpu.family"), "(absent)");
  EXPECT_EQ(value(labels, "gpu.compute.major"), "(absent)");
}

Gpu passed_through(const std::string& name, std::uint64_t memory_bytes) {
  Gpu gpu;
  gpu.name = name;
  gpu.memory_bytes = memory_bytes;
  gpu.pci_class = 0x030200;
  gpu.is_passed_through = true;
  return gpu;
}

// But for compute capability -1.-1, which no label can have for its value.
TEST(NodeLabels, OfPassthroughGpusAreNvidias) {
  Inventory inventory;
  inventory.gpus = {passed_through("GH100 [H100 SXM5 80GB]", 1ULL << 38U),
                    passed_through("GH100 [H100 SXM5 80GB]", 1ULL << 37U)};
  for (const MigStrategy strategy :
       {MigStrategy::kNone, MigStrategy::kSingle, MigStrategy::kMixed}) {
    const NodeLabels made =
        make_node_labels(inventory, with_strategy(strategy), plain_machine());
    EXPECT_THAT(made.remarks, IsEmpty());
    const LabelSet& labels = made.labels;
    EXPECT_EQ(value(labels, "cuda.driver-version.full"),
              "unknown.unknown.unknown");
    EXPECT_EQ(value(labels, "cuda.driver.rev"), "unknown");
    EXPECT_EQ(value(labels, "cuda.runtime-version.full"), "0.0");
    EXPECT_EQ(value(labels, "cuda.runtime.major"), "0");
    EXPECT_EQ(value(labels, "gpu.product"), "GH100-H100-SXM5-80GB");
    EXPECT_EQ(value(labels, "gpu.count"), "2");
    EXPECT_EQ(value(labels, "gpu.memory"), "137438953472");
    EXPECT_EQ(value(labels, "gpu.family"), "undefined");
    EXPECT_EQ(value(labels, "gpu.compute.major"), "(absent)");
    EXPECT_EQ(value(labels, "gpu.compute.minor"), "(absent)");
    EXPECT_EQ(value(labels, "gpu.mode"), "compute");
    EXPECT_EQ(value(labels, "mig.capable"), "false");
  }
  inventory.gpus = {passed_through("UNKNOWN_DEVICE", 0)};
  EXPECT_EQ(value(labels_of(inventory), "gpu.memory"), "(absent)");
  EXPECT_EQ(value(labels_of(inventory), "gpu.product"), "UNKNOWN_DEVICE");
  EXPECT_EQ(value(labels_of(inventory, time_sliced(20)), "gpu.replicas"), "20");
}

TEST(NodeLabels, CliqueOnlyWhereAttachedGpusAgree) {
  const device::FabricClique one{"3f1c0c2e-0000-0000-0000-00000000000a", 7};
  Gpu attached = a100();
  attached.fabric = one;
  EXPECT_EQ(value(labels_of(node({attached, a100()})), "gpu.clique"),
            "3f1c0c2e-0000-0000-0000-00000000000a.7");
  Gpu other = attached;
  other.fabric->id = 8;
  const NodeLabels made =
      make_node_labels(node({attached, other}), {}, plain_machine());
  EXPECT_EQ(value(made.labels, "gpu.clique"), "(absent)");
  EXPECT_THAT(made.remarks, ElementsAre(HasSubstr("several fabric cliques")));
  EXPECT_EQ(value(labels_of(node({a100()})), "gpu.clique"), "(absent)");
}

TEST(NodeLabels, MigOnWithoutAStrategyIsAGpuThatIsNeverShared) {
  const LabelSet labels =
      labels_of(node({2, sliced({"1g.5gb"})}), time_sliced(4));
  EXPECT_EQ(value(labels, "gpu.product"), "NVIDIA-A100-SXM4-40GB");
  EXPECT_EQ(value(labels, "gpu.count"), "2");
  EXPECT_EQ(value(labels, "gpu.replicas"), "0");
  EXPECT_EQ(value(labels, "gpu.sharing-strategy"), "none");
  EXPECT_EQ(value(labels, "mig.capable"), "true");
  EXPECT_EQ(value(labels, "mig.strategy"), "(absent)");
}

TEST(NodeLabels, AWholeGpuOverridesOneWithMigOn) {
  const LabelSet labels = labels_of(node({sliced({"1g.5gb"}), a100()}));
  EXPECT_EQ(value(labels, "gpu.count"), "2");
  EXPECT_EQ(value(labels, "gpu.replicas"), "1");
}

TEST(NodeLabels, SingleCountsMigDevicesAsGpus) {
  const LabelSet labels =
      labels_of(node({2, sliced({"1g.5gb", "1g.5gb", "1g.5gb"})}),
                with_strategy(MigStrategy::kSingle));
  EXPECT_EQ(value(labels, "mig.strategy"), "single");
  EXPECT_EQ(value(labels, "gpu.product"), "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb");
  EXPECT_EQ(value(labels, "gpu.count"), "6");
  EXPECT_EQ(value(labels, "gpu.replicas"), "1");
  EXPECT_EQ(value(labels, "gpu.memory"), "4864");
  EXPECT_EQ(value(labels, "gpu.multiprocessors"), "14");
  EXPECT_EQ(value(labels, "gpu.slices.gi"), "1");
  EXPECT_EQ(value(labels, "gpu.slices.ci"), "1");
  EXPECT_EQ(value(labels, "gpu.engines.copy"), "1");
  EXPECT_EQ(value(labels, "gpu.engines.decoder"), "2");
  EXPECT_EQ(value(labels, "gpu.engines.encoder"), "3");
  EXPECT_EQ(value(labels, "gpu.engines.jpeg"), "4");
  EXPECT_EQ(value(labels, "gpu.engines.ofa"), "5");
  EXPECT_EQ(value(labels, "gpu.family"), "ampere");  // The parent's.
}

TEST(NodeLabels, SingleMayBeShared) {
  const LabelSet labels =
      labels_of(node({sliced({"1g.5gb"})}),
                time_sliced(3, "nvidia.com/gpu", MigStrategy::kSingle));
  EXPECT_EQ(value(labels, "gpu.product"),
            "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb-SHARED");
  EXPECT_EQ(value(labels, "gpu.replicas"), "3");
}

struct Invalid {
  std::vector<Gpu> gpus;
  std::string why;
};

class SingleInvalid : public testing::TestWithParam<Invalid> {};

TEST_P(SingleInvalid, SaysSoInEveryLabel) {
  const NodeLabels made = make_node_labels(
      node(GetParam().gpus),
      time_sliced(3, "nvidia.com/gpu", MigStrategy::kSingle), plain_machine());
  EXPECT_EQ(value(made.labels, "gpu.product"),
            "NVIDIA-A100-SXM4-40GB-MIG-INVALID");
  EXPECT_EQ(value(made.labels, "gpu.count"), "0");
  EXPECT_EQ(value(made.labels, "gpu.replicas"), "0");
  EXPECT_EQ(value(made.labels, "gpu.sharing-strategy"), "");
  EXPECT_EQ(value(made.labels, "gpu.memory"), "0");
  EXPECT_THAT(made.remarks, ElementsAre(HasSubstr(GetParam().why)));
}

INSTANTIATE_TEST_SUITE_P(
    Reasons, SingleInvalid,
    testing::Values(Invalid{{sliced({"1g.5gb"}), sliced({})}, "but empty"},
                    Invalid{{sliced({"1g.5gb"}), a100()},
                            "enabled and disable"},
                    Invalid{{sliced({"1g.5gb", "2g.10gb"})},
                            "more than one MIG device type"}));

TEST(NodeLabels, MixedIsAResourceAProfile) {
  Settings settings = with_strategy(MigStrategy::kMixed);
  settings.time_slicing =
      replicas(2, "nvidia.com/mig-2g.10gb", "nvidia.com/mig-2g.10gb");
  const LabelSet labels = labels_of(
      node({a100(), sliced({"1g.5gb+me", "2g.10gb", "2g.10gb"})}), settings);
  EXPECT_EQ(value(labels, "gpu.count"), "2");
  EXPECT_EQ(value(labels, "gpu.replicas"), "1");
  EXPECT_EQ(value(labels, "mig-1g.5gb.me.count"), "1");
  EXPECT_EQ(value(labels, "mig-1g.5gb.me.product"),
            "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb.me");
  EXPECT_EQ(value(labels, "mig-2g.10gb.count"), "2");
  EXPECT_EQ(value(labels, "mig-2g.10gb.replicas"), "2");
  EXPECT_EQ(value(labels, "mig-2g.10gb.product"),
            "NVIDIA-A100-SXM4-40GB-MIG-2g.10gb-SHARED");
  EXPECT_EQ(value(labels, "mig-2g.10gb.sharing-strategy"), "time-slicing");
  EXPECT_EQ(value(labels, "mig-2g.10gb.family"), "(absent)");
}

/// An entry that --enable-custom-sharing honours, and what it makes of the
/// labels of nvidia.com/gpu. As the peer's labeller reads rename and replicas;
/// it looks at `devices` nowhere.
struct CustomSharing {
  const char* rename;
  config::DeviceSelection devices;
  std::uint64_t replicas;
  const char* product;
  const char* replicas_label;
};

class NodeLabelsCustomSharing : public testing::TestWithParam<CustomSharing> {};

TEST_P(NodeLabelsCustomSharing, KeysAreTheNameOfBefore) {
  for (const bool is_mps : {false, true}) {
    Settings settings;
    settings.custom_sharing = true;
    config::Replication replication =
        replicas(GetParam().replicas, "nvidia.com/gpu", GetParam().rename);
    replication.resources[0].devices = GetParam().devices;
    (is_mps ? settings.mps : settings.time_slicing) = replication;
    const LabelSet labels = labels_of(node({4, t4()}), settings);
    EXPECT_EQ(value(labels, "gpu.product"), GetParam().product);
    EXPECT_EQ(value(labels, "gpu.replicas"), GetParam().replicas_label);
    EXPECT_EQ(value(labels, "gpu.count"), "4");
    EXPECT_EQ(value(labels, "gpu.sharing-strategy"),
              is_mps ? "mps" : "time-slicing");
    EXPECT_EQ(value(labels, "mps.capable"), is_mps ? "true" : "false");
    for (const auto& [key, unused] : labels) {
      EXPECT_THAT(key, testing::Not(testing::HasSubstr("slice")));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rows, NodeLabelsCustomSharing,
    testing::Values(CustomSharing{"nvidia.com/slice", config::AllDevices{}, 3,
                                  "NVIDIA-T4", "3"},
                    CustomSharing{"nvidia.com/gpu", config::DeviceCount{2}, 3,
                                  "NVIDIA-T4-SHARED", "3"},
                    CustomSharing{"nvidia.com/slice", config::DeviceCount{1}, 8,
                                  "NVIDIA-T4", "8"},
                    CustomSharing{"nvidia.com/slice",
                                  config::DeviceRefs{{"0", "GPU-3"}}, 2,
                                  "NVIDIA-T4", "2"}));

TEST(NodeLabels, MpsWithMigIsNotCapableAndSaysWhy) {
  Settings settings;
  settings.mps = replicas(4, "nvidia.com/gpu", "nvidia.com/gpu");
  const NodeLabels made =
      make_node_labels(node({sliced({"1g.5gb"})}), settings, plain_machine());
  EXPECT_EQ(value(made.labels, "mps.capable"), "false");
  EXPECT_THAT(made.remarks,
              Contains("MPS sharing is not supported for mig devices"));
}

TEST(NodeLabels, OfSeveralModelsTheMostFrequentIsShownWhole) {
  const NodeLabels made =
      make_node_labels(node({a100(), t4(), t4()}), {}, plain_machine());
  EXPECT_EQ(value(made.labels, "gpu.product"), "NVIDIA-T4");
  EXPECT_EQ(value(made.labels, "gpu.count"), "2");
  EXPECT_EQ(value(made.labels, "gpu.memory"), "16384");
  EXPECT_EQ(value(made.labels, "gpu.family"), "turing");
  EXPECT_THAT(made.remarks, ElementsAre(HasSubstr("Multiple device types")));
  // Of equal ones the first by name.
  EXPECT_EQ(value(labels_of(node({t4(), a100()})), "gpu.product"),
            "NVIDIA-A100-SXM4-40GB");
}

TEST(NodeLabels, MemoryIsTheLeastThatAPodMayGet) {
  Gpu small = t4();
  small.memory_bytes = 15000 * kMib;
  Gpu silent = t4();
  silent.memory_bytes = 0;
  EXPECT_EQ(value(labels_of(node({t4(), small, silent})), "gpu.memory"),
            "15000");
}

TEST(NodeLabels, ALostGpuIsNotCountedAndHidesNoOther) {
  Inventory inventory = node({t4()});
  inventory.lost.push_back({{1}, std::nullopt, "ERROR_GPU_IS_LOST"});
  const NodeLabels made = make_node_labels(inventory, {}, plain_machine());
  EXPECT_EQ(value(made.labels, "gpu.count"), "1");
  EXPECT_THAT(made.remarks,
              ElementsAre("GPU 1 is not counted: ERROR_GPU_IS_LOST"));
}

Gpu any_gpu() {
  static const std::vector<std::string> kProfiles = {"1g.5gb", "1g.5gb+me",
                                                     "2g.10gb", "1c.2g.10gb"};
  Gpu gpu = *rc::gen::inRange(0, 2) == 0 ? t4() : a100();
  if (*rc::gen::inRange(0, 4) == 0)
    gpu.name = *rc::gen::arbitrary<std::string>();
  gpu.memory_bytes = *rc::gen::inRange<std::uint64_t>(0, 200'000) * kMib;
  gpu.compute_minor = *rc::gen::inRange(0, 10);
  gpu.mig_enabled = *rc::gen::arbitrary<bool>();
  const int devices = gpu.mig_enabled ? *rc::gen::inRange(0, 4) : 0;
  for (int i = 0; i < devices; ++i) {
    gpu.mig_devices.push_back(mig(*rc::gen::elementOf(kProfiles),
                                  *rc::gen::inRange<std::uint64_t>(0, 40'000)));
  }
  if (*rc::gen::arbitrary<bool>()) {
    gpu.fabric = device::FabricClique{"a", *rc::gen::inRange(0U, 2U)};
  }
  return gpu;
}

Settings any_settings() {
  Settings settings = with_strategy(*rc::gen::element(
      MigStrategy::kNone, MigStrategy::kSingle, MigStrategy::kMixed));
  if (*rc::gen::arbitrary<bool>()) {
    settings.time_slicing =
        replicas(*rc::gen::inRange<std::uint64_t>(2, 1000),
                 *rc::gen::element<std::string>("nvidia.com/gpu",
                                                "nvidia.com/mig-1g.5gb"),
                 "nvidia.com/gpu");
  }
  return settings;
}

TEST(NodeLabels, AreValidAndNoMatterInWhichOrderTheGpusCome) {
  EXPECT_TRUE(rc::check([] {
    std::vector<Gpu> gpus(*rc::gen::inRange<std::size_t>(1, 9));
    std::generate(gpus.begin(), gpus.end(), any_gpu);
    const Settings settings = any_settings();
    Inventory inventory = node(gpus);
    inventory.driver_version = *rc::gen::arbitrary<std::string>();
    Machine machine = plain_machine();
    machine.type = *rc::gen::arbitrary<std::string>();
    machine.vgpus->push_back({"", *rc::gen::arbitrary<std::string>(), "-"});
    const LabelSet labels =
        make_node_labels(inventory, settings, machine).labels;
    for (const auto& [key, value] : labels) {
      RC_ASSERT(is_valid_value(value));
      RC_ASSERT(key.starts_with("nvidia.com/"));
      RC_ASSERT(is_valid_value(std::string_view(key).substr(11)));
    }
    std::mt19937 random(*rc::gen::arbitrary<std::uint32_t>());
    std::shuffle(inventory.gpus.begin(), inventory.gpus.end(), random);
    RC_ASSERT(make_node_labels(inventory, settings, machine).labels == labels);
  }));
}

}  // namespace
}  // namespace gpunode::labels
