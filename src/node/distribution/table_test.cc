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
}

}  // namespace
}  // namespace gpunode::distribution
