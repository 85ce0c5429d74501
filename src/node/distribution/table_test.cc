#include "node/distribution/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::distribution {
namespace {

using testing::HasSubstr;

const std::string kDigits = "0123456789ABCDEF0123456789ABCDEFCDF6BA43";

TEST(Table, WithoutExtensionsIsTheTable) {
  const auto table = Table::with({});
  ASSERT_TRUE(table);
  EXPECT_EQ(*table->find("rocky", "8.9"), *find_distribution("rocky", "8.9"));
  EXPECT_FALSE(table->find("gentoo", "2"));
}

TEST(Table, AKeyThatWasNotKnownIsSaid) {
  const std::vector<Extension> said = {
      {.id = "rocky", .version = "10", .fingerprint = kDigits}};
  auto table = Table::with(said);
  ASSERT_TRUE(table) << table.error().message();
  const Table copy = *table;
  table = Table::with({});
  const auto row = copy.find("rocky", "10.1");
  ASSERT_TRUE(row);
  const auto repository = repository_of(**row, "x86_64", kBaseUrl);
  ASSERT_TRUE(repository) << repository.error().message();
  EXPECT_EQ(repository->fingerprint, kDigits);
  EXPECT_THAT(repository->key_url, HasSubstr("rhel10/x86_64/CDF6BA43.pub"));
  EXPECT_EQ(repository->first_branch, 580);
  // Its kin are other rows.
  EXPECT_FALSE(repository_of(**copy.find("rhel", "10"), "x86_64", kBaseUrl));
}

TEST(Table, ANewDistributionIsLikeOneThatIsThere) {
  const std::vector<Extension> said = {{.id = "fedora",
                                        .version = "45",
                                        .like = "fedora 44",
                                        .repository = "fedora45",
                                        .key_file = "AB.pub",
                                        .fingerprint = kDigits,
                                        .first_branch = 615,
                                        .last_branch = 620}};
  const auto table = Table::with(said);
  ASSERT_TRUE(table) << table.error().message();
  const auto row = table->find("fedora", "45");
  ASSERT_TRUE(row);
  EXPECT_EQ((*row)->family, Family::kPlain);
  const auto repository = repository_of(**row, "x86_64", kBaseUrl);
  ASSERT_TRUE(repository);
  EXPECT_THAT(repository->url, HasSubstr("/fedora45/x86_64/"));
  EXPECT_EQ(repository->first_branch, 615);
  EXPECT_EQ(repository->last_branch, 620);
}

TEST(Table, WhatCanNotBeIsSaid) {
  const auto words = [](Extension one) {
    const std::vector<Extension> all = {std::move(one)};
    const auto table = Table::with(all);
    return table ? "(taken)" : table.error().message();
  };
  EXPECT_THAT(words({.id = "gentoo", .version = "2"}),
              HasSubstr("say what it is `like`"));
  EXPECT_THAT(words({.id = "gentoo", .version = "2", .like = "arch 1"}),
              HasSubstr("no repository for arch"));
  EXPECT_THAT(words({.id = "rhel", .version = "10", .fingerprint = "CDF6BA43"}),
              HasSubstr("40 hex digits"));
  EXPECT_THAT(words({.id = "rhel", .version = "10", .key_file = "../x"}),
              HasSubstr("\"../x\" can't be"));
  EXPECT_THAT(words({.id = "rhel"}), HasSubstr("id and version are needed"));
  EXPECT_THAT(words({.id = "rocky", .version = "11", .like = "rocky"}),
              HasSubstr("no distribution with its version"));
}

TEST(Table, WhatContradictsIsSaidByItsKey) {
  struct Case {
    Extension extension;
    const char* key;
    const char* words;
  };
  const std::vector<SaidArchitecture> x86 = {{"x86_64", "x86_64", 0, 0}};
  for (const Case& one : {
           Case{{.id = "rocky", .version = "11", .like = "debian 12"},
                "like",
                "apt contradicts rocky, whose package manager is dnf"},
           Case{{.id = "rocky", .version = "9", .manager = Manager::kZypper},
                "packageManager",
                "zypper contradicts the packages of modular"},
           Case{{.id = "rocky", .version = "9", .family = Family::kUbuntu},
                "driverPackages",
                "dnf contradicts the packages of ubuntu"},
           Case{{.id = "rocky",
           .version = "9",
           .manager = Manager::kApt,
           .family = Family::kUbuntu},
                "packageManager",
                "apt contradicts rocky"},
           Case{{.id = "rocky",
           .version = "9",
           .first_branch = 600,
           .last_branch = 580},
                "lastBranch",
                "600, is newer than the last, 580"},
           Case{{.id = "rocky",
           .version = "9",
           .first_branch = 600,
           .architectures = x86},
                "firstBranch",
                "contradicts `architectures`"},
           Case{{.id = "rocky",
           .version = "9",
           .architectures = {x86[0], x86[0]}},
                "architectures",
                "x86_64 stands there twice"},
           Case{{.id = "rocky",
           .version = "9",
           .architectures = {{"x86_64", "", 0, 0}}},
                "architectures",
                "directory: sbsa"},
           Case{
               {.id = "rocky", .version = "9", .devel = {{"", "kernel-devel"}}},
               "devel",
               "{release} or {version}"},
           Case{{.id = "rocky",
           .version = "9",
           .devel = {{"", "kernel; rm {release}"}}},
                "devel",
                "is no package of one kernel"},
           Case{{.id = "rocky",
           .version = "9",
           .devel = {{"uek", "kernel-uek-devel-{release}"}}},
                "devel",
                "the last entry is for every other kernel"},
           Case{{.id = "rocky", .version = "9", .compilers = {"-x"}},
                "compilers",
                "\"-x\" is no name of a package"},
           Case{{.id = "rocky", .version = "9", .dkms = "there"},
                "dkms",
                "none of epel, main, own"},
           Case{{.id = "rocky", .version = "9", .status = Status::kRefused},
                "status",
                "needs a `note`"},
           Case{{.id = "amzn", .version = "2", .status = Status::kSupported},
                "status",
                "needs a `repository`"},
       }) {
    const auto problem = find_problem(one.extension);
    ASSERT_TRUE(problem) << one.words;
    EXPECT_EQ(problem->key, one.key) << problem->words;
    EXPECT_THAT(problem->words, HasSubstr(one.words));
  }
}

TEST(Table, ARowThatIsLikeNoneSaysAll) {
  Extension one = {.id = "mine",
                   .version = "1",
                   .repository = "mine1",
                   .key_file = "k.pub",
                   .fingerprint = kDigits,
                   .manager = Manager::kDnf,
                   .family = Family::kPlain,
                   .architectures = {{"riscv64", "riscv64", 600, 0}},
                   .devel = {{"", "kernel-devel-{release}"}},
                   .dkms = ""};
  ASSERT_TRUE(find_problem(one));
  EXPECT_THAT(find_problem(one)->words, HasSubstr("missing are compilers"));
  one.compilers = {"gcc", "gcc-c++"};
  const std::vector<Extension> all = {one};
  const auto table = Table::with(all);
  ASSERT_TRUE(table) << table.error().message();
  const auto row = table->find("mine", "1.2");
  ASSERT_TRUE(row);
  const auto repository = repository_of(**row, "riscv64", "http://m");
  ASSERT_TRUE(repository) << repository.error().message();
  EXPECT_EQ(repository->url, "http://m/mine1/riscv64/");
  EXPECT_EQ(devel_package(**row, "6.1"), "kernel-devel-6.1");
  EXPECT_EQ(table->kin_of("mine", "1"), nullptr);
}

TEST(Table, TwoOfOneDistributionAreOneTooMany) {
  const std::vector<Extension> all = {
      {.id = "rocky", .version = "9", .first_branch = 580},
      {.id = "rocky", .version = "9", .first_branch = 590}};
  const auto table = Table::with(all);
  ASSERT_FALSE(table);
  EXPECT_THAT(table.error().message(), HasSubstr("stands there twice"));
}

TEST(Table, TheCloserVersionIsTheRow) {
  const std::vector<Extension> all = {
      {.id = "rocky", .version = "8", .first_branch = 570},
      {.id = "rocky",
       .version = "8.10",
       .like = "rocky 8",
       .first_branch = 580}};
  const auto table = Table::with(all);
  ASSERT_TRUE(table) << table.error().message();
  const auto first = [&table](const char* version) {
    return (*table->find("rocky", version))->architectures[0].first_branch;
  };
  EXPECT_EQ(first("8.10"), 580);
  EXPECT_EQ(first("8.9"), 570);
}

TEST(Table, KinIsOfRowsThatTheTableDoesNotHave) {
  const std::vector<Extension> all = {
      {.id = "rocky", .version = "11", .like = "rocky 10"},
      {.id = "rocky", .version = "10", .fingerprint = kDigits}};
  const auto table = Table::with(all);
  ASSERT_TRUE(table) << table.error().message();
  EXPECT_EQ(table->kin_of("rocky", "11.2"), *find_distribution("rocky", "10"));
  EXPECT_EQ(table->kin_of("rocky", "10"), nullptr);
  EXPECT_EQ(table->kin_of("rocky", "9"), nullptr);
  EXPECT_EQ(table->kin_of("gentoo", "2"), nullptr);
}

}  // namespace
}  // namespace gpunode::distribution
