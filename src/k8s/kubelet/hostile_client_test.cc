// Clients that are wrong, slow or gone: the server keeps its descriptors, its
// threads and its other clients.
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include "k8s/kubelet/listening_socket.h"
#include "k8s/kubelet/registration.h"
#include "k8s/kubelet/server.h"
#include "tests/doubles/kubelet/kubelet_double.h"
#include "tests/doubles/kubelet/plugin_directory.h"
#include "tests/doubles/kubelet/recording_handler.h"

namespace gpunode::kubelet {
namespace {

using doubles::DeviceList;
using doubles::eventually;
using doubles::KubeletDouble;
using doubles::PluginClient;

constexpr const char* kGpu = "nvidia.com/gpu";
constexpr std::chrono::seconds kLong{20};

std::size_t entries(const char* directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(directory)) {
    ++count;
  }
  return count;
}

class HostileClientTest : public testing::Test {
 protected:
  void SetUp() override {
    auto kubelet = KubeletDouble::start(directory_.path());
    ASSERT_TRUE(kubelet);
    kubelet_ = *std::move(kubelet);
    auto server = DevicePluginServer::start();
    ASSERT_TRUE(server);
    server_ = *std::move(server);
    ASSERT_TRUE(server_->add(kGpu, socket(),
                             std::make_shared<doubles::RecordingHandler>(),
                             {{"U0", true, {}}}));
    ASSERT_TRUE(register_plugin(kubelet_->socket(), {"gpu.sock", kGpu}, kLong));
    ASSERT_TRUE(kubelet_->wait_for_list(
        kGpu, [](const DeviceList& list) { return list.devices.size() == 1; }));
  }

  std::string socket() const { return directory_.file("gpu.sock"); }

  UniqueFd connect() const {
    auto fd = connect_unix(socket(), kLong);
    EXPECT_TRUE(fd) << fd.error().message();
    return fd ? *std::move(fd) : UniqueFd();
  }

  ResourceStats stats() const { return server_->stats().front(); }

  // The kubelet's stream lives, and a call on its connection is answered.
  void expect_kubelet_is_served() {
    EXPECT_FALSE(kubelet_->wait_for_end(kGpu, std::chrono::milliseconds(0)));
    EXPECT_TRUE(kubelet_->allocate(kGpu, {"U0"}).ok());
    const std::size_t next = stats().devices + 1;
    server_->publish(kGpu, std::vector<Device>(next, {"U0", true, {}}));
    EXPECT_TRUE(kubelet_->wait_for_list(kGpu, [&](const DeviceList& list) {
      return list.devices.size() == next;
    }));
  }

  // Any method with any bytes.
  grpc::Status raw_call(const std::string& method, const std::string& bytes) {
    const auto channel =
        grpc::CreateInsecureChannelFromFd("plugin", connect().release());
    grpc::GenericStub stub(channel);
    grpc::CompletionQueue queue;
    grpc::ClientContext context;
    const grpc::Slice slice(bytes);
    auto reader = stub.PrepareUnaryCall(&context, method,
                                        grpc::ByteBuffer(&slice, 1), &queue);
    reader->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    reader->Finish(&response, &status, this);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    return status;
  }

  doubles::PluginDirectory directory_;
  std::unique_ptr<KubeletDouble> kubelet_;
  std::unique_ptr<DevicePluginServer> server_;
};

TEST_F(HostileClientTest, GarbageBytesEndTheirConnectionOnly) {
  const UniqueFd client = connect();
  const std::string garbage(4096, '\xa5');
  ASSERT_GT(::send(client.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL),
            0);
  EXPECT_TRUE(eventually([&] { return stats().connections_open == 1; }));
  expect_kubelet_is_served();
}

TEST_F(HostileClientTest, GarbageRequestIsRefusedInWords) {
  const auto status = raw_call("/v1beta1.DevicePlugin/Allocate", "\xff\xff");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "Allocate: request does not parse");
  expect_kubelet_is_served();
}

TEST_F(HostileClientTest, UnknownMethodIsUnimplemented) {
  for (const char* method :
       {"/v1beta1.DevicePlugin/Deallocate", "/v1beta1.Registration/Register",
        "/v1beta1.DevicePlugin/", "/"}) {
    EXPECT_EQ(raw_call(method, "").error_code(),
              grpc::StatusCode::UNIMPLEMENTED)
        << method;
  }
}

TEST_F(HostileClientTest, AHundredConnectionsLeaveNothingBehind) {
  const std::size_t descriptors = entries("/proc/self/fd");
  for (int i = 0; i < 100; ++i) connect();
  EXPECT_TRUE(eventually([&] { return stats().connections_open == 1; }));
  EXPECT_TRUE(eventually([&] {
    return entries("/proc/self/fd") <= descriptors;
  })) << entries("/proc/self/fd")
      << " of " << descriptors;
  expect_kubelet_is_served();
}

TEST_F(HostileClientTest, IdleConnectionsAreBoundedAndGiveWay) {
  std::vector<UniqueFd> idle;
  for (std::size_t i = 0; i < 2 * kMaxConnections; ++i) {
    idle.push_back(connect());
    ASSERT_TRUE(eventually([&] {
      return stats().connections_open + stats().connections_refused == i + 2;
    }));
    EXPECT_LE(stats().connections_open, kMaxConnections);
  }
  EXPECT_EQ(stats().connections_refused, kMaxConnections + 1);
  // A newcomer with something to say gets in.
  auto newcomer = PluginClient::connect(socket());
  ASSERT_TRUE(newcomer);
  EXPECT_TRUE((*newcomer)->allocate({{"U0"}}).ok());
  expect_kubelet_is_served();
}

