#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/offline/bundle_manifest.h"
#include "node/provision/steps/runtime/docker_source.h"
#include "node/provision/steps/runtime/engine_version.h"
#include "node/provision/steps/runtime/runtime.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TrialHost rocky(EngineSource source = EngineSource::kDocker) {
  TrialHost host;
  host.spec.runtime.is_wanted = true;
  host.spec.runtime.source = source;
  return host;
}

TrialHost debian(EngineSource source = EngineSource::kDistribution) {
  TrialHost host = rocky(source);
  host.facts.os = {.id = "debian",
                   .id_like = {},
                   .version_id = "12",
                   .codename = "bookworm",
                   .variant_id = "",
                   .pretty_name = "Debian GNU/Linux 12 (bookworm)"};
  return host;
}

std::vector<std::string> words_of(const StepPlan& plan) {
  std::vector<std::string> words;
  for (const Action& action : plan.actions) words.push_back(describe(action));
  return words;
}

StepPlan plan_of(const TrialHost& host) {
  return host.plan(*make_runtime_engine());
}

/// What is planned, done, leaves nothing to do.
void expect_converges(TrialHost host) {
  const StepPlan plan = plan_of(host);
  EXPECT_EQ(plan.state, StepState::kChange) << plan.why << plan.fix;
  host.carry_out(plan);
  for (const Action& action : plan.actions) {
    if (const auto* set = std::get_if<InstallSet>(&action)) {
      host.facts.packages[set->packages[0]] = {set->version + ".25-1"};
    } else if (const auto* one = std::get_if<InstallPackages>(&action)) {
      host.facts.packages[one->packages[0]] = {"1.7.25-1"};
    }
  }
  EXPECT_EQ(plan_of(host).state, StepState::kOk) << plan_of(host).why;
}

/// The plan is blocked with these words, and says what to do next.
void expect_blocked(const TrialHost& host, const char* why, const char* fix) {
  const StepPlan plan = plan_of(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr(why));
  EXPECT_THAT(plan.fix, HasSubstr(fix));
  EXPECT_THAT(plan.actions, IsEmpty());
}

TEST(RuntimeEngine, WithoutTheSectionNothingIsAskedOrDone) {
  TrialHost host;
  EXPECT_EQ(plan_of(host).state, StepState::kNotWanted);
  EXPECT_THAT(make_runtime_engine()->wants(host.spec).packages, IsEmpty());
}

TEST(RuntimeEngine, DockersPackageComesWithItsPinnedKey) {
  const TrialHost host = rocky();
  const StepPlan plan = plan_of(host);
  EXPECT_THAT(
      words_of(plan),
      ElementsAre("fetch the key https://download.docker.com/linux/centos/gpg "
                  "to /etc/pki/rpm-gpg/RPM-GPG-KEY-gpunode-docker",
                  "write /etc/yum.repos.d/gpunode-docker.repo",
                  "install containerd.io", "enable containerd.service"));
  const auto& key = std::get<FetchKey>(plan.actions[0]);
  EXPECT_THAT(key.fingerprints,
              ElementsAre("060A61C51B558A7F742B77AAC52FEB6B621E9F35"));
  const auto& file = std::get<WriteFile>(plan.actions[1]);
  EXPECT_THAT(
      file.content,
      HasSubstr("baseurl=https://download.docker.com/linux/centos/8/x86_64/"
                "stable\n"));
  EXPECT_THAT(file.content, HasSubstr("gpgcheck=1"));
}

TEST(RuntimeEngine, AptHasTheOtherKeyAndASuite) {
  const StepPlan plan = plan_of(debian(EngineSource::kDocker));
  EXPECT_THAT(std::get<FetchKey>(plan.actions[0]).fingerprints,
              ElementsAre("9DC858229FC7DD38854AE2D88D81803C0EBFCD88"));
  const auto& file = std::get<WriteFile>(plan.actions[1]);
  EXPECT_EQ(file.path, "/etc/apt/sources.list.d/gpunode-docker.sources");
  EXPECT_THAT(file.content,
              HasSubstr("URIs: https://download.docker.com/linux/debian\n"
                        "Suites: bookworm\nComponents: stable\n"));
}

TEST(RuntimeEngine, AMirrorStandsInItsPlace) {
  TrialHost host = rocky();
  host.spec.mirrors = {{"https://download.docker.com", "http://m/docker"}};
  const StepPlan plan = plan_of(host);
  EXPECT_EQ(std::get<FetchKey>(plan.actions[0]).url,
            "http://m/docker/linux/centos/gpg");
  EXPECT_THAT(std::get<WriteFile>(plan.actions[1]).content,
              HasSubstr("http://m/docker/linux/centos/8/x86_64/stable"));
}

