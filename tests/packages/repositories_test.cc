// prep.repositories carried out, with the real package managers: what an added
// repository has can be installed after it and not before, a second look finds
// nothing to do, and what was done is undone to the byte.
#include <map>
#include <utility>

#include "node/facts/os_release.h"
#include "node/facts/wanted_files.h"
#include "node/provision/host_performer.h"
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
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// Stands for the vendor's own program, which asks its vendor; others run.
class VendorRunner final : public host::CommandRunner {
 public:
  VendorRunner(host::CommandRunner& inner, std::string program,
               std::function<void(const std::vector<std::string>&)> does)
      : inner_(inner), program_(std::move(program)), does_(std::move(does)) {}

  Result<host::Completed> run(const host::Command& command) override {
    if (command.argv[0] != program_) return inner_.run(command);
    does_(command.argv);
    return host::Completed{};
  }

 private:
  host::CommandRunner& inner_;
  std::string program_;
  std::function<void(const std::vector<std::string>&)> does_;
};

/// A root that is a distribution, and `gpunode apply` of one Step on it.
class StepOnRoot : public RealPackages {
 protected:
  explicit StepOnRoot(Tool tool) : RealPackages(tool) {
    spec_.host.extra_repositories = provision::Choice::kYes;
  }

  void is(const std::string& id, const std::string& version,
          const std::string& codename = "") {
    root_.file("etc/os-release",
               "ID=" + id +
                   (tool_ == Tool::kDnf ? "\nID_LIKE=\"rhel fedora\"" : "") +
                   "\nVERSION_ID=\"" + version +
                   "\"\nVERSION_CODENAME=" + codename + "\n");
  }

  StepPlan plan_step() {
    facts::HostFacts facts;
    const auto step = provision::make_prep_repositories();
    const facts::Wanted wanted = step->wants(spec_);
    facts.os =
        *facts::parse_os_release(*root_.root().read_file("/etc/os-release"));
    facts.kernel.machine = "x86_64";
    facts::read_wanted_files(root_.root(), wanted, facts);
    facts::read_wanted_trees(root_.root(), wanted, facts);
    return step->plan({facts, spec_, history_, {}});
  }

  HostPerformer& performer() {
    if (!performer_) {
      settings_.root = root_.path();
      performer_.emplace(root_.root(), *vendor_,
                         HostPerformer::Options{.packages = settings_});
    }
    return *performer_;
  }

  Result<void> carry_out(const Action& action) {
    TRY(Inverse inverse, performer().prepare(action, ++seq_));
    inverses_.push_back(std::move(inverse));
    return performer().perform(action);
  }

  void carry_out(const StepPlan& plan) {
    ASSERT_EQ(plan.state, StepState::kChange) << plan.why << plan.fix;
    for (const Action& action : plan.actions) {
      const auto done = carry_out(action);
      ASSERT_TRUE(done) << done.error().message();
    }
  }

  Result<void> install(const std::string& name) {
    return carry_out(provision::InstallPackages{{name}});
  }

  void undo_all() {
    for (auto one = inverses_.rbegin(); one != inverses_.rend(); ++one) {
      for (const Action& action : one->actions) {
        const auto undone = performer().perform(action);
        ASSERT_TRUE(undone) << undone.error().message();
      }
    }
    inverses_.clear();
  }

  /// The files of a directory, with what is in them.
  std::map<std::string, std::string> files(const std::string& directory) {
    std::map<std::string, std::string> found;
    const auto names = root_.root().list_directory(directory);
    for (const std::string& name : *names) {
      auto text = root_.root().read_file(directory + "/" + name);
      if (text) found[name] = *std::move(text);
    }
    return found;
  }

  std::unique_ptr<host::CommandRunner> vendor_ =
      std::make_unique<host::SystemCommandRunner>();
  provision::NodeSpec spec_;
  provision::History history_;
  std::optional<HostPerformer> performer_;
  std::vector<Inverse> inverses_;
  std::uint64_t seq_ = 0;
};

class RealDnfRepositories : public StepOnRoot {
 protected:
  RealDnfRepositories() : StepOnRoot(Tool::kDnf) {
    root_.directory("etc/dnf/modules.d");
    root_.file("etc/dnf/dnf.conf",
               "[main]\ngpgcheck=1\nmodule_platform_id=platform:el9\n");
  }

  static std::string section(const std::string& id, const std::string& path,
                             bool is_enabled) {
    return "[" + id + "]\nname=" + id + "\nbaseurl=file://" + stubs() + path +
           "\nenabled=" + (is_enabled ? "1" : "0") +
           "\ngpgcheck=1\ngpgkey=file://" + stubs() + "/keys/good.asc\n\n";
  }
};

