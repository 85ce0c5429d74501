// The Steps of the kernel, as facts and plans.
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/steps.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr const char* kOld = "4.18.0-513.5.1.el8_9.x86_64";
constexpr const char* kNew = "4.18.0-553.22.1.el8_10.x86_64";

/// The seed's machine: a Rocky 8.9 with a driver in its file.
class KernelSteps : public testing::Test {
 protected:
  KernelSteps() {
    host_.spec.driver.is_wanted = true;
    host_.facts.kernel.boot_id = "boot-1";
    host_.facts.kernel.command_line = "BOOT_IMAGE=x root=UUID=abc-1 ro";
    host_.facts.trees["/usr/bin/dracut"].exists = true;
    host_.facts.trees["/usr/sbin/grubby"].exists = true;
    add_kernel(kOld);
    host_.facts.kernels.next = kOld;
    host_.facts.kernels.next_why = "GRUB's saved_entry";
  }

  void add_kernel(const char* release) {
    facts::KernelImage& image = host_.facts.kernels.images.emplace_back();
    image.release = release;
    image.compiler = "gcc (GCC) 8.5.0 20210514 (Red Hat 8.5.0-20)";
  }

  void boots_next(const char* release) {
    add_kernel(release);
    host_.facts.kernels.next = release;
  }

  void be_ubuntu(const char* release) {
    host_.facts.os = {};
    host_.facts.os.id = "ubuntu";
    host_.facts.os.id_like = {"debian"};
    host_.facts.os.version_id = "22.04";
    host_.facts.trees.clear();
    host_.facts.trees["/usr/sbin/update-initramfs"].exists = true;
    host_.facts.trees["/usr/sbin/update-grub"].exists = true;
    host_.facts.kernels.images.clear();
    host_.facts.kernel.release = release;
    add_kernel(release);
    host_.facts.kernels.images.back().compiler =
        "x86_64-linux-gnu-gcc-12 (Ubuntu 12.3.0-1ubuntu1~22.04) 12.3.0";
    host_.facts.kernels.next = release;
  }

  static std::vector<std::string> actions(const StepPlan& plan) {
    std::vector<std::string> words;
    for (const Action& action : plan.actions) words.push_back(describe(action));
    return words;
  }

  /// Planned, done, and then there is nothing left to do.
  StepPlan converges(const Step& step) {
    StepPlan plan = host_.plan(step);
    EXPECT_EQ(plan.state, StepState::kChange) << plan.why << plan.fix;
    host_.carry_out(plan);
    const StepPlan again = host_.plan(step);
    EXPECT_EQ(again.state, StepState::kOk) << again.why;
    EXPECT_THAT(actions(again), IsEmpty());
    return plan;
  }

  void expect_not_wanted(const Step& step) {
    host_.spec.driver.is_wanted = false;
    EXPECT_EQ(host_.plan(step).state, StepState::kNotWanted);
    EXPECT_FALSE(step.wants(host_.spec).driver);
  }

  TrialHost host_;
  std::unique_ptr<Step> nouveau_ = make_kernel_nouveau();
  std::unique_ptr<Step> target_ = make_kernel_target();
  std::unique_ptr<Step> secure_ = make_kernel_secureboot();
  std::unique_ptr<Step> build_ = make_kernel_build();
};

TEST_F(KernelSteps, NobodyLooksWithoutADriverInTheFile) {
  expect_not_wanted(*nouveau_);
  expect_not_wanted(*target_);
  expect_not_wanted(*secure_);
  expect_not_wanted(*build_);
}

TEST_F(KernelSteps, ADriverThatIsThereIsItsOwners) {
  host_.spec.driver.source = DriverSource::kPreinstalled;
  boots_next(kNew);
  for (const auto* step : {&nouveau_, &target_, &build_}) {
    EXPECT_EQ(host_.plan(**step).state, StepState::kNotWanted) << (*step)->id();
  }
  // What the file asks for in so many words is done all the same.
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  EXPECT_EQ(host_.plan(*target_).state, StepState::kChange);
}

// The archive beside the repositories: for that package, and no longer.

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

// kernel.target

TEST_F(KernelSteps, TheKernelThatRunsAndBootsNextNeedsNothing) {
  EXPECT_EQ(host_.plan(*target_).state, StepState::kOk);
}

