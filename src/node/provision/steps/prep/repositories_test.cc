// prep.repositories on every distribution, tests/fixtures/distributions: what
// is planned is NAME.plan beside each tree. GPUNODE_UPDATE_GOLDEN=1 writes
// those files anew.
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_root.h"
#include "node/facts/os_release.h"
#include "node/facts/wanted_files.h"
#include "node/provision/packages/distribution_repositories.h"
#include "node/provision/packages/epel_keys.h"
#include "node/provision/packages/openpgp_key.h"
#include "node/provision/plan_text.h"
#include "node/provision/steps/steps.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string path_of(const std::string& name) {
  return std::string(DISTRIBUTION_FIXTURES) + "/" + name;
}

std::string read(const std::string& name) {
  std::ifstream in(path_of(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The distribution of that name, its files looked at as the Step wants.
TrialHost host_of(const std::string& name) {
  TrialHost trial;
  trial.spec.host.extra_repositories = Choice::kYes;
  const host::HostRoot root(path_of(name));
  trial.facts.os = *facts::parse_os_release(*root.read_file("/etc/os-release"));
  const facts::Wanted wanted = make_prep_repositories()->wants(trial.spec);
  facts::read_wanted_files(root, wanted, trial.facts);
  facts::read_wanted_trees(root, wanted, trial.facts);
  EXPECT_THAT(trial.facts.gaps, IsEmpty());
  return trial;
}

std::string planned(const TrialHost& host) {
  Steps steps;
  steps.push_back(make_prep_repositories());
  const Plan plan =
      make_plan(steps, {host.facts, host.spec, host.history, host.confirmed});
  return plan_page(plan, {.all = true}).render({});
}

/// What the vendor's program or package would bring.
void bring(TrialHost& host) {
  const facts::OsRelease& os = host.facts.os;
  for (const auto& row :
       packages::extra_repositories(os.id, os.major_version())) {
    std::string id = packages::filled_in(row.ids.substr(0, row.ids.find(' ')),
                                         os.major_version(), os.version_id, "");
    if (id.empty()) continue;
    for (std::size_t star = id.find('*'); star != std::string::npos;
         star = id.find('*')) {
      id.replace(star, 1, "x-");
    }
    const char* directory = row.tool == packages::Tool::kZypper
                                ? "/etc/zypp/repos.d/"
                                : "/etc/yum.repos.d/";
    host.facts.files[directory + id + "-brought.repo"].content =
        "[" + id + "]\nenabled=1\n";
  }
}

class Distribution : public testing::TestWithParam<const char*> {};

TEST_P(Distribution, GetsWhatItsTableSays) {
  const std::string name = GetParam();
  TrialHost host = host_of(name);
  const std::string text = planned(host);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread.
  if (std::getenv("GPUNODE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path_of(name + ".plan"), std::ios::binary) << text;
  }
  EXPECT_EQ(read(name + ".plan"), text);
  const StepPlan plan = host.plan(*make_prep_repositories());
  if (plan.state != StepState::kChange) return;
  // Done, it is done.
  host.carry_out(plan);
  bring(host);
  const StepPlan again = host.plan(*make_prep_repositories());
  EXPECT_EQ(again.state, StepState::kOk) << again.why;
  EXPECT_THAT(again.actions, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    All, Distribution,
    testing::Values("rhel-7", "rhel-8", "rhel-9", "rhel-10", "rhel-9-aws",
                    "rhel-9-unregistered", "rocky-8", "rocky-9",
                    "rocky-9-with-epel-off", "rocky-10", "almalinux-8",
                    "almalinux-9", "centos-7", "centos-8-early",
                    "centos-stream-9", "ol-8", "ol-9", "ol-10-with-epel",
                    "amzn-2", "amzn-2023", "fedora-42", "ubuntu-2004",
                    "ubuntu-2204", "ubuntu-2404", "debian-11", "debian-12",
                    "debian-12-cloud", "debian-13", "debian-12-foreign",
                    "sles-15", "sles-15-with-packagehub",
                    "sles-15-unregistered", "opensuse-leap-15", "gentoo"),
    [](const auto& one) {
      std::string name = one.param;
      for (char& c : name) {
        if (c == '-') c = '_';
      }
      return name;
    });

TEST(PrepRepositories, AreLookedAtOnlyWhereSomethingNeedsThem) {
  TrialHost host = host_of("rocky-9");
  host.spec.host.extra_repositories = Choice::kAsNeeded;
  EXPECT_EQ(host.plan(*make_prep_repositories()).state, StepState::kNotWanted);
  EXPECT_THAT(make_prep_repositories()->wants(host.spec).files, IsEmpty());
  host.spec.host.packages = {"pciutils"};
  EXPECT_EQ(host.plan(*make_prep_repositories()).state, StepState::kChange);
  host.spec.host.packages.clear();
  host.spec.driver.is_wanted = true;
  EXPECT_EQ(host.plan(*make_prep_repositories()).state, StepState::kChange);
  host.spec.host.extra_repositories = Choice::kNo;
  EXPECT_EQ(host.plan(*make_prep_repositories()).state, StepState::kNotWanted);
}

TEST(PrepRepositories, AReleaseThatTheFileAddsHasWhatItsKinHas) {
  TrialHost host = host_of("rocky-10");
  host.facts.os.version_id = "11.0";
  EXPECT_EQ(host.plan(*make_prep_repositories()).state, StepState::kNotWanted);
  distribution::Extension row;
  row.id = "rocky";
  row.version = "11";
  row.like = "rocky 10";
  host.spec.distributions = {row};
  const StepPlan plan = host.plan(*make_prep_repositories());
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_THAT(plan.why, HasSubstr("crb is off; epel-release is missing"));
  // A package whose name has the release in it is asked for by the new one.
  row.id = "ol";
  row.like = "ol 10";
  host.spec.distributions = {row};
  EXPECT_THAT(make_prep_repositories()->wants(host.spec).packages,
              Contains("oracle-epel-release-el11"));
}

TEST(PrepRepositories, AMirrorTakesThePlaceOfThePackage) {
  TrialHost host = host_of("rocky-9");
  host.spec.mirrors = {
      {"https://dl.fedoraproject.org/pub/epel", "http://mirror.lan/epel"}};
  StepPlan plan = host.plan(*make_prep_repositories());
  ASSERT_THAT(plan.actions, SizeIs(3));
  EXPECT_EQ(describe(plan.actions[1]),
            "write /etc/pki/rpm-gpg/RPM-GPG-KEY-epel");
  EXPECT_THAT(std::get<WriteFile>(plan.actions[2]).content,
              HasSubstr("baseurl=http://mirror.lan/epel/9/Everything/"
                        "$basearch/\nenabled=1\ngpgcheck=1\n"));
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_prep_repositories()).state, StepState::kOk);
  // Moved: ours is written anew; somebody else's is left and told.
  host.spec.mirrors.begin()->second = "http://mirror2.lan/epel";
  plan = host.plan(*make_prep_repositories());
  ASSERT_THAT(plan.actions, SizeIs(1));
  EXPECT_EQ(plan.state, StepState::kChange);
  host.history.written.clear();
  plan = host.plan(*make_prep_repositories());
  EXPECT_EQ(plan.state, StepState::kOk);
  EXPECT_THAT(plan.notes, Contains(HasSubstr("does not use the mirror")));
}

TEST(PrepRepositories, OurFileChangedByHandIsDrift) {
  TrialHost host = host_of("rhel-9");
  host.carry_out(host.plan(*make_prep_repositories()));
  auto& content = host.facts.files.at("/etc/yum.repos.d/epel.repo").content;
  content = *content + "sslverify=0\n";
  const StepPlan plan = host.plan(*make_prep_repositories());
  EXPECT_EQ(plan.state, StepState::kDrift);
  EXPECT_THAT(plan.why, HasSubstr("changed by hand"));
}

TEST(PrepRepositories, APackageWithoutItsFileIsSaid) {
  TrialHost host = host_of("rocky-9");
  host.facts.packages["epel-release"] = {"9-7"};
  const StepPlan plan = host.plan(*make_prep_repositories());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("dnf reinstall epel-release"));
  EXPECT_THAT(plan.actions, IsEmpty());
}

TEST(PrepRepositories, TwoRowsOfOneFileAreOneChange) {
  TrialHost host = host_of("rocky-9");
  host.facts.files["/etc/yum.repos.d/rocky.repo"].content =
      "[crb]\nenabled=0\n[epel]\nenabled=0\n";
  const StepPlan plan = host.plan(*make_prep_repositories());
  ASSERT_THAT(plan.actions, SizeIs(1));
  EXPECT_EQ(std::get<WriteFile>(plan.actions[0]).content,
            "[crb]\nenabled=1\n[epel]\nenabled=1\n");
}

TEST(PrepRepositories, WhatSuseCredentialsHoldIsNeverRead) {
  const TrialHost host = host_of("sles-15");
  for (const auto& [path, file] : host.facts.files) {
    EXPECT_THAT(path, Not(HasSubstr("credentials")));
  }
}

TEST(EpelKeys, AreThePinnedOnesAndDoNotExpire) {
  for (int major = 7; major <= 10; ++major) {
    const auto key = packages::epel_key(major);
    ASSERT_TRUE(key);
    const auto parsed =
        packages::parse_openpgp_keys(std::string(key->armoured));
    ASSERT_TRUE(parsed) << parsed.error().message();
    ASSERT_THAT(*parsed, SizeIs(1));
    EXPECT_EQ(parsed->front().fingerprint, key->fingerprint);
    EXPECT_FALSE(parsed->front().expires);
  }
  EXPECT_FALSE(packages::epel_key(11));
}

}  // namespace
}  // namespace gpunode::provision
