#include "node/provision/packages/apt_output.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gpunode::packages {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// apt 2.6.1, Debian 12, shortened.
constexpr const char* kUpgrade =
    "Reading package lists...\n"
    "Building dependency tree...\n"
    "Reading state information...\n"
    "The following packages will be REMOVED:\n"
    "  stub-driver\n"
    "The following packages will be DOWNGRADED:\n"
    "  stub-lib\n"
    "1 upgraded, 1 newly installed, 1 downgraded, 1 to remove and 0 not "
    "upgraded.\n"
    "Remv stub-driver [580.1-1]\n"
    "Inst stub-lib [580.2-1] (580.1-1 localhost [all])\n"
    "Inst libc6:i386 [2.36-9] (2.36-9+deb12u4 Debian:12.4/stable, "
    "Debian-Security:12/stable-security [i386]) [libc6:amd64 on libc6:i386]\n"
    "Inst stub-rival (1:580.2-1 localhost [all]) []\n"
    "Conf stub-lib (580.1-1 localhost [all])\n"
    "Conf stub-broken (580.2-1 localhost [all])\n";

TEST(AptOutput, ReadsASimulation) {
  const auto simulation = parse_apt_simulation(kUpgrade);
  ASSERT_TRUE(simulation) << simulation.error().message();
  ASSERT_THAT(simulation->changes, SizeIs(4));
  const PackageChange libc{ChangeKind::kUpgrade,
                           "libc6:i386",
                           "i386",
                           "2.36-9",
                           "2.36-9+deb12u4",
                           "Debian:12.4/stable, Debian-Security:12/"
                           "stable-security",
                           std::nullopt};
  EXPECT_EQ(simulation->changes[0], libc);
  EXPECT_EQ(simulation->changes[1].kind, ChangeKind::kRemove);
  EXPECT_EQ(simulation->changes[1].old_version, "580.1-1");
  EXPECT_EQ(simulation->changes[2].kind, ChangeKind::kDowngrade);
  EXPECT_EQ(simulation->changes[3].kind, ChangeKind::kInstall);
  EXPECT_EQ(simulation->changes[3].new_version, "1:580.2-1");
  EXPECT_THAT(simulation->finishes, ElementsAre("stub-broken"));
}

TEST(AptOutput, ALineThatIsNotUnderstoodIsNotPassedOver) {
  EXPECT_FALSE(parse_apt_simulation("Inst stub-lib\n"));
  EXPECT_FALSE(parse_apt_simulation("Remv stub-lib\n"));
  EXPECT_FALSE(parse_apt_simulation("Inst \n"));
}

TEST(AptOutput, ReadsDpkgsDatabase) {
  const auto observation = parse_dpkg_list(
      "dpkg\tamd64\t1.21.22\tinstall\tok\tinstalled\t6488\n"
      "libc6\tamd64\t2.36-9\thold\tok\tinstalled\t12988\n"
      "libc6\ti386\t2.36-9\tinstall\tok\tinstalled\t12900\n"
      "gone\tall\t1\tdeinstall\tok\tconfig-files\t5\n"
      "never\tall\t\tunknown\tok\tnot-installed\t\n"
      "stub-broken\tall\t580.2-1\tinstall\tok\thalf-configured\t128\n"
      "stub-torn\tall\t2\tinstall\treinstreq\thalf-installed\t1\n"
      "man-db\tamd64\t2.11\tinstall\tok\ttriggers-pending\t1\n");
  ASSERT_TRUE(observation) << observation.error().message();
  EXPECT_THAT(observation->installed, SizeIs(6));
  EXPECT_TRUE(observation->find("libc6")->is_held);
  EXPECT_FALSE(observation->find("libc6:i386")->is_held);
  EXPECT_EQ(observation->find("dpkg")->installed_bytes, 6488U * 1024);
  EXPECT_EQ(observation->find("gone"), nullptr);
  ASSERT_THAT(observation->troubles, SizeIs(3));
  EXPECT_EQ(observation->troubles[0].what,
            "stub-broken 580.2-1 is unpacked but not configured "
            "(half-configured): its script failed or dpkg was interrupted");
  EXPECT_EQ(observation->troubles[0].remedy, "dpkg --configure -a");
  EXPECT_EQ(observation->troubles[1].remedy,
            "apt-get install --reinstall stub-torn");
  EXPECT_EQ(observation->troubles[2].what,
            "man-db 2.11 waits for triggers of other packages");
  EXPECT_FALSE(parse_dpkg_list("dpkg-query: something else\n"));
}

