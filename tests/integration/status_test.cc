// `gpunode status` beside a real agent: what a person on the node is told.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "tests/integration/agent_process.h"

namespace gpunode::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Status : public AgentTest {
 protected:
  struct Answer {
    int code = 0;
    std::string text;
  };

  Answer ask(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {GPUNODE, "status", "--plugin-directory",
                                      plugins().path().string()};
    words.insert(words.end(), more.begin(), more.end());
    Process gpunode(words, {}, file("status.log"));
    const int code = gpunode.wait();
    return {code, gpunode.log()};
  }

  std::string socket_path() const {
    return plugins().file("gpunode/agent.sock");
  }
};

TEST_F(Status, TellsGpusResourcesAndConfiguration) {
  write_config(kSeedConfig);
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 20, 20));
  ASSERT_TRUE(registered(kGpu));
  const Answer answer = ask();
  EXPECT_EQ(answer.code, 0) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr("  0  NVIDIA A10G, "));
  EXPECT_THAT(answer.text,
              HasSubstr("  nvidia.com/gpu  20 of 20 healthy, shared by "
                        "timeSlicing\n"));
  EXPECT_THAT(answer.text, HasSubstr("who holds what is not known: "));
  EXPECT_THAT(answer.text, HasSubstr("Configuration\n  file "));
  EXPECT_THAT(answer.text, HasSubstr("Nothing is wrong.\n"));
  EXPECT_THAT(ask({"--json"}).text, HasSubstr("{\"version\":1,"));
}

TEST_F(Status, IsForRootAlone) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 1, 1));
  struct stat socket {};
  ASSERT_EQ(::stat(socket_path().c_str(), &socket), 0);
  EXPECT_EQ(socket.st_mode & 0777, 0600U);
}

TEST_F(Status, OutlivesARestartOfTheKubelet) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(registered(kGpu));
  ASSERT_TRUE(kubelet().restart());
  ASSERT_TRUE(lists(kGpu, 1, 1));
  ASSERT_TRUE(registered(kGpu, 2));
  EXPECT_EQ(ask().code, 0);
}

TEST_F(Status, ComesThroughClientsThatSayNothing) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(registered(kGpu));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_path();
  ASSERT_LT(path.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 60; ++i) {
    silent.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(
        ::connect(silent.back().get(),
                  reinterpret_cast<const sockaddr*>(&address), sizeof address),
        0);
  }
  EXPECT_EQ(ask().code, 0);
  EXPECT_TRUE(kubelet().admit("pod", kGpu, 1).is_admitted);
}

TEST_F(Status, TellsWhoHoldsWhatAndWhatIsFree) {
  write_config(kSeedConfig);
  start_kubelet();
  ASSERT_TRUE(kubelet().serve_pod_resources());
  start_agent();
  ASSERT_TRUE(lists(kGpu, 20, 20));
  ASSERT_TRUE(registered(kGpu));
  for (const char* pod : {"team-a/train-0", "team-b/infer-\x1b[31m"}) {
    ASSERT_TRUE(kubelet().admit(pod, kGpu, 1).is_admitted);
  }
  // Nobody asked the kubelet while Pods came.
  EXPECT_EQ(kubelet().pod_resources()->asked(), 0U);
  const Answer answer = ask();
  EXPECT_EQ(kubelet().pod_resources()->asked(), 1U);
  EXPECT_EQ(answer.code, 0) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr("  nvidia.com/gpu  18 of 20 free, shared "
                                     "by timeSlicing\n"));
  EXPECT_THAT(answer.text,
              HasSubstr("      18 of 20 shares of nvidia.com/gpu free\n"));
  EXPECT_THAT(answer.text,
              HasSubstr("      team-a/train-0, container main: 1 share of "
                        "nvidia.com/gpu ("));
  EXPECT_THAT(answer.text, HasSubstr("team-b/infer-?[31m, container"));
  EXPECT_THAT(answer.text, Not(HasSubstr("\x1b")));
  const std::string json = ask({"--json"}).text;
  EXPECT_THAT(json, HasSubstr("\"held\":2,\"free\":18"));
  EXPECT_THAT(json, HasSubstr("{\"namespace\":\"team-a\",\"pod\":\"train-0\","
                              "\"uid\":\"\",\"container\":\"main\","));
  EXPECT_THAT(json, HasSubstr("\"agent\":{\"answers\":true"));
  kubelet().release("team-a/train-0");
  EXPECT_THAT(ask({"--all"}).text,
              AllOf(HasSubstr("19 of 20 free"), HasSubstr("        GPU-")));
}

