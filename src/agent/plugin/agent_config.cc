// The agent's configuration: read again, chosen by the node's label, adopted.
#include <chrono>
#include <utility>

#include "agent/plugin/agent.h"
#include "agent/plugin/cluster_credentials.h"
#include "agent/plugin/gpu_operator.h"
#include "agent/plugin/runtime_setting.h"
#include "base/core/log.h"

namespace gpunode::plugin {
namespace {

/// What came of a choice waits this long for the labels by that choice: the
/// driver may take a moment more to start.
constexpr std::chrono::milliseconds kGather(500);

void report_warnings(const config::Loaded& loaded, const std::string& file) {
  for (const config::Warning& warning : loaded.warnings) {
    log::warning("config", "{}", describe(warning, file));
  }
}

}  // namespace

// One for all: what a field manager applies is all that it has on the Node.
Result<void> Agent::open_writer() {
  const config::Labelling& labelling = settings_.labelling;
  const bool has_labels = labelling.target == config::LabelTarget::kNode;
  const bool has_feature =
      labelling.target == config::LabelTarget::kNodeFeature;
  const bool takes_over = settings_.take_over && !settings_.node_name.empty();
  const bool has_loan = takes_over || settings_.give_back;
  const bool has_node = has_labels || inputs_.selection || has_loan;
  if (!has_node && !has_feature) return {};
  auto credentials =
      cluster_credentials(settings_.kubeconfig, process_environment());
  if (!credentials) {
    const char* const wanted_by = has_labels            ? "--labels=node"
                                  : has_feature         ? "--labels=nodefeature"
                                  : inputs_.selection   ? "--config-file-srcdir"
                                  : settings_.give_back ? "--give-back"
                                                        : "--take-over";
    Error why = std::move(credentials).error().with_context(wanted_by);
    const bool is_needed =
        has_labels || has_feature || inputs_.selection || settings_.give_back;
    if (is_needed) return why;
    // The socket can be taken without the API server.
    log::warning("cluster",
                 "{}; the GPU Operator's labels on node {} stay as they are",
                 why.message(), settings_.node_name);
    return {};
  }
  ClusterWriter::Settings writing;
  writing.node = settings_.node_name;
  writing.is_overwriting = labelling.overwrites;
  if (has_feature) {
    writing.space = labelling.space;
    writing.pod = labelling.pod;
  }
  writing.client.user_agent = kUserAgent;
  // There will be labels, or a word of a choice.
  writing.is_reading_ahead = has_node;
  if (has_labels) writing.gather = kGather;
  TRY(writer_,
      ClusterWriter::start(std::move(writing), *std::move(credentials)));
  // A take-over waits until this agent serves: before, nobody else would.
  if (settings_.give_back) writer_->set_loan(operator_loan(settings_));
  return {};
}

Result<void> Agent::open_configuration() {
  if (inputs_.selection) {
    TRY(selection_,
        ConfigSelection::start(*inputs_.selection, clock_, *writer_));
    return {};
  }
  report_warnings(inputs_.loaded,
                  inputs_.command_line.text(config::Option::kConfigFile));
  log::info("config", "Running with config:\n{}", dump_json(settings_));
  return {};
}

void Agent::reload() {
  ++reloads_;
  if (selection_) {
    selection_->ask_again();
    return;  // follow_selection() of this turn does it.
  }
  std::optional<config::ConfigText> file;
  const std::string& path =
      inputs_.command_line.text(config::Option::kConfigFile);
  if (!path.empty()) {
    auto read = config::read_config_file(path);
    if (!read) return refuse_reload(read.error());
    file = *std::move(read);
  }
  if (const auto tried = try_configuration(file); !tried) {
    return refuse_reload(tried.error());
  }
  label();
}

void Agent::refuse_reload(const Error& why) {
  ++reload_failures_;
  reload_problem_ = why.message();
  log::error("config", "{}; the last good configuration stays in force",
             reload_problem_);
}

Result<void> Agent::try_configuration(
    const std::optional<config::ConfigText>& file) {
  TRY(config::Loaded loaded, config::load(inputs_.command_line, file, [this] {
        return platform_ != Platform::kTegra;
      }));
  TRY(auto context, look_at_host(loaded.settings));
  reload_problem_.clear();
  report_warnings(loaded, file ? file->name : "");
  adopt(std::move(loaded), std::move(context));
  return {};
}

void Agent::follow_selection() {
  if (!selection_) return;
  std::optional<ConfigSelection::Candidate> candidate = selection_->next();
  if (!candidate) return;
  // In force before it is published: until one is, nothing is.
  const auto tried = try_configuration(candidate->text);
  if (!tried) {
    selection_->refused(tried.error());
    return;
  }
  selection_->applied(*std::move(candidate));
  publish();
  // By the GPUs that are known: the driver, asked again by now, may be in a
  // wait.
  label();
}

void Agent::adopt(config::Loaded loaded,
                  std::shared_ptr<const AnswerContext> context) {
  inputs_.loaded = std::move(loaded);
  const config::Settings& next = inputs_.loaded.settings;
  // Where the driver is may come from the file; the socket and the address
  // come from the command line and cannot change.
  const bool driver_moved =
      next.driver_root_ctr_path != settings_.driver_root_ctr_path ||
      next.discovery_strategy != settings_.discovery_strategy;
  settings_ = next;
  // By the node's label shares may come at any time.
  runtime_problem_.clear();
  if (const auto told = tell_runtime(settings_); !told) {
    runtime_problem_ = told.error().message();
    log::error("shares", "{}", runtime_problem_);
  }
  context_.adopt(std::move(context));
  log::info("config", "Running with config:\n{}", dump_json(settings_));
  if (driver_moved) {
    // Another driver, perhaps another platform: nothing of the old one holds.
    inventory_.reset();
    catalogue_.clear();
    start_observer();
  } else {
    observer_->rescan();
  }
  if (inventory_) rebuild();
  publish();
}

}  // namespace gpunode::plugin
