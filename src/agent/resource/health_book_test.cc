#include "agent/resource/health_book.h"

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/resource/resource_set.h"
#include "agent/resource/simulated_node.h"

namespace gpunode::resource {
namespace {

using device::DeviceId;
using device::XidEvent;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr TimePoint kStart{hours(1)};

XidEvent xid_on(unsigned gpu, std::uint64_t xid = 79) {
  XidEvent event;
  event.gpu = DeviceId{uuid_of(gpu)};
  event.xid = xid;
  return event;
}

DeviceId id(unsigned gpu) {
  return {uuid_of(gpu)};
}

std::vector<Resource> shared(unsigned gpus) {
  config::Settings settings;
  settings.time_slicing.emplace();
  settings.time_slicing->resources = {
      {"nvidia.com/gpu", "nvidia.com/gpu", config::AllDevices{}, 20}};
  return build_resources(simulated_node(gpus), settings).resources;
}

device::Inventory mig_node() {
  auto node = simulated_node(2);
  for (int i = 0; i < 3; ++i) add_mig(node.gpus[0]);
  return node;
}

std::vector<Resource> mixed(const device::Inventory& node) {
  config::Settings settings;
  settings.mig_strategy = config::MigStrategy::kMixed;
  return build_resources(node, settings).resources;
}

HealthBook book_of(const std::vector<Resource>& resources,
                   RecoveryRule rule = {}) {
  HealthBook book(rule);
  book.track(resources);
  return book;
}

TEST(HealthBook, MarksTheDeviceSoThatEveryReplicaHasIt) {
  auto book = book_of(shared(2));
  EXPECT_THAT(book.on_xid(xid_on(1), {}, kStart), ElementsAre(id(1)));
  EXPECT_TRUE(book.health(id(0)).is_healthy);
  EXPECT_FALSE(book.health(id(1)).is_healthy);
  EXPECT_EQ(book.health(id(1)).reason, "XID 79: GPU has fallen off the bus");
  EXPECT_THAT(book.unhealthy(), ElementsAre(id(1)));
}

TEST(HealthBook, LeavesOutWhatThePolicyIgnores) {
  auto book = book_of(shared(1));
  EXPECT_THAT(book.on_xid(xid_on(0, 13), {}, kStart), IsEmpty());
  EXPECT_TRUE(book.health(id(0)).is_healthy);
  const auto policy = HealthPolicy::from_environment("", "13");
  EXPECT_THAT(book.on_xid(xid_on(0, 13), policy, kStart), ElementsAre(id(0)));
}

TEST(HealthBook, MarksAllWhenTheDriverCannotSayWhich) {
  auto book = book_of(shared(3));
  XidEvent event;
  event.xid = 79;
  EXPECT_THAT(book.on_xid(event, {}, kStart), SizeIs(3));
}

TEST(HealthBook, IgnoresGpusThatAreNotOffered) {
  auto book = book_of(shared(1));
  EXPECT_THAT(book.on_xid(xid_on(5), {}, kStart), IsEmpty());
  EXPECT_FALSE(book.on_probe(id(5), false, "gone", kStart));
  EXPECT_TRUE(book.health(id(5)).is_healthy);
}

TEST(HealthBook, MarksTheMigDeviceOfTheNamedInstances) {
  const auto node = mig_node();
  auto book = book_of(mixed(node));
  XidEvent event = xid_on(0);
  event.gpu_instance = 8;
  event.compute_instance = 0;
  EXPECT_THAT(book.on_xid(event, {}, kStart),
              ElementsAre(node.gpus[0].mig_devices[1].id));
  event.compute_instance = 1;
  EXPECT_THAT(book.on_xid(event, {}, kStart), IsEmpty());
}

TEST(HealthBook, MarksEveryMigDeviceOfAGpuThatFailsAsAWhole) {
  auto book = book_of(mixed(mig_node()));
  EXPECT_THAT(book.on_xid(xid_on(0), {}, kStart), SizeIs(3));
  EXPECT_TRUE(book.health(id(1)).is_healthy);
}

TEST(HealthBook, ReportsAChangeOnce) {
  auto book = book_of(shared(1));
  EXPECT_THAT(book.on_xid(xid_on(0), {}, kStart), SizeIs(1));
  EXPECT_THAT(book.on_xid(xid_on(0, 48), {}, kStart), IsEmpty());
  EXPECT_FALSE(book.on_probe(id(0), false, "lost", kStart));
  EXPECT_EQ(book.health(id(0)).reason, "XID 79: GPU has fallen off the bus");
}

TEST(HealthBook, RecoversADeviceThatAnswersAfterAQuietPeriod) {
  auto book = book_of(shared(1));
  EXPECT_EQ(book.next_recovery(), std::nullopt);
  (void)book.on_xid(xid_on(0), {}, kStart);
  EXPECT_EQ(book.next_recovery(), kStart + minutes(1));
  EXPECT_FALSE(book.on_probe(id(0), true, "", kStart + seconds(59)));
  EXPECT_FALSE(book.health(id(0)).is_healthy);
  EXPECT_TRUE(book.on_probe(id(0), true, "", kStart + minutes(1)));
  EXPECT_TRUE(book.health(id(0)).is_healthy);
  EXPECT_EQ(book.health(id(0)).reason, "");
  EXPECT_EQ(book.next_recovery(), std::nullopt);
  EXPECT_FALSE(book.on_probe(id(0), true, "", kStart + minutes(2)));
}

TEST(HealthBook, NeverRecoversADeviceThatDoesNotAnswer) {
  auto book = book_of(shared(1));
  TimePoint now = kStart;
  EXPECT_TRUE(book.on_probe(id(0), false, "GPU is lost", now));
  for (int i = 0; i < 100; ++i) {
    now += seconds(59);
    EXPECT_FALSE(book.on_probe(id(0), false, "GPU is lost", now));
  }
  EXPECT_FALSE(book.on_probe(id(0), true, "", now + seconds(59)));
  EXPECT_TRUE(book.on_probe(id(0), true, "", now + seconds(60)));
}

TEST(HealthBook, StartsTheQuietPeriodAnewWithEachXid) {
  auto book = book_of(shared(1));
  (void)book.on_xid(xid_on(0), {}, kStart);
  (void)book.on_xid(xid_on(0), {}, kStart + seconds(50));
  EXPECT_FALSE(book.on_probe(id(0), true, "", kStart + seconds(70)));
  EXPECT_TRUE(book.on_probe(id(0), true, "", kStart + seconds(110)));
}

TEST(HealthBook, DoublesTheQuietPeriodWithEachFailureUpToAnHour) {
  auto book = book_of(shared(1));
  TimePoint now = kStart;
  for (const int expected : {1, 2, 4, 8, 16, 32, 60, 60}) {
    (void)book.on_xid(xid_on(0), {}, now);
    EXPECT_EQ(book.next_recovery(), now + minutes(expected));
    now += minutes(expected);
    EXPECT_TRUE(book.on_probe(id(0), true, "", now));
  }
}

TEST(HealthBook, ForgivesAfterALongTimeWithoutFailure) {
  auto book = book_of(shared(1));
  TimePoint now = kStart;
  for (int i = 0; i < 4; ++i) {
    (void)book.on_xid(xid_on(0), {}, now);
    now = *book.next_recovery();
    EXPECT_TRUE(book.on_probe(id(0), true, "", now));
  }
  now += hours(6);
  (void)book.on_xid(xid_on(0), {}, now);
  EXPECT_EQ(book.next_recovery(), now + minutes(1));
}

TEST(HealthBook, StaysUnhealthyWhenToldToBeLikeNvidias) {
  RecoveryRule rule;
  rule.never_recovers = true;
  auto book = book_of(shared(1), rule);
  (void)book.on_xid(xid_on(0), {}, kStart);
  EXPECT_EQ(book.next_recovery(), std::nullopt);
  EXPECT_FALSE(book.on_probe(id(0), true, "", kStart + hours(99)));
}

TEST(HealthBook, KeepsWhatItKnowsOverAReload) {
  auto book = book_of(shared(3));
  (void)book.on_xid(xid_on(2), {}, kStart);
  // Other sharing, fewer GPUs: the Resources are new, the Devices are not.
  auto node = simulated_node(3);
  node.gpus.erase(node.gpus.begin());
  book.track(build_resources(node, {}).resources);
  EXPECT_FALSE(book.health(id(2)).is_healthy);
  EXPECT_EQ(book.next_recovery(), kStart + minutes(1));
  book.track(shared(2));
  EXPECT_THAT(book.unhealthy(), IsEmpty());
}

TEST(HealthBook, ADeviceThatWasLeftOutForAWhileIsNotMendedByThat) {
  auto book = book_of(shared(3));
  (void)book.on_xid(xid_on(2), {}, kStart);
  book.track(shared(2));
  EXPECT_EQ(book.next_recovery(), std::nullopt);
  book.track(shared(3));
  EXPECT_FALSE(book.health(id(2)).is_healthy);
  EXPECT_TRUE(book.on_probe(id(2), true, "", kStart + minutes(1)));
  // What recovered is not remembered as broken.
  book.track(shared(2));
  book.track(shared(3));
  EXPECT_TRUE(book.health(id(2)).is_healthy);
}

TEST(HealthBook, ProbesOneDeviceAtATime) {
  auto book = book_of(shared(2));
  XidEvent event;
  event.xid = 79;
  (void)book.on_xid(event, {}, kStart);
  EXPECT_TRUE(book.on_probe(id(0), true, "", kStart + minutes(1)));
  EXPECT_THAT(book.unhealthy(), ElementsAre(id(1)));
}

}  // namespace
}  // namespace gpunode::resource
