// A kernel's devel package that is in no repository, installed by real dnf and
// apt from the distribution's archive, which is there for that alone.
#include <algorithm>
#include <string>
#include <utility>

#include "node/provision/packages/repository.h"
#include "node/provision/seen_content.h"
#include "tests/packages/driver_on_root.h"

namespace gpunode::packages {
namespace {

using provision::Action;
using provision::InstallPackages;
using provision::RemoveFile;
using provision::StepPlan;
using provision::WriteFile;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kKeyring =
    "/usr/share/keyrings/debian-archive-keyring.gpg";

class Archive : public DriverOnRoot {
 protected:
  explicit Archive(Tool tool) : DriverOnRoot(tool) { lay_root(); }

  /// What kernel.build does of the devel package: no compiler is installed, and
  /// nothing is built. "" in `key`: as planned.
  std::string install_devel(const std::string& key, const std::string& with) {
    StepPlan plan = plan_of(*provision::make_kernel_build());
    EXPECT_EQ(plan.state, provision::StepState::kChange) << plan.why;
    if (plan.actions.size() < 3) return "nothing is planned";
    until_proof(plan);
    for (Action& action : plan.actions) {
      if (auto* install = std::get_if<InstallPackages>(&action)) {
        install->packages.resize(1);
      }
    }
    sign_with(plan, key, with);
    return carry_out(*provision::make_kernel_build(), plan);
  }

  static void until_proof(StepPlan& plan) {
    const auto proof =
        std::ranges::find_if(plan.actions, [](const Action& one) {
          return std::holds_alternative<provision::ProveBuild>(one);
        });
    plan.actions.erase(proof, plan.actions.end());
  }

  /// Another key in the repository's file.
  void sign_with(StepPlan& plan, const std::string& key,
                 const std::string& with) {
    std::string content;
    for (Action& action : plan.actions) {
      auto* file = std::get_if<WriteFile>(&action);
      if (file != nullptr && is_repository_file(file->path)) {
        path_ = file->path;
        for (std::size_t at = 0;
             !key.empty() &&
             (at = file->content.find(key, at)) != std::string::npos;
             at += with.size()) {
          file->content.replace(at, key.size(), with);
        }
        content = file->content;
      }
      auto* remove = std::get_if<RemoveFile>(&action);
      if (remove != nullptr && remove->path == path_) {
        remove->before = provision::seen_content(content);
      }
    }
  }

  bool is_file_there() const { return root_.root().exists(path_); }

  std::string path_;
};

class RealDnfArchive : public Archive {
 protected:
  RealDnfArchive() : Archive(Tool::kDnf) {
    is("rocky", "rhel fedora", "8.9");
    kernel_ = "4.18.0-513.5.1.el8_9.x86_64";
    spec_.host.kernel.archive = "point-release";
    spec_.mirrors["https://dl.rockylinux.org/vault/rocky"] =
        "file://" + stubs() + "/vault/rocky";
    base("good");
  }

