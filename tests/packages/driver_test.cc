// driver.repository, driver.packages and driver.hold carried out with the real
// package managers, on stub repositories that have NVIDIA's names.
#include "tests/packages/driver_on_root.h"

namespace gpunode::packages {
namespace {

using provision::Action;
using provision::HostPerformer;
using provision::Inverse;
using provision::StepPlan;
using provision::StepState;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class RealDnfDriver : public DriverOnRoot {
 protected:
  RealDnfDriver() : DriverOnRoot(Tool::kDnf) {
    lay_root();
    is("rocky", "rhel fedora", "8.9");
  }
};

TEST_F(RealDnfDriver, TakesTheStreamAndTheNewestWholeVersionOfTheBranch) {
  gpus_ = {gpu(0x20b0), gpu(0x20b0), gpu(0x22a3, true)};
  add_repository();
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  // 580.105.08 has no fabric manager; 595 is another branch, and the fabric
  // manager's newest.
  EXPECT_THAT(installed({}),
              ElementsAre("kmod-nvidia-open-dkms 3:580.95.05-1",
                          "libnvidia-nscq 580.95.05-1",
                          "nvidia-driver-cuda 3:580.95.05-1",
                          "nvidia-driver-cuda-libs 3:580.95.05-1",
                          "nvidia-fabricmanager 580.95.05-1",
                          "nvidia-persistenced 3:580.95.05-1"));
  const StepPlan again = plan_of(*provision::make_driver_packages());
  EXPECT_EQ(again.state, StepState::kOk) << again.why;
  roll_back();
  EXPECT_THAT(installed({}), IsEmpty());
}

TEST_F(RealDnfDriver, GoesToAnotherVersionFlavourAndBackInOneTransaction) {
  spec_.driver.version = "580.95.05";
  add_repository();
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  undo_.clear();
  // Older, and of the other flavour: another stream, another kmod.
  spec_.driver.version = "580.65.06";
  spec_.driver.flavour = provision::WantedFlavour::kProprietary;
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  EXPECT_THAT(installed({}),
              ElementsAre("kmod-nvidia-latest-dkms 3:580.65.06-1",
                          "nvidia-driver-cuda 3:580.65.06-1",
                          "nvidia-driver-cuda-libs 3:580.65.06-1",
                          "nvidia-persistenced 3:580.65.06-1"));
  EXPECT_EQ(plan_of(*provision::make_driver_packages()).state, StepState::kOk);
}

// What `dnf history undo` would be for: packages, stream and reasons as before.
TEST_F(RealDnfDriver, UndoingAChangeBringsBackWhatWasThere) {
  const auto stream = [this] {
    const auto text =
        root_.root().read_file("/etc/dnf/modules.d/nvidia-driver.module");
    return text ? *text : "";
  };
  const auto asked_for = [this] {
    return say({"/usr/bin/dnf", "--installroot=" + root_.path(), "-q",
                "repoquery", "--installed", "--userinstalled"},
               settings_.environment);
  };
  spec_.driver.version = "580.95.05";
  add_repository();
  EXPECT_EQ(carry_out(*provision::make_driver_packages()), "");
  const std::vector<Action> install = undo_;
  const auto change_and_undo = [&](const char* version,
                                   provision::WantedFlavour flavour) {
    const auto packages = installed({});
    const std::string was = stream();
    const std::string asked = asked_for();
    undo_.clear();
    spec_.driver.version = version;
    spec_.driver.flavour = flavour;
    EXPECT_EQ(carry_out(*provision::make_driver_packages()), "");
    EXPECT_NE(installed({}), packages);
    roll_back();
    EXPECT_EQ(installed({}), packages);
    EXPECT_EQ(stream(), was);
    EXPECT_EQ(asked_for(), asked);
  };
  using provision::WantedFlavour;
  change_and_undo("580.65.06", WantedFlavour::kAuto);  // Down.
  change_and_undo("580.65.06",
                  WantedFlavour::kProprietary);  // And other names.
  spec_.driver.version = "580.65.06";
  spec_.driver.flavour = WantedFlavour::kAuto;
  EXPECT_EQ(carry_out(*provision::make_driver_packages()), "");
  const std::vector<Action> down = undo_;
  change_and_undo("580.95.05", WantedFlavour::kAuto);  // Up.
  undo_ = down;
  roll_back();
  EXPECT_THAT(installed({"nvidia-driver-cuda"}),
              ElementsAre("nvidia-driver-cuda 3:580.95.05-1"));
  undo_ = install;
  roll_back();
  EXPECT_THAT(installed({}), IsEmpty());
}

TEST_F(RealDnfDriver, ReadyMadeModulesAreTheNewestForTheKernel) {
  spec_.driver.source = provision::DriverSource::kPrecompiled;
  kernel_ = "5.14.0-570.17.1.el9_6.x86_64";
  add_repository();
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  // 580.95.05 has none for it.
  EXPECT_THAT(installed({}),
              ElementsAre("kmod-nvidia-580.65.06-5.14.0-570.17.1 3:580.65.06-1",
                          "nvidia-driver-cuda 3:580.65.06-1",
                          "nvidia-driver-cuda-libs 3:580.65.06-1",
                          "nvidia-persistenced 3:580.65.06-1"));
  const StepPlan again = plan_of(*provision::make_driver_packages());
  EXPECT_EQ(again.state, StepState::kOk) << again.why;
  // Another kernel is to boot: its module, of the newest driver that has one.
  // The other kernel keeps its own.
  undo_.clear();
  const auto before = installed({});
  kernel_ = "5.14.0-570.12.1.el9_6.x86_64";
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  EXPECT_THAT(installed({}),
              testing::IsSupersetOf(
                  {"kmod-nvidia-580.65.06-5.14.0-570.17.1 3:580.65.06-1",
                   "kmod-nvidia-580.95.05-5.14.0-570.12.1 3:580.95.05-1",
                   "nvidia-driver-cuda 3:580.95.05-1"}));
  roll_back();
  EXPECT_EQ(installed({}), before);
}

TEST_F(RealDnfDriver, ReadyMadeModulesOfAnotherVersionGoWithTheirDriver) {
  spec_.driver.source = provision::DriverSource::kPrecompiled;
  kernel_ = "5.14.0-570.12.1.el9_6.x86_64";
  spec_.driver.version = "580.65.06";
  add_repository();
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  spec_.driver.version = "580.95.05";
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  EXPECT_THAT(installed({}),
              ElementsAre("kmod-nvidia-580.95.05-5.14.0-570.12.1 3:580.95.05-1",
                          "nvidia-driver-cuda 3:580.95.05-1",
                          "nvidia-driver-cuda-libs 3:580.95.05-1",
                          "nvidia-persistenced 3:580.95.05-1"));
  roll_back();
  EXPECT_THAT(installed({}), IsEmpty());
}

TEST_F(RealDnfDriver, FromDkmsToReadyMadeAndBackInOneTransactionEach) {
  kernel_ = "5.14.0-570.12.1.el9_6.x86_64";
  add_repository();
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  const auto built = installed({});
  spec_.driver.source = provision::DriverSource::kPrecompiled;
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  EXPECT_THAT(installed({}),
              ElementsAre("kmod-nvidia-580.95.05-5.14.0-570.12.1 3:580.95.05-1",
                          "nvidia-driver-cuda 3:580.95.05-1",
                          "nvidia-driver-cuda-libs 3:580.95.05-1",
                          "nvidia-persistenced 3:580.95.05-1"));
  spec_.driver.source = provision::DriverSource::kNvidia;
  spec_.driver.version = "580.95.05";
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  EXPECT_THAT(installed({}),
              testing::Contains("kmod-nvidia-open-dkms 3:580.95.05-1"));
  EXPECT_THAT(installed({}), Not(Contains(HasSubstr("570.12.1"))));
}

TEST_F(RealDnfDriver, AKernelWithoutReadyMadeModulesIsToldWithThoseThatHave) {
  spec_.driver.source = provision::DriverSource::kPrecompiled;
  kernel_ = "5.14.0-570.99.1.el9_6.x86_64";
  add_repository();
  const std::string error = carry_out(*provision::make_driver_packages());
  EXPECT_THAT(error, HasSubstr("no ready-made module of 580 for the kernel "
                               "5.14.0-570.99.1 (it has them for "
                               "5.14.0-570.12.1, 5.14.0-570.17.1)"));
  EXPECT_THAT(error, HasSubstr("nvidia-cuda-repo"));
  EXPECT_THAT(installed({}), IsEmpty());
  // A version that has none for it, though another has.
  spec_.driver.version = "580.105.08";
  kernel_ = "5.14.0-570.12.1.el9_6.x86_64";
  EXPECT_THAT(carry_out(*provision::make_driver_packages()),
              HasSubstr("and none for any other"));
  EXPECT_THAT(installed({}), IsEmpty());
}

TEST_F(RealDnfDriver, AKeyThatCameWithTheDriverGoesWithIt) {
  ASSERT_THAT(keys(), IsEmpty());
  add_repository();
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  EXPECT_FALSE(keys().empty()) << "dnf imports what the file names";
  roll_back();
  EXPECT_THAT(keys(), IsEmpty());
}

TEST_F(RealDnfDriver, HalfAnUpdateIsMadeWhole) {
  spec_.driver.version = "580.65.06";
  add_repository();
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  spec_.driver.version.clear();
  const Applied half = change({{{"nvidia-persistenced", "3:580.95.05-1"}}, {}});
  ASSERT_TRUE(half.outcome) << half.outcome.error().message();
  EXPECT_THAT(plan_of(*provision::make_driver_packages()).why,
              HasSubstr("580.65.06 and 580.95.05"));
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  // The driver itself is whole: what stands beside it follows.
  EXPECT_THAT(installed({"kmod-nvidia-open-dkms", "nvidia-persistenced"}),
              ElementsAre("kmod-nvidia-open-dkms 3:580.65.06-1",
                          "nvidia-persistenced 3:580.65.06-1"));
}

TEST_F(RealDnfDriver, AnotherKeyPutsNothingInPlace) {
  trusts("other");
  EXPECT_THAT(carry_out(*provision::make_driver_repository()),
              HasSubstr("is not the one that is expected"));
  EXPECT_FALSE(
      root_.root().exists("/etc/pki/rpm-gpg/RPM-GPG-KEY-gpunode-cuda"));
  EXPECT_FALSE(root_.root().exists("/etc/yum.repos.d/gpunode-cuda.repo"));
}

TEST_F(RealDnfDriver, SpoiltMetadataInstallsNothing) {
  mirror_.spoil("repodata/");
  add_repository();
  EXPECT_NE(carry_out(*provision::make_driver_packages()), "");
  EXPECT_THAT(installed({}), IsEmpty());
}

TEST_F(RealDnfDriver, TruncatedMetadataInstallsNothing) {
  mirror_.truncate("repodata/");
  add_repository();
  EXPECT_NE(carry_out(*provision::make_driver_packages()), "");
  EXPECT_THAT(installed({}), IsEmpty());
}

// No mirror is needed for what only goes.
TEST_F(RealDnfDriver, IsTakenAwayWithoutAnyMirror) {
  add_repository();
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  const std::string file = "etc/yum.repos.d/gpunode-cuda.repo";
  const std::string text = *root_.root().read_file("/" + file);
  std::string gone = text;
  gone.replace(gone.find(mirror_.url()), mirror_.url().size(),
               "http://127.0.0.1:1");
  root_.file(file, gone + "metadata_expire=1\nskip_if_unavailable=0\n");
  roll_back();
  EXPECT_THAT(installed({}), IsEmpty());
}

TEST_F(RealDnfDriver, HoldsGoWithWhatAskedForThemAndOthersStay) {
  root_.file("etc/dnf/plugins/versionlock.list", "kubelet-0:1.30-1.*\n");
  const auto locks = [this] {
    return *root_.root().read_file("/etc/dnf/plugins/versionlock.list");
  };
  // The plugin for locks is the distribution's.
  root_.file("etc/yum.repos.d/base.repo",
             "[base]\nname=Base\nbaseurl=file://" + stubs() +
                 "/rpm/good\ngpgcheck=1\ngpgkey=file://" + stubs() +
                 "/keys/good.asc\n");
  add_repository();
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  undo_.clear();
  ASSERT_EQ(carry_out(*provision::make_driver_hold()), "");
  undo_.clear();
  EXPECT_THAT(locks(), HasSubstr("nvidia-driver-cuda-3:580.105.08-1"));
  spec_.driver.hold = false;
  ASSERT_EQ(carry_out(*provision::make_driver_hold()), "");
  EXPECT_THAT(locks(), Not(HasSubstr("\nnvidia-driver")));
  EXPECT_THAT(locks(), HasSubstr("kubelet-0:1.30-1.*"));
  EXPECT_EQ(plan_of(*provision::make_driver_hold()).state,
            StepState::kNotWanted);
  // The inverse holds them again.
  roll_back();
  EXPECT_THAT(locks(), HasSubstr("nvidia-driver-cuda-3:580.105.08-1"));
}

class RealAptDriver : public DriverOnRoot {
 protected:
  RealAptDriver() : DriverOnRoot(Tool::kApt) {
    lay_root();
    is("ubuntu", "debian", "22.04");
  }
};

TEST_F(RealAptDriver, PinsKeepTheBranchAndTheArchiveOut) {
  root_.file("etc/apt/sources.list.d/archive.list",
             "deb [signed-by=" + stubs() + "/keys/good.asc] file:" + stubs() +
                 "/archive ./\n");
  add_repository();
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  EXPECT_THAT(installed({}),
              ElementsAre("libnvidia-compute-580 580.95.05-0ubuntu1",
                          "nvidia-dkms-580-open 580.95.05-0ubuntu1",
                          "nvidia-persistenced 580.95.05-0ubuntu1",
                          "nvidia-utils-580 580.95.05-0ubuntu1"));
  const StepPlan again = plan_of(*provision::make_driver_packages());
  EXPECT_EQ(again.state, StepState::kOk) << again.why;
}

TEST_F(RealAptDriver, HeldIsLetGoForAnotherVersionAndHeldAgain) {
  spec_.driver.version = "580.65.06";
  add_repository();
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  ASSERT_EQ(carry_out(*provision::make_driver_hold()), "");
  EXPECT_EQ(plan_of(*provision::make_driver_hold()).state, StepState::kOk);
  spec_.driver.version = "580.95.05";
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  ASSERT_EQ(carry_out(*provision::make_driver_hold()), "");
  EXPECT_THAT(installed({}),
              Contains("nvidia-dkms-580-open 580.95.05-0ubuntu1"));
  EXPECT_EQ(plan_of(*provision::make_driver_hold()).state, StepState::kOk);
  // Down again, and to the other flavour.
  spec_.driver.version = "580.65.06";
  spec_.driver.flavour = provision::WantedFlavour::kProprietary;
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  EXPECT_THAT(installed({}), Contains("nvidia-dkms-580 580.65.06-0ubuntu1"));
  EXPECT_THAT(installed({"nvidia-dkms-580-open"}), IsEmpty());
}

TEST_F(RealAptDriver, HoldsGoWithTheDriverAndOthersStay) {
  add_repository();
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  // Before us, somebody held one of them.
  const auto held = [this] {
    std::vector<std::string> names;
    const auto holds = manager().holds();
    if (!holds) return names;
    for (const Hold& hold : *holds) names.push_back(hold.name);
    return names;
  };
  ASSERT_TRUE(manager().hold({"nvidia-utils-580"}));
  ASSERT_EQ(carry_out(*provision::make_driver_hold()), "");
  EXPECT_THAT(held(), ::testing::SizeIs(4));
  spec_.driver = {};
  ASSERT_EQ(carry_out(*provision::make_driver_hold()), "");
  EXPECT_THAT(held(), ElementsAre("nvidia-utils-580"));
  // Which keeps another version out, with the way to have it.
  spec_.driver.is_wanted = true;
  spec_.driver.version = "580.65.06";
  const StepPlan plan = plan_of(*provision::make_driver_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("apt-mark unhold nvidia-utils-580"));
}

TEST_F(RealAptDriver, TruncatedMetadataInstallsNothing) {
  for (const char* part : {"Packages", "Release"}) {
    mirror_.truncate(part);
    add_repository();
    EXPECT_NE(carry_out(*provision::make_driver_packages()), "") << part;
    EXPECT_THAT(installed({}), IsEmpty());
  }
}

TEST_F(RealAptDriver, AVersionThatNobodyHasIsSaid) {
  spec_.driver.version = "580.105.08";
  add_repository();
  EXPECT_THAT(carry_out(*provision::make_driver_packages()),
              HasSubstr("of 580.105.08 there is no nvidia-persistenced"));
  EXPECT_THAT(installed({}), IsEmpty());
}

class RealZypperDriver : public DriverOnRoot {
 protected:
  RealZypperDriver() : DriverOnRoot(Tool::kZypper) {
    lay_root();
    is("sles", "suse", "15.6");
  }
};

TEST_F(RealZypperDriver, InstallsTheNewestWholeVersionAndHoldsIt) {
  ASSERT_EQ(carry_out(*provision::make_driver_repository()), "");
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  EXPECT_THAT(installed({"nvidia-open-driver-G06", "nvidia-compute-utils-G06",
                         "nvidia-persistenced"}),
              ElementsAre("nvidia-compute-utils-G06 580.95.05-1",
                          "nvidia-open-driver-G06 580.95.05-1",
                          "nvidia-persistenced 580.95.05-1"));
  ASSERT_EQ(carry_out(*provision::make_driver_hold()), "");
  EXPECT_EQ(plan_of(*provision::make_driver_packages()).state, StepState::kOk);
  EXPECT_EQ(plan_of(*provision::make_driver_hold()).state, StepState::kOk);
}

TEST_F(RealZypperDriver, TruncatedMetadataInstallsNothing) {
  mirror_.truncate("repodata/");
  ASSERT_EQ(carry_out(*provision::make_driver_repository()), "");
  EXPECT_NE(carry_out(*provision::make_driver_packages()), "");
  EXPECT_THAT(installed({}), IsEmpty());
}

TEST_F(RealZypperDriver, HoldsAndKeyGoAsTheyCame) {
  // No host is without any package, and zypper cannot read such a database.
  root_.file("etc/zypp/repos.d/base.repo",
             "[base]\nname=Base\nenabled=1\ngpgcheck=0\nbaseurl=file://" +
                 stubs() + "/rpm/good\n");
  ASSERT_TRUE(change({{{"stub-extra", ""}}, {}}).outcome);
  ASSERT_THAT(keys(), IsEmpty());
  ASSERT_EQ(carry_out(*provision::make_driver_repository()), "");
  EXPECT_FALSE(keys().empty());
  ASSERT_EQ(carry_out(*provision::make_driver_packages()), "");
  ASSERT_EQ(carry_out(*provision::make_driver_hold()), "");
  EXPECT_FALSE(manager().holds()->empty());
  spec_.driver.hold = false;
  ASSERT_EQ(carry_out(*provision::make_driver_hold()), "");
  EXPECT_TRUE(manager().holds()->empty());
  roll_back();
  EXPECT_TRUE(manager().holds()->empty());
  EXPECT_THAT(installed({}), ElementsAre(HasSubstr("stub-extra")));
  EXPECT_THAT(keys(), IsEmpty());
}

TEST_F(RealZypperDriver, AKeyThatWasTrustedBeforeStays) {
  ASSERT_TRUE(manager().trust(stubs() + "/keys/good.asc"));
  const std::string before = keys();
  ASSERT_EQ(carry_out(*provision::make_driver_repository()), "");
  roll_back();
  EXPECT_EQ(keys(), before);
  EXPECT_FALSE(before.empty());
}

}  // namespace
}  // namespace gpunode::packages
