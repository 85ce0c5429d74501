#include "node/facts/packages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::facts {
namespace {

using host::Completed;
using host::FakeCommandRunner;
using host::HostTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

const Wanted kWanted = {.packages = {"containerd", "kubelet", "xfsprogs"}};

const std::string kDpkg = "/usr/bin/dpkg-query --show --showformat '" +
                          std::string(kDpkgFormat) + "'";

HostFacts ask(FakeCommandRunner& runner, const std::string& id,
              const std::vector<std::string>& id_like = {}) {
  HostFacts facts;
  facts.os.id = id;
  facts.os.id_like = id_like;
  read_wanted_packages(host::HostRoot(), runner, kWanted, facts);
  return facts;
}

/// The one question that rpm was asked.
std::string asked_rpm(const FakeCommandRunner& runner) {
  return runner.lines().size() == 1 ? runner.lines()[0] : "";
}

std::string rpm_question() {
  const bool is_merged = host::HostRoot().exists("/usr/bin/rpm") ||
                         !host::HostRoot().exists("/bin/rpm");
  return std::string(is_merged ? "/usr/bin/rpm" : "/bin/rpm") +
         " -qa --queryformat '" + kRpmFormat + "'";
}

TEST(Packages, AreAskedOfDpkgInOneQuestion) {
  FakeCommandRunner runner;
  runner.script(
      kDpkg,
      Completed{0,
                "bash\tamd64\t5.2\tinstall\tok\tinstalled\t7000\n"
                "containerd\tamd64\t1.7.24~ds1-6\tinstall\tok\tinstalled\t9\n"
                "kubelet\tamd64\t1.29.0-1.1\tdeinstall\tok\tconfig-files\t9\n",
                ""});
  const HostFacts facts = ask(runner, "ubuntu", {"debian"});
  EXPECT_THAT(runner.lines(), ElementsAre(kDpkg));
  EXPECT_THAT(facts.packages,
              ElementsAre(Pair("containerd", PackageFacts{"1.7.24~ds1-6"})));
  EXPECT_THAT(facts.gaps, IsEmpty());
}

TEST(Packages, ThatDpkgLeftHalfDoneAreGaps) {
  std::vector<std::string> gaps;
  const auto packages = parse_dpkg_lines(
      "libc6\tamd64\t2.36-9\tinstall\tok\tinstalled\t9\n"
      "libc6\ti386\t2.36-8\tinstall\tok\tinstalled\t9\n"
      "kubelet\tamd64\t1.29\tinstall\tok\thalf-configured\t9\n"
      "other\tamd64\t1\tinstall\tok\thalf-configured\t9\n"
      "udev\tamd64\t252\thold\tok\ttriggers-pending\t9\n"
      "nonsense\n\t\t\nlibc6\n",
      {.packages = {"libc6", "kubelet", "udev", "nonsense"}}, gaps);
  EXPECT_THAT(packages, ElementsAre(Pair("libc6", PackageFacts{"2.36-9"}),
                                    Pair("udev", PackageFacts{"252", true})));
  EXPECT_THAT(gaps, ElementsAre("package kubelet is half-configured: `dpkg "
                                "--configure -a` ends that"));
}

TEST(Packages, AreAskedOfRpmInOneQuestion) {
  FakeCommandRunner runner;
  runner.script(rpm_question(),
                Completed{0,
                          "bash\t5.1-1\tx86_64\t9\t50\n"
                          "kubelet\t1.29.1-150500.1.1\tx86_64\t9\t200\n"
                          "kubelet\t1.29.0-150500.1.1\tx86_64\t9\t100\n"
                          "xfsprogs\t2:5.0.0-12.el8\tx86_64\t9\t50\n"
                          "containerd\n",
                          "rpm: warning: not for this distribution\n"});
  const HostFacts facts = ask(runner, "rocky", {"rhel", "fedora"});
  EXPECT_EQ(asked_rpm(runner), rpm_question());
  EXPECT_THAT(facts.packages,
              ElementsAre(Pair("kubelet", PackageFacts{"1.29.1-150500.1.1"}),
                          Pair("xfsprogs", PackageFacts{"2:5.0.0-12.el8"})));
  EXPECT_THAT(facts.gaps, IsEmpty());
}

TEST(Packages, AreAGapIfTheManagerFails) {
  FakeCommandRunner broken;
  broken.script(kDpkg, Completed{2, "", "dpkg-query: error: no database\n"});
  EXPECT_THAT(ask(broken, "debian").gaps,
              ElementsAre(HasSubstr("no database")));
  FakeCommandRunner missing;
  missing.script(kDpkg, Error(ErrorCode::kNotFound,
                              "run /usr/bin/dpkg-query: no such file"));
  EXPECT_THAT(ask(missing, "debian").gaps,
              ElementsAre(HasSubstr("no such file")));
  // It may list what it can still read.
  FakeCommandRunner closed;
  closed.script(rpm_question(),
                Completed{1, "bash\t5.1-1\tx86_64\t9\t50\n",
                          "warning: x\nerror: cannot open Packages database in "
                          "/var/lib/rpm\n"});
  EXPECT_THAT(ask(closed, "rocky", {"rhel"}).gaps,
              ElementsAre(HasSubstr("cannot open Packages database")));
  FakeCommandRunner rpm;
  rpm.script(rpm_question(), Completed{1, "", "error: cannot open Packages\n"});
  EXPECT_THAT(ask(rpm, "sles", {"suse"}).gaps,
              ElementsAre(HasSubstr("cannot open Packages")));
}

TEST(Packages, ListIsTheSameQuestionWhoeverAsks) {
  const host::HostRoot host;
  const auto is_list = [](std::vector<std::string> argv) {
    host::Command command;
    command.argv = std::move(argv);
    return is_package_list(command);
  };
  EXPECT_TRUE(is_list(dpkg_list_argv()));
  EXPECT_TRUE(is_list(rpm_list_argv(host)));
  EXPECT_FALSE(is_list(
      {"/usr/bin/rpm", "--root=/mnt", "-qa", "--queryformat", kRpmFormat}));
  EXPECT_FALSE(is_list({"/usr/bin/rpm", "--import", "/key"}));
  EXPECT_FALSE(is_list({"/usr/bin/dpkg-query", "--show"}));
}

TEST(Packages, AreNotAskedForIfNoneIsWanted) {
  FakeCommandRunner runner;
  HostFacts facts;
  facts.os.id = "debian";
  read_wanted_packages(host::HostRoot(), runner, {}, facts);
  EXPECT_THAT(runner.lines(), IsEmpty());
  EXPECT_THAT(facts.gaps, IsEmpty());
}

TEST(Packages, OfAHostMountedElsewhereAreReadFromDpkgsFile) {
  const HostTree host{{"var/lib/dpkg/status",
                       "Package: containerd\n"
                       "Status: install ok installed\n"
                       "Version: 1.6.20~ds1-1\n"
                       "Description: a daemon\n Status: no field\n"
                       "\n"
                       "Package: vim\nStatus: install ok installed\n"
                       "Version: 2:9\n"
                       "\n"
                       "Package: kubelet\nStatus: hold ok unpacked\n"
                       "Version: 1.29\n"
                       "\n"
                       "Package: xfsprogs\nVersion: 6.1.0-1\n"
                       "Status: deinstall ok config-files"}};
  FakeCommandRunner runner;
  HostFacts facts;
  facts.os.id = "debian";
  read_wanted_packages(host.root(), runner, kWanted, facts);
  EXPECT_THAT(facts.packages,
              ElementsAre(Pair("containerd", PackageFacts{"1.6.20~ds1-1"})));
  EXPECT_THAT(facts.gaps, ElementsAre(HasSubstr("kubelet is unpacked")));
}

TEST(Packages, AreWantedByTheBeginningOfTheirNames) {
  const Wanted wanted = {.packages = {"dkms", "libnvidia-*", "nvidia-*"}};
  std::vector<std::string> gaps;
  const auto dpkg = parse_dpkg_lines(
      "nvidia-dkms-580-open\tamd64\t580.65\thold\tok\tinstalled\t9\n"
      "libnvidia-compute-580\tamd64\t580.65\tinstall\tok\tinstalled\t9\n"
      "nvidia\tamd64\t1\tinstall\tok\tinstalled\t9\n"
      "dkms-doc\tamd64\t1\tinstall\tok\tinstalled\t9\n",
      wanted, gaps);
  EXPECT_THAT(
      dpkg,
      ElementsAre(Pair("libnvidia-compute-580", PackageFacts{"580.65"}),
                  Pair("nvidia-dkms-580-open", PackageFacts{"580.65", true})));
  const auto rpm = parse_rpm_lines(
      "nvidia-driver-cuda\t3:580.65-1.el8\tx86_64\t9\t1700000000\n"
      "kmod-nvidia\t3:580.65-1.el8\tx86_64\t9\t1700000000\n",
      wanted);
  EXPECT_THAT(rpm, ElementsAre(Pair("nvidia-driver-cuda",
                                    PackageFacts{"3:580.65-1.el8"})));
  const auto status = parse_dpkg_status(
      "Package: nvidia-utils-580\nStatus: install ok installed\n"
      "Version: 580.65\n",
      wanted, gaps);
  EXPECT_THAT(status,
              ElementsAre(Pair("nvidia-utils-580", PackageFacts{"580.65"})));
}

TEST(Packages, OfAHostMountedElsewhereAreAGapOtherwise) {
  FakeCommandRunner runner;
  const HostTree host;
  HostFacts rpm;
  rpm.os.id = "fedora";
  read_wanted_packages(host.root(), runner, kWanted, rpm);
  EXPECT_THAT(rpm.gaps, ElementsAre(HasSubstr("rpm database")));
  HostFacts none;
  none.os.id = "linux";
  read_wanted_packages(host.root(), runner, kWanted, none);
  EXPECT_THAT(none.gaps, ElementsAre(HasSubstr("neither dpkg nor rpm")));
  HostFacts empty;
  empty.os.id = "debian";
  read_wanted_packages(host.root(), runner, kWanted, empty);
  EXPECT_THAT(empty.gaps,
              ElementsAre("read /var/lib/dpkg/status: no such file or "
                          "directory"));
}

TEST(Packages, OfAnUnknownDistributionAreFoundByTheirDatabase) {
  FakeCommandRunner runner;
  const HostTree host{{"var/lib/dpkg/status",
                       "Package: kubelet\nStatus: install ok installed\n"
                       "Version: 1.29\n"}};
  HostFacts facts;
  facts.os.id = "mine";
  read_wanted_packages(host.root(), runner, kWanted, facts);
  EXPECT_THAT(facts.packages,
              ElementsAre(Pair("kubelet", PackageFacts{"1.29"})));
}

}  // namespace
}  // namespace gpunode::facts
