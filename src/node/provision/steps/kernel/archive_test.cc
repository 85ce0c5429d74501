// kernel.build, where the archive stands beside the repositories: for that
// package, and no longer.
#include <array>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/kernel/kernel_steps.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST_F(KernelSteps, TheArchiveOfAPointReleaseIsThereForItsKernelsAlone) {
  host_.spec.host.kernel.archive = "point-release";
  host_.facts.files["/etc/yum.repos.d/Rocky-BaseOS.repo"].content =
      "[baseos]\nname=Rocky\ngpgcheck=1\n"
      "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-rockyofficial\n";
  const StepPlan plan = host_.plan(*build_);
  ASSERT_EQ(plan.state, StepState::kChange) << plan.why << plan.fix;
  ASSERT_THAT(plan.actions, SizeIs(5));
  const auto& file = std::get<WriteFile>(plan.actions[0]);
  EXPECT_EQ(file.path, "/etc/yum.repos.d/gpunode-kernel-archive.repo");
  EXPECT_THAT(
      file.content,
      HasSubstr("[gpunode-kernel-archive-baseos]\n"
                "name=Kernels of a point release (baseos)\n"
                "baseurl=https://dl.rockylinux.org/vault/rocky/8.9/BaseOS/"
                "x86_64/os/\n"
                "enabled=1\ngpgcheck=1\n"
                "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-rockyofficial\n"
                "includepkgs=kernel kernel-*\n"
                "skip_if_unavailable=1\n\n"
                "[gpunode-kernel-archive-appstream]\n"));
  EXPECT_THAT(std::get<InstallPackages>(plan.actions[1]).packages,
              Contains("kernel-devel=4.18.0-513.5.1.el8_9"));
  EXPECT_EQ(std::get<RemoveFile>(plan.actions[2]).path, file.path);
  EXPECT_THAT(plan.notes, Contains(HasSubstr("vault/rocky/8.9/AppStream")));

  // A mirror stands in its place.
  host_.spec.mirrors = {{"https://dl.rockylinux.org/vault", "http://m/vault"}};
  EXPECT_THAT(std::get<WriteFile>(host_.plan(*build_).actions[0]).content,
              HasSubstr("baseurl=http://m/vault/rocky/8.9/BaseOS"));

  // Who signs it must be known from here.
  host_.facts.files["/etc/yum.repos.d/Rocky-BaseOS.repo"].content =
      "[baseos]\ngpgkey=http://elsewhere/key\n";
  EXPECT_EQ(host_.plan(*build_).state, StepState::kBlocked);
  // A bundle has it, or has not: nothing is asked but that.
  host_.spec.bundle = "/srv/bundle";
  EXPECT_TRUE(std::holds_alternative<InstallPackages>(
      host_.plan(*build_).actions.at(0)));
}

TEST_F(KernelSteps, TheArchiveOfADayIsAptsAndSignedAsTheDistributions) {
  be_ubuntu("5.15.0-100-generic");
  host_.facts.os.codename = "jammy";
  host_.spec.host.kernel.archive = "20240905";
  const StepPlan plan = host_.plan(*build_);
  ASSERT_EQ(plan.state, StepState::kChange) << plan.why << plan.fix;
  // By its site apt knows the archive: nothing but kernels comes from there.
  const auto& pins = std::get<WriteFile>(plan.actions.at(0));
  EXPECT_EQ(pins.path, "/etc/apt/preferences.d/gpunode-kernel-archive.pref");
  EXPECT_THAT(pins.content, HasSubstr("Package: linux-*\n"
                                      "Pin: origin \"snapshot.ubuntu.com\"\n"
                                      "Pin-Priority: 100\n\n"
                                      "Package: *\n"
                                      "Pin: origin \"snapshot.ubuntu.com\"\n"
                                      "Pin-Priority: -1\n"));
  const auto& file = std::get<WriteFile>(plan.actions.at(1));
  EXPECT_EQ(file.path,
            "/etc/apt/sources.list.d/gpunode-kernel-archive.sources");
  EXPECT_THAT(
      file.content,
      HasSubstr("Types: deb\n"
                "URIs: https://snapshot.ubuntu.com/ubuntu/20240905T000000Z/\n"
                "Suites: jammy jammy-updates jammy-security\n"
                "Components: main\n"
                "Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n"
                "Check-Valid-Until: no\n"));
  EXPECT_THAT(std::get<InstallPackages>(plan.actions.at(2)).packages,
              Contains("linux-headers-5.15.0-100-generic"));
  EXPECT_EQ(std::get<RemoveFile>(plan.actions.at(3)).path, file.path);
  EXPECT_EQ(std::get<RemoveFile>(plan.actions.at(4)).path, pins.path);
  host_.spec.host.kernel.archive = "point-release";
  const StepPlan other = host_.plan(*build_);
  EXPECT_EQ(other.state, StepState::kBlocked);
  EXPECT_THAT(other.why, HasSubstr("say the day at which"));
}

