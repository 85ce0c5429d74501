#include "agent/plugin/priority_keeper.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/api/fixed_credentials.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/doubles/kubelet/plugin_directory.h"

namespace gpunode::plugin {
namespace {

namespace fs = std::filesystem;
using doubles::eventually;
using share::PrioritySource;
using share::TurnPriority;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kUuid = "GPU-a";

/// Give nothing until they are let go, or for long.
struct SlowCalls {
  std::atomic<bool> is_in = false;
  std::promise<void> end;
  std::shared_future<void> ended = end.get_future().share();

  void let_go() { end.set_value(); }
};

class SlowCredentials final : public kube::Credentials {
 public:
  explicit SlowCredentials(std::shared_ptr<SlowCalls> calls)
      : calls_(std::move(calls)) {}

  Result<kube::Access> access(bool /*was_refused*/) override {
    calls_->is_in = true;
    calls_->ended.wait_for(std::chrono::seconds(20));
    calls_->is_in = false;
    return Error(ErrorCode::kUnavailable, "it took too long");
  }

 private:
  const std::shared_ptr<SlowCalls> calls_;
};

class KeptPriorities : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "priorities-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root = pattern;
    begin_anew();
  }
  void TearDown() override {
    keeper.reset();
    fs::remove_all(root);
  }

  /// As another agent.
  void begin_anew() {
    keeper.emplace(files(), [this]() -> Result<std::unique_ptr<PodPriorities>> {
      ++starts;
      if (!has_api) return Error(ErrorCode::kNotFound, "there is no cluster");
      PodPriorities::Settings settings;
      settings.client.tries = 1;
      settings.backoff = settings.denied = {std::chrono::milliseconds(1),
                                            std::chrono::milliseconds(2)};
      settings.spread = {};
      if (is_slow) {
        return PodPriorities::start(std::move(settings),
                                    std::make_unique<SlowCredentials>(calls));
      }
      return PodPriorities::start(
          std::move(settings),
          std::make_unique<kube::FixedCredentials>(server.port()));
    });
  }
  share::GrantFiles files() const { return share::GrantFiles(root.string()); }
  void put(const std::string& pod, int priority) {
    server.put("/api/v1/namespaces/team/pods/" + pod,
               R"({"kind":"Pod","metadata":{},"spec":{"priority":)" +
                   std::to_string(priority) + "}}");
  }
  void grant(const std::string& id) const {
    ASSERT_TRUE(files().renew({id, {{kUuid, 1 << 20, {500}}}}));
  }
  TurnPriority priority(const std::string& id) const {
    const auto look = files().look(id);
    EXPECT_TRUE(look);
    return look ? look->devices.at(0).priority : TurnPriority{};
  }
  PrioritizedShare share(const std::string& id, const std::string& pod,
                         bool is_by_pod = true) const {
    return {{id, files().look(id)->file, pod.empty() ? "" : "team", pod},
            is_by_pod,
            {{kUuid, priority(id)}}};
  }
  void keep(const std::vector<PrioritizedShare>& shares) {
    now += std::chrono::seconds(1);
    EXPECT_TRUE(keeper->is_due(now));
    keeper->keep(now, shares);
    EXPECT_FALSE(keeper->is_due(now));
  }
  bool becomes(const std::string& id, TurnPriority wanted,
               const std::string& pod) {
    return eventually([&] {
      keep({share(id, pod)});
      return priority(id) == wanted;
    });
  }

  fs::path root;
  kube::ApiServerDouble server;
  bool has_api = true;
  bool is_slow = false;
  const std::shared_ptr<SlowCalls> calls = std::make_shared<SlowCalls>();
  int starts = 0;
  std::optional<PriorityKeeper> keeper;
  TimePoint now{};
};

TEST_F(KeptPriorities, AreThoseOfPodsWhereTheSettingsSaySo) {
  put("p", 1000);
  grant("1");
  keep({share("1", "p", false)});
  EXPECT_EQ(starts, 0) << "nobody asks the API server without need";
  EXPECT_TRUE(becomes("1", {1000, PrioritySource::kPod}, "p"));
  // The settings change their mind.
  keep({share("1", "p", false)});
  EXPECT_EQ(priority("1"), TurnPriority{});
  EXPECT_TRUE(becomes("1", {1000, PrioritySource::kPod}, "p"));
}

TEST_F(KeptPriorities, ThatWereSetByHandStayUntilTheyAreTakenBack) {
  put("p", 1000);
  grant("1");
  ASSERT_TRUE(becomes("1", {1000, PrioritySource::kPod}, "p"));
  const TurnPriority by_hand{-7, PrioritySource::kHand};
  ASSERT_TRUE(files().set_priority("1", kUuid, by_hand));
  for (const bool is_by_pod : {true, false, true}) {
    keep({share("1", "p", is_by_pod)});
    EXPECT_EQ(priority("1"), by_hand);
  }
  ASSERT_TRUE(files().set_priority("1", kUuid, {}));
  EXPECT_TRUE(becomes("1", {1000, PrioritySource::kPod}, "p"));
}

