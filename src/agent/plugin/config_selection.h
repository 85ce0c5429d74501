// The choice of the configuration by the node's label, as the agent's loop has
// it: who is listened to, what is to be tried, who is told.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/config/selection_settings.h"
#include "agent/plugin/cluster_writer.h"
#include "agent/plugin/config_in_force.h"
#include "agent/plugin/node_label_watch.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "k8s/api/time_text.h"

namespace gpunode::plugin {

/// How the choice stands, for metrics and for people.
struct SelectionStatus {
  bool is_decided = false;    ///< A configuration is in force.
  std::string config;         ///< Its name; empty: the empty configuration.
  std::string chosen_by;      ///< config::word_of.
  bool is_by_memory = false;  ///< Of a run before; the API has not spoken yet.
  std::string refusal;        ///< Why what is chosen is not in force.
  std::string waiting;        ///< What is waited for; empty: nothing.
  std::string api_problem;    ///< Empty: the API server answers.
  std::uint64_t applied = 0;
  std::uint64_t refused = 0;
  std::optional<kube::WallTime> last_outcome;
};

/// The annotation of the Node that says what came of its label, as JSON.
inline constexpr const char* kConfigAnnotation =
    "gpunode.io/device-plugin.config-status";

/// The annotation's text: {"config":"a","chosenBy":"label","outcome":"applied"}
/// and, when what is chosen was refused, "outcome":"refused" with a "message".
/// Without a time, so that the same state is the same text.
std::string selection_annotation(const SelectionStatus& status);

/// One thread: the agent's loop. It waits for nobody: the API server is asked
/// by a thread of NodeLabelWatch and told by that of the agent's ClusterWriter.
class ConfigSelection {
 public:
  using Candidate = ConfigInForce::Candidate;

  /// Fails for what only the operator can mend: a directory or a kubeconfig
  /// that is not there, outside a Pod without one. `writer` outlives it. Of
  /// `watched` the names need not be filled in.
  static Result<std::unique_ptr<ConfigSelection>> start(
      config::SelectionSettings settings, const Clock& clock,
      ClusterWriter& writer, NodeLabelWatch::Settings watched = {});

  int directory_fd() const { return in_force_.directory_fd(); }
  int news_fd() { return label_->news().fd(); }

  /// Takes what has happened. What is to be tried now, if anything is; then
  /// say applied() or refused(). What cannot even be tried is told here.
  std::optional<Candidate> next();
  void applied(Candidate candidate);
  void refused(const Error& why);
  /// Whatever is chosen is a candidate once more.
  void ask_again() { in_force_.ask_again(); }

  /// When next() may have something without a descriptor being readable.
  std::optional<TimePoint> next_look() const { return in_force_.next_look(); }

  /// What is in force, as it was applied.
  const std::optional<Candidate>& in_force() const {
    return in_force_.in_force();
  }
  SelectionStatus status() const;

 private:
  ConfigSelection(ConfigInForce in_force, const Clock& clock,
                  std::unique_ptr<NodeLabelWatch> label, ClusterWriter& writer);
  void take(const LabelSeen& seen);
  void take(const LabelTrouble& trouble);
  void tell(bool is_warning, const char* reason, std::string note);

  ConfigInForce in_force_;
  const Clock& clock_;
  std::unique_ptr<NodeLabelWatch> label_;
  ClusterWriter& writer_;
  std::string api_problem_ = "the API server has not answered yet";
  std::uint64_t applied_ = 0;
  std::uint64_t refused_ = 0;
  std::optional<kube::WallTime> last_outcome_;
};

}  // namespace gpunode::plugin
