#include "k8s/api/watcher.h"

#include <condition_variable>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/mutex.h"
#include "k8s/api/fixed_credentials.h"
#include "tests/doubles/apiserver/api_server_double.h"

namespace gpunode::kube {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kNode[] = "/api/v1/nodes/gpu-1";

std::string labelled(const std::string& value) {
  return R"({"kind":"Node","metadata":{"name":"gpu-1","labels":{"a":")" +
         value + R"("}}})";
}

/// Keeps a line for each thing it is told, and lets tests wait for the next.
class Told final : public WatchHandler {
 public:
  void replaced(std::vector<std::string> objects) override {
    std::string line = "replaced";
    for (const std::string& object : objects) line += " " + label(object);
    add(line);
  }
  void changed(std::string object) override { add("changed " + label(object)); }
  void removed(std::string object) override { add("removed " + label(object)); }
  void troubled(const Error& why, milliseconds) override {
    add("troubled " + why.message());
  }

  std::string next() {
    const MutexLock lock(mutex_);
    while (next_ == lines_.size()) news_.wait(mutex_);
    return lines_[next_++];
  }

 private:
  static std::string label(const std::string& object) {
    const auto meta = read_object_meta(object);
    return meta ? meta->labels.at("a") : meta.error().message();
  }

  void add(std::string line) {
    const MutexLock lock(mutex_);
    lines_.push_back(std::move(line));
    news_.notify_all();
  }

  Mutex mutex_;
  std::condition_variable_any news_;
  std::vector<std::string> lines_ GUARDED_BY(mutex_);
  std::size_t next_ GUARDED_BY(mutex_) = 0;
};

class WatcherTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = http::Cancellation::make();
    ASSERT_TRUE(made);
    cancellation_.emplace(*std::move(made));
    server_.put(kNode, labelled("1"));
    client_.emplace(credentials_, &*cancellation_);
    thread_ = std::thread([this] {
      // Its pauses are none: nothing here waits for time.
      Watcher watcher(
          *client_, clock_, [] { return 0.0; },
          [](milliseconds) { return true; });
      Selection selection;
      selection.field_selector = "metadata.name=gpu-1";
      selection.detail = Detail::kMetadata;
      watcher.run(nodes(), selection, told_);
    });
    EXPECT_EQ(told_.next(), "replaced 1");
    server_.wait_for_watches(1);
  }

  void TearDown() override {
    cancellation_->cancel();
    thread_.join();
  }

  ApiServerDouble server_;
  FixedCredentials credentials_{server_.port()};
  SystemClock clock_;
  std::optional<http::Cancellation> cancellation_;
  std::optional<Client> client_;
  Told told_;
  std::thread thread_;
};

TEST_F(WatcherTest, TellsWhatChanges) {
  server_.put(kNode, labelled("2"));
  EXPECT_EQ(told_.next(), "changed 2");
  server_.put("/api/v1/nodes/gpu-2", labelled("other"));
  server_.remove(kNode);
  EXPECT_EQ(told_.next(), "removed 2");
  server_.put(kNode, labelled("3"));
  EXPECT_EQ(told_.next(), "changed 3");
}

TEST_F(WatcherTest, GoesOnAfterAnOrderlyEnd) {
  server_.put(kNode, labelled("2"));
  EXPECT_EQ(told_.next(), "changed 2");
  const std::string version =
      read_object_meta(server_.object(kNode))->resource_version;
  server_.end_watches(ApiServerDouble::End::kInOrder);
  server_.wait_for_watches(2);
  EXPECT_THAT(server_.requests().back(),
              HasSubstr("resourceVersion=" + version + "&"));
  server_.put(kNode, labelled("3"));
  EXPECT_EQ(told_.next(), "changed 3");
}

TEST_F(WatcherTest, MissesNothingThroughAReset) {
  server_.end_watches(ApiServerDouble::End::kReset);
  EXPECT_THAT(told_.next(), StartsWith("troubled GET http://127.0.0.1"));
  server_.put(kNode, labelled("2"));
  EXPECT_EQ(told_.next(), "changed 2");
}

