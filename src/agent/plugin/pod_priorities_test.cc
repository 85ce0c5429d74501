#include "agent/plugin/pod_priorities.h"

#include <poll.h>

#include <deque>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/driven_clock.h"
#include "k8s/api/fixed_credentials.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/doubles/kubelet/plugin_directory.h"

namespace gpunode::plugin {
namespace {

using doubles::eventually;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

GrantOfPod grant(const std::string& pod, std::uint64_t file = 1) {
  return {"alloc-" + pod, file, "team", pod};
}

class PodPrioritiesTest : public testing::Test {
 protected:
  ~PodPrioritiesTest() override { clock_.end(); }

  void put(const std::string& pod, const std::string& spec) {
    server_.put("/api/v1/namespaces/team/pods/" + pod,
                R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" +
                    pod + R"(","namespace":"team"},"spec":{)" + spec + "}}");
  }
  void start() {
    settings_.client.tries = 1;
    settings_.spread = spread_;
    auto made = PodPriorities::start(
        settings_, std::make_unique<kube::FixedCredentials>(server_.port()));
    ASSERT_TRUE(made) << made.error().message();
    asking_ = *std::move(made);
  }
  void start_in_haste() {
    settings_.backoff = settings_.denied = {milliseconds(1), milliseconds(2)};
    start();
  }
  /// Until it waits for a time: who has not heard yet what is wanted waits for
  /// that alone.
  void wait_for_a_pause() {
    clock_.wait_for_waiters(1);
    while (clock_.next() == TimePoint::max()) std::this_thread::yield();
  }
  /// The next that is told, as text.
  std::string next() {
    if (news_.empty()) {
      pollfd fd{asking_->news().fd(), POLLIN, 0};
      if (::poll(&fd, 1, 20'000) <= 0) return "nothing";
      for (PriorityTold& one : asking_->news().take()) {
        news_.push_back(std::move(one));
      }
    }
    const PriorityTold one = std::move(news_.front());
    news_.pop_front();
    return one.grant.pod + " " + std::to_string(one.priority);
  }

  kube::ApiServerDouble server_;
  DrivenClock clock_;
  PodPriorities::Settings settings_;
  Duration spread_{};
  std::unique_ptr<PodPriorities> asking_;
  std::deque<PriorityTold> news_;
};

TEST_F(PodPrioritiesTest, AreAskedForOnceByTheNameOfThePod) {
  put("a", R"("priority":1000)");
  put("b", R"("priority":-5)");
  put("c", R"("nodeName":"gpu-1")");
  start();
  asking_->want({grant("a")});
  EXPECT_EQ(next(), "a 1000");
  asking_->want({grant("a"), grant("b")});
  EXPECT_EQ(next(), "b -5");
  asking_->want({grant("a"), grant("b"), grant("c")});
  EXPECT_EQ(next(), "c 0") << "it has no class";
  EXPECT_THAT(server_.requests(),
              ElementsAre("GET /api/v1/namespaces/team/pods/a",
                          "GET /api/v1/namespaces/team/pods/b",
                          "GET /api/v1/namespaces/team/pods/c"));
  EXPECT_EQ(asking_->problem(), "");
}

TEST_F(PodPrioritiesTest, OfAnotherPodOfTheSameNameAreAskedForAnew) {
  put("a", R"("priority":1)");
  start();
  asking_->want({grant("a")});
  EXPECT_EQ(next(), "a 1");
  put("a", R"("priority":2)");
  asking_->want({grant("a", 2)});
  EXPECT_EQ(next(), "a 2");
}

TEST_F(PodPrioritiesTest, OfOneThatIsNotThereKeepNoOtherWaiting) {
  put("strange", R"("priority":"high")");
  put("b", R"("priority":2)");
  start_in_haste();
  asking_->want({grant("a"), grant("strange")});
  server_.wait_for_requests(4);
  asking_->want({grant("a"), grant("b"), grant("strange")});
  EXPECT_EQ(next(), "b 2");
  EXPECT_EQ(asking_->problem(), "") << "the server is well";
  put("a", R"("priority":1)");
  EXPECT_EQ(next(), "a 1");
}

TEST_F(PodPrioritiesTest, ThatMayNotBeAskedForNameTheMissingRuleOnce) {
  put("a", R"("priority":1)");
  server_.refuse(403, "Forbidden", 5);
  testing::internal::CaptureStderr();
  start_in_haste();
  asking_->want({grant("a")});
  EXPECT_TRUE(eventually([&] { return !asking_->problem().empty(); }));
  EXPECT_EQ(next(), "a 1");
  EXPECT_EQ(asking_->problem(), "");
  asking_.reset();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, AllOf(HasSubstr("403"),
                         HasSubstr("ClusterRole rule {apiGroups: [\"\"], "
                                   "resources: [pods], verbs: [get]}"),
                         HasSubstr("are equal, at 0"),
                         HasSubstr("can be asked for their priority again")));
  EXPECT_EQ(log.find("ClusterRole"), log.rfind("ClusterRole"));
}

TEST_F(PodPrioritiesTest, WaitForAServerThatIsAway) {
  put("a", R"("priority":1)");
  server_.be_away(true);
  start_in_haste();
  asking_->want({grant("a")});
  EXPECT_TRUE(eventually([&] { return !asking_->problem().empty(); }));
  server_.be_away(false);
  EXPECT_EQ(next(), "a 1");
}

TEST_F(PodPrioritiesTest, AreAskedForInTurnAndLessOftenWhileThatIsRefused) {
  settings_.clock = &clock_;
  settings_.client.chance = [] { return 1 - 1e-9; };
  server_.refuse(403, "Forbidden", 100);
  start();
  asking_->want({grant("a"), grant("b")});
  Duration before{};
  for (std::size_t asked = 2; asked < 10; asked += 2) {
    server_.wait_for_requests(asked);
    wait_for_a_pause();
    ASSERT_EQ(server_.requests().size(), asked);
    const Duration pause = clock_.next() - clock_.now();
    EXPECT_GE(pause, before);
    EXPECT_GE(pause, std::chrono::seconds(15));
    EXPECT_LE(pause, std::chrono::minutes(10));
    before = pause;
    clock_.advance_to(clock_.next());
  }
}

TEST_F(PodPrioritiesTest, AreNotAllAskedForAtOnceAtFirst) {
  settings_.clock = &clock_;
  settings_.client.chance = [] { return 0.5; };
  spread_ = std::chrono::seconds(1);
  for (const char* pod : {"a", "b", "c"}) put(pod, R"("priority":1)");
  start();
  asking_->want({grant("a"), grant("b")});
  wait_for_a_pause();
  EXPECT_EQ(clock_.next() - clock_.now(), std::chrono::seconds(1));
  EXPECT_THAT(server_.requests(), IsEmpty());
  clock_.advance_to(clock_.next());
  EXPECT_EQ(next(), "a 1");
  EXPECT_EQ(next(), "b 1");
  asking_->want({grant("c")});
  EXPECT_EQ(next(), "c 1") << "who comes alone is asked for at once";
}

// A Role in one namespace alone is enough for that.
TEST_F(PodPrioritiesTest, OneThatMayNotBeAskedForKeepsNoOtherWaiting) {
  server_.refuse_at("/api/v1/namespaces/team/pods/a", 403, "Forbidden");
  put("b", R"("priority":2)");
  put("c", R"("priority":3)");
  testing::internal::CaptureStderr();
  start();
  asking_->want({grant("a"), grant("b")});
  EXPECT_EQ(next(), "b 2");
  asking_->want({grant("a"), grant("b"), grant("c")});
  EXPECT_EQ(next(), "c 3");
  EXPECT_THAT(asking_->problem(), HasSubstr("/pods/a"));
  asking_->want({grant("b"), grant("c")});
  EXPECT_EQ(asking_->problem(), "") << "nobody wants it any more";
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(log.find("as the test wants"), log.rfind("as the test wants"));
}

TEST_F(PodPrioritiesTest, OneThatTheServerFailsAtKeepsNoOtherWaitingForEver) {
  server_.refuse_at("/api/v1/namespaces/team/pods/a", 500, "InternalError");
  put("b", R"("priority":2)");
  start_in_haste();
  asking_->want({grant("a"), grant("b")});
  EXPECT_EQ(next(), "b 2");
  // And is asked for again.
  server_.wait_for_requests(6);
  EXPECT_THAT(asking_->problem(), HasSubstr("/pods/a"));
}

TEST_F(PodPrioritiesTest, OneThatWasRefusedAndIsGoneKeepsNobodyWaiting) {
  settings_.clock = &clock_;
  put("d", R"("priority":4)");
  server_.refuse(403, "Forbidden", 1);
  start();
  asking_->want({grant("a")});
  server_.wait_for_requests(1);
  ASSERT_TRUE(eventually([&] { return !asking_->problem().empty(); }));
  asking_->want({});
  EXPECT_EQ(asking_->problem(), "");
  asking_->want({grant("d")});
  EXPECT_EQ(next(), "d 4");
}

TEST_F(PodPrioritiesTest, ThatNobodyWantsAnyMoreAreNotAskedFor) {
  settings_.clock = &clock_;
  start();
  asking_->want({grant("a")});
  server_.wait_for_requests(1);
  clock_.wait_for_waiters(1);
  put("a", R"("priority":1)");
  put("b", R"("priority":2)");
  asking_->want({grant("b")});
  EXPECT_EQ(next(), "b 2");
  clock_.wait_for_waiters(1);
  EXPECT_EQ(clock_.next(), TimePoint::max()) << "there is nothing to do";
}

TEST_F(PodPrioritiesTest, EndsWhileTheServerIsSilent) {
  server_.be_silent(true);
  start();
  asking_->want({grant("a")});
  server_.wait_for_requests(1);
  // Without being called off it waits for an answer, for half a minute.
  const auto before = std::chrono::steady_clock::now();
  asking_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before,
            std::chrono::seconds(10));
}

TEST_F(PodPrioritiesTest, ANameThatIsNoneAsksForNothing) {
  put("b", R"("priority":2)");
  start_in_haste();
  asking_->want({{"x", 1, "team", "../nodes/a"}, grant("b")});
  EXPECT_EQ(next(), "b 2");
  EXPECT_THAT(server_.requests(),
              ElementsAre("GET /api/v1/namespaces/team/pods/b"));
}

}  // namespace
}  // namespace gpunode::plugin
