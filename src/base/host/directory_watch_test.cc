#include "base/host/directory_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <ostream>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_root.h"
#include "base/host/host_tree.h"

namespace gpunode::host {

bool operator==(const DirectoryEvent& a, const DirectoryEvent& b) {
  return a.kind == b.kind && a.name == b.name;
}
// NOLINTNEXTLINE(readability-identifier-naming): the name gtest looks for.
void PrintTo(const DirectoryEvent& event, std::ostream* out) {
  *out << static_cast<int>(event.kind) << ":" << event.name;
}

namespace {

using Kind = DirectoryEvent::Kind;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

bool is_readable(const DirectoryWatch& watch) {
  pollfd entry{watch.fd(), POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

DirectoryWatch watch_on(const std::string& path) {
  auto watch = DirectoryWatch::open(path);
  EXPECT_TRUE(watch) << watch.error().message();
  return *std::move(watch);
}

TEST(DirectoryWatch, IsReadableExactlyWhenSomethingHappened) {
  const HostTree tree;
  DirectoryWatch watch = watch_on(tree.path());
  EXPECT_FALSE(is_readable(watch));
  EXPECT_THAT(watch.take_events(), IsEmpty());
  tree.directory("new");
  EXPECT_TRUE(is_readable(watch));
  EXPECT_THAT(watch.take_events(),
              ElementsAre(DirectoryEvent{Kind::kCreated, "new"}));
  EXPECT_FALSE(is_readable(watch));
}

TEST(DirectoryWatch, ReportsASocketAtBind) {
  const HostTree tree;
  DirectoryWatch watch = watch_on(tree.path());
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s",
                tree.path("kubelet.sock").c_str());
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address),
                   sizeof address),
            0);
  EXPECT_THAT(watch.take_events(),
              ElementsAre(DirectoryEvent{Kind::kCreated, "kubelet.sock"}));
  tree.remove("kubelet.sock");
  EXPECT_THAT(watch.take_events(),
              ElementsAre(DirectoryEvent{Kind::kRemoved, "kubelet.sock"}));
}

TEST(DirectoryWatch, ReportsFilesWrittenInPlaceWhenTheyAreClosed) {
  const HostTree tree{{"config.yaml", "old"}};
  DirectoryWatch watch = watch_on(tree.path());
  UniqueFd file(::open(tree.path("config.yaml").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::write(file.get(), "new", 3), 3);
  EXPECT_THAT(watch.take_events(), IsEmpty());
  file.reset();
  EXPECT_THAT(watch.take_events(),
              ElementsAre(DirectoryEvent{Kind::kWritten, "config.yaml"}));
}

TEST(DirectoryWatch, ReportsTheSwapOfAConfigMap) {
  const HostTree tree{{"..1/config.yaml", "old"}, {"..2/config.yaml", "new"}};
  tree.link("..data", "..1");
  DirectoryWatch watch = watch_on(tree.path());
  tree.link("..data_tmp", "..2");
  ASSERT_EQ(
      std::rename(tree.path("..data_tmp").c_str(), tree.path("..data").c_str()),
      0);
  EXPECT_THAT(watch.take_events(),
              ElementsAre(DirectoryEvent{Kind::kCreated, "..data_tmp"},
                          DirectoryEvent{Kind::kRemoved, "..data_tmp"},
                          DirectoryEvent{Kind::kCreated, "..data"}));
}

TEST(DirectoryWatch, SurvivesTheDirectoryBeingMadeAnew) {
  const HostTree tree;
  tree.directory("plugins");
  DirectoryWatch watch = watch_on(tree.path("plugins"));
  tree.remove("plugins");
  EXPECT_THAT(watch.take_events(),
              ElementsAre(DirectoryEvent{Kind::kGone, ""}));
  EXPECT_FALSE(watch.is_armed());
  EXPECT_EQ(watch.rearm().error().code(), ErrorCode::kNotFound);

  tree.file("plugins/early", "");  // Before rearm: for the owner to find.
  ASSERT_TRUE(watch.rearm());
  EXPECT_TRUE(watch.is_armed());
  EXPECT_THAT(watch.take_events(), IsEmpty());
  tree.directory("plugins/late");
  EXPECT_THAT(watch.take_events(),
              ElementsAre(DirectoryEvent{Kind::kCreated, "late"}));
}

TEST(DirectoryWatch, LetsGoOfADirectoryThatWasMovedAway) {
  const HostTree tree;
  tree.directory("plugins");
  DirectoryWatch watch = watch_on(tree.path("plugins"));
  ASSERT_EQ(std::rename(tree.path("plugins").c_str(), tree.path("old").c_str()),
            0);
  EXPECT_THAT(watch.take_events(),
              ElementsAre(DirectoryEvent{Kind::kGone, ""}));
  tree.directory("plugins");
  ASSERT_TRUE(watch.rearm());
  tree.directory("old/x");
  tree.directory("plugins/y");
  EXPECT_THAT(watch.take_events(),
              ElementsAre(DirectoryEvent{Kind::kCreated, "y"}));
}

/// How many events an inotify queue holds.
std::size_t queue_limit() {
  const auto setting =
      HostRoot("/proc").read_file("sys/fs/inotify/max_queued_events");
  std::size_t limit = 0;
  if (setting) {
    std::from_chars(setting->data(), setting->data() + setting->size(), limit);
  }
  return limit;
}

void exchange_names(const std::string& a, const std::string& b,
                    std::size_t times) {
  // Two names in turn: equal events in a row are merged by the kernel.
  for (std::size_t i = 0; i < times; ++i) {
    std::rename(a.c_str(), b.c_str());
    std::rename(b.c_str(), a.c_str());
  }
}

TEST(DirectoryWatch, AsksForARescanWhenTheQueueOverflowed) {
  const std::size_t limit = queue_limit();
  ASSERT_GT(limit, 0U);
  if (limit > 100000) GTEST_SKIP() << "the queue holds " << limit << " events";
  const HostTree tree{{"f", ""}};
  DirectoryWatch watch = watch_on(tree.path());
  exchange_names(tree.path("f"), tree.path("g"), limit / 2);
  EXPECT_THAT(watch.take_events(), Contains(DirectoryEvent{Kind::kRescan, ""}));
  EXPECT_TRUE(watch.is_armed());
}

TEST(DirectoryWatch, SaysWhyItCannotWatch) {
  const HostTree tree{{"file", ""}};
  const auto missing = DirectoryWatch::open(tree.path("no"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(),
            "watch " + tree.path("no") + ": no such file or directory");
  EXPECT_EQ(DirectoryWatch::open(tree.path("file")).error().code(),
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace gpunode::host
