#include "apps/gpunode/top/watcher.h"

#include <poll.h>

#include <functional>
#include <latch>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "share/grants/grant_files.h"

namespace gpunode::top {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// A driver that answers when it is let.
class HungDriver final : public host::CommandRunner {
 public:
  Result<host::Completed> run(const host::Command&) override {
    let_.wait();
    return host::Completed{0, R"({"start":{"code":0},"gpus":[{"index":7}]})",
                           ""};
  }
  void let() {
    if (!let_.try_wait()) let_.count_down();
  }

 private:
  std::latch let_{1};
};

class WatcherTest : public testing::Test {
 protected:
  WatcherTest() {
    tree_.file("usr/lib/libnvidia-ml.so.1", "");
    tree_.file("proc/sys/kernel/hostname", "node-7\n");
    const share::GrantFiles files(
        tree_.root().outside(share::GrantFiles::kRoot));
    EXPECT_TRUE(files.renew({"0a-1", {{"GPU-a", 1000}}}));
    sources_.root = tree_.path();
    sources_.probe = "/probe";
  }
  ~WatcherTest() override { driver_.let(); }

  /// The first one that `is_it`.
  static std::shared_ptr<const Snapshot> wait(
      Watcher& watcher, const std::function<bool(const Snapshot&)>& is_it) {
    constexpr int kLong = 60'000;
    for (;;) {
      pollfd news{watcher.news_fd(), POLLIN, 0};
      if (::poll(&news, 1, kLong) != 1) return nullptr;
      auto snapshot = watcher.newest();
      if (snapshot && is_it(*snapshot)) return snapshot;
    }
  }

  const host::HostTree tree_;
  HungDriver driver_;
  Sources sources_;
};

TEST_F(WatcherTest, ShowsTheOthersWhileTheDriverHangs) {
  Watcher watcher(sources_, std::chrono::seconds(1), driver_);
  const auto early = wait(watcher, [](const Snapshot& one) {
    return one.awaited == std::vector<std::string>{"driver"};
  });
  if (!early) driver_.let();
  ASSERT_TRUE(early);
  EXPECT_EQ(early->host, "node-7");
  ASSERT_EQ(early->holders.size(), 1U);
  EXPECT_EQ(early->holders[0].limit_bytes, 1000U);
  EXPECT_THAT(early->agent_problem, HasSubstr("agent.sock"));
  EXPECT_EQ(early->driver_problem, "");
  EXPECT_THAT(early->gpus, IsEmpty());
  driver_.let();
  const auto whole =
      wait(watcher, [](const Snapshot& one) { return one.awaited.empty(); });
  ASSERT_TRUE(whole);
  ASSERT_EQ(whole->gpus.size(), 1U);
  EXPECT_EQ(whole->gpus[0].index, 7U);
  EXPECT_EQ(whole->holders.size(), 1U);
}

TEST_F(WatcherTest, OneLookIsOfAllOfThem) {
  driver_.let();
  const Snapshot snapshot = Collector(sources_, driver_).look();
  EXPECT_THAT(snapshot.awaited, IsEmpty());
  EXPECT_EQ(snapshot.gpus.size(), 1U);
  EXPECT_EQ(snapshot.holders.size(), 1U);
  EXPECT_NE(snapshot.agent_problem, "");
}

}  // namespace
}  // namespace gpunode::top
