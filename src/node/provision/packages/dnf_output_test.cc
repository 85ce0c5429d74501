#include "node/provision/packages/dnf_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "node/provision/packages/rpm_output.h"

namespace gpunode::packages {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Observation installed(std::vector<Package> packages) {
  Observation observation;
  observation.installed = std::move(packages);
  return observation;
}

// dnf 4.14's own layout: cells that are too long go on in the next line.
constexpr const char* kTable =
    "Last metadata expiration check: 0:00:03 ago on Sat Nov 28 13:51:19 2026.\n"
    "Dependencies resolved.\n"
    "================================================================\n"
    " Package     Architecture  Version   Repository            Size\n"
    "================================================================\n"
    "Installing:\n"
    " kmod-nvidia-latest-dkms-with-a-long-name\n"
    "             x86_64        3:580.65.06-1.el8\n"
    "                                     cuda-rhel8-x86_64     14 M\n"
    "     replacing  kmod-nvidia.x86_64 3:570.1-1.el8\n"
    "Upgrading:\n"
    " stub-lib    noarch        580.2-1   stub                 6.0 k\n"
    "Downgrading:\n"
    " stub-old    noarch        1.0-1     stub                 949  \n"
    "Installing dependencies:\n"
    " stub-dep    noarch        0:2-1     stub                 1.2 G\n"
    "Removing dependent packages:\n"
    " stub-driver noarch        580.1-1   @stub                 98 k\n"
    "Enabling module streams:\n"
    " stub-nvidia               580-dkms                            \n"
    "Skipping packages with conflicts:\n"
    "(add '--best --allowerasing' to command line to force their upgrade):\n"
    " stub-skip   noarch        580.2-1   stub                 6.0 k\n"
    "\n"
    "Transaction Summary\n"
    "================================================================\n"
    "Install    2 Packages\n"
    "\n"
    "Total download size: 1.2 G\n"
    "Installed size: 195 k\n"
    "Operation aborted.\n";

TEST(DnfOutput, ReadsTheTable) {
  const auto table =
      parse_dnf_table(kTable, installed({{"stub-lib", "580.1-1", "noarch"},
                                         {"stub-old", "2.0-1", "noarch"}}));
  ASSERT_TRUE(table) << table.error().message();
  ASSERT_THAT(table->changes, SizeIs(6));
  EXPECT_EQ(table->changes[0],
            (PackageChange{ChangeKind::kRemove, "kmod-nvidia", "x86_64",
                           "3:570.1-1.el8", "", "", std::nullopt}));
  EXPECT_EQ(
      table->changes[1],
      (PackageChange{ChangeKind::kInstall,
                     "kmod-nvidia-latest-dkms-with-a-long-name", "x86_64", "",
                     "3:580.65.06-1.el8", "cuda-rhel8-x86_64", 14U << 20}));
  EXPECT_EQ(table->changes[2].new_version, "2-1") << "an epoch of 0 is none";
  EXPECT_EQ(table->changes[3],
            (PackageChange{ChangeKind::kRemove, "stub-driver", "noarch",
                           "580.1-1", "", "", std::nullopt}));
  EXPECT_EQ(table->changes[4],
            (PackageChange{ChangeKind::kUpgrade, "stub-lib", "noarch",
                           "580.1-1", "580.2-1", "stub", 6144}));
  EXPECT_EQ(table->changes[5],
            (PackageChange{ChangeKind::kDowngrade, "stub-old", "noarch",
                           "2.0-1", "1.0-1", "stub", 949}));
  EXPECT_THAT(table->skipped, ElementsAre("stub-skip"));
  EXPECT_EQ(table->download_bytes, 1288490189U);
  EXPECT_EQ(table->installed_bytes, 195 * 1024);
}

TEST(DnfOutput, ReadsTheTableOfDnf5) {
  // Upgrades name what they replace below; it is the same package.
  const auto table = parse_dnf_table(
      "Package         Arch   Version   Repository      Size\n"
      "Upgrading:\n"
      " stub-lib       noarch 0:580.2-1 stub         97.7 KiB\n"
      "   replacing stub-lib noarch 0:580.1-1 stub   97.7 KiB\n"
      "Removing:\n"
      " stub-driver    noarch 0:580.1-1 stub         97.7 KiB\n"
      "\n"
      "Transaction Summary:\n"
      " Upgrading: 1 package\n",
      {});
  ASSERT_TRUE(table) << table.error().message();
  ASSERT_THAT(table->changes, SizeIs(2));
  EXPECT_EQ(table->changes[1].old_version, "580.1-1");
  EXPECT_EQ(table->changes[1].new_version, "580.2-1");
}

TEST(DnfOutput, WhatIsDownloadedAndFreed) {
  const auto table =
      parse_dnf_table("Total size: 12 k\nFreed space: 195 k\n", {});
  EXPECT_EQ(table->download_bytes, 12U * 1024);
  EXPECT_EQ(table->installed_bytes, -195 * 1024);
  const auto nothing = parse_dnf_table("Nothing to do.\nComplete!\n", {});
  EXPECT_THAT(nothing->changes, IsEmpty());
  EXPECT_FALSE(nothing->download_bytes);
}

TEST(DnfOutput, ARowThatIsNotUnderstoodIsNotPassedOver) {
  const std::string head =
      " Package  Architecture  Version  Repository  Size\nInstalling:\n";
  EXPECT_FALSE(parse_dnf_table(head + " stub-lib noarch 580.2-1\n", {}));
  EXPECT_FALSE(parse_dnf_table(head + " stub-lib noarch 1-1 stub huge\n", {}));
}

TEST(DnfOutput, Sizes) {
  EXPECT_EQ(parse_dnf_size("949"), 949U);
  EXPECT_EQ(parse_dnf_size("6.0 k"), 6144U);
  EXPECT_EQ(parse_dnf_size("1.5 MiB"), 1572864U);
  EXPECT_EQ(parse_dnf_size("512   B"), 512U);
  EXPECT_FALSE(parse_dnf_size("k"));
  EXPECT_FALSE(parse_dnf_size("-1 k"));
  EXPECT_FALSE(parse_dnf_size("1 parsec"));
  EXPECT_FALSE(parse_dnf_size("9e99 G"));
}

TEST(DnfOutput, VersionLocks) {
  EXPECT_THAT(parse_dnf_locks("Last metadata expiration check: 0:01:02 ago.\n"
                              "\n# Added lock on Sat Nov 28 13:52:21 2026\n"
                              "stub-driver-0:580.1-1.*\n"
                              "!kernel-0:5.14-1.*\n"
                              "nvidia-driver-cuda-3:580.65.06-1.el9.*\n"),
              ElementsAre(Hold{"stub-driver", "stub-driver-0:580.1-1.*"},
                          Hold{"nvidia-driver-cuda",
                               "nvidia-driver-cuda-3:580.65.06-1.el9.*"}));
}

TEST(DnfOutput, ModuleStreams) {
  EXPECT_THAT(
      parse_dnf_modules(
          "cuda-rhel8-x86_64\n"
          "Name          Stream          Profiles                 Summary\n"
          "nvidia-driver latest-dkms [d] default [d], fm, ks, src Nvidia\n"
          "nvidia-driver 580-dkms [e]    default [d], fm, ks      Nvidia\n"
          "\n"
          "Hint: [d]efault, [e]nabled, [x]disabled, [i]nstalled\n"),
      ElementsAre(ModuleStream{"nvidia-driver",
                               "latest-dkms",
                               true,
                               false,
                               {"default", "fm", "ks", "src"}},
                  ModuleStream{"nvidia-driver",
                               "580-dkms",
                               false,
                               true,
                               {"default", "fm", "ks"}}));
}

TEST(DnfOutput, Repoquery) {
  EXPECT_THAT(
      parse_dnf_repoquery("stub-lib|0|580.1-1|noarch|stub\n"
                          "nvidia-open|3|580.65-1|x86_64|cuda\n"
                          "noise\n"),
      ElementsAre(Candidate{"stub-lib", "580.1-1", "noarch", "stub"},
                  Candidate{"nvidia-open", "3:580.65-1", "x86_64", "cuda"}));
}

TEST(RpmOutput, ReadsTheDatabase) {
  const auto observation = parse_rpm_list(
      "rpm: RPM should not be used directly install RPM packages\n"
      "gpg-pubkey\tbb6556d2-6b0adc36\t(none)\t0\n"
      "stub-lib\t580.2-1\tnoarch\t100000\n"
      "stub-lib\t580.1-1\tnoarch\t100000\n"
      "kernel-core\t5.14.0-1.el9\tx86_64\t1\n"
      "kernel-core\t5.14.0-2.el9\tx86_64\t1\n"
      "nvidia-driver\t3:580.65-1.el9\tx86_64\t5\n"
      "zero\t0:1-1\tnoarch\t5\n",
      Tool::kDnf);
  ASSERT_TRUE(observation) << observation.error().message();
  EXPECT_THAT(observation->installed, SizeIs(6));
  EXPECT_EQ(observation->find("nvidia-driver")->version, "3:580.65-1.el9");
  EXPECT_EQ(observation->find("zero")->version, "1-1");
  EXPECT_THAT(observation->troubles,
              ElementsAre(Trouble{"stub-lib is installed as 580.2-1 and "
                                  "580.1-1: an earlier transaction broke off",
                                  "dnf remove --duplicates"}));
  EXPECT_FALSE(
      parse_rpm_list("error: cannot open Packages index\n", Tool::kDnf));
}

TEST(DnfOutput, NothingIsReadOutOfNoise) {
  EXPECT_TRUE(rc::check([](const std::string& noise) {
    (void)parse_dnf_table(noise, {});
    (void)parse_dnf_table(
        " Package  Architecture  Version  Repository  Size\nInstalling:\n " +
            noise,
        {});
    (void)parse_dnf_locks(noise);
    (void)parse_dnf_modules("Name Stream Profiles Summary\n" + noise);
    (void)parse_dnf_repoquery(noise);
    (void)parse_dnf_size(noise);
    (void)parse_rpm_list(noise, Tool::kZypper);
  }));
}

TEST(DnfOutput, WrappingChangesNothing) {
  EXPECT_TRUE(
      rc::check([](unsigned short number, bool wraps_name, bool wraps_version) {
        const std::string n = std::to_string(number);
        const std::string text =
            " Package  Architecture  Version  Repository  Size\nInstalling:\n"
            " pkg" +
            n + (wraps_name ? "\n     " : " ") + "x86_64 1:" + n + "-1" +
            (wraps_version ? "\n     " : " ") + "repo " + n +
            " \n"
            " next x86_64 1-1 repo 1 k\nTransaction Summary\n";
        const auto table = parse_dnf_table(text, {});
        RC_ASSERT(table && table->changes.size() == 2U);
        RC_ASSERT(table->changes[1].name == "pkg" + n);
        RC_ASSERT(table->changes[1].new_version == "1:" + n + "-1");
        RC_ASSERT(table->changes[1].download_bytes == number);
      }));
}

}  // namespace
}  // namespace gpunode::packages
