#include "agent/plugin/node_labeller.h"

#include <utility>
#include <vector>

#include "agent/labels/machine_facts.h"
#include "agent/plugin/feature_file.h"
#include "base/core/log.h"

namespace gpunode::plugin {

std::unique_ptr<NodeLabeller> NodeLabeller::make(
    const config::Labelling& labelling, ClusterWriter* writer) {
  if (labelling.target == config::LabelTarget::kOff) return nullptr;
  const bool is_file = labelling.target == config::LabelTarget::kFile;
  return std::unique_ptr<NodeLabeller>(
      new NodeLabeller(labelling, is_file ? nullptr : writer));
}

NodeLabeller::NodeLabeller(const config::Labelling& labelling,
                           ClusterWriter* writer)
    : target_(labelling.target),
      file_(writer == nullptr ? labelling.output_file : ""),
      writer_(writer),
      started_at_(labels::unix_now()) {}

NodeLabeller::~NodeLabeller() {
  if (const auto removed = remove_feature_file(file_); !removed) {
    log::warning("labels", "{}", removed.error().message());
  }
}

void NodeLabeller::label(const device::Inventory& inventory,
                         const config::Settings& settings,
                         const labels::LabelSet& further) {
  const config::Labelling& labelling = settings.labelling;
  labels::NodeLabels made = labels::label_this_node(
      inventory, settings, labelling.machine_type_file,
      labelling.has_timestamp ? std::optional(started_at_) : std::nullopt);
  made.labels.insert(further.begin(), further.end());
  std::vector<std::string> remarks = std::move(made.remarks);
  labels_ = made.labels.size();
  problem_.clear();
  if (target_ == config::LabelTarget::kNode) {
    writer_->set_node_labels(std::move(made.labels));
  } else if (target_ == config::LabelTarget::kNodeFeature) {
    writer_->set_node_feature(std::move(made.labels));
  } else if (const auto written = write_feature_file(
                 file_, labels::to_feature_file(made.labels));
             !written) {
    problem_ = written.error().message();
    remarks.push_back(problem_);
  }
  for (const std::string& remark : remarks) {
    if (!told_.contains(remark)) log::warning("labels", "{}", remark);
  }
  told_ = std::set<std::string>(remarks.begin(), remarks.end());
}

LabelStatus NodeLabeller::status() const {
  LabelStatus status{labels_, problem_, std::nullopt};
  if (writer_ != nullptr) {
    status.cluster = writer_->status();
    if (status.problem.empty()) status.problem = status.cluster->problem;
  }
  return status;
}

}  // namespace gpunode::plugin
