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

// What dnf5 5.4.6 printed, without a terminal: standard output and errors.
TEST(DnfOutput, ReadsTheTableOfDnf5) {
  const auto table = parse_dnf_table(
      "Package                  Arch   Version   Repository      Size\n"
      "Removing:\n"
      " stub-driver             noarch 0:580.1-1 <unknown>   97.7 KiB\n"
      "Upgrading:\n"
      " stub-lib                noarch 0:580.2-1 stub        97.7 KiB\n"
      "   replacing stub-lib    noarch 0:580.1-1 stub        97.7 KiB\n"
      "Installing:\n"
      " kmod-new                x86_64 3:580.2-1 stub       512.0   B\n"
      "   replacing kmod-old    x86_64 3:570.1-1 stub        97.7 KiB\n"
      "Changing reason:\n"
      " stub-asked              noarch 0:1.0-1   stub         1.0 KiB\n"
      "   Dependency -> User\n"
      "\n"
      "Transaction Summary:\n"
      " Installing:         1 package\n"
      " Upgrading:          1 package\n"
      " Replacing:          2 packages\n"
      " Removing:           1 package\n"
      "\n"
      "\n"
      "Updating and loading repositories:\n"
      "Repositories loaded.\n"
      "Total size of inbound packages is 14 KiB. Need to download 12 KiB.\n"
      "After this operation, 97 KiB will be freed (install 98 KiB, remove 195 "
      "KiB).\n"
      "Operation aborted by the user.\n",
      {});
  ASSERT_TRUE(table) << table.error().message();
  ASSERT_THAT(table->changes, SizeIs(4));
  EXPECT_EQ(table->changes[0],
            (PackageChange{ChangeKind::kInstall, "kmod-new", "x86_64", "",
                           "3:580.2-1", "stub", std::nullopt}))
      << "its size is not that of the download";
  EXPECT_EQ(table->changes[1],
            (PackageChange{ChangeKind::kRemove, "kmod-old", "x86_64",
                           "3:570.1-1", "", "", std::nullopt}));
  EXPECT_EQ(table->changes[2].kind, ChangeKind::kRemove);
  EXPECT_EQ(table->changes[3].old_version, "580.1-1");
  EXPECT_EQ(table->changes[3].new_version, "580.2-1");
  EXPECT_EQ(table->download_bytes, 12U * 1024);
  EXPECT_EQ(table->installed_bytes, (98 - 195) * 1024);
}

// As output.py of yum 3.4.3 lays it out; not of a run.
TEST(DnfOutput, ReadsTheTableOfYum) {
  const auto table = parse_dnf_table(
      "\n"
      "================================================================\n"
      " Package        Arch      Version        Repository        Size\n"
      "================================================================\n"
      "Installing:\n"
      " kmod-nvidia-latest-dkms\n"
      "                x86_64    3:550.54.15-1.el7\n"
      "                                         cuda-rhel7-x86_64  41 M\n"
      "     replacing  kmod-nvidia.x86_64 3:470.1-1.el7\n"
      "Updating:\n"
      " stub-lib       noarch    580.2-1        stub             6.0 k\n"
      "Installing for dependencies:\n"
      " dkms           noarch    3.0.13-1.el7   epel              86 k\n"
      "Updating for dependencies:\n"
      " stub-dep       noarch    2-1            stub             949  \n"
      "Removing for dependencies:\n"
      " stub-driver    noarch    580.1-1        @stub             98 k\n"
      "Skipped (dependency problems):\n"
      " stub-skip      noarch    580.2-1        stub             6.0 k\n"
      "Not installed:\n"
      " stub-not       noarch    580.2-1        stub             6.0 k\n"
      "\n"
      "Transaction Summary\n"
      "================================================================\n"
      "Install  1 Package  (+1 Dependent package)\n"
      "\n"
      "Total download size: 41 M\n"
      "Exiting on user command\n",
      installed(
          {{"stub-lib", "580.1-1", "noarch"}, {"stub-dep", "1-1", "noarch"}}));
  ASSERT_TRUE(table) << table.error().message();
  ASSERT_THAT(table->changes, SizeIs(6));
  EXPECT_EQ(table->changes[0].name, "dkms");
  EXPECT_EQ(table->changes[1].kind, ChangeKind::kRemove);
  EXPECT_EQ(
      table->changes[2],
      (PackageChange{ChangeKind::kInstall, "kmod-nvidia-latest-dkms", "x86_64",
                     "", "3:550.54.15-1.el7", "cuda-rhel7-x86_64", 41U << 20}));
  EXPECT_EQ(table->changes[3],
            (PackageChange{ChangeKind::kUpgrade, "stub-dep", "noarch", "1-1",
                           "2-1", "stub", 949}));
  EXPECT_EQ(table->changes[4].kind, ChangeKind::kRemove);
  EXPECT_EQ(table->changes[5].kind, ChangeKind::kUpgrade);
  EXPECT_EQ(table->changes[5].old_version, "580.1-1");
  EXPECT_THAT(table->skipped, ElementsAre("stub-skip"));
  EXPECT_EQ(table->download_bytes, 41U << 20);
}

