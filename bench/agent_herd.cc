// Many nodes' agents in one process, as the API server sees them: each with the
// agent's own ClusterWriter and NodeLabelWatch, and nothing of its GPUs.
//
// agent_herd KUBECONFIG FIRST COUNT plays node-FIRST, node-FIRST+1 ... Answers
// a line "status" on standard input with how many of them are where they should
// be; ends with the input.
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "agent/plugin/cluster_credentials.h"
#include "agent/plugin/cluster_writer.h"
#include "agent/plugin/node_label_watch.h"
#include "base/core/log.h"

namespace gpunode::bench {
namespace {

constexpr const char* kConfigLabel = "nvidia.com/device-plugin.config";

// As many and as long as those of a node with one A10G.
kube::MetaTexts labels_of(std::size_t number) {
  kube::MetaTexts labels;
  for (int i = 0; i < 25; ++i) {
    labels[fmt::format("nvidia.com/gpu.simulated-{:02}", i)] =
        fmt::format("value-{}-of-node-{}", i, number);
  }
  return labels;
}

template <class Value>
Value must(Result<Value> result) {
  if (result) return *std::move(result);
  std::cerr << "agent_herd: " << result.error().message() << "\n";
  std::exit(1);
}

/// What an agent says to the cluster and hears from it.
class SimulatedNode {
 public:
  SimulatedNode(std::size_t number, const std::string& kubeconfig) {
    const std::string name = fmt::format("node-{}", number);
    plugin::ClusterWriter::Settings writer;
    writer.node = name;
    writer_ = must(plugin::ClusterWriter::start(
        writer, must(plugin::cluster_credentials(kubeconfig, {}))));
    plugin::NodeLabelWatch::Settings watch;
    watch.node = name;
    watch.label = kConfigLabel;
    watch_ = must(plugin::NodeLabelWatch::start(
        watch, must(plugin::cluster_credentials(kubeconfig, {}))));
    writer_->set_node_labels(labels_of(number));
  }

  int fd() const { return watch_->news().fd(); }

  void take_news() {
    for (const plugin::LabelNews& news : watch_->news().take()) {
      const auto* value = std::get_if<plugin::LabelSeen>(&news);
      if (value == nullptr) continue;
      if (is_told_ && value->value == value_) continue;
      is_told_ = true;
      value_ = value->value;
      writer_->set_node_annotation("gpunode.io/config", value_);
      kube::EventText event;
      event.reason = "ConfigApplied";
      event.action = "ApplyConfig";
      event.note = "configuration " + value_ + " is in force";
      writer_->record(std::move(event));
    }
  }

  bool is_current() const { return writer_->status().is_current; }
  const std::string& value() const { return value_; }

 private:
  std::unique_ptr<plugin::ClusterWriter> writer_;
  std::unique_ptr<plugin::NodeLabelWatch> watch_;
  bool is_told_ = false;
  std::string value_;
};

void print_status(const std::vector<std::unique_ptr<SimulatedNode>>& nodes) {
  std::size_t current = 0;
  std::map<std::string, std::size_t> values;
  for (const auto& node : nodes) {
    current += node->is_current() ? 1 : 0;
    ++values[node->value()];
  }
  std::string line = fmt::format("{}", current);
  for (const auto& [value, count] : values) {
    line += fmt::format(" {}={}", value.empty() ? "-" : value, count);
  }
  std::cout << line << std::endl;  // Flushed: a pipe waits for it.
}

int run(const std::string& kubeconfig, std::size_t first, std::size_t count) {
  log::set_level(log::Level::kError);
  std::vector<std::unique_ptr<SimulatedNode>> nodes;
  std::vector<pollfd> fds = {{STDIN_FILENO, POLLIN, 0}};
  for (std::size_t i = 0; i < count; ++i) {
    nodes.push_back(std::make_unique<SimulatedNode>(first + i, kubeconfig));
    fds.push_back({nodes.back()->fd(), POLLIN, 0});
  }
  while (::poll(fds.data(), fds.size(), -1) >= 0) {
    for (std::size_t i = 0; i < count; ++i) {
      if (fds[i + 1].revents != 0) nodes[i]->take_news();
    }
    if (fds[0].revents == 0) continue;
    std::string line;
    if (!std::getline(std::cin, line)) break;
    print_status(nodes);
  }
  std::cout.flush();
  ::_exit(0);  // A thousand threads need not be waited for.
}

}  // namespace
}  // namespace gpunode::bench

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: agent_herd KUBECONFIG FIRST COUNT\n";
    return 2;
  }
  return gpunode::bench::run(argv[1], std::strtoul(argv[2], nullptr, 10),
                             std::strtoul(argv[3], nullptr, 10));
}