TEST(AptOutput, FindsWhatIsNeededInExactlyOneVersion) {
  EXPECT_THAT(
      exact_needs("The following packages have unmet dependencies:\n"
                  " nvidia-driver-580 : Depends: libnvidia-gl-580 (= 580.65-1) "
                  "but 580.95-1 is to be installed\n"
                  "                     Depends: libnvidia-compute-580 (= "
                  "580.65-1) but it is not going to be installed\n"
                  "                     Depends: xserver (>= 2) but 1 is to be "
                  "installed\n"
                  " stub-needy : Depends: stub-nowhere (= 1) but it is not "
                  "installable\n"),
      ElementsAre(Wanted{"libnvidia-gl-580", "580.65-1"},
                  Wanted{"libnvidia-compute-580", "580.65-1"}));
}

TEST(AptOutput, ReadsSizesAndVersions) {
  const auto sizes = parse_apt_show(
      "Package: stub-driver\nVersion: 580.2-1\nInstalled-Size: 128\n"
      "Size: 143552\n\nPackage: stub-lib\nVersion: 580.2-1\nSize: 7\n");
  ASSERT_THAT(sizes, SizeIs(2));
  EXPECT_EQ(sizes.at({"stub-driver", "580.2-1"}).download, 143552U);
  EXPECT_EQ(sizes.at({"stub-driver", "580.2-1"}).installed, 128U * 1024);
  const auto candidates = parse_apt_madison(
      "stub-driver |  580.2-1 | http://h/deb stub/main amd64 Packages\n"
      "stub-driver |  580.2-1 | http://h/deb stub/main all Packages\n"
      "stub-driver |  580.1-1 | http://h/deb stub/main Sources\n");
  EXPECT_THAT(candidates,
              ElementsAre(Candidate{"stub-driver", "580.2-1", "amd64",
                                    "http://h/deb stub/main amd64 Packages"}));
}

TEST(AptOutput, NothingIsReadOutOfNoise) {
  EXPECT_TRUE(rc::check([](const std::string& noise) {
    // Whatever comes, no crash; and only marked lines count.
    const auto simulation = parse_apt_simulation("E: " + noise);
    if (noise.find('\n') == std::string::npos) {
      RC_ASSERT(simulation && simulation->changes.empty());
    }
    (void)parse_dpkg_list(noise);
    (void)parse_apt_show(noise);
    (void)parse_apt_madison(noise);
    (void)exact_needs("Depends: " + noise + " is to be installed");
  }));
}

TEST(AptOutput, WhatIsWrittenIsRead) {
  EXPECT_TRUE(rc::check([](const std::set<unsigned short>& numbers) {
    std::string text;
    for (const auto n : numbers) {
      text += "Inst pkg" + std::to_string(n) + " [1." + std::to_string(n) +
              "] (2." + std::to_string(n) + " Stub:1/stable [amd64])\n";
    }
    const auto simulation = parse_apt_simulation(text);
    RC_ASSERT(simulation && simulation->changes.size() == numbers.size());
    for (const PackageChange& change : simulation->changes) {
      const std::string n = change.name.substr(3);
      RC_ASSERT(change.old_version == "1." + n);
      RC_ASSERT(change.new_version == "2." + n);
      RC_ASSERT(change.repository == "Stub:1/stable");
    }
  }));
}

}  // namespace
}  // namespace gpunode::packages
