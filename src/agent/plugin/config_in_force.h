// Which configuration is in force and which is to be tried, as the node's label
// and the mounted ConfigMap change.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/config/config_choice.h"
#include "agent/config/config_source.h"
#include "agent/config/selection_settings.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/host/directory_watch.h"

namespace gpunode::plugin {

/// One thread. Reads the directory and the state file, and asks nobody: labels
/// are told to it, time is an argument.
///
/// Until the label is known nothing is chosen. When it has not been told for
/// kPatience and a run before has left its value in the state file, that one
/// stands in for it: a node whose API server is away comes back as it was.
/// Without such a value it is waited for, as to guess would offer what the
/// node's owner may have ruled out, but no longer than `label_timeout`: then
/// the node is as one without the label, until that is known. NVIDIA's is so
/// from the first moment.
///
/// A candidate that is refused leaves the one before in force, and comes again
/// only when it has changed or is asked for.
class ConfigInForce {
 public:
  static constexpr std::chrono::seconds kPatience{5};

  struct Candidate {
    config::ConfigChoice choice;
    std::optional<config::ConfigText> text;  ///< None: the empty configuration.

    bool is_same(const Candidate& other) const;
  };

  /// Fails when the directory is not there or cannot be watched.
  static Result<ConfigInForce> open(config::SelectionSettings settings,
                                    TimePoint now);

  // What has happened.

  /// Empty as if the label were not there.
  void label_is(std::string value);
  /// The directory has events, or is to be looked for.
  void look_at_directory();
  /// Whatever is chosen is a candidate once more.
  void ask_again();

  /// What is to be tried now, if anything is. Then say applied() or refused().
  /// An Error is a choice that cannot even be tried; it is not told twice.
  Result<std::optional<Candidate>> next(TimePoint now);
  /// What could not be remembered is an Error, for a log line.
  Result<void> applied(Candidate candidate);
  void refused(const Error& why);

  /// When next() may have something without anything having happened.
  std::optional<TimePoint> next_look() const;

  int directory_fd() const { return watch_.fd(); }
  const std::optional<Candidate>& in_force() const { return in_force_; }
  bool knows_label() const { return label_.has_value(); }
  /// The label is a run's before.
  bool is_by_memory() const { return is_by_memory_; }
  /// Neither is known: as for a node without the label.
  bool is_without_label() const { return is_without_label_; }
  /// Why what is chosen now is not in force; empty: it is, or none is.
  const std::string& refusal() const { return refusal_; }
  const config::SelectionSettings& settings() const { return settings_; }

 private:
  ConfigInForce(config::SelectionSettings settings, host::DirectoryWatch watch,
                TimePoint now);
  Result<Candidate> choose() const;
  std::optional<std::string> remembered() const;
  Result<void> remember();

  config::SelectionSettings settings_;
  host::DirectoryWatch watch_;
  TimePoint patient_until_;  ///< For memory; max(): for ever.
  std::optional<std::string> memory_;
  std::optional<std::string> label_;
  std::optional<Candidate> in_force_;
  std::optional<Candidate> turned_down_;
  std::string refusal_;
  bool is_due_ = true;
  bool is_asked_ = false;
  bool is_by_memory_ = false;
  bool is_without_label_ = false;
};

}  // namespace gpunode::plugin
