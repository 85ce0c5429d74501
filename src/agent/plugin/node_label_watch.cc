#include "agent/plugin/node_label_watch.h"

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/http/client.h"
#include "k8s/api/object_meta.h"
#include "k8s/api/resource_path.h"
#include "k8s/api/watcher.h"

namespace gpunode::plugin {
namespace {

/// Turns what a watch tells into news, and says nothing twice.
class Teller final : public kube::WatchHandler {
 public:
  Teller(const NodeLabelWatch::Settings& settings, Mailbox<LabelNews>& news)
      : settings_(settings), news_(news) {}

  void replaced(std::vector<std::string> objects) override {
    // A server that knows no field selectors would send every Node there is.
    for (const std::string& object : objects) {
      if (see(object)) return;
    }
    trouble(missing());
  }

  void changed(std::string object) override { see(object); }

  // Whoever makes the Node anew will say what it is to be.
  void removed(std::string) override { trouble(missing()); }

  void unchanged() override {
    if (trouble_.empty() || !value_ || !exists_) return;
    tell(*value_);
  }

  void troubled(const Error& why, std::chrono::milliseconds) override {
    if (why.code() != ErrorCode::kPermissionDenied) {
      trouble(why.message());
      return;
    }
    trouble(fmt::format(
        "{}; a 403 means that the agent's ServiceAccount lacks the ClusterRole "
        R"(rule {{apiGroups: [""], resources: [nodes], verbs: [list, watch]}},)"
        " a 401 that its token is not taken",
        why.message()));
  }

 private:
  std::string missing() const {
    return fmt::format(
        "the cluster has no node {:?}; is --node-name this node's?",
        settings_.node);
  }

  bool see(const std::string& object) {
    auto meta = kube::read_object_meta(object);
    if (!meta || meta->name != settings_.node) return false;
    exists_ = true;
    const auto found = meta->labels.find(settings_.label);
    std::string value = found == meta->labels.end() ? "" : found->second;
    if (value_ != value || !trouble_.empty()) tell(std::move(value));
    return true;
  }

  void tell(std::string value) {
    trouble_.clear();
    value_ = value;
    news_.post(LabelSeen{std::move(value)});
  }

  void trouble(std::string why) {
    exists_ = exists_ && why != missing();
    if (trouble_ == why) return;
    trouble_ = why;
    news_.post(LabelTrouble{std::move(why)});
  }

  const NodeLabelWatch::Settings& settings_;
  Mailbox<LabelNews>& news_;
  std::optional<std::string> value_;
  std::string trouble_;
  bool exists_ = false;
};

}  // namespace

Result<std::unique_ptr<NodeLabelWatch>> NodeLabelWatch::start(
    Settings settings, std::unique_ptr<kube::Credentials> credentials) {
  TRY(auto thread, ClusterThread::make(settings.node, std::move(credentials),
                                       settings.client));
  return std::unique_ptr<NodeLabelWatch>(
      new NodeLabelWatch(std::move(settings), std::move(thread)));
}

NodeLabelWatch::NodeLabelWatch(Settings settings,
                               std::unique_ptr<ClusterThread> thread)
    : settings_(std::move(settings)), thread_(std::move(thread)) {
  thread_->start([this](kube::Client& client) { run(client); });
}

void NodeLabelWatch::run(kube::Client& client) {
  auto pause = settings_.client.pause;
  if (!pause) {
    pause = [&client](std::chrono::milliseconds time) {
      return http::pause(time, client.cancellation());
    };
  }
  const SystemClock system;
  kube::Watcher watcher(client,
                        settings_.clock != nullptr ? *settings_.clock : system,
                        settings_.client.chance, pause, settings_.backoff);
  kube::Selection selection;
  selection.field_selector = "metadata.name=" + settings_.node;
  selection.detail = kube::Detail::kMetadata;
  Teller teller(settings_, news_);
  watcher.run(kube::nodes(), selection, teller);
}

}  // namespace gpunode::plugin
