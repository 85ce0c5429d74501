#include "k8s/kubelet/server.h"

#include <poll.h>

#include <filesystem>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/kubelet/listening_socket.h"
#include "k8s/kubelet/registration.h"
#include "tests/doubles/kubelet/kubelet_double.h"
#include "tests/doubles/kubelet/plugin_directory.h"
#include "tests/doubles/kubelet/recording_handler.h"

namespace gpunode::kubelet {
namespace {

using doubles::DeviceList;
using doubles::eventually;
using doubles::KubeletDouble;
using doubles::PluginClient;
using doubles::RecordingHandler;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr const char* kGpu = "nvidia.com/gpu";
constexpr const char* kMig = "nvidia.com/mig-1g.5gb";

std::vector<Device> devices(std::size_t count, bool is_healthy = true) {
  std::vector<Device> made;
  for (std::size_t i = 0; i < count; ++i) {
    made.push_back({"U" + std::to_string(i), is_healthy, {}});
  }
  return made;
}

auto has_devices(std::size_t count) {
  return
      [count](const DeviceList& list) { return list.devices.size() == count; };
}

// A client that has asked for a list which it does not read: more than what it
// lets in unread (64 KiB) is on its way to it.
class HungClient {
 public:
  explicit HungClient(const std::string& socket) {
    auto client = PluginClient::connect(socket);
    if (!client) return;
    client_ = *std::move(client);
    client_->set_reading(false);
    client_->watch(
        [](const DeviceList&) {},
        [this](const doubles::CallStatus& end) { end_.set_value(end); });
  }

  // Reads on, and says how the stream ended.
  doubles::CallStatus wake() {
    client_->set_reading(true);
    return end_.get_future().get();
  }

 private:
  std::promise<doubles::CallStatus> end_;
  std::unique_ptr<PluginClient> client_;
};

// A node: a kubelet, and a plugin server with nothing added.
class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto kubelet = KubeletDouble::start(directory_.path());
    ASSERT_TRUE(kubelet) << kubelet.error().message();
    kubelet_ = *std::move(kubelet);
    auto server = DevicePluginServer::start();
    ASSERT_TRUE(server) << server.error().message();
    server_ = *std::move(server);
  }

  std::string gpu_socket() const { return directory_.file("gpu.sock"); }

  void serve(const std::string& resource, const std::string& socket,
             const std::vector<Device>& list) {
    const auto added =
        server_->add(resource, directory_.file(socket), handler_, list);
    ASSERT_TRUE(added) << added.error().message();
    const auto registered = register_plugin(
        kubelet_->socket(), {socket, resource}, std::chrono::seconds(10));
    ASSERT_TRUE(registered) << registered.error().message();
    ASSERT_TRUE(kubelet_->wait_for_list(resource, has_devices(list.size())));
  }

  ResourceStats stats_of(const std::string& resource) const {
    for (const ResourceStats& stats : server_->stats()) {
      if (stats.resource_name == resource) return stats;
    }
    return {};
  }

  doubles::PluginDirectory directory_;
  std::shared_ptr<RecordingHandler> handler_ =
      std::make_shared<RecordingHandler>();
  std::unique_ptr<KubeletDouble> kubelet_;
  std::unique_ptr<DevicePluginServer> server_;
};

TEST_F(ServerTest, KubeletSeesTheListAndTheOptions) {
  const auto added =
      server_->add(kGpu, gpu_socket(), handler_,
                   {{"U0", true, {1}}, {"U1", false, {}}, {"U2", true, {0}}});
  ASSERT_TRUE(added);
  ASSERT_TRUE(register_plugin(kubelet_->socket(), {"gpu.sock", kGpu},
                              std::chrono::seconds(10)));
  const auto registered = kubelet_->wait_for_registration(kGpu);
  ASSERT_TRUE(registered);
  EXPECT_EQ(registered->endpoint, "gpu.sock");
  EXPECT_EQ(registered->version, "v1beta1");
  EXPECT_TRUE(registered->get_preferred_allocation_available);
  EXPECT_FALSE(registered->pre_start_required);
  const auto list = kubelet_->wait_for_list(kGpu, has_devices(3));
  ASSERT_TRUE(list);
  EXPECT_EQ(list->devices[0].id, "U0");
  EXPECT_TRUE(list->devices[0].is_healthy);
  EXPECT_THAT(list->devices[0].numa_nodes, ElementsAre(1));
  EXPECT_FALSE(list->devices[1].is_healthy);
  EXPECT_THAT(list->devices[2].numa_nodes, ElementsAre(0));
}

