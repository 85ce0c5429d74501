#include "node/facts/obstacles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::facts {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

PciGpu gpu(const std::string& address, std::uint16_t id,
           const std::string& driver = "") {
  PciGpu made;
  made.address = address;
  made.device_id = id;
  made.driver = driver;
  return made;
}

/// A g5.4xlarge with Rocky Linux: nothing stands in the way.
HostFacts good() {
  HostFacts facts;
  facts.os.id = "rocky";
  facts.os.id_like = {"rhel", "centos", "fedora"};
  facts.os.version_id = "8.9";
  facts.kernel.machine = "x86_64";
  facts.machine.systemd = true;
  facts.machine.memory_bytes = std::uint64_t{64} << 30U;
  facts.gpus = {gpu("0000:00:1e.0", 0x2237)};
  return facts;
}

auto obstacle(const std::string& id, const std::string& words, bool blocks) {
  return AllOf(Field(&Obstacle::id, id),
               Field(&Obstacle::words, HasSubstr(words)),
               Field(&Obstacle::blocks, blocks),
               Field(&Obstacle::remedy, testing::Ne("")));
}

TEST(Obstacles, AreNoneOnAnOrdinaryHost) {
  EXPECT_THAT(find_obstacles(good()), IsEmpty());
}

TEST(Obstacles, AreContainersAndWsl) {
  HostFacts facts = good();
  facts.machine.container = true;
  facts.machine.container_kind = "docker";
  facts.machine.systemd = false;
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("container", "(docker)", true)));
  facts = good();
  facts.machine.wsl = true;
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("wsl", "Windows", true)));
}

TEST(Obstacles, AreImageBasedSystemsWithTheirOwnRemedy) {
  const auto remedy_of = [](const char* id) {
    HostFacts facts = good();
    facts.os.id = id;
    facts.os.id_like.clear();
    facts.os.pretty_name = "Pretty";
    facts.machine.image_based = true;
    facts.machine.image_kind = id;
    const auto found = find_obstacles(facts);
    EXPECT_THAT(found, ElementsAre(obstacle("image-based", "Pretty", true)));
    return found.empty() ? "" : found[0].remedy;
  };
  EXPECT_THAT(remedy_of("bottlerocket"), HasSubstr("-nvidia"));
  EXPECT_THAT(remedy_of("cos"), HasSubstr("GKE"));
  EXPECT_THAT(remedy_of("nixos"), HasSubstr("hardware.nvidia"));
  EXPECT_THAT(remedy_of("sl-micro"), HasSubstr("transactional-update"));
  EXPECT_THAT(remedy_of("ostree"), HasSubstr("GPU Operator"));
}

TEST(Obstacles, AreMachinesOfAnotherKind) {
  HostFacts facts = good();
  facts.machine.tegra = true;
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("tegra", "Jetson", true)));
  facts = good();
  facts.machine.systemd = false;
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("no-systemd", "systemd", true)));
  facts = good();
  facts.kernel.machine = "ppc64le";
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("architecture", "ppc64le", true)));
  facts = good();
  facts.machine.memory_bytes = std::uint64_t{1} << 30U;
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("memory", "2 GiB", false)));
}

TEST(Obstacles, AreDistributionsWithoutADriver) {
  HostFacts facts = good();
  facts.os.id = "arch";
  facts.os.id_like.clear();
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("distribution", "arch", true)));
  facts = good();
  facts.os.id = "amzn";
  facts.os.version_id = "2";
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("distribution", "Amazon Linux 2 ", true)));
  facts.os.version_id = "2023";
  EXPECT_THAT(find_obstacles(facts), IsEmpty());
}

TEST(Obstacles, AreGpusThatAreNotTheHosts) {
  HostFacts facts = good();
  facts.gpus.clear();
  PciGpu nvswitch = gpu("0000:c1:00.0", 0x22a3);
  nvswitch.is_switch = true;
  facts.gpus = {nvswitch};
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("no-gpu", "no NVIDIA GPU", true)));
  facts.gpus = {gpu("0000:01:00.0", 0x2237, "vfio-pci"),
                gpu("0000:02:00.0", 0x2237, "nvidia"),
                gpu("0000:03:00.0", 0x2342, "nvgrace_gpu_vfio_pci")};
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("vfio", "GPU at 0000:01:00.0, 0000:03:00.0",
                                   false)));
  // Nor does the chip of one that vfio has matter to the others.
  facts.gpus[0].device_id = 0x102d;
  facts.gpus[1].device_id = 0x2901;
  EXPECT_THAT(find_obstacles(facts), testing::SizeIs(1));
  facts.gpus.erase(facts.gpus.begin() + 1);
  EXPECT_THAT(
      find_obstacles(facts),
      ElementsAre(obstacle("vfio", "GPU at 0000:01:00.0, 0000:03:00.0", true)));
  facts.gpus = {gpu("0000:02:00.0", 0x1eb8)};
  facts.gpus[0].is_vgpu = true;
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("vgpu", "0000:02:00.0", true)));
}

TEST(Obstacles, NameFourGpusAndCountTheRest) {
  HostFacts facts = good();
  facts.gpus.clear();
  for (int i = 1; i <= 8; ++i) {
    facts.gpus.push_back(
        gpu("0000:0" + std::to_string(i) + ":00.0", 0x20b0, "nouveau"));
  }
  EXPECT_THAT(
      find_obstacles(facts),
      ElementsAre(obstacle("nouveau", "0000:04:00.0 and 4 more", false)));
}

TEST(Obstacles, AreGpusThatNoOneDriverServes) {
  const auto mixed = [](std::uint16_t a, std::uint16_t b) {
    HostFacts facts = good();
    facts.gpus = {gpu("0000:01:00.0", a), gpu("0000:02:00.0", b)};
    return find_obstacles(facts);
  };
  EXPECT_THAT(mixed(0x1db1, 0x2901),  // V100, B200.
              ElementsAre(obstacle("mixed-gpus", "Blackwell", true)));
  EXPECT_THAT(mixed(0x102d, 0x2bb5),  // K80, RTX PRO 6000.
              ElementsAre(obstacle("mixed-gpus", "Blackwell", true)));
  EXPECT_THAT(mixed(0x1db1, 0x2330), IsEmpty());  // V100, H100.
  EXPECT_THAT(mixed(0x1eb8, 0x2901), IsEmpty());  // T4, B200.
  EXPECT_THAT(mixed(0xffff, 0x2901), IsEmpty());  // Newer than we are.
}

TEST(Obstacles, TellOfSwapBehindWhatBlocks) {
  HostFacts facts = good();
  facts.swaps = {{"/dev/sda3", "partition", 4096}, {"/swap", "file", 4096}};
  facts.gpus.clear();
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("no-gpu", "", true),
                          obstacle("swap", "/dev/sda3 and others", false)));
}

TEST(Obstacles, AreGpusThatFellOffTheBusOrHaveNoAddresses) {
  HostFacts facts = good();
  facts.gpus.push_back(gpu("0000:00:1f.0", 0x2237));
  facts.gpus[1].condition.is_lost = true;
  EXPECT_THAT(find_obstacles(facts),
              ElementsAre(obstacle("lost-gpu", "GPU at 0000:00:1f.0", false)));
  facts.gpus[1].condition.is_lost = false;
  facts.gpus[1].condition.memory = procfs::PciMemory::kLacking;
  EXPECT_THAT(
      find_obstacles(facts),
      ElementsAre(obstacle("pci-memory", "GPU at 0000:00:1f.0", false)));
}

}  // namespace
}  // namespace gpunode::facts
