#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/file_plan.h"
#include "node/provision/steps/steps.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(PrepHost, AnotherHostThanTheMeantOneIsRefused) {
  struct Case {
    const char* os;
    const char* arch;
    bool fits;
  };
  for (const Case& one :
       {Case{"rocky 8.9", "x86_64", true}, Case{"rocky 8", "", true},
        Case{"rocky", "", true}, Case{"rocky 8.1", "", false},
        Case{"rocky 9", "", false}, Case{"rock", "", false},
        Case{"", "aarch64", false}}) {
    TrialHost host;
    host.spec.host.expect = {one.os, one.arch};
    const StepPlan plan = host.plan(*make_prep_host());
    EXPECT_EQ(plan.state, one.fits ? StepState::kOk : StepState::kRefused)
        << one.os;
  }
}

TEST(PrepHost, WhatCanBeNoNodeIsRefusedWithWhatToDoInstead) {
  TrialHost container;
  container.facts.machine.container = true;
  EXPECT_THAT(container.plan(*make_prep_host()).fix,
              HasSubstr("on the host itself"));
  TrialHost unknown;
  unknown.facts.os.id = "plan9";
  unknown.facts.os.id_like.clear();
  EXPECT_EQ(unknown.plan(*make_prep_host()).state, StepState::kRefused);
}

TEST(PrepHost, WhereNvidiaHasNoDriverTheFileMustSayARepository) {
  TrialHost host;
  host.facts.kernel.machine = "ppc64le";
  EXPECT_EQ(host.plan(*make_prep_host()).state, StepState::kOk);
  host.spec.driver.is_wanted = true;
  const StepPlan plan = host.plan(*make_prep_host());
  EXPECT_EQ(plan.state, StepState::kRefused);
  EXPECT_THAT(plan.why, HasSubstr("no maintained driver for ppc64le"));
  distribution::Extension said{.id = "rocky", .version = "8"};
  said.architectures = {{.machine = "ppc64le", .directory = "ppc64le"}};
  host.spec.distributions = {said};
  EXPECT_EQ(host.plan(*make_prep_host()).state, StepState::kOk);
}

TEST(PrepHost, FewerGpusThanTheFileSaysAreTold) {
  TrialHost host;
  host.facts.gpus.resize(8);
  host.spec.gpu.count = 8;
  EXPECT_EQ(host.plan(*make_prep_host()).state, StepState::kOk);
  host.facts.gpus[3].condition.is_lost = true;
  const StepPlan plan = host.plan(*make_prep_host());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("spec.gpu.count is 8, and 7 GPUs"));
  host.spec.gpu.count = 7;
  EXPECT_EQ(host.plan(*make_prep_host()).state, StepState::kOk);
}

TEST(PrepHost, OtherGpusThanTheFileExpectsAreTold) {
  TrialHost host;
  host.facts.gpus.resize(2);
  for (facts::PciGpu& gpu : host.facts.gpus) gpu.product = "NVIDIA A10G";
  host.spec.gpu.expect = {{.product = "A10G", .count = 2}};
  EXPECT_EQ(host.plan(*make_prep_host()).state, StepState::kOk);
  host.spec.gpu.expect = {{.product = "A10G", .count = 1}};
  const StepPlan plan = host.plan(*make_prep_host());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why,
              HasSubstr("not those of spec.gpu.expect: 2 x A10G and not 1"));
}

TEST(PrepModules, LoadsWhatIsMissingNowAndAtBoot) {
  TrialHost host;
  host.facts.modules = {{"overlay", true}};
  const StepPlan plan = host.plan(*make_prep_modules());
  ASSERT_THAT(plan.actions, SizeIs(2));
  EXPECT_EQ(describe(plan.actions[0]),
            "write /etc/modules-load.d/gpunode.conf");
  EXPECT_EQ(describe(plan.actions[1]), "load the kernel module br_netfilter");
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_prep_modules()).state, StepState::kOk);
}

TEST(PrepSysctl, SetsTheFileAndTheRunningValue) {
  TrialHost host;
  host.facts.sysctls = {{"net.ipv4.ip_forward", "0"},
                        {"fs.inotify.max_user_watches", "1048576"}};
  const StepPlan plan = host.plan(*make_prep_sysctl());
  // The larger limit that is there is as good.
  for (const Action& action : plan.actions) {
    EXPECT_EQ(describe(action).find("max_user_watches"), std::string::npos);
  }
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_prep_sysctl()).state, StepState::kOk);
}

