// What the double promises to the tests that stand on it. That it behaves as a
// kubelet was tried with NVIDIA's plugin: `kubelet-double run --dir
// /var/lib/kubelet/device-plugins`, the plugin started beside it.
#include "tests/doubles/kubelet/kubelet_double.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/kubelet/registration.h"
#include "k8s/kubelet/server.h"
#include "tests/doubles/kubelet/plugin_directory.h"
#include "tests/doubles/kubelet/recording_handler.h"

namespace gpunode::doubles {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr const char* kGpu = "nvidia.com/gpu";
constexpr std::chrono::seconds kLong{20};

class KubeletDoubleTest : public testing::Test {
 protected:
  void SetUp() override {
    auto node = KubeletDouble::start(directory_.path());
    ASSERT_TRUE(node) << node.error().message();
    node_ = *std::move(node);
    auto server = kubelet::DevicePluginServer::start();
    ASSERT_TRUE(server);
    server_ = *std::move(server);
  }

  void serve(std::shared_ptr<RecordingHandler> handler) {
    ASSERT_TRUE(server_->add(kGpu, directory_.file("gpu.sock"),
                             std::move(handler),
                             {{"U0", true, {}},
                              {"U1", false, {}},
                              {"U2", true, {}},
                              {"U3", true, {}}}));
    register_gpu();
  }

  void register_gpu() {
    const auto registered =
        kubelet::register_plugin(node_->socket(), {"gpu.sock", kGpu}, kLong);
    ASSERT_TRUE(registered) << registered.error().message();
    ASSERT_TRUE(node_->wait_for_list(
        kGpu, [](const DeviceList& list) { return list.devices.size() == 4; }));
  }