TEST_F(RealDnfRepositories, OnRockyCrbIsTurnedOnAndEpelComesByItsPackage) {
  is("rocky", "9.4");
  root_.file("etc/yum.repos.d/rocky.repo",
             "# Rocky's\n" + section("baseos", "/rpm/good", true) +
                 section("crb", "/rpm-extra/crb", false));
  const auto before = files("/etc/yum.repos.d");
  const auto too_early = install("stub-epel");
  ASSERT_FALSE(too_early);
  EXPECT_EQ(too_early.error().code(), ErrorCode::kNotFound);

  carry_out(plan_step());
  const auto installed_now = install("stub-epel");
  ASSERT_TRUE(installed_now) << installed_now.error().message();
  EXPECT_THAT(installed({"stub-epel", "stub-crb"}),
              ::testing::ElementsAre("stub-crb 580.1-1", "stub-epel 580.1-1"));
  const StepPlan again = plan_step();
  EXPECT_EQ(again.state, StepState::kOk) << again.why;
  EXPECT_THAT(again.actions, IsEmpty());

  undo_all();
  EXPECT_EQ(files("/etc/yum.repos.d"), before);
  EXPECT_THAT(installed({}), IsEmpty());
  EXPECT_FALSE(install("stub-epel"));
}

TEST_F(RealDnfRepositories, OnRhelTheFileOfOursTakesNothingButEpelsKey) {
  is("rhel", "9.4");
  root_.file("etc/yum.repos.d/redhat-rhui.repo",
             section("rhel-9-baseos-rhui-rpms", "/rpm/good", true) +
                 section("codeready-builder-for-rhel-9-rhui-rpms",
                         "/rpm-extra/crb", false));
  // A mirror that has something else under EPEL's name.
  spec_.mirrors = {{"https://dl.fedoraproject.org/pub/epel/9/Everything",
                    "file://" + stubs() + "/rpm-extra/epel-of"}};
  carry_out(plan_step());
  const std::string text = files("/etc/yum.repos.d").at("epel.repo");
  EXPECT_THAT(text, HasSubstr("gpgcheck=1"));
  EXPECT_THAT(text, HasSubstr("RPM-GPG-KEY-epel"));
  // $basearch below the mirror; the stub repository is one for all.
  root_.file("etc/yum.repos.d/epel.repo",
             text.substr(0, text.find("baseurl=")) + "baseurl=file://" +
                 stubs() + "/rpm-extra/epel\n" +
                 text.substr(text.find("enabled=1")));
  // dnf looks for file:///etc/… in the host, not in the root.
  std::string keyed = files("/etc/yum.repos.d").at("epel.repo");
  keyed.replace(keyed.find("file:///etc"), 11, "file://" + root_.path("etc"));
  root_.file("etc/yum.repos.d/epel.repo", keyed);
  const auto refused = install("stub-epel");
  ASSERT_FALSE(refused) << "its packages are not signed by EPEL";
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied)
      << refused.error().message();
  EXPECT_THAT(installed({}), IsEmpty());
  // rpm reads the key with our line before it.
  const auto trusted =
      manager().trust(root_.path("etc/pki/rpm-gpg/RPM-GPG-KEY-epel"));
  ASSERT_TRUE(trusted) << trusted.error().message();
  EXPECT_THAT(say({"/usr/bin/rpm", "--root", root_.path(), "-qa"}),
              HasSubstr("gpg-pubkey-3228467c"));
}

class RealAptRepositories : public StepOnRoot {
 protected:
  RealAptRepositories() : StepOnRoot(Tool::kApt) {
    lay_apt_root();
    // By its name the key of the distribution's own archive.
    key_ = root_.path("usr/share/keyrings/debian-archive-stub.asc");
    root_.file("usr/share/keyrings/debian-archive-stub.asc",
               *host::HostRoot().read_file(stubs() + "/keys/good.asc"));
    is("debian", "11", "stub");
  }

  void comes_and_goes(const std::string& directory) {
    const auto before = files(directory);
    const auto too_early = install("stub-contrib");
    ASSERT_FALSE(too_early);
    EXPECT_EQ(too_early.error().code(), ErrorCode::kNotFound);
    // main was read by that: nobody has to know of `apt-get update`.
    ASSERT_TRUE(install("stub-extra"));
    StepPlan plan = plan_step();
    for (Action& action : plan.actions) {
      // The stub archive has no non-free.
      std::string& text = std::get<provision::WriteFile>(action).content;
      text.replace(text.find(" non-free"), 9, "");
    }
    carry_out(plan);
    const auto installed_now = install("stub-contrib");
    ASSERT_TRUE(installed_now) << installed_now.error().message();
    EXPECT_THAT(installed({"stub-contrib"}), Contains("stub-contrib 580.1-1"));
    undo_all();
    EXPECT_EQ(files(directory), before);
    EXPECT_THAT(installed({}), IsEmpty());
    EXPECT_FALSE(install("stub-contrib"));
  }

  std::string key_;
};

