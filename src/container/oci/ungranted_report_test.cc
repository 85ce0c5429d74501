#include "container/oci/ungranted_report.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::oci {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

std::string line(const std::string& pod, const std::string& time,
                 const std::string& asked = "all") {
  return R"({"time":")" + time + R"(","namespace":"team","pod":")" + pod +
         R"(","podUid":"u","container":"main","image":"cuda:12","asked":")" +
         asked + R"(","why":"no GPU was allocated to it"})" + "\n";
}

TEST(UngrantedReport, CountsTheStartsOfOneContainerAndKeepsTheLast) {
  std::vector<UngrantedContainer> report;
  add_ungranted(line("b", "2026-11-25T09:00:00Z") +
                    line("a", "2026-11-25T09:00:01Z") +
                    line("b", "2026-11-25T09:00:02Z", "GPU-1"),
                report);
  ASSERT_THAT(report, SizeIs(2));
  EXPECT_EQ(report[0].pod, "a");
  EXPECT_EQ(report[1],
            (UngrantedContainer{"team", "b", "main", "cuda:12", "GPU-1",
                                "no GPU was allocated to it",
                                "2026-11-25T09:00:02Z", 2}));
}

TEST(UngrantedReport, SkipsWhatIsNoLine) {
  std::vector<UngrantedContainer> report;
  add_ungranted("\n{\n[]\nnull\n{\"time\":1}\n" + std::string(5000, '[') +
                    "\n" + line("a", "t").substr(0, 40),
                report);
  EXPECT_THAT(report, IsEmpty());
}

TEST(UngrantedReport, ReadsTheOlderLogFirst) {
  const host::HostTree tree(
      {{"run/gpunode/ungranted.ndjson.1", line("a", "old")},
       {"run/gpunode/ungranted.ndjson", line("a", "new")}});
  const auto report = read_ungranted(tree.root(), "/run/gpunode");
  ASSERT_TRUE(report) << report.error().message();
  ASSERT_THAT(*report, SizeIs(1));
  EXPECT_EQ(report->front().last_time, "new");
  EXPECT_EQ(report->front().times, 2U);
}

TEST(UngrantedReport, NoLogIsNobody) {
  const host::HostTree tree({});
  const auto report = read_ungranted(tree.root(), "/run/gpunode");
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_THAT(*report, IsEmpty());
}

}  // namespace
}  // namespace gpunode::oci