// Node.md 0.5: update, and then devel for the kernel that no longer boots.
TEST_F(KernelSteps, AnUpdatedKernelIsBootedBeforeAnythingIsBuilt) {
  boots_next(kNew);
  const StepPlan plan = converges(*target_);
  EXPECT_THAT(actions(plan),
              ElementsAre(AllOf(HasSubstr("reboot: "), HasSubstr(kNew))));
  EXPECT_THAT(plan.why, AllOf(HasSubstr(kOld), HasSubstr("saved_entry")));
  EXPECT_EQ(host_.facts.kernel.release, kNew);
}

TEST_F(KernelSteps, APinnedKernelIsMadeTheDefaultAndHeld) {
  boots_next(kNew);
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.packages["kernel-core"] = {"4.18.0-513.5.1.el8_9"};
  const StepPlan plan = converges(*target_);
  ASSERT_THAT(plan.actions, SizeIs(3));
  EXPECT_EQ(std::get<RunProgram>(plan.actions[0]).argv,
            (std::vector<std::string>{"/usr/sbin/grubby", "--set-default",
                                      std::string("/boot/vmlinuz-") + kOld}));
  EXPECT_EQ(std::get<RunProgram>(plan.actions[0]).undo.back(),
            std::string("/boot/vmlinuz-") + kNew);
  // Of a bare host dnf knows no `versionlock`.
  EXPECT_THAT(std::get<InstallPackages>(plan.actions[1]).packages,
              ElementsAre("python3-dnf-plugin-versionlock"));
  EXPECT_THAT(std::get<HoldPackages>(plan.actions[2]).packages,
              ElementsAre("kernel-core"));
}

TEST_F(KernelSteps, TheEntryThatWasSavedComesBack) {
  const std::string block = "# GRUB Environment Block\n";
  const auto undo_of = [&](const std::string& text) {
    host_.facts.files["/boot/grub2/grubenv"].content = text;
    return std::get<RunProgram>(host_.plan(*target_).actions.at(0)).undo;
  };
  const auto set = [](const std::string& value) {
    return std::vector<std::string>{"/usr/bin/grub2-editenv",
                                    "/boot/grub2/grubenv", "set",
                                    "saved_entry=" + value};
  };
  boots_next(kNew);
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  for (const char* tool : {"/usr/sbin/grubby", "/usr/sbin/grub2-set-default"}) {
    SCOPED_TRACE(tool);
    host_.facts.trees.clear();
    host_.facts.trees[tool].exists = true;
    // Without the tool that sets it as well as can be.
    EXPECT_EQ(undo_of(block).front(), tool);
    host_.facts.trees["/usr/bin/grub2-editenv"].exists = true;
    for (const char* was : {"0c1d-4.18.0-553.el8.x86_64", "1", ""}) {
      EXPECT_EQ(undo_of(block + "saved_entry=" + was + "\nboot_success=1\n###"),
                set(was));
    }
    EXPECT_EQ(undo_of(block + "boot_success=1\n###"),
              (std::vector<std::string>{"/usr/bin/grub2-editenv",
                                        "/boot/grub2/grubenv", "unset",
                                        "saved_entry"}));
  }
}

TEST_F(KernelSteps, APinThatIsHalfDoneIsFinished) {
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.packages["kernel-core"] = {"1"};
  host_.facts.packages["python3-dnf-plugin-versionlock"] = {"4.0.21-25.el8"};
  const StepPlan plan = converges(*target_);
  EXPECT_THAT(plan.actions, SizeIs(1));
}

// rpm's managers keep locks in files of theirs.
TEST_F(KernelSteps, APinIsSeenInEachManagersLocks) {
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.packages["kernel-core"] = {"4.18.0-513.5.1.el8_9"};
  const std::vector<std::pair<std::string, std::string>> locks = {
      {"/etc/dnf/plugins/versionlock.list",
       "# Added lock\nkernel-core-0:4.18.0-513.5.1.el8_9.*\n"},
      {"/etc/yum/pluginconf.d/versionlock.list",
       "0:kernel-core-4.18.0-513.5.1.el8_9.*\n"},
      {"/etc/dnf/versionlock.toml", "[[packages]]\nname = \"kernel-core\"\n"},
      {"/etc/zypp/locks", "type: package\nsolvable_name: kernel-core\n"}};
  for (const auto& [path, text] : locks) {
    host_.facts.files.clear();
    EXPECT_EQ(host_.plan(*target_).state, StepState::kChange) << path;
    host_.facts.files[path].content = text;
    EXPECT_EQ(host_.plan(*target_).state, StepState::kOk) << path;
  }
  // Another package, whose name begins the same.
  host_.facts.files.clear();
  host_.facts.files["/etc/dnf/plugins/versionlock.list"].content =
      "kernel-core-debug-0:4.18.0-513.5.1.el8_9.*\n";
  EXPECT_EQ(host_.plan(*target_).state, StepState::kChange);
}

