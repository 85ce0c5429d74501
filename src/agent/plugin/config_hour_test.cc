// An hour without the API server, for all of the agent that speaks to it.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/plugin/config_selection.h"
#include "base/core/driven_clock.h"
#include "k8s/api/fixed_credentials.h"
#include "k8s/api/object_meta.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/doubles/kubelet/plugin_directory.h"

namespace gpunode::plugin {
namespace {

namespace fs = std::filesystem;
using doubles::eventually;
using std::chrono::hours;
using std::chrono::minutes;

constexpr const char* kPath = "/api/v1/nodes/gpu-1";
constexpr const char* kLabel = "nvidia.com/device-plugin.config";

/// How the server is away, and how luck has it: 0 is the shortest of all waits.
struct Hour {
  const char* name;
  int status;  ///< 0: nobody takes the connection.
  double chance;
  std::size_t most_requests;
};

void PrintTo(const Hour& hour, std::ostream* out) {
  *out << hour.name;
}

/// Two threads ask the server: one reads the label, one writes. A wait of
/// theirs is one for the clock; between two of them no time passes.
class AnHourWithoutTheServer : public testing::TestWithParam<Hour> {
 protected:
  AnHourWithoutTheServer() {
    const fs::path map = folder_.path() / "map";
    fs::create_directory(map);
    std::ofstream(map / "few") << "version: v1 # few\n";
    std::ofstream(map / "many") << "version: v1 # many\n";
    put("few");
    start();
  }
  ~AnHourWithoutTheServer() override {
    clock_.end();
    selection_.reset();
    writer_.reset();
  }

  void put(const std::string& value) {
    server_.put(kPath,
                fmt::format(R"({{"metadata":{{"name":"gpu-1","uid":"u-1",)"
                            R"("labels":{{"{}":"{}"}}}}}})",
                            kLabel, value));
  }

  void start() {
    const auto credentials = [this] {
      return std::make_unique<kube::FixedCredentials>(server_.port());
    };
    kube::ClientOptions client;
    client.chance = [] { return GetParam().chance; };
    client.pause = [this](std::chrono::milliseconds time) {
      return clock_.pause(time);
    };
    ClusterWriter::Settings writing;
    writing.node = "gpu-1";
    writing.client = client;
    writing.clock = &clock_;
    writing.is_reading_ahead = true;
    auto writer = ClusterWriter::start(std::move(writing), credentials());
    ASSERT_TRUE(writer) << writer.error().message();
    writer_ = *std::move(writer);
    std::ofstream(folder_.path() / "kubeconfig") << fmt::format(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
        "clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{}'}}}}]\n"
        "users: [{{name: u, user: {{}}}}]\n",
        server_.port());
    NodeLabelWatch::Settings watched;
    watched.client = client;
    watched.clock = &clock_;
    config::SelectionSettings settings;
    settings.directory = (folder_.path() / "map").string();
    settings.node_name = "gpu-1";
    settings.node_label = kLabel;
    settings.kubeconfig = (folder_.path() / "kubeconfig").string();
    auto selection = ConfigSelection::start(std::move(settings), clock_,
                                            *writer_, std::move(watched));
    ASSERT_TRUE(selection) << selection.error().message();
    selection_ = *std::move(selection);
  }

  /// What the agent's loop does with it.
  std::string in_force() {
    if (auto candidate = selection_->next()) {
      ++changes_;
      selection_->applied(*std::move(candidate));
    }
    const auto& now = selection_->in_force();
    return now ? now->choice.name : "";
  }
  bool is_in_force(const std::string& name) {
    return eventually([&] { return in_force() == name; });
  }
  bool stands(const std::string& name) {
    return eventually([&] {
      const auto meta = kube::read_object_meta(server_.object(kPath));
      return meta && meta->annotations.count(kConfigAnnotation) > 0 &&
             meta->annotations.at(kConfigAnnotation).find(name) !=
                 std::string::npos;
    });
  }

  void go_away() {
    if (GetParam().status != 0) {
      server_.refuse(GetParam().status, "Away", 1'000'000);
      server_.end_watches(kube::ApiServerDouble::End::kReset);
    } else {
      server_.be_away(true);
    }
  }
  void come_back() {
    server_.refuse(0, "", 0);
    server_.be_away(false);
  }
  /// Lets time pass as fast as both threads have had enough of it.
  void pass(Duration time) {
    const TimePoint end = clock_.now() + time;
    while (clock_.now() < end) {
      clock_.wait_for_waiters(2);
      clock_.advance_to(std::min(clock_.next(), end));
      in_force();
    }
  }
  std::size_t asked() const {
    return server_.requests().size() + server_.turned_away();
  }

  kube::ApiServerDouble server_;
  doubles::PluginDirectory folder_;
  DrivenClock clock_;
  std::unique_ptr<ClusterWriter> writer_;
  std::unique_ptr<ConfigSelection> selection_;
  int changes_ = 0;
};

TEST_P(AnHourWithoutTheServer, NothingChangesAndThenItCatchesUp) {
  ASSERT_TRUE(is_in_force("few"));
  ASSERT_TRUE(stands("few"));
  server_.wait_for_watches(1);
  ASSERT_TRUE(eventually([this] { return writer_->status().events == 1; }));

  go_away();
  put("many");
  const std::size_t before = asked();
  pass(hours(1));
  const std::size_t requests = asked() - before;
  EXPECT_LE(requests, GetParam().most_requests);
  RecordProperty("requests", std::to_string(requests));
  EXPECT_EQ(in_force(), "few");
  EXPECT_EQ(changes_, 1);
  EXPECT_FALSE(selection_->status().api_problem.empty());

  clock_.wait_for_waiters(2);
  come_back();
  // Of the hour, the longest wait between two tries is left.
  clock_.advance_to(clock_.now() + minutes(1));
  EXPECT_TRUE(is_in_force("many"));
  EXPECT_TRUE(stands("many"));
  EXPECT_EQ(changes_, 2);
}

INSTANTIATE_TEST_SUITE_P(Server, AnHourWithoutTheServer,
                         testing::Values(Hour{"away", 0, 0.5, 220},
                                         Hour{"away_unlucky", 0, 0, 500},
                                         Hour{"broken", 500, 0.5, 220},
                                         Hour{"busy", 503, 0.5, 600},
                                         Hour{"forbids", 403, 0.5, 130}),
                         [](const auto& hour) { return hour.param.name; });

}  // namespace
}  // namespace gpunode::plugin