TEST_F(RealAptRepositories, ComponentsOfSourcesListComeAndGo) {
  root_.file("etc/apt/sources.list", "# the archive\ndeb [signed-by=" + key_ +
                                         "] file:" + stubs() +
                                         "/deb/good stub main\n");
  comes_and_goes("/etc/apt");
}

/// Runs what it is told to, and keeps the command lines.
class KeepingRunner final : public host::CommandRunner {
 public:
  Result<host::Completed> run(const host::Command& command) override {
    lines.push_back(host::command_line(command));
    return inner_.run(command);
  }
  std::vector<std::string> lines;

 private:
  host::SystemCommandRunner inner_;
};

TEST_F(RealAptRepositories, WhatIsInstalledIsResolvedOnceAndLookedAtOnceMore) {
  root_.file("etc/apt/sources.list", "deb [signed-by=" + key_ + "] file:" +
                                         stubs() + "/deb/good stub main\n");
  ASSERT_FALSE(install("stub-nowhere"));  // Its index is fetched by this.
  auto keeping = std::make_unique<KeepingRunner>();
  const KeepingRunner& kept = *keeping;
  performer_.reset();
  vendor_ = std::move(keeping);
  ASSERT_TRUE(install("stub-extra"));
  const auto simulations = [&](const char* end) {
    return std::count_if(kept.lines.begin(), kept.lines.end(),
                         [end](const std::string& line) {
                           return line.find(" -s -q ") != std::string::npos &&
                                  line.ends_with(end);
                         });
  };
  EXPECT_EQ(simulations("install stub-extra"), 1);
  EXPECT_EQ(simulations("install stub-extra=580.2-1"), 1);
}

TEST_F(RealAptRepositories, ComponentsOfAStanzaComeAndGo) {
  root_.file("etc/apt/sources.list.d/debian.sources",
             "Types: deb\nURIs: file:" + stubs() +
                 "/deb/good\nSuites: stub\nComponents: main\nSigned-By: " +
                 key_ + "\n");
  comes_and_goes("/etc/apt/sources.list.d");
}

class RealZypperRepositories : public StepOnRoot {
 protected:
  RealZypperRepositories() : StepOnRoot(Tool::kZypper) {
    root_.directory("etc/zypp/repos.d");
    root_.directory("var/lib/rpm");
    root_.directory("run");
    root_.file("home/.rpmmacros", "%_dbpath /var/lib/rpm\n");
    settings_.environment = {"HOME=" + root_.path("home")};
    use("base", "/rpm/good");
  }

  void use(const std::string& id, const std::string& path) const {
    root_.file("etc/zypp/repos.d/" + id + ".repo",
               "[" + id + "]\nname=" + id + "\nbaseurl=dir://" + stubs() +
                   path +
                   "\nenabled=1\nautorefresh=1\ntype=rpm-md\ngpgcheck=1\n");
  }
};

TEST_F(RealZypperRepositories, OnSlesPackageHubComesFromSuseConnect) {
  is("sles", "15.6");
  ASSERT_TRUE(manager().trust(stubs() + "/keys/good.asc"));
  EXPECT_EQ(plan_step().state, StepState::kBlocked) << "not registered";
  root_.file("etc/zypp/credentials.d/SCCcredentials", "username=x\n");
  host::SystemCommandRunner system;
  std::vector<std::vector<std::string>> calls;
  vendor_ = std::make_unique<VendorRunner>(
      system, "/usr/sbin/SUSEConnect",
      [&](const std::vector<std::string>& argv) {
        calls.push_back(argv);
        if (argv[1] == "--product") {
          use("SUSE_Package_Hub", "/rpm-extra/epel");
          use("Subpackages", "/rpm-extra/crb");
          root_.file("etc/products.d/PackageHub.prod", "<product/>");
        } else {
          root_.remove("etc/zypp/repos.d/SUSE_Package_Hub.repo");
          root_.remove("etc/zypp/repos.d/Subpackages.repo");
          root_.remove("etc/products.d/PackageHub.prod");
        }
      });
  ASSERT_FALSE(install("stub-epel"));
  // One package stays: rpmdb2solv fails on a database that became empty.
  ASSERT_TRUE(install("stub-extra"));
  inverses_.clear();
  carry_out(plan_step());
  EXPECT_THAT(calls, ::testing::ElementsAre(std::vector<std::string>{
                         "/usr/sbin/SUSEConnect", "--product",
                         "PackageHub/15.6/x86_64"}));
  const auto installed_now = install("stub-epel");
  ASSERT_TRUE(installed_now) << installed_now.error().message();
  EXPECT_THAT(installed({}), Contains("stub-epel 580.1-1"));
  EXPECT_EQ(plan_step().state, StepState::kOk);
  undo_all();
  EXPECT_THAT(installed({}), Not(Contains("stub-epel 580.1-1")));
  EXPECT_FALSE(install("stub-epel"));
}

}  // namespace
}  // namespace gpunode::packages