TEST_F(KernelSteps, APinOnAHostWhoseLoaderIsNotKnownIsAPersons) {
  boots_next(kNew);
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.trees.clear();
  const StepPlan plan = host_.plan(*target_);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("boot loader"));
  EXPECT_THAT(plan.fix, HasSubstr("by hand"));
  EXPECT_THAT(actions(plan), IsEmpty());
}

TEST_F(KernelSteps, APinOnUbuntuIsGrubsDefault) {
  be_ubuntu("6.8.0-1012-aws");
  boots_next("6.8.0-1015-aws");
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.files["/etc/default/grub"].content =
      "GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\n";
  host_.facts.packages["linux-image-aws"] = {"6.8.0.1015"};
  const StepPlan plan = host_.plan(*target_);
  ASSERT_THAT(plan.actions, SizeIs(3));
  EXPECT_EQ(std::get<WriteFile>(plan.actions[0]).content,
            "GRUB_DEFAULT=\"gnulinux-advanced-abc-1>"
            "gnulinux-6.8.0-1012-aws-advanced-abc-1\"\nGRUB_TIMEOUT=1\n");
  EXPECT_EQ(std::get<RunProgram>(plan.actions[1]).argv,
            std::vector<std::string>{"/usr/sbin/update-grub"});
  EXPECT_THAT(std::get<HoldPackages>(plan.actions[2]).packages,
              ElementsAre("linux-image-aws"));
}

TEST_F(KernelSteps, ARootThatHasNoUuidTellsNoEntry) {
  be_ubuntu("6.8.0-1012-aws");
  boots_next("6.8.0-1015-aws");
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.kernel.command_line = "root=PARTUUID=1 ro";
  EXPECT_EQ(host_.plan(*target_).state, StepState::kBlocked);
}

TEST_F(KernelSteps, AnExactKernelIsInstalledMadeTheDefaultAndBooted) {
  host_.spec.host.kernel = {KernelPolicy::kExact, kNew};
  host_.facts.packages["kernel"] = {"4.18.0-513.5.1.el8_9"};
  const StepPlan plan = converges(*target_);
  ASSERT_THAT(plan.actions, SizeIs(5));
  EXPECT_THAT(std::get<InstallPackages>(plan.actions[0]).packages,
              ElementsAre("kernel=4.18.0-553.22.1.el8_10"));
  EXPECT_THAT(actions(plan)[1], HasSubstr("--set-default"));
  EXPECT_THAT(actions(plan)[2], HasSubstr("versionlock"));
  EXPECT_THAT(actions(plan)[3], HasSubstr("keep kernel"));
  EXPECT_THAT(actions(plan)[4], HasSubstr("reboot: "));
  EXPECT_THAT(plan.notes, Contains(HasSubstr("vault/rocky/8.10")));
}

TEST_F(KernelSteps, APinIsLiftedOnceTheFileNoLongerAsksForIt) {
  host_.facts.packages["kernel-core"] = {"4.18.0-513.5.1.el8_9"};
  host_.facts.packages["python3-dnf-plugin-versionlock"] = {"4.0.21-25.el8"};
  const auto pin = [&] {
    host_.spec.driver.is_wanted = true;
    host_.spec.driver.source = DriverSource::kNvidia;
    host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
    EXPECT_THAT(actions(converges(*target_)),
                ElementsAre(HasSubstr("keep kernel-core")));
  };
  const auto expect_lifted = [&] {
    const StepPlan plan = host_.plan(*target_);
    EXPECT_EQ(plan.state, StepState::kChange) << plan.why;
    EXPECT_THAT(actions(plan),
                ElementsAre(HasSubstr("let kernel-core be updated")));
    host_.carry_out(plan);
    EXPECT_THAT(actions(host_.plan(*target_)), IsEmpty());
  };
  pin();
  host_.spec.host.kernel.policy = KernelPolicy::kAdoptNewest;
  expect_lifted();
  pin();
  host_.spec.driver.is_wanted = false;
  expect_lifted();
  pin();
  host_.spec.driver.source = DriverSource::kPreinstalled;
  host_.spec.host.kernel.policy = KernelPolicy::kAdoptNewest;
  expect_lifted();
}

