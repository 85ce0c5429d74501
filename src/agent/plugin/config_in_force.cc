#include "agent/plugin/config_in_force.h"

#include <cstddef>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "base/host/file.h"
#include "base/host/host_root.h"

namespace gpunode::plugin {
namespace {

/// A label's key and value are at most 317 and 63 bytes.
constexpr std::size_t kMostState = 1024;
constexpr mode_t kStateMode = 0644;

}  // namespace

bool ConfigInForce::Candidate::is_same(const Candidate& other) const {
  if (choice != other.choice || text.has_value() != other.text.has_value()) {
    return false;
  }
  return !text || text->text == other.text->text;
}

Result<ConfigInForce> ConfigInForce::open(config::SelectionSettings settings,
                                          TimePoint now) {
  auto watch = host::DirectoryWatch::open(settings.directory);
  if (!watch) {
    return std::move(watch).error().with_context("--config-file-srcdir");
  }
  return ConfigInForce(std::move(settings), *std::move(watch), now);
}

ConfigInForce::ConfigInForce(config::SelectionSettings settings,
                             host::DirectoryWatch watch, TimePoint now)
    : settings_(std::move(settings)),
      watch_(std::move(watch)),
      patient_until_(TimePoint::max()),
      memory_(remembered()) {
  if (memory_) {
    patient_until_ = now + kPatience;
  } else if (settings_.label_timeout) {
    patient_until_ = now + *settings_.label_timeout;
  }
}

std::optional<std::string> ConfigInForce::remembered() const {
  if (settings_.state_file.empty()) return std::nullopt;
  const auto text = host::HostRoot().read_file(
      std::filesystem::absolute(settings_.state_file).string(), kMostState);
  if (!text) return std::nullopt;
  // Of another label it would say nothing, nor without its end.
  const std::string begin = settings_.node_label + "=";
  if (!text->starts_with(begin) || !text->ends_with("\n")) return std::nullopt;
  return text->substr(begin.size(), text->size() - begin.size() - 1);
}

Result<void> ConfigInForce::remember() {
  if (settings_.state_file.empty() || !label_ || memory_ == label_) return {};
  auto written = host::write_file_atomic(
      std::filesystem::absolute(settings_.state_file).string(),
      fmt::format("{}={}\n", settings_.node_label, *label_), kStateMode,
      host::Durability::kVolatile);
  if (!written) {
    return std::move(written).error().with_context(
        "remember the label for a start without the API server");
  }
  memory_ = label_;
  return {};
}

void ConfigInForce::label_is(std::string value) {
  is_by_memory_ = is_without_label_ = false;
  if (label_ == value) return;
  label_ = std::move(value);
  is_due_ = true;
}

void ConfigInForce::look_at_directory() {
  if (!watch_.is_armed()) {
    if (watch_.rearm()) is_due_ = true;
    return;
  }
  if (!watch_.take_events().empty()) is_due_ = true;
}

void ConfigInForce::ask_again() {
  is_due_ = true;
  is_asked_ = true;
}

Result<ConfigInForce::Candidate> ConfigInForce::choose() const {
  TRY(const std::vector<std::string> names,
      config::config_names(settings_.directory));
  Candidate candidate;
  TRY(candidate.choice,
      config::choose_config(label_.value_or(""), names, settings_.rules));
  if (!candidate.choice.name.empty()) {
    TRY(candidate.text, config::read_config_file(settings_.directory + "/" +
                                                 candidate.choice.name));
  }
  return candidate;
}

Result<std::optional<ConfigInForce::Candidate>> ConfigInForce::next(
    TimePoint now) {
  if (!watch_.is_armed()) look_at_directory();
  if (!label_ && now >= patient_until_) {
    // Without memory `label_` stays unknown, so that nothing is remembered.
    is_by_memory_ = memory_.has_value();
    is_without_label_ = !is_by_memory_;
    label_ = memory_;
  }
  const std::optional<Candidate> nothing;
  if (!is_due_ || !(label_ || is_without_label_)) return nothing;
  is_due_ = false;
  const bool is_asked = std::exchange(is_asked_, false);
  Result<Candidate> candidate = choose();
  if (!candidate) {
    turned_down_.reset();
    const bool is_told = refusal_ == candidate.error().message() && !is_asked;
    refused(candidate.error());
    if (is_told) return nothing;
    return std::move(candidate).error();
  }
  if (!is_asked) {
    if (in_force_ && in_force_->is_same(*candidate)) {
      refusal_.clear();  // Somebody took back what was refused.
      turned_down_.reset();
      // It may be known only now. What keeps it from being kept is told when
      // something is applied.
      static_cast<void>(remember());
      return nothing;
    }
    if (turned_down_ && turned_down_->is_same(*candidate)) return nothing;
  }
  turned_down_ = *candidate;
  return std::optional(*std::move(candidate));
}

Result<void> ConfigInForce::applied(Candidate candidate) {
  turned_down_.reset();
  refusal_.clear();
  in_force_ = std::move(candidate);
  return remember();
}

void ConfigInForce::refused(const Error& why) {
  refusal_ = why.message();
}

std::optional<TimePoint> ConfigInForce::next_look() const {
  if (label_ || is_without_label_ || patient_until_ == TimePoint::max()) {
    return std::nullopt;
  }
  return patient_until_;
}

}  // namespace gpunode::plugin