TEST(PrepSysctl, AValueThatOthersSetAfterUsIsTold) {
  TrialHost host;
  host.carry_out(host.plan(*make_prep_sysctl()));
  host.facts.sysctls["net.ipv4.ip_forward"] = "0";
  const StepPlan plan = host.plan(*make_prep_sysctl());
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_THAT(plan.why, HasSubstr("another file or program"));
}

// What kubeadm asks for cannot stay so across a boot: a person decides.
TEST(PrepSysctl, AFileThatIsReadAfterOursBlocksByName) {
  for (const auto& [path, text] :
       std::vector<std::pair<std::string, std::string>>{
           {"/etc/sysctl.d/99-sysctl.conf", "net.ipv4.ip_forward=0\n"},
           {"/usr/lib/sysctl.d/99-zz.conf", "  -net/ipv4/ip_forward = 0\n"},
           {"/run/sysctl.d/a.conf", "net.ipv4.conf.all.forwarding = 0\n"}}) {
    TrialHost host;
    host.carry_out(host.plan(*make_prep_sysctl()));
    host.facts.files[path].content =
        "# ours\n;net.ipv4.ip_forward = 1\nnet.ipv4.ip_forward = 1\n" + text;
    // Also while the running value is right: the next boot has another.
    for (const char* now : {"1", "0"}) {
      host.facts.sysctls["net.ipv4.ip_forward"] = now;
      const StepPlan plan = host.plan(*make_prep_sysctl());
      EXPECT_EQ(plan.state, StepState::kBlocked) << path;
      EXPECT_EQ(plan.why, path +
                              " sets net.ipv4.ip_forward to 0, and is read "
                              "after /etc/sysctl.d/99-gpunode.conf at each "
                              "boot");
      const std::string own = "/etc/sysctl.d/";
      const std::string name = path.substr(path.rfind('/') + 1);
      // No update brings that back, and nothing at boot.
      EXPECT_EQ(plan.fix,
                path.starts_with(own)
                    ? "take that line out of " + path +
                          ", or say net.ipv4.ip_forward = 1 there"
                    : "put a copy of it without that line, or with "
                      "net.ipv4.ip_forward = 1, in " +
                          own + name +
                          ", which takes its place (sysctl.d(5)): the file "
                          "itself is a package's or a program's");
    }
  }
}

TEST(PrepSysctl, AFileThatIsReadBeforeOursOrAgreesIsNoConflict) {
  TrialHost host;
  host.carry_out(host.plan(*make_prep_sysctl()));
  const char* no = "net.ipv4.ip_forward = 0\n";
  host.facts.files["/etc/sysctl.d/10-a.conf"].content = no;
  host.facts.files["/etc/sysctl.d/99-a.conf"].content = no;
  host.facts.files["/usr/lib/sysctl.d/99-x.conf"].content = no;
  // Of the same name, and before it: it has no line of it.
  host.facts.files["/etc/sysctl.d/99-x.conf"].content = "";
  host.facts.files["/etc/sysctl.d/99-y.conf"].content =
      "net.ipv4.ip_forward = 0\nnet.ipv4.ip_forward = 1\n";
  host.facts.files["/etc/sysctl.d/99-z.conf"].content =
      "net.ipv4.ip_forwarding = 0\nnet.ipv4.ip_forward\n"
      "fs.inotify.max_user_watches = 900000\n";
  const StepPlan plan = host.plan(*make_prep_sysctl());
  EXPECT_EQ(plan.state, StepState::kOk) << plan.why;
  EXPECT_THAT(plan.notes, IsEmpty());
}

TEST(PrepSysctl, ALowerLimitOfSomebodysIsToldAndStays) {
  TrialHost host;
  host.carry_out(host.plan(*make_prep_sysctl()));
  host.facts.files["/etc/sysctl.d/99-limits.conf"].content =
      "fs.inotify.max_user_watches = 8192\n";
  host.facts.sysctls["fs.inotify.max_user_watches"] = "8192";
  const StepPlan plan = host.plan(*make_prep_sysctl());
  EXPECT_EQ(plan.state, StepState::kOk);
  EXPECT_THAT(plan.actions, IsEmpty());
  EXPECT_THAT(plan.notes,
              ElementsAre(HasSubstr("/etc/sysctl.d/99-limits.conf sets "
                                    "fs.inotify.max_user_watches to 8192")));
}