TEST_F(ServerTest, AllocateAnswersEachContainerInOrder) {
  serve(kGpu, "gpu.sock", devices(4));
  const auto outcome =
      kubelet_->plugin(kGpu)->allocate({{"U1", "U0"}, {}, {"U3"}});
  ASSERT_TRUE(outcome.ok()) << outcome.message;
  ASSERT_EQ(outcome.containers.size(), 3U);
  EXPECT_THAT(outcome.containers[0].envs, ElementsAre(Pair("IDS", "U1,U0")));
  EXPECT_THAT(outcome.containers[1].envs, ElementsAre(Pair("IDS", "")));
  EXPECT_THAT(outcome.containers[2].envs, ElementsAre(Pair("IDS", "U3")));
  EXPECT_EQ(handler_->allocated().size(), 3U);
}

TEST_F(ServerTest, PreferredAllocationIsTheHandlers) {
  serve(kGpu, "gpu.sock", devices(4));
  const auto outcome =
      kubelet_->plugin(kGpu)->prefer({{{"U0", "U1", "U2"}, {}, 2}});
  ASSERT_TRUE(outcome.ok()) << outcome.message;
  EXPECT_THAT(outcome.containers, ElementsAre(ElementsAre("U1", "U2")));
}

TEST_F(ServerTest, PreStartContainerSucceeds) {
  serve(kGpu, "gpu.sock", devices(1));
  EXPECT_TRUE(kubelet_->plugin(kGpu)->pre_start({"U0"}).ok());
}

TEST_F(ServerTest, HandlersErrorArrivesVerbatimAsUnknown) {
  const std::string words =
      "invalid allocation request for \"nvidia.com/gpu\": invalid request: "
      "unknown device: 100 % näh\n";
  handler_ = std::make_shared<RecordingHandler>(words);
  serve(kGpu, "gpu.sock", devices(1));
  const auto allocated = kubelet_->allocate(kGpu, {"U0"});
  EXPECT_EQ(allocated.code, 2);
  EXPECT_EQ(allocated.message, words);
  const auto preferred = kubelet_->plugin(kGpu)->prefer({{{"U0"}, {}, 1}});
  EXPECT_EQ(preferred.code, 2);
  EXPECT_EQ(preferred.message, words);
}