TEST_F(KernelSteps, APinOfSomebodyElseStays) {
  host_.facts.packages["kernel-core"] = {"4.18.0-513.5.1.el8_9"};
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  converges(*target_);
  host_.history.held.clear();
  host_.spec.host.kernel.policy = KernelPolicy::kAdoptNewest;
  EXPECT_EQ(host_.plan(*target_).state, StepState::kOk);
}

// dnf and zypper take no other version of what is locked.
TEST_F(KernelSteps, AnotherExactKernelIsLetInByOurOwnLock) {
  host_.facts.packages["kernel"] = {"4.18.0-513.5.1.el8_9"};
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  converges(*target_);
  host_.spec.host.kernel = {KernelPolicy::kExact, kNew};
  EXPECT_THAT(
      actions(converges(*target_)),
      ElementsAre(HasSubstr("let kernel be"), HasSubstr("install kernel="),
                  HasSubstr("--set-default"), HasSubstr("keep kernel"),
                  HasSubstr("reboot: ")));
}

TEST_F(KernelSteps, GrubsDefaultOfAPinIsToldWhenItIsOver) {
  be_ubuntu("6.8.0-1012-aws");
  boots_next("6.8.0-1015-aws");
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  host_.facts.files["/etc/default/grub"].content = "GRUB_DEFAULT=0\n";
  host_.carry_out(host_.plan(*target_));
  host_.facts.kernels.next = "6.8.0-1012-aws";
  host_.spec.host.kernel.policy = KernelPolicy::kAdoptNewest;
  EXPECT_THAT(host_.plan(*target_).notes,
              ElementsAre(HasSubstr("rollback --step kernel.target")));
}

TEST_F(KernelSteps, AKernelThatCannotBeToldIsNotGuessed) {
  add_kernel(kNew);
  host_.facts.kernels.next = "";
  host_.facts.kernels.next_why = "GRUB_DEFAULT is \"1>2\"";
  EXPECT_EQ(host_.plan(*target_).state, StepState::kBlocked);
  EXPECT_EQ(host_.plan(*build_).state, StepState::kBlocked);
}

// kernel.build

TEST_F(KernelSteps, WhatABuildNeedsIsInstalledAndProven) {
  const StepPlan plan = converges(*build_);
  ASSERT_THAT(plan.actions, SizeIs(3));
  // Node.md 0.6: kernel-headers is not needed, and often not to be had.
  EXPECT_THAT(std::get<InstallPackages>(plan.actions[0]).packages,
              ElementsAre("kernel-devel=4.18.0-513.5.1.el8_9", "gcc", "gcc-c++",
                          "make", "elfutils-libelf-devel", "dkms"));
  EXPECT_EQ(std::get<ProveBuild>(plan.actions[1]).release, kOld);
  EXPECT_THAT(plan.notes,
              Contains(HasSubstr("dl.rockylinux.org/vault/rocky/8.9")));
}

TEST_F(KernelSteps, DevelIsForTheTargetAndNotForWhatRuns) {
  boots_next(kNew);
  const StepPlan plan = host_.plan(*build_);
  EXPECT_THAT(std::get<InstallPackages>(plan.actions[0]).packages,
              Contains("kernel-devel=4.18.0-553.22.1.el8_10"));
  EXPECT_EQ(std::get<ProveBuild>(plan.actions[1]).release, kNew);
}

TEST_F(KernelSteps, AProofThatWasCutOffIsMadeAgain) {
  StepPlan plan = host_.plan(*build_);
  plan.actions.pop_back();
  host_.carry_out(plan);
  const StepPlan again = converges(*build_);
  EXPECT_THAT(actions(again),
              ElementsAre(HasSubstr("prove that a module can be built"),
                          HasSubstr("write /var/lib/gpunode/")));
}

TEST_F(KernelSteps, AnotherKernelNeedsItsOwnProof) {
  converges(*build_);
  boots_next(kNew);
  host_.facts.kernel.release = kNew;
  host_.facts.kernels.images.back().has_devel = true;
  EXPECT_THAT(actions(converges(*build_)), SizeIs(2));
}