  void base(const std::string& key) {
    root_.file("etc/yum.repos.d/base.repo",
               "[baseos]\nname=Base\nbaseurl=file://" + stubs() +
                   "/rpm/good\nenabled=1\ngpgcheck=1\ngpgkey=file://" +
                   stubs() + "/keys/" + key + ".asc\n");
  }
};

TEST_F(RealDnfArchive, HasTheKernelsDevelPackageAndIsGoneAgain) {
  ASSERT_EQ(install_devel("", ""), "");
  EXPECT_THAT(installed({}), ElementsAre("kernel-devel 4.18.0-513.5.1.el8_9"));
  EXPECT_FALSE(is_file_there());
  // What else it has, newer than all, was never to be had.
  ASSERT_TRUE(manager().refresh());
  const auto offers = manager().candidates({"stub-extra"});
  ASSERT_TRUE(offers);
  for (const Candidate& one : *offers) {
    EXPECT_THAT(one.version, Not(HasSubstr("999")));
  }
  roll_back();
  EXPECT_THAT(installed({}), IsEmpty());
  EXPECT_FALSE(is_file_there());
}

TEST_F(RealDnfArchive, WithoutItThePackageIsNowhere) {
  spec_.host.kernel.archive.clear();
  StepPlan plan = plan_of(*provision::make_kernel_build());
  std::get<InstallPackages>(plan.actions[0]).packages.resize(1);
  plan.actions.resize(1);
  EXPECT_THAT(carry_out(*provision::make_kernel_build(), plan),
              HasSubstr("kernel-devel"));
}

TEST_F(RealDnfArchive, IsHeldToTheDistributionsOwnKey) {
  base("other");
  EXPECT_NE(install_devel("", ""), "");
  EXPECT_THAT(installed({}), IsEmpty());
}

TEST_F(RealDnfArchive, NothingElseComesFromIt) {
  StepPlan plan = plan_of(*provision::make_kernel_build());
  plan.actions.resize(2);
  std::get<InstallPackages>(plan.actions[1]).packages = {"stub-extra"};
  ASSERT_EQ(carry_out(*provision::make_kernel_build(), plan), "");
  EXPECT_THAT(installed({}), ElementsAre("stub-extra 580.2-1"));
}

class RealAptArchive : public Archive {
 protected:
  RealAptArchive() : Archive(Tool::kApt) {
    is("debian", "", "12");
    root_.file("etc/os-release",
               "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n");
    kernel_ = "6.1.0-25-amd64";
    spec_.host.kernel.archive = "20240905";
    spec_.mirrors["https://snapshot.debian.org/archive"] =
        "file://" + stubs() + "/snapshot";
    root_.file("etc/apt/sources.list.d/stub.sources",
               "Types: deb\nURIs: file:" + stubs() +
                   "/deb/good\nSuites: stub\nComponents: main\nSigned-By: " +
                   stubs() + "/keys/good.asc\n");
  }

  /// apt finds the distribution's keyring on the machine itself.
  std::string install_devel_by(const std::string& key) {
    return install_devel(kKeyring, stubs() + "/keys/" + key + ".asc");
  }
};

TEST_F(RealAptArchive, HasTheKernelsHeadersOfThatDayAndIsGoneAgain) {
  ASSERT_EQ(install_devel_by("good"), "");
  EXPECT_THAT(installed({}),
              ElementsAre("linux-headers-6.1.0-25-amd64 6.1.106-3"));
  EXPECT_FALSE(is_file_there());
  roll_back();
  EXPECT_THAT(installed({}), IsEmpty());
}

// Served by another host than the repositories: by that apt knows it.
TEST_F(RealAptArchive, NothingButKernelsComesFromItsSite) {
  const Mirror mirror(stubs() + "/snapshot");
  spec_.mirrors["https://snapshot.debian.org/archive"] = mirror.url();
  const std::string pins = "/etc/apt/preferences.d/gpunode-kernel-archive.pref";
  ASSERT_EQ(install_devel_by("good"), "");
  EXPECT_THAT(installed({}),
              ElementsAre("linux-headers-6.1.0-25-amd64 6.1.106-3"));
  EXPECT_FALSE(root_.root().exists(pins));
  roll_back();
  EXPECT_THAT(installed({}), IsEmpty());
  EXPECT_FALSE(root_.root().exists(pins));

  // The archive alone has it by now, and is not asked.
  root_.remove("etc/apt/sources.list.d/stub.sources");
  StepPlan plan = plan_of(*provision::make_kernel_build());
  until_proof(plan);
  plan.actions.resize(3);
  std::get<InstallPackages>(plan.actions[2]).packages = {"stub-extra"};
  sign_with(plan, kKeyring, stubs() + "/keys/good.asc");
  EXPECT_THAT(carry_out(*provision::make_kernel_build(), plan),
              HasSubstr("stub-extra"));
  EXPECT_THAT(installed({}), IsEmpty());
  ASSERT_TRUE(root_.root().exists(pins));
  root_.remove(pins.substr(1));
  ASSERT_TRUE(manager().simulate({{{"stub-extra"}}, {}}));
}

TEST_F(RealAptArchive, IsHeldToTheDistributionsOwnKey) {
  EXPECT_NE(install_devel_by("other"), "");
  EXPECT_THAT(installed({}), IsEmpty());
}

}  // namespace
}  // namespace gpunode::packages