TEST_F(ServerTest, OverlongErrorIsCutInsteadOfLost) {
  handler_ = std::make_shared<RecordingHandler>(std::string(1000000, '%'));
  serve(kGpu, "gpu.sock", devices(1));
  const auto outcome = kubelet_->allocate(kGpu, {"U0"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.message, std::string(2048, '%'));
}

TEST_F(ServerTest, PublishReachesTheOpenStream) {
  serve(kGpu, "gpu.sock", devices(2));
  server_->publish(kGpu, devices(2, false));
  const auto list = kubelet_->wait_for_list(
      kGpu, [](const DeviceList& l) { return l.healthy() == 0; });
  ASSERT_TRUE(list);
  EXPECT_EQ(list->number, 2U) << "same stream, second list";
}

TEST_F(ServerTest, EveryOpenStreamGetsTheList) {
  serve(kGpu, "gpu.sock", devices(1));
  auto second = PluginClient::connect(gpu_socket());
  ASSERT_TRUE(second);
  Mutex mutex;
  std::condition_variable_any changed;
  std::size_t seen = 0;
  (*second)->watch(
      [&](const DeviceList& list) {
        const MutexLock lock(mutex);
        seen = list.devices.size();
        changed.notify_all();
      },
      [](const doubles::CallStatus&) {});
  ASSERT_TRUE(eventually([&] { return stats_of(kGpu).streams_open == 2; }));
  server_->publish(kGpu, devices(5));
  EXPECT_TRUE(kubelet_->wait_for_list(kGpu, has_devices(5)));
  {
    const MutexLock lock(mutex);
    while (seen != 5) changed.wait(mutex);
  }
  second->reset();
}

TEST_F(ServerTest, SlowStreamSkipsToTheLatestList) {
  serve(kGpu, "gpu.sock", devices(1));
  kubelet_->plugin(kGpu)->set_reading(false);
  // Far more than socket and flow control hold (64 KiB windows).
  constexpr std::size_t kLists = 60;
  for (std::size_t i = 1; i <= kLists; ++i) {
    server_->publish(kGpu, devices(4000 + i));
  }
  EXPECT_EQ(stats_of(kGpu).list_updates, kLists + 1);
  kubelet_->plugin(kGpu)->set_reading(true);
  const auto last = kubelet_->wait_for_list(kGpu, has_devices(4000 + kLists));
  ASSERT_TRUE(last);
  EXPECT_LT(last->number, kLists / 2) << "lists in between were not queued";
}

TEST_F(ServerTest, SlowStreamDoesNotHoldOthersUp) {
  serve(kGpu, "gpu.sock", devices(1));
  serve(kMig, "mig.sock", devices(1));
  kubelet_->plugin(kGpu)->set_reading(false);
  for (std::size_t i = 0; i < 20; ++i) server_->publish(kGpu, devices(8000));
  server_->publish(kMig, devices(3));
  EXPECT_TRUE(kubelet_->wait_for_list(kMig, has_devices(3)));
  EXPECT_TRUE(kubelet_->allocate(kMig, {"U0"}).ok());
  kubelet_->plugin(kGpu)->set_reading(true);
}

TEST_F(ServerTest, EightThousandDevicesArriveWhole) {
  std::vector<Device> sent;
  for (int i = 0; i < 8000; ++i) {
    sent.push_back(
        {"GPU-8932f937-d72c-4106-c12f-20bd9faed9f6::" + std::to_string(i),
         true,
         {i % 2}});
  }
  serve(kGpu, "gpu.sock", sent);
  const auto list = kubelet_->wait_for_list(kGpu, has_devices(8000));
  ASSERT_TRUE(list);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    ASSERT_EQ(list->devices[i].id, sent[i].id);
    ASSERT_EQ(list->devices[i].numa_nodes, sent[i].numa_nodes);
  }
}

TEST_F(ServerTest, ReplacedHandlerAnswersAndStreamsStay) {
  serve(kGpu, "gpu.sock", devices(1));
  server_->replace_handler(kGpu, std::make_shared<RecordingHandler>("new"));
  EXPECT_EQ(kubelet_->allocate(kGpu, {"U0"}).message, "new");
  EXPECT_TRUE(handler_->allocated().empty());
  server_->publish(kGpu, devices(2));
  const auto list = kubelet_->wait_for_list(kGpu, has_devices(2));
  ASSERT_TRUE(list);
  EXPECT_EQ(list->number, 2U) << "the stream was not opened anew";
}

TEST_F(ServerTest, ReplacedHandlerIsDestroyed) {
  serve(kGpu, "gpu.sock", devices(1));
  const std::weak_ptr<RecordingHandler> old = handler_;
  handler_.reset();
  server_->replace_handler(kGpu, std::make_shared<RecordingHandler>());
  EXPECT_TRUE(old.expired());
}