TEST(RuntimeEngine, ABundleIsTheOnlyPlaceThatPackagesComeFrom) {
  TrialHost host = rocky();
  host.spec.bundle = "/srv/bundle";
  offline::BundleManifest manifest;
  manifest.distribution = "rocky";
  manifest.version = "8.9";
  manifest.machine = "x86_64";
  host.facts.files["/srv/bundle/bundle.json"].content =
      offline::to_json(manifest);
  const StepPlan without = plan_of(host);
  EXPECT_EQ(without.state, StepState::kBlocked);
  EXPECT_THAT(without.why, HasSubstr("made without containerd.io"));
  manifest.wanted = {"containerd.io"};
  host.facts.files["/srv/bundle/bundle.json"].content =
      offline::to_json(manifest);
  EXPECT_THAT(
      words_of(plan_of(host)),
      ElementsAre("install containerd.io", "enable containerd.service"));
}

TEST(RuntimeEngine, WhatIsDoneIsNotDoneAgain) {
  expect_converges(debian());
  TrialHost version = debian();
  version.spec.runtime.version = "1.7";
  EXPECT_THAT(words_of(plan_of(version)),
              Contains("install containerd of 1.7"));
  expect_converges(version);
  TrialHost masked = debian();
  masked.facts.packages["containerd"] = {"1.6.20~ds1-1"};
  masked.facts.units["containerd.service"] = {"masked", "inactive", "masked"};
  EXPECT_THAT(words_of(plan_of(masked)),
              ElementsAre("unmask, enable containerd.service"));
  expect_converges(masked);
}

TEST(RuntimeEngine, AnotherVersionThanTheWantedOneIsReplaced) {
  TrialHost host = debian();
  host.facts.packages["containerd"] = {"1.6.20~ds1-1+deb12u1"};
  host.facts.units["containerd.service"] = {"loaded", "active", "enabled"};
  EXPECT_EQ(plan_of(host).state, StepState::kOk);
  host.spec.runtime.version = "1.7";
  EXPECT_THAT(words_of(plan_of(host)),
              ElementsAre("install containerd of 1.7"));
  host.spec.runtime.version = "1.6.20";
  EXPECT_EQ(plan_of(host).state, StepState::kOk);
}

TEST(RuntimeEngine, TheTwoPackagesAreNeverMixed) {
  TrialHost host = debian(EngineSource::kDocker);
  host.facts.packages["containerd"] = {"1.6.20~ds1-1"};
  expect_blocked(host, "containerd is installed, and `source: docker-ce`",
                 "apt-get remove containerd");
  TrialHost other = debian();
  other.facts.packages["containerd.io"] = {"1.7.25-1"};
  expect_blocked(other,
                 "containerd.io is installed, and `source: distribution`",
                 "{source: docker-ce}");
  TrialHost runc = rocky();
  runc.facts.packages["runc"] = {"1:1.1.12-1"};
  expect_blocked(runc, "brings its own", "dnf remove runc");
  // Where containerd.io is there already, the manager let the two be.
  runc.facts.packages["containerd.io"] = {"1.6.32-3.1.el8"};
  EXPECT_NE(plan_of(runc).state, StepState::kBlocked);
}

TEST(RuntimeEngine, WhatAHostHasNoPackageForIsTold) {
  expect_blocked(rocky(EngineSource::kDistribution),
                 "has no package containerd", "{source: docker-ce}");
  TrialHost suse = rocky();
  suse.facts.os.id = "sles";
  suse.facts.os.id_like = {"suse"};
  suse.facts.os.version_id = "15.6";
  expect_blocked(suse, "Docker's repository", "{source: distribution}");
  TrialHost amazon = rocky();
  amazon.facts.os.id = "amzn";
  amazon.facts.os.id_like = {"fedora"};
  amazon.facts.os.version_id = "2023";
  expect_blocked(amazon, "is not known", "{source: distribution}");
  TrialHost fedora = rocky();
  fedora.facts.os.id = "fedora";
  fedora.facts.os.id_like.clear();
  fedora.facts.os.version_id = "43";
  EXPECT_EQ(plan_of(fedora).state, StepState::kBlocked);
  expect_blocked(rocky(EngineSource::kPreinstalled), "containerd is not there",
                 "install it with its unit");
}

TEST(RuntimeEngine, AVersionThatTheKubeletCannotSpeakToIsTold) {
  TrialHost old = debian();
  old.facts.packages["containerd"] = {"1.4.13~ds1-1~deb11u4"};
  old.spec.kubernetes.version = "1.26";
  expect_blocked(old, "wants v1, which came with containerd 1.6",
                 "{source: docker-ce}");
  old.spec.kubernetes.version = "1.25.16";
  EXPECT_NE(plan_of(old).state, StepState::kBlocked);
  TrialHost said = rocky();
  said.spec.runtime.version = "2.1";
  said.spec.kubernetes.version = "1.20";
  expect_blocked(said, "speaks CRI v1 alone", "\"1.7\" for one");
}

