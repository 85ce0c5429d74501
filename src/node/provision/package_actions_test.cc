#include "node/provision/package_actions.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/facts/packages.h"
#include "node/provision/action_json.h"
#include "node/provision/packages/tool_runner.h"

namespace gpunode::provision {
namespace {

using host::Completed;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kDnf =
    "/usr/bin/dnf --color=never --setopt=exit_on_lock=True "
    "--setopt=install_weak_deps=False "
    "--setopt=clean_requirements_on_remove=False "
    "--setopt=installonly_limit=0 -q '--disablerepo=*' versionlock ";

/// A host of one family whose package manager only pretends.
struct Host {
  host::HostTree tree;
  host::FakeCommandRunner runner;
  PackageActions actions{tree.root(), runner, {}};

  explicit Host(const std::string& id)
      : tree({{"etc/os-release", "ID=" + id + "\nVERSION_ID=\"9\"\n"}}) {}

  void takes(const std::string& line, const std::string& out = "") {
    runner.script(line, Completed{0, out, ""});
  }
  void has_rpms(const std::string& lines) {
    host::Command command;
    command.argv = facts::rpm_list_argv(tree.root());
    takes(host::command_line(command), lines);
  }
};

std::vector<std::string> texts(const std::vector<Action>& actions) {
  std::vector<std::string> texts;
  for (const Action& action : actions) texts.push_back(to_json(action));
  return texts;
}

TEST(HoldPackages, OfAptAreUndoneForThoseThatWereFree) {
  Host host("debian");
  host.takes("/usr/bin/apt-mark showhold", "kubelet\nlibcuda1\n");
  const auto hold = host.actions.prepare(HoldPackages{{"libcuda1", "dkms"}});
  ASSERT_TRUE(hold) << hold.error().message();
  EXPECT_EQ(hold->undo, Undo::kExact);
  EXPECT_THAT(texts(hold->actions),
              ElementsAre(R"({"kind":"hold-packages","packages":["dkms"],)"
                          R"("held":false})"));
  const auto lift =
      host.actions.prepare(HoldPackages{{"libcuda1", "dkms"}, false});
  EXPECT_THAT(texts(lift->actions),
              ElementsAre(R"({"kind":"hold-packages","packages":["libcuda1"],)"
                          R"("held":true})"));
  const auto so_by_now = host.actions.prepare(HoldPackages{{"kubelet"}});
  EXPECT_THAT(so_by_now->actions, IsEmpty());
}

TEST(HoldPackages, LiftsWhatIsHeldOfThoseAlone) {
  Host host("debian");
  host.takes("/usr/bin/apt-mark showhold", "kubelet\nlibcuda1\n");
  host.takes("/usr/bin/apt-mark unhold libcuda1");
  ASSERT_TRUE(host.actions.perform(HoldPackages{{"libcuda1", "dkms"}, false}));
  EXPECT_EQ(host.runner.lines().back(), "/usr/bin/apt-mark unhold libcuda1");
}

TEST(HoldPackages, OfDnfInAnotherVersionAreMadeAnew) {
  Host host("rhel");
  host.takes(kDnf + "list",
             "nvidia-driver-cuda-3:580.65.06-1.el9.*\n"
             "kernel-core-0:5.14.0-1.el9.*\nkernel-core-0:5.14.0-2.el9.*\n");
  host.has_rpms(
      "nvidia-driver-cuda\t3:580.95.05-1.el9\tx86_64\t1\t1\n"
      "kernel-core\t5.14.0-2.el9\tx86_64\t1\t1\n");
  host.takes(kDnf + "delete 'nvidia-driver-cuda-3:580.65.06-1.el9.*'");
  host.takes(kDnf + "add 'nvidia-driver-cuda-3:580.95.05-1.el9.*'");
  const auto held =
      host.actions.perform(HoldPackages{{"nvidia-driver-cuda", "kernel-core"}});
  ASSERT_TRUE(held) << held.error().message();
  EXPECT_THAT(host.runner.lines().back(), HasSubstr("580.95.05"));
}

// The undo of an installation that is older than the node.
packages::Settings of_bundle() {
  packages::Settings settings;
  settings.only_repository = packages::kBundleRepository;
  return settings;
}

/// An apt with a bundle that can't give it, and why not.
struct BundledApt final : host::CommandRunner {
  std::string trouble;
  int asked_others = 0;

