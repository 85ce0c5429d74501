#include "node/provision/distribution_list.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::provision {
namespace {

using distribution::Extension;
using distribution::Table;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kDigits = "0123456789ABCDEF0123456789ABCDEFCDF6BA43";

Table table_with(const std::vector<Extension>& extensions) {
  const auto table = Table::with(extensions);
  EXPECT_TRUE(table) << table.error().message();
  return table ? *table : Table();
}

std::vector<std::string> names_of(const Result<DistributionList>& rows) {
  std::vector<std::string> names;
  if (!rows) return {rows.error().message()};
  for (const ListedDistribution& one : *rows) {
    names.push_back(one.name() + (one.is_of_file ? " *" : ""));
  }
  return names;
}

TEST(DistributionList, OfTheFileStandAmongTheTables) {
  const Table table =
      table_with({{.id = "rocky", .version = "11", .like = "rocky 10"},
                  {.id = "mine", .version = "1", .like = "debian 12"},
                  {.id = "rocky", .version = "9", .first_branch = 580}});
  const DistributionList all = list_distributions(table);
  EXPECT_EQ(all.size(), distribution::distributions().size() + 2);
  EXPECT_THAT(names_of(select_distributions(all, "rocky")),
              ElementsAre("rocky 8", "rocky 9 *", "rocky 10", "rocky 11 *"));
  EXPECT_EQ(all.back().name(), "mine 1");
  EXPECT_EQ(all.back().kin->id, "debian");
  // What is beside the base is had as on its kin.
  EXPECT_EQ(all.back().extra.front().what,
            "contrib non-free non-free-firmware");
}

TEST(DistributionList, ANameIsOfARowOrOfAReleaseOfIt) {
  const Table table =
      table_with({{.id = "rocky", .version = "8.10", .like = "rocky 8"}});
  const DistributionList all = list_distributions(table);
  const auto names = [&all](const char* name) {
    return names_of(select_distributions(all, name));
  };
  EXPECT_THAT(names("rocky-8"), ElementsAre("rocky 8"));
  EXPECT_THAT(names("rocky 8.9"), ElementsAre("rocky 8"));
  EXPECT_THAT(names("rocky-8.10"), ElementsAre("rocky 8.10 *"));
  EXPECT_THAT(names("opensuse-leap-15.6"), ElementsAre("opensuse-leap 15"));
  EXPECT_THAT(names("opensuse-leap"),
              ElementsAre("opensuse-leap 15", "opensuse-leap 16"));
  EXPECT_THAT(names("ubuntu-22.04"), ElementsAre("ubuntu 22.04"));
}

TEST(DistributionList, ANameOfNoneIsToldWithTheNearestOrWhatThereIs) {
  const DistributionList all = list_distributions({});
  const auto words = [&all](const char* name) {
    const auto found = select_distributions(all, name);
    return found ? "found" : found.error().message();
  };
  EXPECT_THAT(words("rocki-8"), HasSubstr("did you mean \"rocky-8\"?"));
  EXPECT_THAT(words("rockey"), HasSubstr("did you mean \"rocky\"?"));
  EXPECT_THAT(words("rocky-80"),
              HasSubstr("of that one there are rocky-8, rocky-9, rocky-10"));
  EXPECT_THAT(words("gentoo-2"), HasSubstr("spec.distributions"));
  EXPECT_THAT(words(""), HasSubstr("no distribution"));
}

TEST(DistributionList, WhatIsRefusedIsSaidWithTheWayOut) {
  const DistributionList all = list_distributions({});
  const auto refusals = [&all](const char* name) {
    return refusals_of(select_distributions(all, name)->front());
  };
  EXPECT_THAT(refusals("rocky-8"), IsEmpty());
  EXPECT_THAT(refusals("debian-11"), IsEmpty());
  EXPECT_THAT(refusals("amzn-2"), ElementsAre(HasSubstr("Amazon Linux 2023")));
  EXPECT_THAT(refusals("rocky-10"), ElementsAre(HasSubstr("keyFingerprint")));
  EXPECT_THAT(refusals("fedora-42"), IsEmpty());
  EXPECT_THAT(refusals("fedora-43"), ElementsAre(HasSubstr("1940C73E")));
  EXPECT_THAT(refusals("rhel-7"), IsEmpty());
  const Table table =
      table_with({{.id = "rocky", .version = "10", .fingerprint = kDigits}});
  const DistributionList own = list_distributions(table);
  EXPECT_THAT(refusals_of(select_distributions(own, "rocky-10")->front()),
              IsEmpty());
}

TEST(DistributionList, DriversAreOfTheBranchThatIsTaken) {
  const DistributionList all = list_distributions({});
  const auto offered = [&all](const char* name) {
    std::vector<std::string> texts;
    for (const OfferedDriver& one :
         offered_drivers(select_distributions(all, name)->front())) {
      texts.push_back(std::to_string(one.branch) + " " +
                      (one.packages ? one.packages->module
                                    : one.packages.error().message()));
    }
    return texts;
  };
  EXPECT_THAT(offered("rocky-8"), ElementsAre("580 kmod-nvidia-open-dkms",
                                              "580 kmod-nvidia-latest-dkms"));
  EXPECT_THAT(offered("fedora-44"), ElementsAre("610 kmod-nvidia-open-dkms",
                                                "610 kmod-nvidia-latest-dkms"));
  EXPECT_THAT(offered("rhel-7"),
              ElementsAre("550 RHEL 7's repository has no open modules",
                          "550 kmod-nvidia-latest-dkms"));
  EXPECT_THAT(offered("amzn-2"), IsEmpty());
}

}  // namespace
}  // namespace gpunode::provision