  PluginDirectory directory_;
  std::unique_ptr<KubeletDouble> node_;
  std::unique_ptr<kubelet::DevicePluginServer> server_;
};

TEST_F(KubeletDoubleTest, CountsHealthyDevicesOnly) {
  serve(std::make_shared<RecordingHandler>());
  EXPECT_EQ(node_->allocatable(kGpu), 3U);
  EXPECT_EQ(node_->available(kGpu), 3U);
}

TEST_F(KubeletDoubleTest, AdmitsWithThePluginsPreference) {
  serve(std::make_shared<RecordingHandler>());
  const Admission admission = node_->admit("pod", kGpu, 2);
  ASSERT_TRUE(admission.is_admitted) << admission.message;
  // RecordingHandler prefers the last ones; U1 is not healthy.
  EXPECT_THAT(admission.ids, ElementsAre("U2", "U3"));
  EXPECT_THAT(admission.container.envs, ElementsAre(Pair("IDS", "U2,U3")));
}

TEST_F(KubeletDoubleTest, HandsNoDeviceOutTwiceUntilItIsReleased) {
  serve(std::make_shared<RecordingHandler>());
  ASSERT_TRUE(node_->admit("first", kGpu, 2).is_admitted);
  EXPECT_EQ(node_->available(kGpu), 1U);
  const Admission refused = node_->admit("second", kGpu, 2);
  EXPECT_FALSE(refused.is_admitted);
  EXPECT_EQ(refused.message, "Insufficient nvidia.com/gpu");
  EXPECT_THAT(refused.ids, IsEmpty());
  ASSERT_TRUE(node_->admit("second", kGpu, 1).is_admitted);
  EXPECT_EQ(node_->available(kGpu), 0U);
  node_->release("first");
  EXPECT_EQ(node_->available(kGpu), 2U);
  EXPECT_TRUE(node_->admit("third", kGpu, 2).is_admitted);
}

TEST_F(KubeletDoubleTest, ReportsThePluginsRefusalInTheKubeletsWords) {
  serve(std::make_shared<RecordingHandler>("found 2"));
  const Admission refused = node_->admit("pod", kGpu, 1);
  EXPECT_FALSE(refused.is_admitted);
  EXPECT_EQ(refused.message,
            "Allocate failed due to rpc error: code = Unknown desc = found 2, "
            "which is unexpected");
  EXPECT_EQ(node_->available(kGpu), 3U) << "nothing is kept";
}

TEST_F(KubeletDoubleTest, UnknownResourceIsInsufficient) {
  EXPECT_EQ(node_->admit("pod", kGpu, 1).message,
            "Insufficient nvidia.com/gpu");
  EXPECT_FALSE(node_->allocate(kGpu, {"U0"}).ok());
}

TEST_F(KubeletDoubleTest, RestartEmptiesTheDirectoryAndKeepsThePods) {
  serve(std::make_shared<RecordingHandler>());
  ASSERT_TRUE(node_->admit("pod", kGpu, 1).is_admitted);
  ASSERT_TRUE(node_->restart());
  EXPECT_FALSE(std::filesystem::exists(directory_.file("gpu.sock")));
  EXPECT_TRUE(std::filesystem::exists(node_->socket()));
  EXPECT_EQ(node_->allocatable(kGpu), 0U);
  ASSERT_TRUE(server_->restore_socket(kGpu));
  register_gpu();
  const auto registered = node_->wait_for_registration(kGpu, 2);
  ASSERT_TRUE(registered);
  EXPECT_EQ(registered->count, 2U);
  EXPECT_EQ(node_->available(kGpu), 2U);
}

TEST_F(KubeletDoubleTest, RemovedSocketCannotBeReached) {
  node_->remove_socket();
  EXPECT_FALSE(
      kubelet::register_plugin(node_->socket(), {"gpu.sock", kGpu}, kLong));
}

TEST_F(KubeletDoubleTest, EndOfAPluginIsSeen) {
  serve(std::make_shared<RecordingHandler>());
  server_.reset();
  const auto end = node_->wait_for_end(kGpu);
  ASSERT_TRUE(end);
  EXPECT_FALSE(end->ok());
}

TEST_F(KubeletDoubleTest, WaitsEndEmptyHanded) {
  const std::chrono::milliseconds soon(1);
  EXPECT_FALSE(node_->wait_for_registration(kGpu, 1, soon));
  EXPECT_FALSE(node_->wait_for_list(
      kGpu, [](const DeviceList&) { return true; }, soon));
  EXPECT_FALSE(node_->wait_for_end(kGpu, soon));
  EXPECT_FALSE(node_->wait_for_attempts(1, soon));
}

TEST_F(KubeletDoubleTest, TimesAreMonotonicAndInOrder) {
  const auto before = std::chrono::steady_clock::now().time_since_epoch();
  serve(std::make_shared<RecordingHandler>());
  const auto registered = node_->wait_for_registration(kGpu);
  const auto list =
      node_->wait_for_list(kGpu, [](const DeviceList&) { return true; });
  EXPECT_GT(registered->arrived_ns, std::chrono::nanoseconds(before).count());
  EXPECT_GT(list->arrived_ns, registered->arrived_ns);
}

// The program, by hand as a person uses it.
TEST(KubeletDoubleProgram, ShowsAndAdmits) {
  PluginDirectory directory;
  int to_program[2];
  int from_program[2];
  ASSERT_EQ(::pipe2(to_program, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(from_program, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, to_program[0], 0);
  ::posix_spawn_file_actions_adddup2(&actions, from_program[1], 1);
  std::string program = KUBELET_DOUBLE_PROGRAM;
  std::string run = "run";
  std::string option = "--dir";
  std::string path = directory.path().string();
  char* argv[] = {program.data(), run.data(), option.data(), path.data(),
                  nullptr};
  pid_t child = 0;
  ASSERT_EQ(
      ::posix_spawn(&child, program.c_str(), &actions, nullptr, argv, environ),
      0);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(to_program[0]);
  ::close(from_program[1]);
  std::string output;
  const auto read_until = [&](const std::string& wanted) {
    while (output.find(wanted) == std::string::npos) {
      char buffer[512];
      const ssize_t n = ::read(from_program[0], buffer, sizeof buffer);
      if (n <= 0) return false;
      output.append(buffer, static_cast<std::size_t>(n));
    }
    return true;
  };
  const auto say = [&](const std::string& line) {
    ASSERT_EQ(::write(to_program[1], line.data(), line.size()),
              static_cast<ssize_t>(line.size()));
  };
  EXPECT_TRUE(read_until("listening"));
  auto server = kubelet::DevicePluginServer::start();
  ASSERT_TRUE(server);
  ASSERT_TRUE((*server)->add(kGpu, directory.file("gpu.sock"),
                             std::make_shared<RecordingHandler>(),
                             {{"U0", true, {}}}));
  ASSERT_TRUE(kubelet::register_plugin(directory.file("kubelet.sock"),
                                       {"gpu.sock", kGpu}, kLong));
  EXPECT_TRUE(read_until("list nvidia.com/gpu number=1 devices=1 healthy=1"));
  say("allocate nvidia.com/gpu 1\n");
  EXPECT_TRUE(read_until("pod-1 admitted: U0\n  env IDS=U0\nok\n"));
  say("allocate nvidia.com/gpu 1\n");
  EXPECT_TRUE(read_until("pod-2 refused: Insufficient nvidia.com/gpu\nfail"));
  say("release pod-1\nallocate nvidia.com/gpu 1 team/train-0\n");
  EXPECT_TRUE(read_until("team/train-0 admitted: U0\n  env IDS=U0\nok\n"));
  say("quit\n");
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ::close(to_program[1]);
  ::close(from_program[0]);
}

}  // namespace
}  // namespace gpunode::doubles