TEST_F(KernelSteps, DevelOfAnotherReleaseIsReplacedAndNamed) {
  converges(*build_);
  facts::KernelImage& image = host_.facts.kernels.images.front();
  image.has_devel = false;
  image.devel_release = kNew;
  const StepPlan plan = converges(*build_);
  EXPECT_THAT(plan.why, HasSubstr(std::string("is of ") + kNew));
  EXPECT_THAT(std::get<InstallPackages>(plan.actions[0]).packages,
              ElementsAre("kernel-devel=4.18.0-513.5.1.el8_9"));
}

TEST_F(KernelSteps, TheKernelsOwnCompilerIsUsed) {
  be_ubuntu("6.8.0-1015-aws");
  const StepPlan plan = converges(*build_);
  EXPECT_THAT(
      std::get<InstallPackages>(plan.actions[0]).packages,
      AllOf(Contains("linux-headers-6.8.0-1015-aws"), Contains("gcc-12")));
  EXPECT_EQ(std::get<ProveBuild>(plan.actions[1]).compiler, "/usr/bin/gcc-12");
}

TEST_F(KernelSteps, ModulesThatComeBuiltNeedNoCompiler) {
  host_.spec.driver.source = DriverSource::kDistribution;
  EXPECT_EQ(host_.plan(*build_).state, StepState::kNotWanted);
}

// kernel.nouveau (node.md 0.8)

TEST_F(KernelSteps, NouveauIsKeptOutOfEachKernelsInitramfs) {
  boots_next(kNew);
  const StepPlan plan = converges(*nouveau_);
  ASSERT_THAT(plan.actions, SizeIs(5));
  const auto& file = std::get<WriteFile>(plan.actions[0]);
  EXPECT_EQ(file.path, "/etc/modprobe.d/gpunode-nouveau.conf");
  for (const char* name : {"nouveau", "nova_core", "nova", "nova_drm"}) {
    EXPECT_THAT(file.content,
                HasSubstr(std::string("blacklist ") + name + "\n"));
  }
  EXPECT_EQ(
      std::get<RunProgram>(plan.actions[1]).argv,
      (std::vector<std::string>{"/usr/bin/dracut", "--force", "--kver", kOld}));
  EXPECT_EQ(std::get<RunProgram>(plan.actions[2]).argv.back(), kNew);
}

TEST_F(KernelSteps, UbuntusInitramfsIsMadeByItsOwnProgram) {
  be_ubuntu("6.8.0-45-generic");
  const StepPlan plan = converges(*nouveau_);
  EXPECT_EQ(std::get<RunProgram>(plan.actions[1]).argv,
            (std::vector<std::string>{"/usr/sbin/update-initramfs", "-u", "-k",
                                      "6.8.0-45-generic"}));
}

// Killed between the file and the images.
TEST_F(KernelSteps, ImagesFromBeforeTheFileAreMadeAgain) {
  StepPlan plan = host_.plan(*nouveau_);
  plan.actions.resize(1);
  host_.carry_out(plan);
  const StepPlan again = converges(*nouveau_);
  EXPECT_THAT(again.why, HasSubstr("initramfs"));
  EXPECT_THAT(again.actions, SizeIs(3));
}

TEST_F(KernelSteps, AFileThatWasChangedByHandIsDrift) {
  converges(*nouveau_);
  host_.facts.files["/etc/modprobe.d/gpunode-nouveau.conf"].content =
      "# nothing\n";
  const StepPlan plan = host_.plan(*nouveau_);
  EXPECT_EQ(plan.state, StepState::kDrift);
  EXPECT_THAT(plan.actions, SizeIs(2));  // The file, and the images anew.
}

// One reboot serves both a new kernel and a GPU that nouveau has.
TEST_F(KernelSteps, ABoundNouveauNeedsTheRebootOfTheTarget) {
  facts::PciGpu& gpu = host_.facts.gpus.emplace_back();
  gpu.driver = "nouveau";
  host_.facts.modules["nouveau"] = true;
  boots_next(kNew);
  EXPECT_THAT(actions(converges(*nouveau_)),
              Not(Contains(HasSubstr("reboot"))));
  const StepPlan plan = converges(*target_);
  EXPECT_THAT(actions(plan),
              ElementsAre(AllOf(HasSubstr("reboot"), HasSubstr(kNew))));
  EXPECT_THAT(plan.why, HasSubstr("nouveau has the GPUs"));
  // After it neither has anything to do.
  EXPECT_EQ(host_.plan(*nouveau_).state, StepState::kOk);
}

