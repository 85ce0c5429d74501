#include "agent/plugin/agent_view.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::plugin {
namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

oci::UngrantedContainer asker(const std::string& pod, std::uint64_t times) {
  oci::UngrantedContainer one;
  one.pod_namespace = "team";
  one.pod = pod;
  one.container = "main";
  one.image = "cuda:12";
  one.times = times;
  return one;
}

TEST(MetricsPage, NamesWhoAskedForWhatNobodyGranted) {
  const std::string page =
      metrics_page({}, {asker("train-0", 3), asker("a\"b\\\n", 1)});
  EXPECT_THAT(page, HasSubstr("\ngpunode_ungranted_containers 2\n"));
  EXPECT_THAT(page, HasSubstr("\ngpunode_ungranted_starts{container=\"main\","
                              "image=\"cuda:12\",namespace=\"team\","
                              "pod=\"train-0\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("pod=\"a\\\"b\\\\\\n\""));
  // What can fall is no counter.
  EXPECT_THAT(page, HasSubstr("# TYPE gpunode_ungranted_starts gauge\n"));
  EXPECT_THAT(page, Not(HasSubstr("ungranted_requests_total")));
}

TEST(MetricsPage, NamesAHundredAtMost) {
  std::vector<oci::UngrantedContainer> many;
  for (int i = 0; i < 1000; ++i) many.push_back(asker(std::to_string(i), 1));
  const std::string page = metrics_page({}, many);
  EXPECT_THAT(page, HasSubstr("\ngpunode_ungranted_containers 1000\n"));
  EXPECT_EQ(count(page, "gpunode_ungranted_starts{"), 100U);
}

TEST(MetricsPage, OfNobodyNamesNobody) {
  const std::string page = metrics_page({}, {});
  EXPECT_THAT(page, HasSubstr("\ngpunode_ungranted_containers 0\n"));
  EXPECT_EQ(count(page, "gpunode_ungranted_starts{"), 0U);
}

TEST(MetricsPage, SaysWhoseLimitCannotBeKept) {
  AgentView view;
  view.shares.resize(2);
  view.shares[0].allocation_id = "0a";
  view.shares[1].allocation_id = "0b";
  view.shares[1].look.why_unlimited = "/app is a static program";
  const std::string page = metrics_page(view, {});
  EXPECT_THAT(page, HasSubstr("\ngpunode_share_unlimited{allocation=\"0a\","
                              "container=\"\",namespace=\"\",pod=\"\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("\ngpunode_share_unlimited{allocation=\"0b\","
                              "container=\"\",namespace=\"\",pod=\"\"} 1\n"));
}

TEST(MetricsPage, SaysWhatTurnsCameTo) {
  AgentView view;
  ShareUse& share = view.shares.emplace_back();
  share.allocation_id = "0a";
  share.look.devices.resize(1);
  share.look.devices[0].uuid = "GPU-1";
  share.look.devices[0].time.thousandths = 250;
  EXPECT_EQ(count(metrics_page(view, {}), "gpunode_share_gpu_seconds_total"),
            0U)
      << "of whom takes no turns nothing is known";
  share::TurnUse& use = share.turns["GPU-1"];
  use.used = std::chrono::milliseconds(1500);
  use.waited = std::chrono::milliseconds(250);
  use.turns = 7;
  use.sums.launches = 1000;
  use.is_persistent = true;
  const std::string page = metrics_page(view, {});
  for (const char* line :
       {"gpunode_share_compute_part 0.25",
        "gpunode_share_gpu_seconds_total 1.5",
        "gpunode_share_throttled_seconds_total 0.25",
        "gpunode_share_turns_total 7", "gpunode_share_launches_total 1000",
        "gpunode_share_persistent_kernel 1"}) {
    const std::string_view words = line;
    const std::size_t space = words.find(' ');
    EXPECT_THAT(page, testing::ContainsRegex(
                          "\n" + std::string(words.substr(0, space)) +
                          "\\{allocation=\"0a\"[^}]*\\}" +
                          std::string(words.substr(space)) + "\n"));
  }
}

TEST(MetricsPage, SaysWhatAContainerHadOfAGpusTime) {
  AgentView view;
  ShareUse use;
  use.allocation_id = "a";
  share::DeviceHeld held;
  held.uuid = "GPU-0";
  held.time.thousandths = 250;
  use.look.devices = {held};
  use.turns["GPU-0"].used = std::chrono::milliseconds(1500);
  view.shares = {use};
  EXPECT_THAT(metrics_page(view, {}),
              testing::Not(testing::HasSubstr("gpu_peak_ratio")));
  view.compute_lives[{"a", "GPU-0"}] = {std::chrono::seconds(60), 125, 500};
  const std::string page = metrics_page(view, {});
  for (const char* line :
       {"gpunode_share_compute_part{", "gpunode_share_gpu_seconds_total{",
        "gpunode_share_observed_seconds{", "gpunode_share_gpu_mean_ratio{",
        "gpunode_share_gpu_peak_ratio{"}) {
    EXPECT_THAT(page, testing::HasSubstr(line));
  }
  EXPECT_THAT(page, testing::HasSubstr("} 0.125\n"));
  EXPECT_THAT(page, testing::HasSubstr("} 0.5\n"));
}

}  // namespace
}  // namespace gpunode::plugin