TEST_F(KeptPriorities, OfTheNextPodOfTheSameIdsAreItsOwn) {
  put("p", 1000);
  put("q", -3);
  grant("1");
  ASSERT_TRUE(becomes("1", {1000, PrioritySource::kPod}, "p"));
  grant("1");
  EXPECT_EQ(priority("1"), TurnPriority{});
  EXPECT_TRUE(becomes("1", {-3, PrioritySource::kPod}, "q"));
  // Of the same name, too.
  put("q", 8);
  grant("1");
  EXPECT_TRUE(becomes("1", {8, PrioritySource::kPod}, "q"));
}

TEST_F(KeptPriorities, OfAPodThatWasAreNotWrittenIntoTheNextOnesFiles) {
  put("p", 1000);
  grant("1");
  ASSERT_TRUE(becomes("1", {1000, PrioritySource::kPod}, "p"));
  PrioritizedShare before = share("1", "p");
  before.devices[0].second = {};
  grant("1");
  keep({before});
  EXPECT_EQ(priority("1"), TurnPriority{});
}

TEST_F(KeptPriorities, OfAnAgentBeforeHold) {
  put("p", 1000);
  grant("1");
  ASSERT_TRUE(becomes("1", {1000, PrioritySource::kPod}, "p"));
  server.be_away(true);
  begin_anew();
  for (int i = 0; i < 3; ++i) keep({share("1", "p")});
  EXPECT_EQ(priority("1"), (TurnPriority{1000, PrioritySource::kPod}));
  EXPECT_EQ(server.turned_away(), 0u);
}

// A kubelet that is slow for a moment, and the next agent.
TEST_F(KeptPriorities, AreAskedForOnceWhileTheGrantLives) {
  put("p", 1000);
  grant("1");
  ASSERT_TRUE(becomes("1", {1000, PrioritySource::kPod}, "p"));
  keep({share("1", "")});
  keep({share("1", "p")});
  // Taken away, and wanted again.
  keep({share("1", "p", false)});
  EXPECT_EQ(priority("1"), TurnPriority{});
  keep({share("1", "")});
  keep({share("1", "p")});
  EXPECT_EQ(priority("1"), (TurnPriority{1000, PrioritySource::kPod}));
  begin_anew();
  for (int i = 0; i < 3; ++i) keep({share("1", "p")});
  EXPECT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(starts, 1) << "the next agent has nothing to ask";
}

// A program that gives credentials is waited for when its asker ends.
TEST_F(KeptPriorities, NobodyIsWaitedForBecauseNobodyIsAskedFor) {
  is_slow = true;
  grant("1");
  keep({share("1", "p")});
  ASSERT_TRUE(eventually([&] { return calls->is_in.load(); }));
  keep({});
  keep({share("1", "p", false)});
  EXPECT_TRUE(calls->is_in.load());
  keep({share("1", "p")});
  EXPECT_EQ(starts, 1);
  calls->let_go();
}

TEST_F(KeptPriorities, WithoutAClusterAreToldOnceAndTriedAgain) {
  has_api = false;
  grant("1");
  testing::internal::CaptureStderr();
  for (int i = 0; i < 130; ++i) keep({share("1", "p")});
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("there is no cluster"));
  EXPECT_EQ(log.find("no cluster"), log.rfind("no cluster"));
  EXPECT_THAT(keeper->problem(), HasSubstr("takes the API server"));
  EXPECT_EQ(starts, 3) << "once a minute";
  has_api = true;
  put("p", 5);
  EXPECT_TRUE(becomes("1", {5, PrioritySource::kPod}, "p"));
  EXPECT_EQ(keeper->problem(), "");
}

TEST_F(KeptPriorities, OfWhomNoPodIsKnownByNameAreNone) {
  grant("1");
  keep({share("1", "")});
  EXPECT_EQ(starts, 0);
  EXPECT_EQ(priority("1"), TurnPriority{});
}

TEST_F(KeptPriorities, OfAGrantThatIsGoneAreNoTrouble) {
  put("p", 5);
  grant("1");
  const PrioritizedShare before = share("1", "p");
  ASSERT_TRUE(becomes("1", {5, PrioritySource::kPod}, "p"));
  ASSERT_TRUE(files().remove("1"));
  testing::internal::CaptureStderr();
  keep({before});
  EXPECT_THAT(testing::internal::GetCapturedStderr(), IsEmpty());
}

}  // namespace
}  // namespace gpunode::plugin
