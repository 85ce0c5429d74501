#include "node/provision/distribution_yaml.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/spec_file.h"

namespace gpunode::provision {
namespace {

using distribution::Architecture;
using distribution::DevelRule;
using distribution::Distribution;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

/// All of a row but for where it is said and what it is called.
std::string text_of(const Distribution& row) {
  std::string text;
  const auto add = [&text](std::string_view part) {
    text += std::string(part) + "|";
  };
  add(row.repository);
  add(std::to_string(static_cast<int>(row.family)));
  add(std::to_string(static_cast<int>(row.manager)));
  for (const Architecture& one : row.architectures) {
    add(one.machine);
    add(one.directory);
    add(std::to_string(one.first_branch));
    add(std::to_string(one.last_branch));
  }
  for (const DevelRule& one : row.devel) {
    add(one.flavour);
    add(one.package);
  }
  for (const std::string_view one : row.compilers) add(one);
  add(row.dkms);
  add(row.key.file);
  add(row.key.fingerprint);
  add(std::to_string(static_cast<int>(row.status)));
  add(row.note);
  return text;
}

/// What a GPUNode file with this drop-in makes of the table.
distribution::Table read_back(const std::string& yaml) {
  const SpecReading reading = read_spec(
      {{"node.yaml", "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\n"},
       {"conf.d/rows.yaml", yaml}});
  EXPECT_THAT(reading.problems, IsEmpty()) << yaml;
  auto table = distribution::Table::with(reading.spec.distributions);
  EXPECT_TRUE(table) << table.error().message() << yaml;
  return table ? *std::move(table) : distribution::Table();
}

std::string without_line(std::string text, std::string_view begin) {
  const std::size_t at = text.find(begin);
  return at == std::string::npos ? text
                                 : text.erase(at, text.find('\n', at) + 1 - at);
}

TEST(DistributionsYaml, ReadBackIsTheRow) {
  for (const ListedDistribution& listed : list_distributions({})) {
    const auto table = read_back(distributions_yaml({listed}));
    ASSERT_THAT(table.own_rows(), SizeIs(1)) << listed.name();
    const Distribution& row = table.own_rows().front();
    EXPECT_EQ(row.id, listed.row->id);
    EXPECT_EQ(row.version, listed.row->version);
    EXPECT_EQ(row.cited, listed.row->cited) << listed.name();
    EXPECT_EQ(text_of(row), text_of(*listed.row)) << listed.name();
  }
}

TEST(DistributionsYaml, HasEachKeySoThatItNeedsNoOtherRow) {
  for (const ListedDistribution& listed : list_distributions({})) {
    const bool is_refused =
        listed.row->status == distribution::Status::kRefused;
    if (listed.row->key.fingerprint.empty() && !is_refused) continue;
    std::string yaml = distributions_yaml({listed});
    yaml = without_line(yaml, "      like: ");
    const std::string id = "id: \"" + std::string(listed.row->id) + "\"";
    yaml.replace(yaml.find(id), id.size(), "id: mine");
    const auto table = read_back(yaml);
    ASSERT_THAT(table.own_rows(), SizeIs(1)) << listed.name();
    EXPECT_EQ(text_of(table.own_rows().front()), text_of(*listed.row))
        << listed.name();
    // And printed again it is the same.
    const DistributionList again = list_distributions(table);
    const auto mine = select_distributions(again, "mine");
    ASSERT_TRUE(mine);
    const auto twice = read_back(distributions_yaml(*mine));
    ASSERT_THAT(twice.own_rows(), SizeIs(1));
    EXPECT_EQ(text_of(twice.own_rows().front()), text_of(*listed.row));
  }
}

TEST(DistributionsYaml, AllRowsAreOneDropIn) {
  const DistributionList all = list_distributions({});
  EXPECT_THAT(read_back(distributions_yaml(all)).own_rows(),
              SizeIs(all.size()));
}

TEST(DistributionsYaml, DigitsThatNobodyKnowsAreToBeWrittenIn) {
  const auto rows = select_distributions(list_distributions({}), "rocky-10");
  ASSERT_TRUE(rows);
  const std::string yaml = distributions_yaml(*rows);
  EXPECT_THAT(yaml, HasSubstr("# keyFingerprint: its 40 digits"));
  EXPECT_THAT(yaml, Not(HasSubstr("\n      keyFingerprint:")));
}

}  // namespace
}  // namespace gpunode::provision
