// The part of Agent that speaks of other device plugins.
#include <algorithm>
#include <utility>
#include <vector>

#include "agent/plugin/agent.h"
#include "agent/plugin/rival.h"
#include "base/core/log.h"

namespace gpunode::plugin {

NodeSigns Agent::node_signs() const {
  const auto node = writer_ ? writer_->node() : nullptr;
  return node ? read_signs(*node) : NodeSigns{settings_.node_name, false, ""};
}

void Agent::tell_of_neighbours() {
  if (!writer_) return;
  const auto all = publisher_->status();
  const auto found = std::find_if(all.begin(), all.end(), [](const auto& one) {
    return one.has_neighbour;
  });
  const std::string words = found == all.end() ? "" : found->problem;
  // Whose it is may be on the Node, which is being read.
  const bool is_read = writer_->node() || !writer_->status().problem.empty();
  if (words != told_neighbour_ && is_read) {
    const bool is_warning = !words.empty();
    writer_->record({{},
                     is_warning,
                     is_warning ? "AnotherDevicePlugin" : "OffersGpus",
                     "OfferGpus",
                     is_warning ? words
                                : "the other device plugin is gone; this "
                                  "agent offers the node's GPUs"});
    told_neighbour_ = words;
  }
  if (publisher_->takes() != told_takes_) {
    // It may be the GPU Operator's: are its labels as they should be?
    told_takes_ = publisher_->takes();
    writer_->look_again();
  }
  std::shared_ptr<const kube::NodeMeta> node = writer_->node();
  if (node == told_node_) return;
  const bool is_known = told_node_ && node;
  const std::vector<std::string> before =
      is_known ? warnings_of(read_signs(*told_node_))
               : std::vector<std::string>();
  told_node_ = std::move(node);
  // What is taken over or given back is the loan's to tell.
  if (settings_.take_over || settings_.give_back) return;
  for (const std::string& warning : warnings_of(read_signs(*told_node_))) {
    if (std::find(before.begin(), before.end(), warning) == before.end()) {
      log::warning("cluster", "{}", warning);
    }
  }
}

}  // namespace gpunode::plugin