TEST(DnfOutput, YumsListIsCutAnywhere) {
  EXPECT_THAT(
      parse_yum_list("Installed Packages\n"
                     "kernel.x86_64              3.10.0-1160.el7   installed\n"
                     "stub-lib.noarch            0:580.1-1         @stub\n"
                     "Available Packages\n"
                     "nvidia-driver-branch-550-cuda.x86_64\n"
                     "                           3:550.54.15-1.el7 cuda-rhel7\n"
                     "stub-lib.noarch            580.2-1\n"
                     "                                             stub\n"),
      ElementsAre(Candidate{"stub-lib", "580.1-1", "noarch", "stub"},
                  Candidate{"nvidia-driver-branch-550-cuda",
                            "3:550.54.15-1.el7", "x86_64", "cuda-rhel7"},
                  Candidate{"stub-lib", "580.2-1", "noarch", "stub"}));
}

TEST(DnfOutput, VersionLocksOfYum) {
  EXPECT_THAT(
      parse_dnf_locks("Loaded plugins: fastestmirror, versionlock\n"
                      "\n# Added locks on Sat Nov 28 13:52:21 2026\n"
                      "0:stub-driver-580.1-1.*\n"
                      "3:nvidia-driver-branch-550-cuda-550.54.15-1.el7.*\n"
                      "!0:kernel-3.10.0-1.*\n"
                      "versionlock list done\n"),
      ElementsAre(Hold{"stub-driver", "0:stub-driver-580.1-1.*"},
                  Hold{"nvidia-driver-branch-550-cuda",
                       "3:nvidia-driver-branch-550-cuda-550.54.15-1."
                       "el7.*"}));
}

TEST(DnfOutput, VersionLocksOfDnf5) {
  const auto listed = parse_dnf5_locks(
      "# Added by 'versionlock add' command on 2026-11-29 14:02:12\n"
      "Package name: stub-driver\n"
      "evr = 3:580.2-1\n"
      "\n"
      "Package name: acpi # entry is invalid: missing package conditions\n"
      "\n"
      "Package name: stub-lib\n"
      "evr >= 580\n"
      "evr < 581\n");
  EXPECT_THAT(listed,
              ElementsAre(Hold{"stub-driver", "stub-driver: evr = 3:580.2-1"},
                          Hold{"acpi", "acpi:"},
                          Hold{"stub-lib", "stub-lib: evr >= 580, evr < 581"}));
  const auto read = parse_dnf5_lock_file(
      "version = \"1.0\"\n\n"
      "[[packages]]\n"
      "name = \"stub-driver\"\n"
      "comment = \"Added by 'versionlock add' command on 2026-11-29\"\n\n"
      "[[packages.conditions]]\n"
      "key = \"evr\"\n"
      "comparator = \"=\"\n"
      "value = \"3:580.2-1\"\n\n"
      "[[packages]]\n"
      "name = \"acpi\"\n"
      "[[packages]]\n"
      "name = 'stub-lib' # mine\n"
      "[[packages.conditions]]\n"
      "key=\"evr\"\ncomparator='>='\nvalue=\"580\"\n"
      "[[packages.conditions]]\n"
      "key=\"evr\"\ncomparator='<'\nvalue=\"581\"\n");
  EXPECT_EQ(read, listed);
  EXPECT_TRUE(is_lock_on(listed[0], "3:580.2-1"));
  EXPECT_FALSE(is_lock_on(listed[0], "580.2-1"));
  EXPECT_TRUE(is_lock_on({"a", "a: evr = 0:1-1"}, "1-1"));
  EXPECT_FALSE(is_lock_on(listed[2], "580"));
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
    (void)parse_dnf5_locks("Package name: a\n" + noise);
    (void)parse_dnf5_lock_file("name = \"a\"\n" + noise);
    (void)parse_dnf_modules("Name Stream Profiles Summary\n" + noise);
    (void)parse_dnf_repoquery(noise);
    (void)parse_yum_list("Available Packages\n" + noise);
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