TEST_F(ServerTest, RemoveSaysFarewellWithAnEmptyList) {
  serve(kMig, "mig.sock", devices(1));
  for (int round = 0; round < 20; ++round) {
    serve(kGpu, "gpu.sock", devices(2));
    server_->remove(kGpu, std::chrono::seconds(20));
    const auto end = kubelet_->wait_for_end(kGpu);
    ASSERT_TRUE(end);
    EXPECT_TRUE(end->ok()) << end->message;
    EXPECT_EQ(kubelet_->allocatable(kGpu), 0U);
    EXPECT_FALSE(std::filesystem::exists(gpu_socket()));
  }
  EXPECT_FALSE(kubelet_->wait_for_end(kMig, std::chrono::milliseconds(0)));
  server_->publish(kMig, devices(2));
  EXPECT_TRUE(kubelet_->wait_for_list(kMig, has_devices(2)));
}

TEST_F(ServerTest, RemoveClosesTheResourcesConnections) {
  serve(kGpu, "gpu.sock", devices(1));
  server_->remove(kGpu);
  EXPECT_FALSE(kubelet_->allocate(kGpu, {"U0"}).ok());
  EXPECT_TRUE(server_->stats().empty());
}

TEST_F(ServerTest, RemoveDoesNotWaitForAHungClient) {
  serve(kGpu, "gpu.sock", devices(8000));
  HungClient hung(gpu_socket());
  ASSERT_TRUE(eventually([&] { return stats_of(kGpu).streams_open == 2; }));
  server_->remove(kGpu);  // The test's time limit is the assertion.
  EXPECT_FALSE(hung.wake().ok()) << "it was cut off";
  EXPECT_TRUE(kubelet_->wait_for_list(kGpu, has_devices(0))) << "others";
}

TEST_F(ServerTest, ServerEndsDespiteHungClients) {
  serve(kGpu, "gpu.sock", devices(8000));
  HungClient hung(gpu_socket());
  ASSERT_TRUE(eventually([&] { return stats_of(kGpu).streams_open == 2; }));
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(gpu_socket()));
  EXPECT_FALSE(hung.wake().ok());
}

TEST_F(ServerTest, EndOfTheServerSendsNoEmptyList) {
  serve(kGpu, "gpu.sock", devices(2));
  server_.reset();
  ASSERT_TRUE(kubelet_->wait_for_end(kGpu));
  EXPECT_EQ(kubelet_->allocatable(kGpu), 2U);
}

TEST_F(ServerTest, TakenPathIsRefusedAndHarmsNobody) {
  serve(kMig, "mig.sock", devices(1));
  std::filesystem::create_directory(gpu_socket());
  const auto added = server_->add(kGpu, gpu_socket(), handler_, devices(1));
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(added.error().message(), HasSubstr("is a directory"));
  EXPECT_TRUE(kubelet_->allocate(kMig, {"U0"}).ok());
  std::filesystem::remove(gpu_socket());
  EXPECT_TRUE(server_->add(kGpu, gpu_socket(), handler_, devices(1)));
}

TEST_F(ServerTest, SameResourceTwiceIsRefused) {
  serve(kGpu, "gpu.sock", devices(1));
  const auto again =
      server_->add(kGpu, directory_.file("other.sock"), handler_, devices(1));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::kAlreadyExists);
}

TEST_F(ServerTest, UnknownNamesAreIgnored) {
  server_->publish("nvidia.com/none", devices(1));
  server_->replace_handler("nvidia.com/none", handler_);
  server_->remove("nvidia.com/none");
  EXPECT_FALSE(server_->restore_socket("nvidia.com/none"));
}

TEST_F(ServerTest, RestartedKubeletIsServedOnARestoredSocket) {
  serve(kGpu, "gpu.sock", devices(2));
  const auto needless = server_->restore_socket(kGpu);
  ASSERT_TRUE(needless);
  EXPECT_FALSE(*needless);
  ASSERT_TRUE(kubelet_->restart());
  ASSERT_FALSE(std::filesystem::exists(gpu_socket()));
  const auto restored = server_->restore_socket(kGpu);
  ASSERT_TRUE(restored) << restored.error().message();
  EXPECT_TRUE(*restored);
  ASSERT_TRUE(register_plugin(kubelet_->socket(), {"gpu.sock", kGpu},
                              std::chrono::seconds(10)));
  EXPECT_TRUE(kubelet_->wait_for_list(kGpu, has_devices(2)));
}

