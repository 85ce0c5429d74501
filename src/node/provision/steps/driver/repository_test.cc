// driver.repository, as plans from facts, and the sources that it looks at.
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/distribution/distribution.h"
#include "node/provision/packages/epel_keys.h"
#include "node/provision/steps/driver/cuda_sources.h"
#include "node/provision/steps/driver/driver_package_steps.h"
#include "node/provision/steps/driver/trial_machines.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

TEST(DriverRepository, IsAFileOfOursByAPinnedKey) {
  TrialHost host = host_of("rocky", "8.9", machine("T4"));
  const StepPlan plan = host.plan(*make_driver_repository());
  ASSERT_THAT(plan.actions, SizeIs(2)) << plan.why;
  const auto& key = std::get<FetchKey>(plan.actions[0]);
  EXPECT_EQ(key.url,
            "https://developer.download.nvidia.com/compute/cuda/repos/rhel8/"
            "x86_64/D42D0685.pub");
  EXPECT_EQ(key.path, "/etc/pki/rpm-gpg/RPM-GPG-KEY-gpunode-cuda");
  EXPECT_THAT(key.fingerprints,
              ElementsAre("610C7B14E068A878070DA4E99CD0A493D42D0685"));
  const auto& file = std::get<WriteFile>(plan.actions[1]);
  EXPECT_EQ(file.path, "/etc/yum.repos.d/gpunode-cuda.repo");
  EXPECT_THAT(file.content,
              HasSubstr("baseurl=https://developer.download.nvidia.com/compute/"
                        "cuda/repos/rhel8/x86_64\nenabled=1\ngpgcheck=1\n"));
  EXPECT_THAT(file.content, HasSubstr("gpgkey=file://" + key.path + "\n"));
}

TEST(DriverRepository, OfAptIsSignedByItsKeyAlone) {
  TrialHost host = host_of("debian", "12", machine("T4"));
  const StepPlan plan = host.plan(*make_driver_repository());
  ASSERT_THAT(plan.actions, SizeIs(2)) << plan.why;
  const auto& file = std::get<WriteFile>(plan.actions[1]);
  EXPECT_EQ(file.path, "/etc/apt/sources.list.d/gpunode-cuda.sources");
  EXPECT_THAT(file.content, HasSubstr("Signed-By: /etc/apt/keyrings/"
                                      "gpunode-cuda.asc\n"));
  EXPECT_THAT(file.content, HasSubstr("debian12/x86_64/\nSuites: /\n"));
}

TEST(DriverRepository, ComesFromAMirrorWhereThereIsOne) {
  TrialHost host = host_of("rocky", "8.9", machine("T4"));
  host.spec.mirrors["https://developer.download.nvidia.com"] =
      "http://mirror.lan/nvidia";
  const StepPlan plan = host.plan(*make_driver_repository());
  EXPECT_THAT(std::get<FetchKey>(plan.actions.at(0)).url,
              HasSubstr("http://mirror.lan/nvidia/compute/cuda/repos/rhel8/"));
  EXPECT_THAT(std::get<WriteFile>(plan.actions.at(1)).content,
              HasSubstr("baseurl=http://mirror.lan/nvidia/compute/"));
}

constexpr const char* kTheirs =
    "[cuda-rhel8-x86_64]\nname=cuda-rhel8-x86_64\n"
    "baseurl=https://developer.download.nvidia.com/compute/cuda/repos/rhel8/"
    "x86_64\nenabled=1\ngpgcheck=1\ngpgkey=https://developer.download.nvidia."
    "com/compute/cuda/repos/rhel8/x86_64/D42D0685.pub\n";

TEST(DriverRepository, SomebodyElsesIsUsedAndNotDoubled) {
  TrialHost host = host_of("rocky", "8.9", machine("T4"));
  host.facts.files["/etc/yum.repos.d/cuda-rhel8.repo"].content = kTheirs;
  const StepPlan plan = host.plan(*make_driver_repository());
  EXPECT_EQ(plan.state, StepState::kOk);
  EXPECT_THAT(plan.notes, Contains(HasSubstr("used as it is")));
  EXPECT_EQ(set_of(host).from, "cuda-rhel8-x86_64");
}