TEST(RuntimeEngine, DockersRepositoryOfSomebodyElsesIsUsedIfItIsSafe) {
  TrialHost host = rocky();
  facts::FileFacts& file = host.facts.files["/etc/yum.repos.d/docker-ce.repo"];
  file.content =
      "[docker-ce-stable]\nname=Docker CE\n"
      "baseurl=https://download.docker.com/linux/centos/$releasever/$basearch/"
      "stable\nenabled=1\ngpgcheck=1\n"
      "[docker-ce-nightly]\nenabled=0\ngpgcheck=0\n"
      "baseurl=https://download.docker.com/linux/centos/9/x86_64/nightly\n";
  const StepPlan plan = plan_of(host);
  EXPECT_THAT(words_of(plan), ElementsAre("install containerd.io",
                                          "enable containerd.service"));
  EXPECT_THAT(plan.notes, Contains(HasSubstr("already")));
  file.content->replace(file.content->find("gpgcheck=1"), 10, "gpgcheck=0");
  expect_blocked(host, "nobody signed", "rm /etc/yum.repos.d/docker-ce.repo");
}

TEST(DockerSource, IsFoundInEveryKindOfFile) {
  struct Case {
    const char* path;
    const char* text;
    bool is_found;
    bool is_checked;
  };
  for (const Case& one :
       {Case{"/etc/apt/sources.list.d/docker.list",
             "deb [arch=amd64 signed-by=/k.gpg] "
             "https://download.docker.com/linux/debian bookworm stable\n",
             true, true},
        Case{"/etc/apt/sources.list.d/docker.list",
             "deb [trusted=yes] https://download.docker.com/linux/debian "
             "bookworm stable\n",
             true, false},
        Case{"/etc/apt/sources.list.d/docker.list",
             "# deb https://download.docker.com/linux/debian bookworm stable\n",
             false, false},
        Case{"/etc/apt/sources.list.d/docker.sources",
             "Types: deb\nURIs: https://download.docker.com/linux/debian\n"
             "Suites: bookworm\nSigned-By: /k.asc\n",
             true, true},
        Case{"/etc/apt/sources.list.d/docker.sources",
             "URIs: https://download.docker.com/linux/debian\nTrusted: yes\n",
             true, false},
        Case{"/etc/apt/sources.list.d/docker.sources",
             "URIs: https://download.docker.com/linux/debian\nEnabled: no\n",
             false, false},
        Case{"/etc/apt/sources.list.d/gpunode-docker.sources",
             "URIs: https://download.docker.com/linux/debian\n", false, false},
        Case{"/etc/yum.repos.d/docker-ce.repo",
             "[docker-ce-stable]\nenabled=0\nbaseurl=https://download.docker."
             "com/linux/centos/9/x86_64/stable\n",
             false, false}}) {
    std::map<std::string, facts::FileFacts> files;
    files[one.path].content = one.text;
    const auto found = docker_source(files, kDockerBase);
    EXPECT_EQ(found.has_value(), one.is_found) << one.text;
    EXPECT_EQ(!found || found->is_checked, !one.is_found || one.is_checked)
        << one.text;
  }
}

TEST(EngineVersion, TheSandboxImageIsKubeadms) {
  EXPECT_EQ(pause_image("1.20"), "registry.k8s.io/pause:3.2");
  EXPECT_EQ(pause_image("1.25.16"), "registry.k8s.io/pause:3.8");
  EXPECT_EQ(pause_image("1.30"), "registry.k8s.io/pause:3.9");
  EXPECT_EQ(pause_image("1.36.4"), "registry.k8s.io/pause:3.10.2");
  EXPECT_EQ(pause_image("1.99"), "");
  EXPECT_EQ(pause_image("1.9"), "");
  EXPECT_EQ(pause_image("one"), "");
  EXPECT_EQ(pause_image(""), "");
}

TEST(EngineVersion, IsReadOfEveryKindOfPackage) {
  TrialHost host;
  EXPECT_FALSE(engine_version(host.facts));
  for (const char* version :
       {"1.7.24~ds1-6", "1.7.25-1", "0:1.7.2-3.1.el9", "1.7.12-0ubuntu2~20"}) {
    host.facts.packages["containerd"] = {version};
    const auto engine = engine_version(host.facts);
    ASSERT_TRUE(engine) << version;
    EXPECT_EQ(engine->major, 1U);
    EXPECT_EQ(engine->minor, 7U);
  }
}

TEST(EngineVersion, OldOnesOfTheLastKubernetesAreANote) {
  EXPECT_THAT(engine_skew({1, 7}, "1.36").note, HasSubstr("1.35 was the last"));
  EXPECT_EQ(engine_skew({1, 7}, "1.36").trouble, "");
  EXPECT_EQ(engine_skew({2, 1}, "1.36").note, "");
  EXPECT_EQ(engine_skew({1, 4}, "").trouble, "");
}

}  // namespace
}  // namespace gpunode::provision
