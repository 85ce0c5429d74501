#include "node/driver/driver_choice.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::driver {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

facts::PciGpu gpu(std::uint16_t id, const char* product) {
  facts::PciGpu made;
  made.address = "0000:00:1e.0";
  made.device_id = id;
  made.product = product;
  return made;
}

struct Machine {
  facts::HostFacts facts;
  const char* os = "rocky";
  const char* version = "8.9";
  Wish wish;

  explicit Machine(std::vector<facts::PciGpu> gpus) {
    facts.gpus = std::move(gpus);
    facts.kernel.machine = "x86_64";
  }
  Machine& on_aws(const char* type) {
    facts.machine.cloud = "aws";
    facts.machine.product = type;
    return *this;
  }
  Machine& of(const char* id, const char* release) {
    os = id;
    version = release;
    return *this;
  }
  Machine& wants(int branch) {
    wish.branch = branch;
    return *this;
  }
  Machine& wants(Flavour flavour) {
    wish.is_flavour_given = true;
    wish.flavour = flavour;
    return *this;
  }
  Result<Choice> choose() const {
    const auto row = distribution::find_distribution(os, version);
    EXPECT_TRUE(row);
    return choose_driver(facts, **row, wish);
  }
  std::string refusal() const {
    const auto choice = choose();
    return choice ? "(chosen)" : choice.error().message();
  }
};

Machine a10g() {
  return Machine({gpu(0x2237, "NVIDIA A10G")});
}

TEST(DriverChoice, WhereARepositoryBeginsLaterItsFirstBranchIsTaken) {
  const auto choice =
      Machine({gpu(0x1eb8, "Tesla T4")}).of("debian", "13").choose();
  ASSERT_TRUE(choice) << choice.error().message();
  EXPECT_EQ(choice->branch, 590);
  EXPECT_THAT(choice->reasons,
              testing::Contains(HasSubstr("the first in NVIDIA's repository")));
  EXPECT_THAT(Machine({gpu(0x1eb8, "Tesla T4")})
                  .of("debian", "13")
                  .wants(580)
                  .refusal(),
              HasSubstr("begins with branch 590, and 580 was never in it"));
}

TEST(DriverChoice, WhatNoBranchOfARepositoryKnowsIsRefusedWithItsKin) {
  EXPECT_THAT(
      Machine({gpu(0x1db1, "Tesla V100")}).of("debian", "13").refusal(),
      testing::AllOf(HasSubstr("up to 580 alone"), HasSubstr("begins with 590"),
                     HasSubstr("use debian 12, which has it")));
}

TEST(DriverChoice, AK80IsSentWhereItsBranchIs) {
  const Machine k80({gpu(0x102d, "Tesla K80")});
  const auto refusal = [&](const char* id, const char* version) {
    return Machine(k80).of(id, version).refusal();
  };
  EXPECT_EQ(refusal("rocky", "8.9"), "(chosen)");
  EXPECT_THAT(
      refusal("fedora", "42"),
      testing::AllOf(HasSubstr("begins with 580"), HasSubstr("rhel 8, rocky 8"),
                     testing::Not(HasSubstr("ubuntu 2"))));
  EXPECT_THAT(refusal("ubuntu", "24.04"),
              testing::AllOf(testing::Not(HasSubstr("ubuntu 22.04")),
                             HasSubstr("`source: distro`")));
  Machine archive = Machine(k80).of("ubuntu", "22.04");
  archive.wish.is_distributions = true;
  ASSERT_TRUE(archive.choose());
  EXPECT_EQ(archive.choose()->branch, 470);
}

TEST(DriverChoice, AnA10GOnAG5DoesWithoutItsGsp) {
  const auto choice = a10g().on_aws("g5.4xlarge").choose();
  ASSERT_TRUE(choice) << choice.error().message();
  EXPECT_EQ(choice->flavour, Flavour::kProprietary);
  EXPECT_EQ(choice->branch, 580);
  EXPECT_THAT(choice->module_options,
              ElementsAre(Pair("NVreg_EnableGpuFirmware", "0")));
  EXPECT_THAT(choice->reasons, Contains(HasSubstr("Xid 119")));
}

TEST(DriverChoice, TheSameGpuElsewhereIsOpen) {
  const auto choice = a10g().choose();
  ASSERT_TRUE(choice) << choice.error().message();
  EXPECT_EQ(choice->flavour, Flavour::kOpen);
  EXPECT_THAT(choice->module_options, IsEmpty());
}

TEST(DriverChoice, ABranchWithoutProprietaryModulesIsToldOnAG5) {
  const auto choice = a10g().on_aws("g5.xlarge").wants(620).choose();
  ASSERT_TRUE(choice) << choice.error().message();
  EXPECT_EQ(choice->flavour, Flavour::kOpen);
  EXPECT_THAT(choice->module_options, IsEmpty());
  EXPECT_THAT(choice->reasons, Contains(HasSubstr("known to hang")));
}

