#include "node/provision/distribution_report.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gpunode::provision {
namespace {

using distribution::Table;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

const distribution::Extension kRocky11 = {
    .id = "rocky",
    .version = "11",
    .like = "rocky 9",
    .repository = "rhel11",
};

TEST(DistributionReport, OneLineARowAndTheRefusedBelow) {
  const std::string text =
      distributions_page(list_distributions({})).render({});
  for (const distribution::Distribution& row : distribution::distributions()) {
    EXPECT_THAT(text, ContainsRegex("\n" + std::string(row.id) + " " +
                                    std::string(row.version) + " +"));
  }
  EXPECT_THAT(text, ContainsRegex("rocky 8 +dnf +rhel8 +x86_64, aarch64 +open, "
                                  "proprietary +powertools, epel-release\n"));
  EXPECT_THAT(text, ContainsRegex("ubuntu 20.04 +apt +ubuntu2004 +x86_64 to "
                                  "575"));
  EXPECT_THAT(text, ContainsRegex("debian 12 +apt +debian12 +x86_64 545\\+, "
                                  "aarch64 590\\+"));
  EXPECT_THAT(text, HasSubstr("\namzn 2: no driver for amzn 2: it ended"));
  EXPECT_THAT(text, Not(HasSubstr("\nrhel 7: it has")));
  EXPECT_THAT(text, Not(HasSubstr("\nfedora 42:")));
  EXPECT_THAT(text, HasSubstr("\nrocky 10: the key CDF6BA43.pub"));
  EXPECT_THAT(text, Not(HasSubstr("as the file says")));
}

TEST(DistributionReport, WhatTheFileSaysIsMarked) {
  const std::vector<distribution::Extension> said = {kRocky11};
  const auto table = Table::with(said);
  ASSERT_TRUE(table) << table.error().message();
  const DistributionList all = list_distributions(*table);
  EXPECT_THAT(distributions_page(all).render({}),
              AllOf(ContainsRegex("\nrocky 11 \\* +dnf +rhel11 "),
                    HasSubstr("* as the file says")));
  const auto one = select_distributions(all, "rocky-11");
  ASSERT_TRUE(one);
  EXPECT_THAT(distribution_page(one->front()).render({}),
              HasSubstr("rocky 11 (as the file says, like rocky 9)\n"));
}

TEST(DistributionReport, OneInFull) {
  const auto rocky = select_distributions(list_distributions({}), "rocky-8");
  ASSERT_TRUE(rocky);
  EXPECT_EQ(distribution_page(rocky->front()).render({}),
            R"(rocky 8
  package manager: dnf
  x86_64: https://developer.download.nvidia.com/compute/cuda/repos/rhel8/x86_64/
  aarch64: https://developer.download.nvidia.com/compute/cuda/repos/rhel8/sbsa/
  signed with: D42D0685.pub, 610C7B14E068A878070DA4E99CD0A493D42D0685
  driver, open: branch 580: stream 580-open of the module nvidia-driver: nvidia-driver-cuda, kmod-nvidia-open-dkms
  driver, proprietary: branch 580: stream 580-dkms of the module nvidia-driver: nvidia-driver-cuda, kmod-nvidia-latest-dkms
  headers: kernel-uek-devel-{release} (kernels with "uek"), kernel-devel-{release}
  compiler: gcc, gcc-c++, make, elfutils-libelf-devel
  DKMS: of EPEL
  further repositories: powertools is turned on (what EPEL needs)
  further repositories: epel-release is installed (DKMS)
  said in: https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/
)");
  const auto amazon = select_distributions(list_distributions({}), "amzn-2");
  ASSERT_TRUE(amazon);
  EXPECT_THAT(
      distribution_page(amazon->front()).render({}),
      AllOf(HasSubstr("refused: no driver for amzn 2"),
            HasSubstr("x86_64: no repository"), Not(HasSubstr("signed with"))));
}

TEST(DistributionReport, AllOfItForPrograms) {
  const std::vector<distribution::Extension> said = {kRocky11};
  const auto table = Table::with(said);
  ASSERT_TRUE(table) << table.error().message();
  const std::string text = distributions_json(list_distributions(*table));
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  const json all = json::parse(text);
  EXPECT_EQ(all["version"], 1);
  ASSERT_EQ(all["distributions"].size(),
            distribution::distributions().size() + 1);
  const auto named = [&all](const char* id, const char* version) {
    for (const json& one : all["distributions"]) {
      if (one["id"] == id && one["version"] == version) return one;
    }
    return json();
  };
  const json debian = named("debian", "12");
  EXPECT_EQ(debian["source"], "table");
  EXPECT_EQ(debian["packageManager"], "apt");
  EXPECT_EQ(debian["architectures"][1], (json{{"machine", "aarch64"},
                                              {"directory", "sbsa"},
                                              {"firstBranch", 590},
                                              {"lastBranch", nullptr}}));
  EXPECT_EQ(debian["drivers"][0]["packages"],
            json::array({"nvidia-driver-cuda", "nvidia-kernel-open-dkms"}));
  EXPECT_EQ(debian["extraRepositories"][0]["how"], "components");
  EXPECT_TRUE(debian["refusals"].empty());
  const json own = named("rocky", "11");
  EXPECT_EQ(own["source"], "file");
  EXPECT_EQ(own["like"], "rocky 9");
  EXPECT_EQ(own["extraRepositories"][0]["what"], "crb");
  const json amazon = named("amzn", "2");
  EXPECT_EQ(amazon["status"], "refused");
  EXPECT_EQ(amazon["repository"], nullptr);
  EXPECT_EQ(amazon["refusals"].size(), 1U);
  EXPECT_TRUE(amazon["drivers"].empty());
}

}  // namespace
}  // namespace gpunode::provision
