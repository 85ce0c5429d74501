#include "node/diagnose/verify_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gpunode::diagnose {
namespace {

using testing::HasSubstr;

const VerifyChecks kChecks = {
    {0, "pci.gpus", Verdict::kPass, "1 x NVIDIA A10G", ""},
    {0, "pci.link", Verdict::kWarn, "x8", "reseat it"},
    {1, "module.loaded", Verdict::kFail, "none\nnext: a lie", "modprobe"},
    {2, "nvml.start", Verdict::kSkip, "no module", ""}};

TEST(VerifyReport, TellsTheWorst) {
  EXPECT_EQ(verdict_of(kChecks), Verdict::kFail);
  EXPECT_EQ(verdict_of({kChecks[0], kChecks[1]}), Verdict::kWarn);
  EXPECT_EQ(verdict_of({kChecks[0], kChecks[3]}), Verdict::kPass);
  EXPECT_EQ(verdict_of({}), Verdict::kSkip);
  EXPECT_TRUE(has_failed(kChecks));
  EXPECT_FALSE(has_failed({kChecks[0], kChecks[1], kChecks[3]}));
}

TEST(VerifyReport, IsAPageByLevels) {
  const std::string page = verify_page(kChecks).render({});
  EXPECT_THAT(page, HasSubstr("L0  PCI\n  pass  pci.gpus"));
  EXPECT_THAT(page, HasSubstr("next: reseat it\n"));
  // What a program says stays one line.
  EXPECT_THAT(page, HasSubstr("none?next: a lie\n"));
  EXPECT_THAT(page,
              HasSubstr("1 passed, 1 to look at, 1 failed, 1 not asked\n"));
}

TEST(VerifyReport, IsOneObject) {
  const auto json =
      nlohmann::json::parse(verify_json(kChecks, 2), nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["level"], 2);
  EXPECT_EQ(json["verdict"], "fail");
  ASSERT_EQ(json["checks"].size(), 4U);
  EXPECT_EQ(json["checks"][1]["id"], "pci.link");
  EXPECT_EQ(json["checks"][1]["verdict"], "warn");
  EXPECT_EQ(json["checks"][1]["hint"], "reseat it");
  EXPECT_EQ(json["checks"][2]["evidence"], "none\nnext: a lie");
}

}  // namespace
}  // namespace gpunode::diagnose
