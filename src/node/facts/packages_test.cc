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

constexpr const char* kDpkg =
    "/usr/bin/dpkg-query --show "
    "'--showformat=${Package}\\t${db:Status-Status}\\t${Version}\\n' -- "
    "containerd kubelet xfsprogs";

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
  const bool is_merged = host::HostRoot().exists("/usr/bin/rpm");
  return std::string(is_merged ? "/usr/bin/rpm" : "/bin/rpm") +
         " --query --queryformat "
         "'%{NAME}\\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\n' -- "
         "containerd kubelet xfsprogs";
}

TEST(Packages, AreAskedOfDpkgInOneQuestion) {
  FakeCommandRunner runner;
  runner.script(kDpkg, Completed{1,
                                 "containerd\tinstalled\t1.7.24~ds1-6\n"
                                 "kubelet\tconfig-files\t1.29.0-1.1\n",
                                 "dpkg-query: no packages found matching "
                                 "xfsprogs\n"});
  const HostFacts facts = ask(runner, "ubuntu", {"debian"});
  EXPECT_THAT(runner.lines(), ElementsAre(kDpkg));
  EXPECT_THAT(facts.packages,
              ElementsAre(Pair("containerd", PackageFacts{"1.7.24~ds1-6"})));
  EXPECT_THAT(facts.gaps, IsEmpty());
}

TEST(Packages, ThatDpkgLeftHalfDoneAreGaps) {
  std::vector<std::string> gaps;
  const auto packages = parse_dpkg_lines(
      "libc6\tinstalled\t2.36-9\nlibc6\tinstalled\t2.36-8\n"
      "kubelet\thalf-configured\t1.29\nudev\ttriggers-pending\t252\n"
      "nonsense\n\t\t\n",
      gaps);
  EXPECT_THAT(packages, ElementsAre(Pair("libc6", PackageFacts{"2.36-9"}),
                                    Pair("udev", PackageFacts{"252"})));
  EXPECT_THAT(gaps, ElementsAre("package kubelet is half-configured: `dpkg "
                                "--configure -a` ends that"));
}

TEST(Packages, AreAskedOfRpmInOneQuestion) {
  FakeCommandRunner runner;
  runner.script(rpm_question(),
                Completed{1,
                          "package containerd is not installed\n"
                          "kubelet\t1.29.0-150500.1.1\n"
                          "kubelet\t1.29.1-150500.1.1\n"
                          "xfsprogs\t2:5.0.0-12.el8\n",
                          ""});
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
  FakeCommandRunner rpm;
  rpm.script(rpm_question(), Completed{1, "", "error: cannot open Packages\n"});
  EXPECT_THAT(ask(rpm, "sles", {"suse"}).gaps,
              ElementsAre(HasSubstr("cannot open Packages")));
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