TEST_F(WatcherTest, ListsAnewWhenTheServerForgot) {
  server_.forget_history();
  server_.put(kNode, labelled("2"));
  EXPECT_EQ(told_.next(), "changed 2");
  server_.end_watches(ApiServerDouble::End::kGone);
  EXPECT_EQ(told_.next(),
            "troubled watch nodes: the API server says 410 Expired: too old "
            "resource version");
  EXPECT_EQ(told_.next(), "replaced 2");
  server_.wait_for_watches(2);
  // That list was of the newest.
  const auto requests = server_.requests();
  EXPECT_THAT(
      requests[requests.size() - 2],
      "GET /api/v1/nodes?fieldSelector=metadata.name%3Dgpu-1&limit=500");
}

TEST_F(WatcherTest, ABookmarkMovesOnWithoutNews) {
  server_.send_to_watches(
      R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"777"}}})"
      "\n");
  server_.end_watches(ApiServerDouble::End::kInOrder);
  server_.wait_for_watches(2);
  EXPECT_THAT(server_.requests().back(), HasSubstr("resourceVersion=777&"));
}

TEST_F(WatcherTest, ALineMayComeInPieces) {
  const std::string line =
      R"({"type":"MODIFIED","object":{"metadata":{"resourceVersion":"777",)"
      R"("labels":{"a":"piece"}}}})"
      "\n";
  for (const char c : line) server_.send_to_watches(std::string(1, c));
  EXPECT_EQ(told_.next(), "changed piece");
}

TEST_F(WatcherTest, NonsenseIsToldAndLeft) {
  server_.send_to_watches("<html>no</html>\n");
  EXPECT_THAT(told_.next(), StartsWith("troubled watch nodes: "));
  // What it was about is seen in what there is now.
  EXPECT_EQ(told_.next(), "replaced 1");
  server_.wait_for_watches(2);
  server_.send_to_watches(std::string(Watcher::kMaxLineBytes + 1, 'x'));
  EXPECT_EQ(told_.next(),
            "troubled watch nodes: a line of the watch is too long");
  EXPECT_EQ(told_.next(), "replaced 1");
  server_.wait_for_watches(3);
  server_.put(kNode, labelled("2"));
  EXPECT_EQ(told_.next(), "changed 2");
}

TEST_F(WatcherTest, ARefusalIsToldUntilItEnds) {
  server_.refuse(403, "Forbidden", 2);
  server_.end_watches(ApiServerDouble::End::kReset);
  EXPECT_THAT(told_.next(), StartsWith("troubled GET"));
  const std::string forbidden =
      "troubled watch nodes: the API server says 403 Forbidden: as the test "
      "wants";
  EXPECT_EQ(told_.next(), forbidden);
  EXPECT_EQ(told_.next(), forbidden);
  server_.put(kNode, labelled("2"));
  EXPECT_EQ(told_.next(), "changed 2");
}

TEST(WatcherPages, ManyObjectsAreToldAtOnce) {
  ApiServerDouble server;
  for (const char* name : {"1", "2", "3", "4", "5"}) {
    server.put(std::string("/api/v1/nodes/gpu-") + name, labelled(name));
  }
  FixedCredentials credentials(server.port());
  auto cancellation = http::Cancellation::make();
  ASSERT_TRUE(cancellation);
  ClientOptions options;
  options.page_size = 2;
  Client client(credentials, &*cancellation, options);
  Told told;
  SystemClock clock;
  std::thread thread([&] {
    Watcher watcher(
        client, clock, [] { return 0.0; }, [](milliseconds) { return true; });
    watcher.run(nodes(), {}, told);
  });
  EXPECT_EQ(told.next(), "replaced 1 2 3 4 5");
  // That was of what the server has at hand, which knows no pages; the next
  // list is of the newest.
  server.wait_for_watches(1);
  const std::size_t before = server.requests().size();
  server.forget_history();
  server.end_watches(ApiServerDouble::End::kGone);
  EXPECT_THAT(told.next(), StartsWith("troubled "));
  EXPECT_EQ(told.next(), "replaced 1 2 3 4 5");
  server.wait_for_watches(2);
  EXPECT_EQ(server.requests().size(), before + 4);  // Three pages, a watch.
  server.remove("/api/v1/nodes/gpu-4");
  EXPECT_EQ(told.next(), "removed 4");
  cancellation->cancel();
  thread.join();
}

}  // namespace
}  // namespace gpunode::kube
