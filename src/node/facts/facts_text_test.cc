#include "node/facts/facts_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/facts/facts_json.h"

namespace gpunode::facts {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(FactsText, OfGpusBrieflyCountsThemByProduct) {
  HostFacts facts;
  EXPECT_EQ(describe_gpus_briefly(facts), "");
  PciGpu gpu;
  gpu.device_id = 0x2330;
  gpu.product = "NVIDIA H100 80GB HBM3";
  PciGpu other;
  other.device_id = 0x2237;
  other.product = "NVIDIA A10G";
  PciGpu nvswitch;
  nvswitch.is_switch = true;
  facts.gpus = {gpu, nvswitch, other, gpu};
  EXPECT_EQ(describe_gpus_briefly(facts),
            "1 NVIDIA A10G (10de:2237), 2 NVIDIA H100 80GB HBM3 (10de:2330)");
}

HostFacts sample() {
  HostFacts facts;
  facts.os.id = "rocky";
  facts.os.id_like = {"rhel"};
  facts.os.version_id = "8.9";
  facts.os.pretty_name = "Rocky Linux 8.9";
  facts.kernel.release = "4.18.0-513";
  facts.kernel.machine = "x86_64";
  facts.machine.vendor = "Amazon EC2";
  facts.machine.product = "g5.4xlarge";
  facts.machine.cloud = "aws";
  facts.machine.memory_bytes = std::uint64_t{64} << 30U;
  facts.machine.processors = 16;
  facts.machine.systemd = true;
  PciGpu gpu;
  gpu.address = "0000:00:1e.0";
  gpu.device_id = 0x2237;
  gpu.product = "NVIDIA A10G";
  facts.gpus = {gpu};
  facts.swaps = {{"/swap", "file", std::uint64_t{1} << 30U}};
  host::BlockDevice disk;
  disk.name = "nvme1n1";
  disk.path = "/dev/nvme1n1";
  disk.number = {259, 1};
  disk.size_bytes = 600'000'000'000;
  disk.subsystem = host::BlockSubsystem::kNvme;
  disk.model = "Amazon EC2 NVMe Instance Storage";
  disk.serial = "AWS1234";
  host::BlockDevice loop;
  loop.name = "loop0";
  loop.number = {7, 0};
  loop.size_bytes = 4096;
  loop.subsystem = host::BlockSubsystem::kLoop;
  facts.storage.is_known = true;
  facts.storage.disks = {{.device = disk}, {.device = loop}};
  facts.units["containerd.service"] = {"loaded", "active", "enabled"};
  facts.units["docker.service"] = {"not-found", "inactive", ""};
  return facts;
}

TEST(FactsText, IsWhatAPersonWantsToKnow) {
  EXPECT_EQ(
      describe(sample()),
      "Machine   Amazon EC2, g5.4xlarge, cloud aws\n"
      "System    Rocky Linux 8.9\n"
      "Kernel    4.18.0-513, x86_64, no UEFI\n"
      "Memory    64.0 GiB, 1.0 GiB of swap on /swap\n"
      "CPUs      16\n"
      "GPUs      1\n"
      "  0000:00:1e.0  NVIDIA A10G  10de:2237  no driver\n"
      "Disks     1\n"
      "  Amazon EC2 NVMe Instance Storage, serial AWS1234, 558.8 GiB "
      "(/dev/nvme1n1): nothing is known to stand on it\n"
      "Services  containerd active\n"
      "\n"
      "Worth knowing:\n"
      "  swap: the kernel swaps to /swap: the kubelet does not start then "
      "unless told to\n"
      "      gpunode switches it off, here and in /etc/fstab\n");
}

TEST(FactsText, TellsWhatBlocksAndWhatIsNotKnown) {
  HostFacts facts = sample();
  facts.gpus.clear();
  facts.gaps = {"read /x: permission denied"};
  EXPECT_THAT(
      describe(facts),
      AllOf(HasSubstr("No GPU node can be made of this host:\n"
                      "  no-gpu: there is no NVIDIA GPU on the PCI bus"),
            HasSubstr("\nNot known:\n  read /x: permission denied\n")));
}

TEST(FactsText, TellsWhatSetsAGpuApart) {
  HostFacts facts = sample();
  PciGpu& gpu = facts.gpus[0];
  const auto line = [&] {
    const std::string text = describe(facts);
    const std::size_t start = text.find("  0000:00:1e.0");
    return text.substr(start, text.find('\n', start) - start);
  };
  gpu.condition.virtual_functions = 4;
  EXPECT_THAT(line(), HasSubstr("no driver, 4 virtual functions"));
  gpu.condition = {.physical_function = "0000:00:1d.0"};
  EXPECT_THAT(line(), HasSubstr("no driver, virtual function of 0000:00:1d.0"));
  gpu.condition = {.is_lost = true};
  EXPECT_THAT(line(), HasSubstr("no driver, FALLEN OFF THE BUS"));
  gpu.condition = {.memory = procfs::PciMemory::kLacking};
  EXPECT_THAT(line(), HasSubstr("no driver, not enough MMIO"));
  gpu.condition = {};
  gpu.device_id = 0x3fff;
  gpu.product = "NVIDIA 10de:3fff";
  EXPECT_THAT(line(), HasSubstr("NVIDIA 10de:3fff  10de:3fff  no driver, newer "
                                "than this version's table"));
}

TEST(FactsText, CountsNvSwitches) {
  HostFacts facts = sample();
  PciGpu nvswitch;
  nvswitch.address = "0000:c1:00.0";
  nvswitch.product = "NVIDIA NVSwitch";
  nvswitch.is_switch = true;
  facts.gpus.push_back(nvswitch);
  EXPECT_THAT(describe(facts), HasSubstr("GPUs      1, 1 NVSwitch\n"));
  facts.gpus.push_back(nvswitch);
  EXPECT_THAT(describe(facts), HasSubstr("GPUs      1, 2 NVSwitches\n"));
}

TEST(FactsText, IsHarmlessOnATerminal) {
  HostFacts facts = sample();
  const std::string hostile = "\x1b]0;x\x07";
  facts.machine.product = hostile;
  facts.machine.vendor = hostile;
  facts.kernel.release = hostile;
  facts.swaps[0].path = hostile;
  facts.gpus[0].driver = hostile;
  facts.gaps = {hostile};
  facts.units["x.service"] = {"loaded", hostile, ""};
  EXPECT_THAT(describe(facts), Not(HasSubstr("\x1b")));
}

TEST(FactsJson, IsOneDocumentWithoutContents) {
  HostFacts facts = sample();
  facts.files["/etc/x"].content = "secret";
  facts.files["/etc/x"].mode = 0640;
  facts.files["/etc/none"] = {};
  facts.modules = {{"overlay", true}, {"xfs", false}};
  facts.packages["kubelet"].version = "1.29";
  const std::string json = to_json(facts);
  EXPECT_THAT(json, Not(HasSubstr("secret")));
  EXPECT_THAT(
      json,
      AllOf(HasSubstr(R"({"version":1,"os":{"id":"rocky","idLike":["rhel"])"),
            HasSubstr(R"("/etc/x":{"exists":true,"sizeBytes":6,)"
                      R"("mode":"0640","linkTarget":"","error":""})"),
            HasSubstr(R"("/etc/none":{"exists":false,"sizeBytes":null)"),
            HasSubstr(R"("modules":{"overlay":"loaded","xfs":"builtin"})"),
            HasSubstr(R"("packages":{"kubelet":"1.29"})"),
            HasSubstr(R"("id":"10de:2237")"),
            HasSubstr(R"("serial":"AWS1234")"),
            HasSubstr(R"("id":"swap","blocks":false)")));
  facts.storage.is_known = false;
  EXPECT_THAT(to_json(facts), HasSubstr(R"("disks":null)"));
}

}  // namespace
}  // namespace gpunode::facts