TEST(PrepSysctl, TheFileThatNoBootReadsIsNamedWhereItTells) {
  TrialHost host;
  host.carry_out(host.plan(*make_prep_sysctl()));
  host.facts.files["/etc/sysctl.conf"].content = "net.ipv4.ip_forward = 0\n";
  EXPECT_EQ(host.plan(*make_prep_sysctl()).state, StepState::kOk);
  host.facts.sysctls["net.ipv4.ip_forward"] = "0";
  const StepPlan plan = host.plan(*make_prep_sysctl());
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_EQ(plan.why,
            "net.ipv4.ip_forward is 0: /etc/sysctl.conf says so, which `sysctl "
            "--system` reads last: take that line out of it");
}

TEST(PrepFiles, WhatAPersonChangedIsDriftAndNotOverwrittenSilently) {
  TrialHost host;
  host.carry_out(host.plan(*make_prep_sysctl()));
  host.facts.files.at("/etc/sysctl.d/99-gpunode.conf").content = "mine\n";
  StepPlan plan = host.plan(*make_prep_sysctl());
  EXPECT_EQ(plan.state, StepState::kDrift);
  EXPECT_THAT(plan.why, HasSubstr("changed by hand"));
  host.facts.files.at("/etc/sysctl.d/99-gpunode.conf").content.reset();
  plan = host.plan(*make_prep_sysctl());
  EXPECT_EQ(plan.state, StepState::kDrift);
  EXPECT_THAT(plan.why, HasSubstr("removed by hand"));
}

TEST(PrepFiles, WhatWeWroteBeforeAndWriteDifferentlyNowIsAChange) {
  TrialHost host;
  const std::string path = "/etc/modules-load.d/gpunode.conf";
  host.facts.files[path].content = "old of ours\n";
  host.history.written[path] = "old of ours\n";
  EXPECT_EQ(host.plan(*make_prep_modules()).state, StepState::kChange);
  host.history.written.clear();
  EXPECT_EQ(host.plan(*make_prep_modules()).state, StepState::kDrift);
}

TEST(PrepFiles, WhatCannotBeReadBlocks) {
  TrialHost host;
  host.facts.files["/etc/modules-load.d/gpunode.conf"].error =
      "not a regular file";
  const StepPlan plan = host.plan(*make_prep_modules());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("ls -l"));
}

TEST(PrepSwap, GoesOffNowAndAfterABoot) {
  TrialHost host;
  const std::string fstab = "UUID=1 / xfs defaults 0 0\n/dev/sda2 none swap\n";
  host.facts.files["/etc/fstab"].content = fstab;
  host.facts.fstab = facts::parse_fstab(fstab);
  host.facts.swaps = {{"/dev/sda2", "partition", 1 << 30},
                      {"/dev/zram0", "partition", 1 << 30}};
  const StepPlan plan = host.plan(*make_prep_swap());
  std::vector<std::string> words;
  for (const Action& action : plan.actions) words.push_back(describe(action));
  EXPECT_THAT(words,
              ElementsAre("turn swap off: /dev/sda2", "mask dev-zram0.swap",
                          "turn swap off: /dev/zram0", "write /etc/fstab"));
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_prep_swap()).state, StepState::kOk);
}

TEST(PrepSwap, IsLeftWhereTheFileSaysKeep) {
  TrialHost host;
  host.spec.host.swap_off = false;
  host.facts.swaps = {{"/dev/sda2", "partition", 1 << 30}};
  EXPECT_EQ(host.plan(*make_prep_swap()).state, StepState::kNotWanted);
}

TEST(PrepTime, ARunningServiceOfAnyKindIsEnough) {
  TrialHost host;
  host.facts.units["ntpd.service"] = {"loaded", "active", "disabled"};
  EXPECT_EQ(host.plan(*make_prep_time()).state, StepState::kOk);
}

TEST(PrepTime, StartsWhatIsThereAndInstallsOnlyWhereNothingIs) {
  TrialHost host;
  host.facts.units["systemd-timesyncd.service"] = {"loaded", "inactive",
                                                   "disabled"};
  StepPlan plan = host.plan(*make_prep_time());
  ASSERT_THAT(plan.actions, SizeIs(1));
  EXPECT_EQ(describe(plan.actions[0]),
            "enable, start systemd-timesyncd.service");
  host.facts.units.clear();
  plan = host.plan(*make_prep_time());
  ASSERT_THAT(plan.actions, SizeIs(2));
  EXPECT_EQ(describe(plan.actions[0]), "install chrony");
  EXPECT_EQ(describe(plan.actions[1]), "enable, start chronyd.service");
}