TEST_F(KernelSteps, NouveauThatIsLoadedInSpiteOfTheFileIsMetAgain) {
  converges(*nouveau_);
  host_.facts.files["/run/gpunode/nouveau-initramfs"].content.reset();
  EXPECT_EQ(host_.plan(*nouveau_).state, StepState::kOk);
  host_.facts.modules["nouveau"] = true;
  const StepPlan plan = converges(*nouveau_);
  EXPECT_THAT(plan.why, HasSubstr("loaded although"));
  EXPECT_THAT(actions(plan), SizeIs(2));
  EXPECT_THAT(actions(host_.plan(*target_)), ElementsAre(HasSubstr("reboot")));
}

TEST_F(KernelSteps, ANouveauThatIsBuiltInIsAPersons) {
  host_.facts.modules["nouveau"] = false;
  const StepPlan plan = host_.plan(*nouveau_);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("nouveau.modeset=0"));
}

TEST_F(KernelSteps, AHostWithoutAnInitramfsMakerIsTold) {
  host_.facts.trees.clear();
  EXPECT_THAT(converges(*nouveau_).notes,
              Contains(HasSubstr("neither update-initramfs nor dracut")));
}

// kernel.secureboot (node.md 0.8)

TEST_F(KernelSteps, WithoutSecureBootAnythingLoads) {
  EXPECT_EQ(host_.plan(*secure_).state, StepState::kOk);
  host_.facts.secure_boot.state = facts::SecureBoot::kOff;
  EXPECT_EQ(host_.plan(*secure_).state, StepState::kOk);
  host_.facts.secure_boot.state = facts::SecureBoot::kUnknown;
  const StepPlan unknown = host_.plan(*secure_);
  EXPECT_EQ(unknown.state, StepState::kOk);
  EXPECT_THAT(unknown.notes, SizeIs(1));
}

TEST_F(KernelSteps, AKeyIsEnrolledByAPerson) {
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  const StepPlan none = host_.plan(*secure_);
  EXPECT_EQ(none.state, StepState::kBlocked);
  EXPECT_THAT(none.fix, AllOf(HasSubstr("dkms generate_mok"),
                              HasSubstr("mokutil --import /var/lib/dkms/"),
                              HasSubstr("Enroll MOK")));
  host_.facts.secure_boot.mok_certificate = "/var/lib/dkms/mok.pub";
  host_.facts.secure_boot.is_mok_enrolled = false;
  const StepPlan there = host_.plan(*secure_);
  EXPECT_EQ(there.state, StepState::kBlocked);
  EXPECT_THAT(there.fix, Not(HasSubstr("generate_mok")));
  EXPECT_THAT(there.why, HasSubstr("not enrolled"));
  host_.facts.secure_boot.is_mok_enrolled = true;
  EXPECT_EQ(host_.plan(*secure_).state, StepState::kOk);
}

// Whoever's key signed it, the kernel took it: DKMS's own need not be enrolled.
TEST_F(KernelSteps, AModuleThatRunsSignedNeedsNoKey) {
  facts::PciGpu& gpu = host_.facts.gpus.emplace_back();
  gpu.device_id = 0x1eb8;
  gpu.product = "Tesla T4";
  host_.spec.driver.branch = 580;
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  host_.facts.secure_boot.enforces_signatures = true;
  host_.facts.secure_boot.mok_certificate = "/var/lib/dkms/mok.pub";
  host_.facts.secure_boot.is_mok_enrolled = false;
  facts::ModuleFile& module = host_.facts.kernels.images.front().module;
  module = {"/lib/modules/x/extra/nvidia.ko.xz", "580.65.06", kOld,
            "Dual MIT/GPL", "NVIDIA Corporation"};
  EXPECT_EQ(host_.plan(*secure_).state, StepState::kBlocked) << "not loaded";
  host_.facts.driver.loaded_version = "580.65.06";
  host_.facts.driver.is_loaded_open = true;
  const StepPlan plan = host_.plan(*secure_);
  EXPECT_EQ(plan.state, StepState::kOk) << plan.why;
  EXPECT_THAT(plan.notes, IsEmpty());
  // What is built anew is signed by DKMS.
  const auto expect_blocked = [&](const char* what, const auto& change) {
    TrialHost other = host_;
    change(other);
    EXPECT_EQ(other.plan(*secure_).state, StepState::kBlocked) << what;
  };
  expect_blocked("unsigned", [](TrialHost& host) {
    host.facts.kernels.images.front().module.signer.clear();
  });
  expect_blocked("another branch",
                 [](TrialHost& host) { host.spec.driver.branch = 570; });
  expect_blocked("another flavour", [](TrialHost& host) {
    host.spec.driver.flavour = WantedFlavour::kProprietary;
  });
  expect_blocked("another file", [](TrialHost& host) {
    host.facts.kernels.images.front().module.version = "580.95.05";
  });
  expect_blocked("another kernel", [](TrialHost& host) {
    host.facts.kernels.images.emplace_back().release = kNew;
    host.facts.kernels.next = kNew;
  });
}