TEST(DriverRepository, WhatWouldMixOrIsUnsignedIsInTheWay) {
  const auto why = [](const char* version, const std::string& from,
                      const std::string& to) {
    TrialHost host = host_of("rocky", version, machine("T4"));
    std::string text = kTheirs;
    for (std::size_t at = text.find(from);
         !from.empty() && at != std::string::npos; at = text.find(from)) {
      text.replace(at, from.size(), to);
    }
    host.facts.files["/etc/yum.repos.d/cuda-rhel8.repo"].content = text;
    const StepPlan plan = host.plan(*make_driver_repository());
    EXPECT_EQ(plan.state, StepState::kBlocked) << plan.why;
    EXPECT_THAT(plan.fix, HasSubstr("rm /etc/yum.repos.d/cuda-rhel8.repo"));
    return plan.why;
  };
  EXPECT_THAT(why("9.4", "", ""), HasSubstr("is for rhel8/x86_64"));
  EXPECT_THAT(why("8.9", "D42D0685", "7fa2af80"),
              HasSubstr("withdrew in 2022"));
  for (const char* no : {"gpgcheck=0", "gpgcheck=no", "gpgcheck = False"}) {
    EXPECT_THAT(why("8.9", "gpgcheck=1", no), HasSubstr("nobody signed"));
  }
}

/// A Rocky 8 whose row has the key of `pinned`, and somebody's file with
/// `gpgkey`.
StepPlan with_key(const std::string& gpgkey,
                  const std::map<std::string, std::string>& files = {}) {
  TrialHost host = host_of("rocky", "8.9", machine("T4"));
  distribution::Extension row;
  row.id = "rocky";
  row.version = "8";
  row.fingerprint = packages::epel_key(9)->fingerprint;
  host.spec.distributions = {row};
  std::string text = kTheirs;
  text.replace(text.find("gpgkey="), std::string::npos, gpgkey + "\n");
  host.facts.files["/etc/yum.repos.d/cuda-rhel8.repo"].content = text;
  for (const auto& [path, content] : files) {
    host.facts.files[path].content = content;
  }
  return host.plan(*make_driver_repository());
}

TEST(DriverRepository, SomebodyElsesIsByNvidiasKeyOrInTheWay) {
  const std::string good(packages::epel_key(9)->armoured);
  const std::string bad(packages::epel_key(8)->armoured);
  const std::string bad_one(packages::epel_key(8)->fingerprint);
  const std::string path = "/etc/pki/rpm-gpg/K";
  const StepPlan right = with_key("gpgkey=file://" + path, {{path, good}});
  EXPECT_EQ(right.state, StepState::kOk) << right.why;
  EXPECT_THAT(right.notes, SizeIs(1));
  const StepPlan unseen = with_key("gpgkey=file:///opt/K");
  EXPECT_EQ(unseen.state, StepState::kOk);
  EXPECT_THAT(unseen.notes,
              Contains(HasSubstr("file:///opt/K holds NVIDIA's")));
  const auto trouble = [&](const std::string& gpgkey,
                           const std::string& content) {
    const StepPlan plan = with_key(gpgkey, {{path, content}});
    EXPECT_EQ(plan.state, StepState::kBlocked) << gpgkey;
    EXPECT_THAT(plan.fix, HasSubstr("rm /etc/yum.repos.d/cuda-rhel8.repo"));
    return plan.why;
  };
  EXPECT_THAT(trouble("gpgkey=file://" + path, bad), HasSubstr(bad_one));
  EXPECT_THAT(trouble("gpgkey=file://" + path, good + bad), HasSubstr(bad_one));
  EXPECT_THAT(trouble("gpgkey=file://" + path, "<html>"),
              HasSubstr("no key that can be read"));
  EXPECT_THAT(trouble("gpgkey=https://developer.download.nvidia.com/compute/"
                      "cuda/repos/rhel8/x86_64/D42D0685.pub\n   "
                      "http://mirror/K.pub",
                      ""),
              HasSubstr("whatever key is at http://mirror/K.pub"));
  EXPECT_THAT(
      trouble("gpgkey=https://developer.download.nvidia.com.evil/K.pub", ""),
      HasSubstr("whatever key is at"));
}

TEST(CudaSources, WithoutGpgcheckOfTheirOwnAreAsDnfConfSays) {
  std::map<std::string, facts::FileFacts> files;
  files["/etc/yum.repos.d/a.repo"].content =
      "[a]\nbaseurl=https://x/compute/cuda/repos/rhel8/x86_64\n";
  EXPECT_TRUE(cuda_sources(files).at(0).is_checked);
  files["/etc/dnf/dnf.conf"].content = "[main]\ngpgcheck=1\n";
  EXPECT_TRUE(cuda_sources(files).at(0).is_checked);
  files["/etc/dnf/dnf.conf"].content = "[main]\nbest=True\n";
  EXPECT_FALSE(cuda_sources(files).at(0).is_checked);
  files["/etc/yum.repos.d/a.repo"].content->append("gpgcheck=1\n");
  EXPECT_TRUE(cuda_sources(files).at(0).is_checked);
}