TEST_F(Status, OfAKubeletBefore120IsTheSame) {
  start_kubelet();
  ASSERT_TRUE(
      kubelet().serve_pod_resources(doubles::PodResourcesForm::kV1Alpha1));
  start_agent();
  ASSERT_TRUE(registered(kGpu));
  ASSERT_TRUE(lists(kGpu, 1, 1));
  ASSERT_TRUE(kubelet().admit("team-a/train-0", kGpu, 1).is_admitted);
  EXPECT_THAT(ask().text,
              AllOf(HasSubstr("team-a/train-0, container main: nvidia.com/gpu"),
                    HasSubstr("  nvidia.com/gpu  0 of 1 free\n")));
}

TEST_F(Status, ReadsTheKubeletsFileWhenItDoesNotTell) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(registered(kGpu));
  ASSERT_TRUE(lists(kGpu, 1, 1));
  ASSERT_TRUE(kubelet().admit("team-a/train-0", kGpu, 1).is_admitted);
  ASSERT_TRUE(kubelet().write_checkpoint());
  const Answer answer = ask();
  EXPECT_EQ(answer.code, 0) << answer.text;
  EXPECT_THAT(
      answer.text,
      AllOf(HasSubstr("the Pod with UID " +
                      doubles::KubeletDouble::uid_of("team-a/train-0")),
            HasSubstr("from the kubelet's own file"), HasSubstr("0 of 1 free"),
            HasSubstr("pod-resources/kubelet.sock")));
}

TEST_F(Status, AKubeletThatHangsHoldsUpNobody) {
  start_kubelet();
  ASSERT_TRUE(kubelet().serve_pod_resources());
  start_agent();
  ASSERT_TRUE(registered(kGpu));
  ASSERT_TRUE(lists(kGpu, 1, 1));
  kubelet().pod_resources()->hang(true);
  ASSERT_TRUE(kubelet().write_checkpoint());
  Process gpunode(
      {GPUNODE, "status", "--plugin-directory", plugins().path().string()}, {},
      file("hung.log"));
  ASSERT_TRUE(doubles::eventually(
      [&] { return kubelet().pod_resources()->asked() == 1; }));
  // The agent's loop turns, and Pods come.
  EXPECT_THAT(page("/healthz"), HasSubstr("200 OK"));
  EXPECT_TRUE(kubelet().admit("pod", kGpu, 1).is_admitted);
  EXPECT_EQ(gpunode.wait(), 0) << gpunode.log();
  EXPECT_THAT(gpunode.log(), HasSubstr("no answer in time"));
  kubelet().pod_resources()->hang(false);
}

TEST_F(Status, WithoutAnAgentTellsWhatTheHostKnows) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(registered(kGpu));
  ASSERT_TRUE(lists(kGpu, 1, 1));
  ASSERT_TRUE(kubelet().admit("team-a/train-0", kGpu, 1).is_admitted);
  ASSERT_TRUE(kubelet().write_checkpoint());
  agent().signal(SIGKILL);
  agent().wait();
  const Answer answer = ask();
  EXPECT_EQ(answer.code, 5);
  EXPECT_THAT(answer.text,
              AllOf(HasSubstr("agent.sock: connection refused"),
                    HasSubstr("the Pod with UID " +
                              doubles::KubeletDouble::uid_of("team-a/train-0")),
                    HasSubstr("  nvidia.com/gpu  0 of 1 free\n"),
                    HasSubstr("    next: ")));
  EXPECT_THAT(answer.text, Not(HasSubstr("no kubelet listens")));
  const Answer json = ask({"--json"});
  EXPECT_EQ(json.code, 5);
  EXPECT_THAT(json.text, AllOf(HasSubstr("\"agent\":{\"answers\":false,"),
                               HasSubstr("\"kubeletListens\":true"),
                               HasSubstr("\"source\":\"checkpoint\"")));
}

TEST_F(Status, WithoutAnAgentSaysWhatNext) {
  const Answer answer = ask();
  EXPECT_EQ(answer.code, 5);
  EXPECT_THAT(answer.text,
              AllOf(HasSubstr("no agent answers: connect to"),
                    HasSubstr("no kubelet listens"), HasSubstr("    next: ")));
}

TEST_F(Status, WatchShowsItAgainUntilASignal) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(registered(kGpu));
  ASSERT_TRUE(lists(kGpu, 1, 1));
  Process gpunode({GPUNODE, "status", "--watch", "1", "--plugin-directory",
                   plugins().path().string()},
                  {}, file("watch.log"));
  ASSERT_TRUE(doubles::eventually([&] {
    const std::string log = gpunode.log();
    const std::size_t first = log.find("Driver\n");
    return first != std::string::npos &&
           log.find("Driver\n", first + 1) != std::string::npos;
  }));
  gpunode.signal(SIGTERM);
  EXPECT_EQ(gpunode.wait(), -SIGTERM);
  EXPECT_THAT(gpunode.log(), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace gpunode::integration
