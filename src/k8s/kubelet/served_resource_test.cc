#include "k8s/kubelet/served_resource.h"

#include <gtest/gtest.h>

#include "k8s/kubelet/wire.h"
#include "tests/doubles/kubelet/recording_handler.h"

namespace gpunode::kubelet {
namespace {

// A stream whose client takes lists when the test says so.
class RecordingStream final : public ListStream {
 public:
  void send(const std::shared_ptr<const std::string>& list) override {
    lists.push_back(list);
  }
  void end() override { ++ends; }

  std::vector<std::shared_ptr<const std::string>> lists;
  int ends = 0;
};

const std::vector<Device> kOne = {{"U0", true, {}}};
const std::vector<Device> kSick = {{"U0", false, {}}};
const std::vector<Device> kTwo = {{"U0", true, {}}, {"U1", true, {}}};

class ServedResourceTest : public testing::Test {
 protected:
  ServedResource resource_{"nvidia.com/gpu",
                           std::make_shared<doubles::RecordingHandler>(), kOne};
  RecordingStream stream_;
};

TEST_F(ServedResourceTest, NewStreamGetsTheList) {
  resource_.attach(&stream_);
  ASSERT_EQ(stream_.lists.size(), 1U);
  EXPECT_EQ(*stream_.lists[0], wire::encode(kOne));
}

TEST_F(ServedResourceTest, ListIsEncodedOnceForAllStreams) {
  RecordingStream other;
  resource_.attach(&stream_);
  resource_.attach(&other);
  EXPECT_EQ(stream_.lists[0], other.lists[0]) << "the same bytes in memory";
}

TEST_F(ServedResourceTest, BusyStreamGetsOnlyTheLatestList) {
  resource_.attach(&stream_);
  resource_.publish(kSick);
  resource_.publish(kTwo);
  ASSERT_EQ(stream_.lists.size(), 1U);
  resource_.sent(&stream_, true);
  ASSERT_EQ(stream_.lists.size(), 2U);
  EXPECT_EQ(*stream_.lists[1], wire::encode(kTwo));
  resource_.sent(&stream_, true);
  EXPECT_EQ(stream_.lists.size(), 2U);
}

TEST_F(ServedResourceTest, IdleStreamGetsAListAtOnce) {
  resource_.attach(&stream_);
  resource_.sent(&stream_, true);
  resource_.publish(kTwo);
  EXPECT_EQ(stream_.lists.size(), 2U);
}

TEST_F(ServedResourceTest, FailedSendEndsTheStreamOnce) {
  resource_.attach(&stream_);
  resource_.abandoned(&stream_);
  resource_.sent(&stream_, false);
  resource_.publish(kTwo);
  EXPECT_EQ(stream_.ends, 1);
  EXPECT_EQ(stream_.lists.size(), 1U);
}

TEST_F(ServedResourceTest,
       ClientThatGoesDuringASendThatSucceedsIsNotForgotten) {
  resource_.attach(&stream_);
  resource_.abandoned(&stream_);  // gRPC may tell in this order.
  EXPECT_EQ(stream_.ends, 0) << "one operation at a time";
  resource_.sent(&stream_, true);
  EXPECT_EQ(stream_.ends, 1);
}

TEST_F(ServedResourceTest, ClientThatGoesWhileIdleEndsTheStream) {
  resource_.attach(&stream_);
  resource_.sent(&stream_, true);
  resource_.abandoned(&stream_);
  EXPECT_EQ(stream_.ends, 1);
}

TEST_F(ServedResourceTest, FarewellIsAnEmptyListThenTheEnd) {
  resource_.attach(&stream_);
  resource_.sent(&stream_, true);
  EXPECT_FALSE(resource_.say_farewell(TimePoint()));
  ASSERT_EQ(stream_.lists.size(), 2U);
  EXPECT_EQ(*stream_.lists[1], "");
  EXPECT_EQ(stream_.ends, 0);
  resource_.sent(&stream_, true);
  EXPECT_EQ(stream_.ends, 1);
}

TEST_F(ServedResourceTest, StreamThatComesAfterTheFarewellHearsItToo) {
  EXPECT_TRUE(resource_.say_farewell(TimePoint()));
  resource_.publish(kTwo);
  resource_.attach(&stream_);
  EXPECT_EQ(*stream_.lists[0], "");
  resource_.sent(&stream_, true);
  EXPECT_EQ(stream_.ends, 1);
}

TEST_F(ServedResourceTest, FarewellWaitsForNobodyWhenNobodyListens) {
  resource_.attach(&stream_);
  resource_.detach(&stream_);
  EXPECT_TRUE(resource_.say_farewell(TimePoint::max()));
  EXPECT_EQ(resource_.stats().streams_open, 0U);
}

TEST_F(ServedResourceTest, StatsAreOfTheListAndTheStreams) {
  resource_.attach(&stream_);
  resource_.publish(kTwo);
  resource_.allocate().add(false, std::chrono::microseconds(3));
  resource_.allocate().add(true, std::chrono::microseconds(4));
  const ResourceStats stats = resource_.stats();
  EXPECT_EQ(stats.list_updates, 2U);
  EXPECT_EQ(stats.devices, 2U);
  EXPECT_EQ(stats.streams_open, 1U);
  EXPECT_EQ(stats.allocate.calls, 2U);
  EXPECT_EQ(stats.allocate.errors, 1U);
  EXPECT_EQ(stats.allocate.spent, std::chrono::microseconds(7));
}

}  // namespace
}  // namespace gpunode::kubelet