TEST_F(HostileClientTest, BusyConnectionsKeepANewcomerOut) {
  std::vector<std::unique_ptr<PluginClient>> busy;
  for (std::size_t i = 1; i < kMaxConnections; ++i) {
    auto client = PluginClient::connect(socket());
    ASSERT_TRUE(client);
    (*client)->watch([](const DeviceList&) {},
                     [](const doubles::CallStatus&) {});
    busy.push_back(*std::move(client));
  }
  ASSERT_TRUE(
      eventually([&] { return stats().streams_open == kMaxConnections; }));
  auto newcomer = PluginClient::connect(socket());
  if (newcomer) {
    EXPECT_FALSE((*newcomer)->allocate({{"U0"}}).ok());
  }
  EXPECT_TRUE(eventually([&] { return stats().connections_refused == 1; }));
  expect_kubelet_is_served();
  busy.clear();
  EXPECT_TRUE(eventually([&] { return stats().streams_open == 1; }));
}

TEST_F(HostileClientTest, ClientThatHalfClosesIsForgotten) {
  const UniqueFd client = connect();
  ASSERT_TRUE(eventually([&] { return stats().connections_open == 2; }));
  ASSERT_EQ(::shutdown(client.get(), SHUT_WR), 0);
  EXPECT_TRUE(eventually([&] { return stats().connections_open == 1; }));
}

TEST_F(HostileClientTest, ClientsThatVanishMidStreamLeaveNothingBehind) {
  const std::size_t descriptors = entries("/proc/self/fd");
  for (int i = 0; i < 20; ++i) {
    auto client = PluginClient::connect(socket());
    ASSERT_TRUE(client);
    (*client)->watch([](const DeviceList&) {},
                     [](const doubles::CallStatus&) {});
    ASSERT_TRUE(eventually([&] { return stats().streams_open == 2; }));
    (*client)->cut();
    EXPECT_TRUE(eventually([&] { return stats().streams_open == 1; }));
  }
  EXPECT_TRUE(eventually([&] {
    return entries("/proc/self/fd") <= descriptors;
  })) << entries("/proc/self/fd")
      << " of " << descriptors;
  expect_kubelet_is_served();
}

TEST_F(HostileClientTest, StreamCancelledInGoodOrderIsForgotten) {
  auto client = PluginClient::connect(socket());
  ASSERT_TRUE(client);
  (*client)->watch([](const DeviceList&) {}, [](const doubles::CallStatus&) {});
  ASSERT_TRUE(eventually([&] { return stats().streams_open == 2; }));
  client->reset();
  EXPECT_TRUE(eventually([&] { return stats().streams_open == 1; }));
  expect_kubelet_is_served();
}

TEST_F(HostileClientTest, ClientThatNeverReadsIsShedWhenItGoes) {
  auto client = PluginClient::connect(socket());
  ASSERT_TRUE(client);
  (*client)->set_reading(false);
  (*client)->watch([](const DeviceList&) {}, [](const doubles::CallStatus&) {});
  ASSERT_TRUE(eventually([&] { return stats().streams_open == 2; }));
  const std::vector<Device> many(8000, Device{"a-rather-long-id", true, {}});
  for (int i = 0; i < 10; ++i) server_->publish(kGpu, many);
  (*client)->cut();
  (*client)->set_reading(true);
  EXPECT_TRUE(eventually([&] { return stats().streams_open == 1; }));
  expect_kubelet_is_served();
}

TEST_F(HostileClientTest, ThreadsDoNotGrowWithConnections) {
  expect_kubelet_is_served();
  const std::size_t before = entries("/proc/self/task");
  std::vector<UniqueFd> clients;
  for (std::size_t i = 0; i < kMaxConnections; ++i) {
    clients.push_back(connect());
  }
  ASSERT_TRUE(
      eventually([&] { return stats().connections_open == kMaxConnections; }));
  // gRPC may add one timer thread of its own at any time.
  EXPECT_LE(entries("/proc/self/task"), before + 1);
}

TEST_F(HostileClientTest, RunningOutOfDescriptorsIsSurvived) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  std::vector<UniqueFd> clients;
  clients.push_back(connect());
  ASSERT_TRUE(eventually([&] { return stats().connections_open == 2; }));
  // Every descriptor is taken, but for those of the clients themselves.
  std::vector<UniqueFd> sockets;
  for (int i = 0; i < 4; ++i) {
    sockets.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(sockets.back().get()) + 1;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  std::vector<UniqueFd> fill;
  for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) fill.emplace_back(fd);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket().copy(address.sun_path, sizeof address.sun_path - 1);
  for (const UniqueFd& fd : sockets) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    ASSERT_EQ(::connect(fd.get(), generic, sizeof address), 0);
    // Let in and out again, or, if a descriptor was freed meanwhile, greeted:
    // not left waiting.
    pollfd answered{fd.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&answered, 1, 20000), 1);
  }
  fill.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  expect_kubelet_is_served();
}

}  // namespace
}  // namespace gpunode::kubelet
