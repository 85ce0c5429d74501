#include "node/driver/gpu_expectation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::driver {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

facts::PciGpu gpu(const std::string& product, std::uint16_t id) {
  facts::PciGpu one;
  one.product = product;
  one.device_id = id;
  return one;
}

facts::HostFacts host(std::vector<facts::PciGpu> gpus) {
  facts::HostFacts facts;
  facts.gpus = std::move(gpus);
  return facts;
}

TEST(GpuExpectation, IsMetByProductByIdAndByBoth) {
  const auto machine = host({gpu("NVIDIA A10G", 0x2237)});
  for (const char* product : {"A10G", "NVIDIA A10G", "nvidia-a10g", "a10g"}) {
    EXPECT_THAT(unexpected_gpus(machine, {{product}}), IsEmpty()) << product;
  }
  EXPECT_THAT(unexpected_gpus(machine, {{"", 0x2237}}), IsEmpty());
  EXPECT_THAT(unexpected_gpus(machine, {{"A10G", 0x2237, 1}}), IsEmpty());
  EXPECT_THAT(unexpected_gpus(machine, {}), IsEmpty());
}

TEST(GpuExpectation, TellsWhatIsOther) {
  const auto machine = host({gpu("NVIDIA A10G", 0x2237),
                             gpu("Tesla T4", 0x1eb8), gpu("Tesla T4", 0x1eb8)});
  EXPECT_THAT(
      unexpected_gpus(machine, {{"A10G", 0x2237, 2}, {"Tesla-T4", 0, 1}}),
      ElementsAre("1 x A10G (10de:2237) and not 2", "2 x Tesla-T4 and not 1"));
  EXPECT_THAT(unexpected_gpus(machine, {{"A10", 0, 1}}),
              ElementsAre("0 x A10 and not 1",
                          "1 x NVIDIA A10G (10de:2237), which is not expected",
                          "2 x Tesla T4 (10de:1eb8), which is not expected"));
  EXPECT_THAT(unexpected_gpus(host({}), {{"", 0x2237, 1}}),
              ElementsAre("0 x 10de:2237 and not 1"));
}

TEST(GpuExpectation, CountsWhatContainersAreToGet) {
  auto machine = host({gpu("NVIDIA A10G", 0x2237), gpu("NVIDIA A10G", 0x2237),
                       gpu("NVSwitch", 0x1af1), gpu("NVIDIA A10G", 0x2237)});
  machine.gpus[1].condition.is_lost = true;
  machine.gpus[2].is_switch = true;
  machine.gpus[3].driver = "vfio-pci";
  EXPECT_THAT(unexpected_gpus(machine, {{"A10G", 0, 1}}), IsEmpty());
}

TEST(GpuExpectation, ReadsPciIdsOfNvidiaAlone) {
  EXPECT_EQ(*read_pci_id("10de:2237"), 0x2237);
  EXPECT_EQ(*read_pci_id("10DE:1EB8"), 0x1eb8);
  for (const char* text :
       {"", "2237", "10de:", "10de:22", "10de:22377", "1002:2237", "10de:xyzw",
        "10de:0000", "10de:+237", "10de 2237"}) {
    const auto id = read_pci_id(text);
    ASSERT_FALSE(id) << text;
    EXPECT_THAT(id.error().message(), HasSubstr("as \"10de:2237\"")) << text;
  }
}

}  // namespace
}  // namespace gpunode::driver