TEST(DriverChoice, WhatTheFileSaysOfOptionsGoesBeforeOurs) {
  Machine machine = a10g().on_aws("g5.xlarge");
  machine.wish.module_options["NVreg_EnableGpuFirmware"] = "18";
  EXPECT_THAT(machine.choose()->module_options,
              ElementsAre(Pair("NVreg_EnableGpuFirmware", "18")));
}

TEST(DriverChoice, AGivenFlavourDoesNotMakeTheGspWork) {
  const auto closed =
      a10g().on_aws("g5.4xlarge").wants(Flavour::kProprietary).choose();
  ASSERT_TRUE(closed) << closed.error().message();
  EXPECT_THAT(closed->module_options,
              ElementsAre(Pair("NVreg_EnableGpuFirmware", "0")));
  EXPECT_THAT(closed->reasons, Contains(HasSubstr("Xid 119")));
  const auto open = a10g().on_aws("g4dn.xlarge").wants(Flavour::kOpen).choose();
  ASSERT_TRUE(open) << open.error().message();
  EXPECT_EQ(open->flavour, Flavour::kOpen);
  EXPECT_THAT(open->module_options, IsEmpty());
  EXPECT_THAT(open->reasons,
              Contains(testing::AllOf(HasSubstr("GSP hangs on g4dn.xlarge"),
                                      HasSubstr("Xid 119"),
                                      HasSubstr("say `flavour: auto`"))));
  const auto late =
      a10g().on_aws("g5.xlarge").wants(620).wants(Flavour::kOpen).choose();
  ASSERT_TRUE(late) << late.error().message();
  EXPECT_THAT(late->reasons,
              Contains(HasSubstr("`flavour: auto` and a branch up to 615")));
}

TEST(DriverChoice, WithAnOptionOfTheFilesForTheGspNothingElseIsSaidOfIt) {
  Machine machine = a10g().on_aws("g5.xlarge").wants(Flavour::kProprietary);
  machine.wish.module_options["NVreg_EnableGpuFirmware"] = "18";
  const auto choice = machine.choose();
  ASSERT_TRUE(choice) << choice.error().message();
  EXPECT_THAT(choice->module_options,
              ElementsAre(Pair("NVreg_EnableGpuFirmware", "18")));
  EXPECT_THAT(choice->reasons,
              testing::Not(Contains(HasSubstr("NVreg_EnableGpuFirmware=0"))));
}

TEST(DriverChoice, OldChipsHaveProprietaryModulesAndAnEnd) {
  const auto v100 = Machine({gpu(0x1db6, "Tesla V100-PCIE-32GB")}).choose();
  ASSERT_TRUE(v100) << v100.error().message();
  EXPECT_EQ(v100->flavour, Flavour::kProprietary);
  EXPECT_EQ(v100->branch, 580);
  const auto k80 = Machine({gpu(0x102d, "Tesla K80")}).choose();
  ASSERT_TRUE(k80) << k80.error().message();
  EXPECT_EQ(k80->branch, 470);
}

TEST(DriverChoice, BlackwellAndNewerAreOpen) {
  for (const int id : {0x2901, 0x2c3a, 0x4abc}) {
    const auto choice =
        Machine({gpu(static_cast<std::uint16_t>(id), "NVIDIA")}).choose();
    ASSERT_TRUE(choice) << choice.error().message();
    EXPECT_EQ(choice->flavour, Flavour::kOpen);
  }
}

TEST(DriverChoice, WhatNoDriverServesIsRefusedWithTheWayOut) {
  EXPECT_THAT(Machine({gpu(0x1db6, "V100"), gpu(0x2901, "B200")}).refusal(),
              HasSubstr("take one kind out"));
  EXPECT_THAT(Machine({gpu(0x102d, "K80"), gpu(0x2330, "H100")}).refusal(),
              HasSubstr("no branch of the driver knows both"));
  EXPECT_THAT(Machine({gpu(0x1db6, "V100")}).wants(Flavour::kOpen).refusal(),
              HasSubstr("flavour: proprietary"));
  EXPECT_THAT(
      Machine({gpu(0x13f2, "Tesla M60")}).wants(Flavour::kOpen).refusal(),
      HasSubstr("flavour: proprietary"));
  EXPECT_THAT(
      Machine({gpu(0x2901, "B200")}).wants(Flavour::kProprietary).refusal(),
      HasSubstr("flavour: open"));
  EXPECT_THAT(a10g().wants(620).wants(Flavour::kProprietary).refusal(),
              HasSubstr("end with 615"));
  EXPECT_THAT(a10g().wants(470).wants(Flavour::kOpen).refusal(),
              HasSubstr("begin with 515"));
  EXPECT_THAT(Machine({gpu(0x1db6, "V100")}).wants(590).refusal(),
              HasSubstr("580 is the last"));
  EXPECT_THAT(Machine({gpu(0x2901, "B200")}).wants(550).refusal(),
              HasSubstr("570 is the first"));
  EXPECT_THAT(Machine({gpu(0x2901, "B200")}).of("rhel", "7.9").refusal(),
              HasSubstr("newer release of the distribution"));
  EXPECT_THAT(a10g().of("rhel", "7.9").wants(580).refusal(),
              HasSubstr("was never in it"));
}