TEST(PrepPackages, InstallsTheFamilysNamesAndWhatWasAskedFor) {
  TrialHost host;
  host.spec.host.packages = {"pciutils"};
  host.facts.packages = {{"socat", {"1"}}, {"ethtool", {"1"}}};
  StepPlan plan = host.plan(*make_prep_packages());
  ASSERT_THAT(plan.actions, SizeIs(1));
  EXPECT_EQ(describe(plan.actions[0]),
            "install conntrack-tools, iproute-tc, pciutils");
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_prep_packages()).state, StepState::kOk);
  // All Steps' names are asked for in one question.
  EXPECT_TRUE(
      make_prep_packages()->wants(host.spec).packages.contains("pciutils"));
}

TEST(PrepPackages, DisksAreMadeByToolsThatAreThere) {
  TrialHost host;
  host.facts.packages = {{"socat", {"1"}},
                         {"ethtool", {"1"}},
                         {"conntrack-tools", {"1"}},
                         {"iproute-tc", {"1"}}};
  const auto missing = [&](const char* type, const char* layout) {
    StorageSpec entry;
    entry.type = type;
    entry.layout = layout;
    host.spec.storage = {entry, entry};
    const auto wanted = make_prep_packages()->wants(host.spec).packages;
    std::string words;
    for (const Action& action : host.plan(*make_prep_packages()).actions) {
      words += describe(action);
      for (const auto& name : std::get<InstallPackages>(action).packages) {
        EXPECT_TRUE(wanted.contains(name)) << name;
      }
    }
    return words;
  };
  EXPECT_EQ(missing("xfs", "single"), "install xfsprogs");
  EXPECT_EQ(missing("ext4", "single"), "install e2fsprogs");
  EXPECT_EQ(missing("xfs", "raid0"), "install mdadm, xfsprogs");
  EXPECT_EQ(missing("ext4", "lvm"), "install e2fsprogs, lvm2");
}

TEST(PrepCgroup, KeepsTheFileAndTurnsOneKeyOn) {
  TrialHost host;
  host.facts.units["containerd.service"] = {"loaded", "active", "enabled"};
  const std::string before =
      "version = 2\n# ours\n[plugins.\"io.containerd.grpc.v1.cri\"]\n"
      "  sandbox_image = \"x\"\n";
  host.facts.files["/etc/containerd/config.toml"].content = before;
  const StepPlan plan = host.plan(*make_prep_cgroup());
  ASSERT_THAT(plan.actions, SizeIs(2));
  const auto& write = std::get<WriteFile>(plan.actions[0]);
  EXPECT_THAT(write.content, HasSubstr("# ours"));
  EXPECT_THAT(write.content, HasSubstr("SystemdCgroup = true"));
  EXPECT_THAT(write.content, HasSubstr("io.containerd.runc.v2"));
  EXPECT_EQ(describe(plan.actions[1]), "restart containerd.service");
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_prep_cgroup()).state, StepState::kOk);
}

TEST(PrepCgroup, AFileThatNobodyTookInIsTakenInByARestart) {
  TrialHost host;
  host.facts.units["containerd.service"] = {"loaded", "active", "enabled"};
  host.carry_out(host.plan(*make_prep_cgroup()));
  host.history.unsettled["/etc/containerd/config.toml"] = "prep.cgroup";
  const StepPlan plan = host.plan(*make_prep_cgroup());
  EXPECT_EQ(plan.state, StepState::kChange);
  ASSERT_THAT(plan.actions, SizeIs(1));
  EXPECT_EQ(describe(plan.actions[0]), "restart containerd.service");
  // One that does not run takes it in when it starts.
  host.facts.units["containerd.service"].active_state = "inactive";
  EXPECT_EQ(host.plan(*make_prep_cgroup()).state, StepState::kOk);
}

TEST(PrepCgroup, AFileThatIsNoTomlBlocksWithItsPlace) {
  TrialHost host;
  host.facts.units["containerd.service"] = {"loaded", "active", "enabled"};
  host.facts.files["/etc/containerd/config.toml"].content = "version = = 2\n";
  const StepPlan plan = host.plan(*make_prep_cgroup());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("config.toml"));
}

}  // namespace
}  // namespace gpunode::provision