TEST_F(ServerTest, ASocketThatAnotherTookIsLeftOrTaken) {
  serve(kGpu, "gpu.sock", devices(1));
  const auto other = ListeningSocket::bind(gpu_socket());
  ASSERT_TRUE(other);
  const auto left = server_->restore_socket(kGpu);
  ASSERT_FALSE(left);
  EXPECT_EQ(left.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_TRUE(other->is_reachable());
  const auto taken = server_->restore_socket(kGpu, IfTaken::kTake);
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_TRUE(*taken);
  EXPECT_FALSE(other->is_reachable());
}

TEST_F(ServerTest, RestoringASocketKeepsOpenStreams) {
  serve(kGpu, "gpu.sock", devices(2));
  std::filesystem::remove(gpu_socket());
  ASSERT_TRUE(server_->restore_socket(kGpu));
  server_->publish(kGpu, devices(3));
  const auto list = kubelet_->wait_for_list(kGpu, has_devices(3));
  ASSERT_TRUE(list);
  EXPECT_EQ(list->number, 2U);
  EXPECT_TRUE(PluginClient::connect(gpu_socket()));
}

TEST_F(ServerTest, ResourcesAreToldApartByTheirSockets) {
  serve(kGpu, "gpu.sock", devices(1));
  handler_ = std::make_shared<RecordingHandler>("mig only");
  serve(kMig, "mig.sock", devices(3));
  EXPECT_TRUE(kubelet_->allocate(kGpu, {"U0"}).ok());
  EXPECT_EQ(kubelet_->allocate(kMig, {"U0"}).message, "mig only");
}

TEST_F(ServerTest, CallersLoopAcceptsAndRegisters) {
  auto server = DevicePluginServer::start(AcceptOn::kCallersLoop);
  ASSERT_TRUE(server);
  ASSERT_TRUE((*server)->add(kGpu, gpu_socket(), handler_, devices(2)));
  for (std::uint64_t round = 1; round <= 3; ++round) {
    const auto results = (*server)->register_with(
        kubelet_->socket(), {{"gpu.sock", kGpu}}, std::chrono::seconds(10));
    ASSERT_TRUE(results.front()) << results.front().error().message();
    EXPECT_TRUE(kubelet_->wait_for_registration(kGpu, round));
  }
  // A client that comes later waits for the loop.
  std::thread loop([&] {
    pollfd ready{(*server)->poll_fd(), POLLIN, 0};
    while ((*server)->stats().front().allocate.calls == 0) {
      if (::poll(&ready, 1, 1) > 0) (*server)->process();
    }
  });
  auto client = PluginClient::connect(gpu_socket());
  ASSERT_TRUE(client);
  EXPECT_TRUE((*client)->allocate({{"U0"}}).ok());
  loop.join();
}

TEST_F(ServerTest, CountsWhatItDoes) {
  serve(kGpu, "gpu.sock", devices(2));
  kubelet_->allocate(kGpu, {"U0"});
  kubelet_->plugin(kGpu)->prefer({{{"U0"}, {}, 1}});
  server_->replace_handler(kGpu, std::make_shared<RecordingHandler>("no"));
  kubelet_->allocate(kGpu, {"U0"});
  server_->publish(kGpu, devices(3));
  const ResourceStats stats = stats_of(kGpu);
  EXPECT_EQ(stats.allocate.calls, 2U);
  EXPECT_EQ(stats.allocate.errors, 1U);
  EXPECT_GT(stats.allocate.spent.count(), 0);
  EXPECT_EQ(stats.preferred_allocation.calls, 1U);
  EXPECT_EQ(stats.preferred_allocation.errors, 0U);
  EXPECT_EQ(stats.list_updates, 2U);
  EXPECT_EQ(stats.devices, 3U);
  EXPECT_EQ(stats.streams_open, 1U);
  EXPECT_EQ(stats.connections_open, 1U);
  EXPECT_EQ(stats.connections_refused, 0U);
}

}  // namespace
}  // namespace gpunode::kubelet
