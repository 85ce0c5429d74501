#include "apps/runtime/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::runtime {
namespace {

using testing::HasSubstr;

/// What is written when `level` is set and two lines are said.
std::string written_at(std::string_view level) {
  const host::HostTree tree;
  Report report;
  report.add_destination({tree.path("log"), false});
  report.set_level(level);
  report.warn("a warning\n");
  report.flush();
  report.fail("a failure");
  return *tree.root().read_file("log");
}

TEST(Report, SaysWarningsWhereTheLevelHasThem) {
  for (const char* level : {"trace", "debug", "info", "warning", "warn"}) {
    EXPECT_THAT(written_at(level), HasSubstr("level=warning msg=\"a warning"))
        << level;
    EXPECT_EQ(written_at(level).find("log-level"), std::string::npos) << level;
  }
  for (const char* level : {"error", "fatal", "panic"}) {
    const std::string text = written_at(level);
    EXPECT_EQ(text.find("a warning"), std::string::npos) << level;
    EXPECT_THAT(text, HasSubstr("level=error msg=\"a failure\"")) << level;
  }
}

TEST(Report, WarnsOfALevelThatIsNone) {
  const std::string text = written_at("loud\n");
  EXPECT_THAT(text, HasSubstr("log-level \\\"loud"));
  EXPECT_THAT(text, HasSubstr("a warning"));
}

}  // namespace
}  // namespace gpunode::runtime
