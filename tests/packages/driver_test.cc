// driver.repository, driver.packages and driver.hold carried out with the real
// package managers, on stub repositories that have NVIDIA's names.
#include <optional>
#include <utility>

#include "node/facts/os_release.h"
#include "node/facts/wanted_files.h"
#include "node/provision/host_performer.h"
#include "node/provision/packages/openpgp_key.h"
#include "node/provision/steps/steps.h"
#include "tests/packages/real_packages.h"

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

constexpr const char* kNvidias =
    "https://developer.download.nvidia.com/compute/cuda/repos";

/// A root that is a distribution with a GPU, whose mirror of NVIDIA's
/// repositories is the stubs'.
class DriverOnRoot : public RealPackages {
 protected:
  explicit DriverOnRoot(Tool tool)
      : RealPackages(tool), mirror_(stubs() + "/cuda") {
    spec_.driver.is_wanted = true;
    spec_.mirrors[kNvidias] = mirror_.url();
  }

  void is(const std::string& id, const std::string& like,
          const std::string& version) {
    root_.file("etc/os-release", "ID=" + id + "\nID_LIKE=\"" + like +
                                     "\"\nVERSION_ID=\"" + version + "\"\n");
    id_ = id;
    version_ = id == "ubuntu" ? version : version.substr(0, version.find('.'));
    trusts("good");
  }

  /// The row's key is the stubs' own.
  void trusts(const std::string& key) {
    const auto text =
        host::HostRoot().read_file(stubs() + "/keys/" + key + ".asc");
    ASSERT_TRUE(text);
    const auto keys = parse_openpgp_keys(*text);
    ASSERT_TRUE(keys);
    distribution::Extension row;
    row.id = id_;
    row.version = version_;
    row.fingerprint = keys->front().fingerprint;
    spec_.distributions = {row};
  }

  StepPlan plan_of(const provision::Step& step) {
    facts::HostFacts facts;
    const facts::Wanted wanted = step.wants(spec_);
    facts.os =
        *facts::parse_os_release(*root_.root().read_file("/etc/os-release"));
    facts.kernel.machine = "x86_64";
    facts.gpus = gpus_;
    facts::read_wanted_files(root_.root(), wanted, facts);
    const auto observed = manager().observe({});
    EXPECT_TRUE(observed) << observed.error().message();
    if (!observed) return {};
    for (const Package& one : observed->installed) {
      facts.packages[one.name] = {one.version, one.is_held};
    }
    return step.plan({facts, spec_, history_, {}});
  }

  HostPerformer& performer() {
    if (!performer_) {
      settings_.root = root_.path();
      settings_.mirror_attempts = 1;
      performer_.emplace(root_.root(), runner_,
                         HostPerformer::Options{.overwrite_drift = true,
                                                .packages = settings_});
    }
    return *performer_;
  }

  /// The Step's plan, carried out; what undoes it, the last first. An empty
  /// text of `error`: all went well.
  std::string carry_out(const provision::Step& step) {
    const StepPlan plan = plan_of(step);
    EXPECT_NE(plan.state, StepState::kBlocked) << plan.why;
    for (const Action& action : plan.actions) {
      auto inverse = performer().prepare(action, ++seq_);
      if (!inverse) return inverse.error().message();
      undo_.insert(undo_.begin(), inverse->actions.begin(),
                   inverse->actions.end());
      if (const auto done = performer().perform(action); !done) {
        return done.error().message();
      }
    }
    return "";
  }

  void roll_back() {
    for (const Action& action : undo_) {
      const auto undone = performer().perform(action);
      ASSERT_TRUE(undone) << undone.error().message();
    }
    undo_.clear();
  }

  static facts::PciGpu gpu(std::uint16_t id, bool is_switch = false) {
    facts::PciGpu one;
    one.device_id = id;
    one.product = "GPU";
    one.is_switch = is_switch;
    return one;
  }

  Mirror mirror_;
  std::string id_;
  std::string version_;
  provision::NodeSpec spec_;
  provision::History history_;
  std::vector<facts::PciGpu> gpus_ = {gpu(0x1eb8)};
  std::optional<HostPerformer> performer_;
  std::vector<Action> undo_;
  std::uint64_t seq_ = 0;
};

class RealDnfDriver : public DriverOnRoot {
 protected:
  RealDnfDriver() : DriverOnRoot(Tool::kDnf) {
    const std::string plugins = stubs() + "/dnf-plugins";
    root_.directory("etc/dnf/modules.d");
    root_.directory("etc/yum.repos.d");
    root_.file("etc/dnf/dnf.conf",
               "[main]\ngpgcheck=1\nmodule_platform_id=platform:el8\n"
               "pluginpath=" +
                   plugins + "/enabled\npluginconfpath=" +
                   root_.path("etc/dnf/plugins") + "\n");
    root_.file("etc/dnf/plugins/versionlock.conf",
               "[main]\nenabled=1\nlocklist=" +
                   root_.path("etc/dnf/plugins/versionlock.list") + "\n");
    root_.file("etc/dnf/plugins/versionlock.list", "");
    settings_.environment = {"PYTHONPATH=" + plugins + "/lib"};
    is("rocky", "rhel fedora", "8.9");
  }

  /// dnf reads the key of a repository file from this very path.
  void link_key() {
    const std::string file = "/etc/yum.repos.d/gpunode-cuda.repo";
    const auto text = root_.root().read_file(file);
    ASSERT_TRUE(text);
    std::string here = *text;
    const std::string path = "file:///etc/pki";
    here.replace(here.find(path), path.size(),
                 "file://" + root_.path("etc/pki"));
    root_.file(file.substr(1), here);
    history_.written[file] = here;
  }

  /// The repository, with its key where dnf of another root finds it.
  void add_repository() {
    ASSERT_EQ(carry_out(*provision::make_driver_repository()), "");
    link_key();
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

TEST_F(RealDnfDriver, TruncatedMetadataInstallsNothing) {
  mirror_.spoil("repodata/");
  add_repository();
  EXPECT_NE(carry_out(*provision::make_driver_packages()), "");
  EXPECT_THAT(installed({}), IsEmpty());
}

class RealAptDriver : public DriverOnRoot {
 protected:
  RealAptDriver() : DriverOnRoot(Tool::kApt) {
    lay_apt_root();
    is("ubuntu", "debian", "22.04");
  }

  /// apt reads the key from the path that the file names.
  void add_repository() {
    ASSERT_EQ(carry_out(*provision::make_driver_repository()), "");
    const std::string file = "/etc/apt/sources.list.d/gpunode-cuda.sources";
    std::string here = *root_.root().read_file(file);
    here.replace(here.find("/etc/apt/keyrings"), 17,
                 root_.path("etc/apt/keyrings"));
    root_.file(file.substr(1), here);
    history_.written[file] = here;
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
    root_.directory("etc/zypp/repos.d");
    root_.directory("var/lib/rpm");
    root_.directory("run");
    // Debian's rpm has its database in the caller's home.
    root_.file("home/.rpmmacros", "%_dbpath /var/lib/rpm\n");
    settings_.environment = {"HOME=" + root_.path("home")};
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

}  // namespace
}  // namespace gpunode::packages
