#include "node/distribution/precompiled.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::distribution {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(Precompiled, ANameHasTheDriverAndTheKernel) {
  const auto kmod =
      parse_precompiled_kmod("kmod-nvidia-575.57.08-5.14.0-570.17.1");
  ASSERT_TRUE(kmod);
  EXPECT_EQ(kmod->version, "575.57.08");
  EXPECT_EQ(kmod->kernel, "5.14.0-570.17.1");
  // A first kernel of a release has one number after the dash.
  const auto first = parse_precompiled_kmod("kmod-nvidia-610.43.02-4.18.0-553");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->kernel, "4.18.0-553");
}

TEST(Precompiled, OthersPackagesAreNone) {
  for (const char* name :
       {"kmod-nvidia-open-dkms", "kmod-nvidia-latest-dkms", "kmod-nvidia",
        "kmod-nvidia-", "kmod-nvidia-6.12.4-200.fc41.x86_64",
        "kmod-nvidia-5.14.0-570.17.1.el9_6", "kmod-nvidia-580.95.05",
        "kmod-nvidia-580.95.05-", "kmod-nvidia-580.95.05-5.14.0",
        "kmod-nvidia-open-580.178.04-6.12.0-211.50.1",
        "akmod-nvidia-580.95.05-5.14.0-570.17.1", ""}) {
    EXPECT_FALSE(parse_precompiled_kmod(name)) << name;
  }
}

TEST(Precompiled, TheBranchIsTheDriversAndNotTheKernels) {
  EXPECT_FALSE(is_of_another_branch("kmod-nvidia-580.65.06-4.18.0-553", 580));
  EXPECT_TRUE(is_of_another_branch("kmod-nvidia-580.65.06-4.18.0-553", 553));
  EXPECT_TRUE(
      is_of_another_branch("kmod-nvidia-575.57.08-5.14.0-580.1.1", 580));
}

TEST(Precompiled, TheNameForAKernel) {
  EXPECT_EQ(*precompiled_name("5.14.0-570.17.1.el9_6.x86_64"),
            "kmod-nvidia-*-5.14.0-570.17.1");
  EXPECT_EQ(*precompiled_name("4.18.0-553.el8_10.x86_64"),
            "kmod-nvidia-*-4.18.0-553");
  EXPECT_EQ(*precompiled_name("4.18.0-305.el8.x86_64"),
            "kmod-nvidia-*-4.18.0-305");
}

TEST(Precompiled, AnotherThanRedHatsKernelIsRefusedInWords) {
  for (const char* release :
       {"4.18.0-372.16.1.el8_6.0.1.x86_64", "5.15.0-308.179.6.el8uek.x86_64",
        "5.14.0-570.17.1.el9_6.x86_64+rt", "5.14.0-570.17.1.el9_6.aarch64",
        "5.14.0-570.17.1.el9_.x86_64", "5.14.0-570.17.1.el.x86_64",
        "6.8.0-79-generic", ".el9.x86_64", ".x86_64", ""}) {
    const auto name = precompiled_name(release);
    ASSERT_FALSE(name) << release << ": " << *name;
    EXPECT_THAT(name.error().message(), HasSubstr(release));
    EXPECT_THAT(name.error().message(), HasSubstr("nvidia-cuda-repo"));
  }
}

std::string refusal(const char* id, const char* version,
                    const char* machine = "x86_64", int branch = 580) {
  const auto row = find_distribution(id, version);
  EXPECT_TRUE(row) << id;
  const auto checked = check_precompiled(**row, machine, branch);
  return checked ? "" : checked.error().message();
}

TEST(Precompiled, WhereThereIsNoneTheWayOutIsSaid) {
  EXPECT_EQ(refusal("rhel", "8.10"), "");
  EXPECT_EQ(refusal("rocky", "9.6"), "");
  EXPECT_EQ(refusal("almalinux", "9.6"), "");
  EXPECT_THAT(refusal("rhel", "9.6", "aarch64"), HasSubstr("x86_64 alone"));
  EXPECT_THAT(refusal("rhel", "10.0"), HasSubstr("extensions-rpms"));
  EXPECT_THAT(refusal("amzn", "2023"), HasSubstr("nvidia-cuda-repo"));
  EXPECT_THAT(refusal("fedora", "42"), HasSubstr("nvidia-cuda-repo"));
  EXPECT_THAT(refusal("debian", "12"), HasSubstr("nvidia-cuda-repo"));
  EXPECT_THAT(refusal("rhel", "7.9"), HasSubstr("nvidia-cuda-repo"));
  EXPECT_THAT(refusal("ubuntu", "22.04"), HasSubstr("source: distro"));
  EXPECT_EQ(refusal("sles", "15.6", "x86_64", 570), "");
  EXPECT_THAT(refusal("sles", "15.6"), HasSubstr("say that `branch`"));
  EXPECT_THAT(refusal("sles", "16.0", "x86_64", 595),
              Not(HasSubstr("say that `branch`")));
}

TEST(Precompiled, PackagesAreOfTheBranchsStreamAndTheKernel) {
  const auto row = find_distribution("rocky", "9.6");
  ASSERT_TRUE(row);
  const auto driver =
      precompiled_packages(**row, 580, Flavour::kProprietary, Profile::kCompute,
                           "5.14.0-570.17.1.el9_6.x86_64");
  ASSERT_TRUE(driver) << driver.error().message();
  EXPECT_EQ(driver->stream, "580");
  EXPECT_EQ(driver->module, "kmod-nvidia-*-5.14.0-570.17.1");
  EXPECT_THAT(driver->packages, ElementsAre("nvidia-driver-cuda",
                                            "kmod-nvidia-*-5.14.0-570.17.1"));
  EXPECT_THAT(driver->rivals,
              ElementsAre("kmod-nvidia-latest-dkms", "kmod-nvidia-open-dkms"));
}

TEST(Precompiled, SusesKmpsAreWhatItsBranchHasAnyway) {
  const auto row = find_distribution("sles", "15.6");
  ASSERT_TRUE(row);
  const auto driver = precompiled_packages(**row, 570, Flavour::kOpen,
                                           Profile::kCompute, "6.4.0-default");
  ASSERT_TRUE(driver) << driver.error().message();
  EXPECT_EQ(driver->module, "nvidia-open-driver-G06-kmp-default");
}

}  // namespace
}  // namespace gpunode::distribution