TEST_F(KernelSteps, ACloudsConsoleIsNoScreen) {
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  host_.facts.machine.cloud = "azure";
  EXPECT_THAT(host_.plan(*secure_).fix, HasSubstr("serial console"));
}

TEST_F(KernelSteps, AnEnrolmentThatCannotBeToldIsANote) {
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  host_.facts.secure_boot.mok_certificate = "/var/lib/dkms/mok.pub";
  const StepPlan plan = host_.plan(*secure_);
  EXPECT_EQ(plan.state, StepState::kOk);
  EXPECT_THAT(plan.notes, Contains(HasSubstr("--test-key")));
}

TEST_F(KernelSteps, ReadyMadeModulesNeedTheirMakersKey) {
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  host_.facts.secure_boot.enforces_signatures = true;
  // DKMS's own key has nothing to do with it.
  host_.facts.secure_boot.mok_certificate = "/var/lib/dkms/mok.pub";
  host_.facts.secure_boot.is_mok_enrolled = true;
  host_.spec.driver.source = DriverSource::kPrecompiled;
  const StepPlan plan = host_.plan(*secure_);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("NVIDIA signed the modules"));
  EXPECT_THAT(plan.fix, HasSubstr("NVIDIA2019-public_key.der"));
  EXPECT_THAT(plan.fix, HasSubstr("route: signed"));
  // The owner's word.
  host_.spec.driver.secure_boot = SecureBootRoute::kSigned;
  const StepPlan said = host_.plan(*secure_);
  EXPECT_EQ(said.state, StepState::kOk) << said.why;
  EXPECT_THAT(said.notes, testing::Contains(HasSubstr("owner's word")));
  // Nowhere to enrol it.
  host_.facts.secure_boot.state = facts::SecureBoot::kAbsent;
  EXPECT_EQ(host_.plan(*secure_).state, StepState::kBlocked);
}

TEST_F(KernelSteps, UbuntusOwnModulesAreSigned) {
  be_ubuntu("6.8.0-45-generic");
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  host_.spec.driver.secure_boot = SecureBootRoute::kSigned;
  const StepPlan built = host_.plan(*secure_);
  EXPECT_EQ(built.state, StepState::kBlocked);
  EXPECT_THAT(built.fix, HasSubstr("source: distro"));
  host_.spec.driver.source = DriverSource::kDistribution;
  EXPECT_EQ(host_.plan(*secure_).state, StepState::kOk);
}

TEST_F(KernelSteps, SusesSignedModulesAreSomebodyElsesToInstall) {
  host_.facts.os.id = "sles";
  host_.facts.os.id_like = {"suse"};
  host_.facts.os.version_id = "15.6";
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  host_.spec.driver.secure_boot = SecureBootRoute::kSigned;
  const StepPlan plan = host_.plan(*secure_);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("say `source: preinstalled`"));
  EXPECT_THAT(plan.fix, testing::Not(HasSubstr("source: distro")));
}

TEST_F(KernelSteps, WhatMakesAKeyIsNamedWithWhereItIs) {
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  EXPECT_THAT(host_.plan(*secure_).fix,
              HasSubstr("out of EPEL, which `gpunode apply --only "
                        "prep.repositories` sets up, dkms, `dkms "
                        "generate_mok`"));
  be_ubuntu("6.8.0-45-generic");
  EXPECT_THAT(host_.plan(*secure_).fix, testing::Not(HasSubstr("EPEL")));
}

TEST_F(KernelSteps, SignaturesWithoutSecureBootHaveNoKeyToEnrol) {
  host_.facts.secure_boot.enforces_signatures = true;
  const StepPlan plan = host_.plan(*secure_);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("module.sig_enforce"));
}

}  // namespace
}  // namespace gpunode::provision