// What is pinned by the site would be the host's own repositories, too.
TEST_F(KernelSteps, AnArchiveOfTheHostsOwnSiteIsNotPinned) {
  be_ubuntu("5.15.0-100-generic");
  host_.facts.os.codename = "jammy";
  host_.spec.host.kernel.archive = "20240905";
  host_.spec.mirrors = {{"https://snapshot.ubuntu.com", "http://m:80/snap"}};
  const std::string list = "/etc/apt/sources.list.d/ubuntu.sources";
  for (const auto& [text, is_pinned] :
       std::vector<std::pair<std::string, bool>>{
           {"Types: deb\nURIs: http://m/ubuntu\n", false},
           {"Types: deb\nURIs: https://m:8443/ubuntu\n", false},
           {"deb http://me:secret@M/ubuntu jammy main\n", false},
           {"deb http://m:secret@other/ubuntu jammy main\n", true},
           {"#deb http://m/ubuntu jammy main\n", true},
           {"deb http://m.example/ubuntu jammy main\n", true},
           {"deb file:/srv/ubuntu jammy main\n", true}}) {
    host_.facts.files[list].content = text;
    const StepPlan plan = host_.plan(*build_);
    const auto& first = std::get<WriteFile>(plan.actions.at(0));
    EXPECT_EQ(first.path.ends_with(".pref"), is_pinned) << text;
    if (is_pinned) {
      EXPECT_THAT(first.content, HasSubstr("Pin: origin \"m\"\n"));
    } else {
      EXPECT_THAT(plan.notes,
                  Contains(HasSubstr("m has this host's own repositories")));
    }
  }
}

TEST_F(KernelSteps, AnArchiveBehindAPasswordIsPinnedByItsHost) {
  be_ubuntu("5.15.0-100-generic");
  host_.facts.os.codename = "jammy";
  host_.spec.host.kernel.archive = "20240905";
  host_.spec.mirrors = {
      {"https://snapshot.ubuntu.com", "https://me:secret@Mirror:8443/snap"}};
  const StepPlan plan = host_.plan(*build_);
  EXPECT_THAT(
      std::get<WriteFile>(plan.actions.at(0)).content,
      AllOf(HasSubstr("Pin: origin \"mirror\"\n"), Not(HasSubstr("secret"))));
}

/// What is left of an archive that a run which was cut off was at.
constexpr auto kLeftOfArchive = std::to_array<const char*>(
    {"/etc/yum.repos.d/gpunode-kernel-archive.repo",
     "/etc/apt/sources.list.d/gpunode-kernel-archive.sources",
     "/etc/apt/preferences.d/gpunode-kernel-archive.pref"});

TEST_F(KernelSteps, WhatACutOffRunLeftOfTheArchiveGoes) {
  converges(*build_);
  for (const char* path : kLeftOfArchive) {
    host_.facts.files[path].content = "ours\n";
    host_.history.written[path] = "ours\n";
    const StepPlan plan = host_.plan(*build_);
    ASSERT_THAT(plan.actions, SizeIs(1)) << path;
    EXPECT_EQ(std::get<RemoveFile>(plan.actions[0]).path, path);
    host_.carry_out(plan);
  }
}

// A file that asks for no driver any more, or for one that needs no building.
TEST_F(KernelSteps, WhatIsLeftOfTheArchiveGoesWhateverTheFileSaysByNow) {
  std::vector<std::function<void(DriverSpec&)>> wishes = {
      [](DriverSpec& spec) { spec.is_wanted = false; }};
  for (const DriverSource source :
       {DriverSource::kPreinstalled, DriverSource::kPrecompiled,
        DriverSource::kDistribution}) {
    wishes.emplace_back([source](DriverSpec& spec) { spec.source = source; });
  }
  for (const auto& wish : wishes) {
    wish(host_.spec.driver);
    ASSERT_EQ(host_.plan(*build_).state, StepState::kNotWanted);
    for (const char* path : kLeftOfArchive) {
      // Somebody else's of the same name stays.
      host_.facts.files[path].content = "theirs\n";
      EXPECT_THAT(host_.plan(*build_).actions, IsEmpty()) << path;
      host_.facts.files[path].content = "ours\n";
      host_.history.written[path] = "ours\n";
      const StepPlan plan = host_.plan(*build_);
      EXPECT_EQ(plan.state, StepState::kChange) << path;
      ASSERT_THAT(plan.actions, SizeIs(1)) << path;
      EXPECT_EQ(std::get<RemoveFile>(plan.actions[0]).path, path);
      host_.carry_out(plan);
      EXPECT_EQ(host_.plan(*build_).state, StepState::kNotWanted);
      host_.history.written.erase(path);
    }
    host_.spec.driver.is_wanted = true;
  }
}

}  // namespace
}  // namespace gpunode::provision
