#include "agent/plugin/node_labeller.h"

#include <utility>
#include <vector>

#include "agent/labels/machine_facts.h"
#include "agent/plugin/cluster_credentials.h"
#include "agent/plugin/feature_file.h"
#include "base/core/log.h"

namespace gpunode::plugin {
Result<std::unique_ptr<NodeLabeller>> NodeLabeller::start(
    const config::Settings& settings) {
  const config::Labelling& labelling = settings.labelling;
  std::unique_ptr<ClusterWriter> writer;
  std::string file;
  switch (labelling.target) {
    case config::LabelTarget::kOff:
      return std::unique_ptr<NodeLabeller>();
    case config::LabelTarget::kFile:
      file = labelling.output_file;
      break;
    case config::LabelTarget::kNode: {
      auto credentials =
          cluster_credentials(settings.kubeconfig, process_environment());
      if (!credentials) {
        return std::move(credentials).error().with_context("--labels=node");
      }
      ClusterWriter::Settings writing;
      writing.node = settings.node_name;
      writing.is_overwriting = labelling.overwrites;
      writing.client.user_agent = "gpunode-agent";
      TRY(writer,
          ClusterWriter::start(std::move(writing), *std::move(credentials)));
      break;
    }
  }
  return std::unique_ptr<NodeLabeller>(
      new NodeLabeller(std::move(file), std::move(writer)));
}

NodeLabeller::NodeLabeller(std::string file,
                           std::unique_ptr<ClusterWriter> writer)
    : file_(std::move(file)),
      writer_(std::move(writer)),
      started_at_(labels::unix_now()) {}

NodeLabeller::~NodeLabeller() {
  if (const auto removed = remove_feature_file(file_); !removed) {
    log::warning("labels", "{}", removed.error().message());
  }
}

void NodeLabeller::label(const device::Inventory& inventory,
                         const config::Settings& settings) {
  const config::Labelling& labelling = settings.labelling;
  labels::NodeLabels made = labels::label_this_node(
      inventory, settings, labelling.machine_type_file,
      labelling.has_timestamp ? std::optional(started_at_) : std::nullopt);
  std::vector<std::string> remarks = std::move(made.remarks);
  labels_ = made.labels.size();
  problem_.clear();
  if (writer_) {
    writer_->set_node_labels(std::move(made.labels));
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
  if (writer_) {
    status.cluster = writer_->status();
    if (status.problem.empty()) status.problem = status.cluster->problem;
  }
  return status;
}

}  // namespace gpunode::plugin