  Result<Completed> run(const host::Command& command) override {
    const std::string line = host::command_line(command);
    if (line.find("apt-get") == std::string::npos) return Completed{};
    const bool is_of_bundle =
        line.find("Dir::Etc::sourceparts=/dev/null") != std::string::npos;
    if (!is_of_bundle) ++asked_others;
    if (line.ends_with(" update")) return Completed{};
    return Completed{100, "",
                     is_of_bundle ? trouble : "E: Unable to locate package x"};
  }
};

TEST(InstallPackages, OthersAreAskedForWhatTheBundleLacksAlone) {
  const host::HostTree tree(
      {{"etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"}});
  for (const auto& [trouble, is_asked] :
       std::vector<std::pair<std::string, bool>>{
           {"E: Unable to locate package x", true},
           {"E: Version '1' for 'x' was not found", true},
           {"E: Held packages were changed and -y was used", true},
           {"E: NO_PUBKEY 1234", false},
           {"E: Something nobody knows", false}}) {
    BundledApt runner;
    runner.trouble = trouble + "\n";
    PackageActions actions(tree.root(), runner, of_bundle());
    EXPECT_FALSE(actions.prepare(InstallPackages{{"x=1"}}));
    EXPECT_EQ(runner.asked_others, 0) << trouble;  // Nobody said they may be.
    actions.may_ask_others();
    const auto made = actions.prepare(InstallPackages{{"x=1"}});
    ASSERT_FALSE(made);
    EXPECT_EQ(runner.asked_others > 0, is_asked) << trouble;
    EXPECT_EQ(made.error().message().find("the host's other repositories") !=
                  std::string::npos,
              is_asked)
        << made.error().message();
  }
}

// To remove is to ask nobody.
TEST(RemovePackages, OthersAreNotAskedForWhatGoes) {
  const host::HostTree tree(
      {{"etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"}});
  struct Installed final : host::CommandRunner {
    BundledApt apt;
    Result<Completed> run(const host::Command& command) override {
      if (command.argv == facts::dpkg_list_argv()) {
        return Completed{0, "x\tamd64\t1\tinstall\tok\tinstalled\t1\n", ""};
      }
      return apt.run(command);
    }
  } runner;
  runner.apt.trouble = "E: Unable to locate package x\n";
  PackageActions actions(tree.root(), runner, of_bundle());
  actions.may_ask_others();
  EXPECT_FALSE(actions.perform(RemovePackages{{"x"}}));
  EXPECT_EQ(runner.apt.asked_others, 0);
}

TEST(RemovePackages, OfALivingNodeLeavesWhatItsPodsNeed) {
  Host host("rhel");
  host.has_rpms("kubelet\t1.25.16-1\tx86_64\t1\t1\n");
  host.tree.file("etc/kubernetes/kubelet.conf", "x\n");
  const auto removed = host.actions.perform(RemovePackages{{"kubelet"}});
  ASSERT_FALSE(removed);
  EXPECT_THAT(removed.error().message(),
              testing::AllOf(HasSubstr("its Pods need kubelet"),
                             HasSubstr("gpunode leave")));
  EXPECT_EQ(host.runner.lines().size(), 1);  // It only looked.
}

TEST(HoldPackages, OfWhatIsNotThereFailInWords) {
  Host host("rhel");
  host.takes(kDnf + "list");
  host.has_rpms("bash\t5.1-1\tx86_64\t1\t1\n");
  const auto held = host.actions.perform(HoldPackages{{"kernel-core"}});
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(held.error().message(), HasSubstr("kernel-core"));
}

TEST(HoldPackages, WithoutVersionlockSayWhatToInstall) {
  Host host("rhel");
  host.runner.script(
      kDnf + "list",
      Completed{1, "",
                "No such command: versionlock. Please use /usr/bin/dnf "
                "--help\n"});
  const auto hold = host.actions.prepare(HoldPackages{{"kernel-core"}});
  ASSERT_FALSE(hold);
  EXPECT_THAT(hold.error().message(),
              HasSubstr("dnf install 'dnf-command(versionlock)'"));
}

TEST(SetModuleStream, IsUndoneByWhatWasEnabled) {
  Host host("rhel");
  const SetModuleStream open{"nvidia-driver", "580-open"};
  auto inverse = host.actions.prepare(open);
  ASSERT_TRUE(inverse) << inverse.error().message();
  EXPECT_THAT(
      texts(inverse->actions),
      ElementsAre(R"({"kind":"set-module-stream","module":"nvidia-driver",)"
                  R"("stream":""})"));
}

TEST(SetModuleStream, IsNothingToAptAndSaysSo) {
  Host host("debian");
  const auto done =
      host.actions.perform(SetModuleStream{"nvidia-driver", "580-open"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace gpunode::provision