TEST(DriverChoice, ABranchThatNobodyKnowsIsRefusedBeforeAnythingBegins) {
  EXPECT_THAT(a10g().wants(999).refusal(),
              testing::AllOf(HasSubstr("branch 999 is not known"),
                             HasSubstr("newest that is is 620"),
                             HasSubstr("lastBranch: 999")));
  EXPECT_EQ(a10g().wants(620).refusal(), "(chosen)");
  Machine archive = a10g().of("ubuntu", "24.04").wants(999);
  archive.wish.is_distributions = true;
  ASSERT_TRUE(archive.choose());
  EXPECT_THAT(archive.choose()->reasons, Contains(HasSubstr("newer than 620")));
}

TEST(DriverChoice, WhatIsImpossibleBesideTheDriverIsRefused) {
  Machine machine = a10g();
  machine.wish.fabric_manager = true;
  EXPECT_THAT(machine.refusal(), HasSubstr("NV_WARN_NOTHING_TO_DO"));
  machine.wish.fabric_manager = {};
  machine.wish.imex = true;
  EXPECT_THAT(machine.wants(535).refusal(), HasSubstr("no IMEX"));
}

TEST(DriverChoice, GpusOfVirtualMachinesHaveNoSay) {
  Machine machine({gpu(0x2330, "H100"), gpu(0x102d, "K80")});
  machine.facts.gpus[1].driver = "vfio-pci";
  const auto choice = machine.choose();
  ASSERT_TRUE(choice) << choice.error().message();
  EXPECT_EQ(choice->branch, 580);
  // A virtual function of SR-IOV is part of another.
  machine.facts.gpus[1].driver.clear();
  EXPECT_THAT(machine.refusal(), HasSubstr("knows both"));
  machine.facts.gpus[1].condition.physical_function = "0000:00:1e.0";
  EXPECT_EQ(machine.refusal(), "(chosen)");
  facts::PciGpu bridge = gpu(0x22a3, "NVIDIA NVSwitch");
  bridge.is_switch = true;
  bridge.driver = "vfio-pci";
  machine.facts.gpus.push_back(bridge);
  EXPECT_FALSE(machine.choose()->needs_fabric_manager);
  machine.facts.gpus[0].driver = "nvgrace_gpu_vfio_pci";
  EXPECT_EQ(machine.choose().error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(machine.refusal(), HasSubstr("kept for virtual machines"));
}

TEST(DriverChoice, AGpuThatCannotBeToldIsNoneOfABranch) {
  EXPECT_THAT(Machine({gpu(0, "NVIDIA GPU")}).refusal(),
              testing::AllOf(HasSubstr("which GPU is at 0000:00:1e.0"),
                             HasSubstr("device cannot be read"),
                             testing::Not(HasSubstr("390"))));
}

TEST(DriverChoice, CountsTheGpusThatContainersMayGet) {
  facts::HostFacts host;
  EXPECT_EQ(count_own_gpus(host), 0);
  host.gpus = std::vector<facts::PciGpu>(5, gpu(0x2330, "H100"));
  host.gpus[0].is_switch = true;
  host.gpus[1].driver = "vfio-pci";
  host.gpus[2].condition.is_lost = true;
  host.gpus[3].condition.physical_function = "0000:00:1e.0";
  EXPECT_EQ(count_own_gpus(host), 1);
}

TEST(DriverChoice, WithoutAGpuThereIsNothingToChoose) {
  const auto choice = Machine({}).choose();
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().code(), ErrorCode::kNotFound);
}

TEST(DriverChoice, NvswitchesBringTheFabricManager) {
  Machine dgx({gpu(0x2330, "NVIDIA H100 80GB HBM3")});
  EXPECT_FALSE(dgx.choose()->needs_fabric_manager);
  facts::PciGpu bridge = gpu(0x22a3, "NVIDIA NVSwitch");
  bridge.is_switch = true;
  dgx.facts.gpus.push_back(bridge);
  EXPECT_TRUE(dgx.choose()->needs_fabric_manager);
  EXPECT_FALSE(dgx.choose()->needs_subnet_manager);
  Machine b200({gpu(0x2901, "NVIDIA B200")});
  b200.facts.machine.manages_nvlink = true;
  EXPECT_TRUE(b200.choose()->needs_fabric_manager);
  EXPECT_TRUE(b200.choose()->needs_subnet_manager);
}

TEST(DriverChoice, AGpuBesideGraceKeepsItsMemoryToItself) {
  Machine gh200({gpu(0x2342, "NVIDIA GH200 480GB")});
  gh200.facts.kernel.machine = "aarch64";
  const auto choice = gh200.of("rhel", "9.4").choose();
  ASSERT_TRUE(choice) << choice.error().message();
  EXPECT_EQ(choice->flavour, Flavour::kOpen);
  EXPECT_THAT(choice->module_options,
              Contains(Pair("NVreg_CoherentGPUMemoryMode", "driver")));
}

}  // namespace
}  // namespace gpunode::driver