TEST(CudaSources, OfAptNameTheirKeysInManyWays) {
  const std::string address = "https://x/compute/cuda/repos/debian12/x86_64/";
  const std::string good(packages::epel_key(9)->armoured);
  const std::string pinned(packages::epel_key(9)->fingerprint);
  std::string folded;
  for (std::size_t at = 0; at < good.size();) {
    const std::size_t end = good.find('\n', at);
    folded += end == at ? " .\n" : " " + good.substr(at, end + 1 - at);
    at = end + 1;
  }
  const auto trouble = [&](const std::string& signed_by) {
    std::map<std::string, facts::FileFacts> files;
    files["/etc/apt/keyrings/good.asc"].content = good;
    files["/etc/apt/keyrings/bad.asc"].content =
        std::string(packages::epel_key(8)->armoured);
    files["/etc/apt/sources.list.d/a.sources"].content =
        "Types: deb\nURIs: " + address + "\nSigned-By:" + signed_by +
        "\nSuites: /\n";
    const auto sources = cuda_sources(files);
    EXPECT_THAT(sources, SizeIs(1));
    if (sources.empty()) return std::string();
    return judge_keys(sources.front(), files, pinned, {}).trouble;
  };
  EXPECT_EQ(trouble(" /etc/apt/keyrings/good.asc"), "");
  EXPECT_EQ(trouble(" " + pinned + "!"), "");
  EXPECT_EQ(trouble("\n" + folded), "");
  EXPECT_THAT(trouble(" /etc/apt/keyrings/good.asc /etc/apt/keyrings/bad.asc"),
              HasSubstr("bad.asc, which holds the key"));
  EXPECT_THAT(trouble(" " + std::string(40, 'A')), HasSubstr("trusts the key"));
}

TEST(CudaSources, OfAptThatMayBeUnsignedAreTold) {
  const std::string address = "https://x/compute/cuda/repos/debian12/x86_64/";
  std::map<std::string, facts::FileFacts> files;
  files["/etc/apt/sources.list.d/a.sources"].content =
      "Types: deb\nURIs: " + address + "\nSigned-By: /k\nTrusted: yes\n";
  files["/etc/apt/sources.list.d/b.sources"].content =
      "Types: deb\nURIs: " + address + "\nSigned-By: /k\nEnabled: false\n";
  files["/etc/apt/sources.list.d/c.list"].content =
      "deb [signed-by=/k allow-insecure=yes] " + address + " /\n";
  const auto sources = cuda_sources(files);
  ASSERT_THAT(sources, SizeIs(2));
  EXPECT_FALSE(sources[0].is_checked);
  EXPECT_FALSE(sources[1].is_checked);
}

TEST(CudaSources, OfAptInBothForms) {
  std::map<std::string, facts::FileFacts> files;
  files["/etc/apt/sources.list.d/cuda.list"].content =
      "# deb https://x/compute/cuda/repos/ubuntu2004/x86_64/ /\n"
      "deb [signed-by=/usr/share/keyrings/cuda-archive-keyring.gpg] "
      "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/"
      "x86_64/ /\n"
      "deb http://x/compute/cuda/repos/ubuntu2204/sbsa/ /\n";
  files["/etc/apt/sources.list.d/cuda.sources"].content =
      "Types: deb\nURIs: https://x/compute/cuda/repos/debian12/x86_64/\n"
      "Suites: /\nSigned-By: /etc/k\n\n"
      "Types: deb\nURIs: https://x/compute/cuda/repos/debian11/x86_64/\n"
      "Enabled: no\n";
  EXPECT_THAT(cuda_sources(files),
              ElementsAre(CudaSource{"/etc/apt/sources.list.d/cuda.list",
                                     "",
                                     "ubuntu2204/x86_64",
                                     true,
                                     false,
                                     {"/usr/share/keyrings/"
                                      "cuda-archive-keyring.gpg"}},
                          CudaSource{"/etc/apt/sources.list.d/cuda.list", "",
                                     "ubuntu2204/sbsa", false, false},
                          CudaSource{"/etc/apt/sources.list.d/cuda.sources",
                                     "",
                                     "debian12/x86_64",
                                     true,
                                     false,
                                     {"/etc/k"}}));
}

}  // namespace
}  // namespace gpunode::provision
