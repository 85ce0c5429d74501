#include "agent/plugin/config_selection.h"

#include <chrono>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "agent/plugin/cluster_credentials.h"
#include "base/core/log.h"
#include "base/text/node.h"

namespace gpunode::plugin {
namespace {

/// What an annotation is worth; a refusal may quote a file.
constexpr std::size_t kMostMessage = 1024;

std::string in_words(const config::ConfigChoice& choice) {
  const std::string_view by = config::word_of(choice.by);
  if (choice.name.empty()) return "the empty config (by fallback)";
  return fmt::format(
      "config {:?} (by {})", choice.name,
      choice.by == config::ChosenBy::kLabel
          ? "the node's label"
          : fmt::format(
                "{}{}",
                choice.by == config::ChosenBy::kDefault ? "" : "fallback ",
                by));
}

}  // namespace

std::string selection_annotation(const SelectionStatus& status) {
  std::string text = "{";
  if (status.is_decided) {
    text += fmt::format(R"("config":{},"chosenBy":{},)",
                        text::json_string(status.config),
                        text::json_string(status.chosen_by));
  }
  if (status.refusal.empty()) return text + R"("outcome":"applied"})";
  return text +
         fmt::format(R"("outcome":"refused","message":{}}})",
                     text::json_string(status.refusal.substr(0, kMostMessage)));
}

Result<std::unique_ptr<ConfigSelection>> ConfigSelection::start(
    config::SelectionSettings settings, const Clock& clock,
    ClusterWriter& writer, NodeLabelWatch::Settings watched) {
  watched.node = settings.node_name;
  watched.label = settings.node_label;
  watched.client.user_agent = kUserAgent;
  TRY(auto credentials,
      cluster_credentials(settings.kubeconfig, process_environment()));
  TRY(ConfigInForce in_force,
      ConfigInForce::open(std::move(settings), clock.now()));
  TRY(auto label,
      NodeLabelWatch::start(std::move(watched), std::move(credentials)));
  return std::unique_ptr<ConfigSelection>(new ConfigSelection(
      std::move(in_force), clock, std::move(label), writer));
}

ConfigSelection::ConfigSelection(ConfigInForce in_force, const Clock& clock,
                                 std::unique_ptr<NodeLabelWatch> label,
                                 ClusterWriter& writer)
    : in_force_(std::move(in_force)),
      clock_(clock),
      label_(std::move(label)),
      writer_(writer) {}

void ConfigSelection::take(const LabelSeen& seen) {
  const config::SelectionSettings& settings = in_force_.settings();
  if (!api_problem_.empty()) {
    log::info("config", "the API server answers");
    api_problem_.clear();
    writer_.try_now();
  }
  log::info("config", "node {}: {}={}", settings.node_name, settings.node_label,
            seen.value.empty() ? "(not set)" : fmt::format("{:?}", seen.value));
  in_force_.label_is(seen.value);
}

void ConfigSelection::take(const LabelTrouble& trouble) {
  api_problem_ = trouble.why;
  log::warning("config", "the node's label cannot be read: {}; {}", trouble.why,
               in_force_.in_force() ? "the configuration in force stays"
                                    : status().waiting);
}

std::optional<ConfigSelection::Candidate> ConfigSelection::next() {
  for (const LabelNews& news : label_->news().take()) {
    std::visit([this](const auto& one) { take(one); }, news);
  }
  in_force_.look_at_directory();
  const bool knew_label = in_force_.knows_label();
  const bool went_without = in_force_.is_without_label();
  const bool was_refused = !in_force_.refusal().empty();
  auto candidate = in_force_.next(clock_.now());
  if (!knew_label && in_force_.is_by_memory()) {
    log::warning("config",
                 "{}; going by the label's value of a run before, from {}",
                 api_problem_, in_force_.settings().state_file);
  }
  if (!went_without && in_force_.is_without_label()) {
    log::warning("config",
                 "{}; the label {} of node {} is not known, no value of before "
                 "is kept: going on as for a node without it until it is",
                 api_problem_, in_force_.settings().node_label,
                 in_force_.settings().node_name);
  }
  if (candidate) {
    if (was_refused && in_force_.refusal().empty()) {
      log::info("config", "what was refused is no longer asked for");
      writer_.set_node_annotation(kConfigAnnotation,
                                  selection_annotation(status()));
    }
    return *std::move(candidate);
  }
  refused(candidate.error());
  return std::nullopt;
}

void ConfigSelection::applied(Candidate candidate) {
  ++applied_;
  const std::string what = in_words(candidate.choice);
  if (const auto kept = in_force_.applied(std::move(candidate)); !kept) {
    log::info("config", "{}", kept.error().message());
  }
  log::info("config", "{} is in force", what);
  tell(false, "ConfigApplied", what + " is in force");
}

void ConfigSelection::refused(const Error& why) {
  ++refused_;
  in_force_.refused(why);
  const std::string rest =
      in_force_.in_force()
          ? in_words(in_force_.in_force()->choice) + " stays in force"
          : std::string("no configuration is in force, nothing is offered");
  log::error("config", "{}; {}", why.message(), rest);
  tell(true, "ConfigRefused", why.message() + "; " + rest);
}

void ConfigSelection::tell(bool is_warning, const char* reason,
                           std::string note) {
  last_outcome_ = std::chrono::system_clock::now();
  kube::EventText text;
  text.is_warning = is_warning;
  text.reason = reason;
  text.action = "ApplyConfig";
  text.note = std::move(note);
  writer_.record(std::move(text));
  writer_.set_node_annotation(kConfigAnnotation,
                              selection_annotation(status()));
}

SelectionStatus ConfigSelection::status() const {
  SelectionStatus status;
  if (const auto& candidate = in_force_.in_force()) {
    status.is_decided = true;
    status.config = candidate->choice.name;
    status.chosen_by = config::word_of(candidate->choice.by);
  } else if (!in_force_.knows_label()) {
    status.waiting = fmt::format(
        "nothing is offered before the label {} of node {} is known",
        in_force_.settings().node_label, in_force_.settings().node_name);
  }
  status.is_by_memory = in_force_.is_by_memory();
  status.refusal = in_force_.refusal();
  status.api_problem = api_problem_;
  status.applied = applied_;
  status.refused = refused_;
  status.last_outcome = last_outcome_;
  return status;
}

}  // namespace gpunode::plugin
