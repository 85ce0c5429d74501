#include "agent/config/config_choice.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/text/nearest.h"

namespace gpunode::config {
namespace {

/// The file that "named" means.
constexpr std::string_view kNamedConfig = "default";
/// A label is at most so long; more is nobody's name and is not repeated.
constexpr std::size_t kMostQuoted = 64;

bool has(std::span<const std::string> names, std::string_view name) {
  return std::ranges::binary_search(names, name);
}

std::string in_quotes(std::string_view text) {
  if (text.size() <= kMostQuoted) return fmt::format("{:?}", text);
  return fmt::format("{:?}...", text.substr(0, kMostQuoted));
}

/// "there are a, b and 9998 others".
std::string list_of(std::span<const std::string> names) {
  constexpr std::size_t kMostListed = 8;
  std::string text = names.size() == 1 ? "there is only " : "there are ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == kMostListed) {
      fmt::format_to(std::back_inserter(text), " and {} others",
                     names.size() - i);
      break;
    }
    if (i > 0) text += ", ";
    text += in_quotes(names[i]);
  }
  return text;
}

std::string advice_for(std::string_view name,
                       std::span<const std::string> names) {
  if (name.find('/') != std::string_view::npos) {
    return "it must be a key of the ConfigMap, not a path";
  }
  // The distance is counted for each: with thousands there is no hurry for it.
  constexpr std::size_t kMostCompared = 1000;
  if (names.size() <= kMostCompared && name.size() <= kMostQuoted) {
    const std::vector<std::string_view> known(names.begin(), names.end());
    const std::string_view near = text::nearest_name(name, known);
    if (!near.empty()) return fmt::format("did you mean {:?}?", near);
  }
  return list_of(names);
}

Error missing(std::string_view from, std::string_view name,
              std::span<const std::string> names) {
  return {ErrorCode::kNotFound,
          fmt::format("specified config {} does not exist ({}: {})",
                      in_quotes(name), from, advice_for(name, names))};
}

}  // namespace

std::string_view word_of(ChosenBy by) {
  switch (by) {
    case ChosenBy::kLabel:
      return "label";
    case ChosenBy::kDefault:
      return "default";
    case ChosenBy::kNamed:
      return "named";
    case ChosenBy::kSingle:
      return "single";
    case ChosenBy::kEmpty:
      return "empty";
  }
  return "";
}

Result<ConfigChoice> choose_config(std::string_view label,
                                   std::span<const std::string> names,
                                   const ChoiceRules& rules) {
  if (names.empty()) {
    return Error(ErrorCode::kNotFound,
                 "no configuration files available (is the ConfigMap empty, or "
                 "not mounted?)");
  }
  if (!label.empty()) {
    if (!has(names, label)) return missing("the node's label", label, names);
    return ConfigChoice{std::string(label), ChosenBy::kLabel};
  }
  if (!rules.default_config.empty()) {
    if (!has(names, rules.default_config)) {
      return missing("the default config", rules.default_config, names);
    }
    return ConfigChoice{rules.default_config, ChosenBy::kDefault};
  }
  for (const std::string& fallback : rules.fallbacks) {
    if (fallback == "named") {
      if (!has(names, kNamedConfig)) continue;
      return ConfigChoice{std::string(kNamedConfig), ChosenBy::kNamed};
    }
    if (fallback == "single") {
      if (names.size() != 1) continue;
      return ConfigChoice{names.front(), ChosenBy::kSingle};
    }
    if (fallback == "empty") return ConfigChoice{"", ChosenBy::kEmpty};
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("unknown fallback strategy: {} (give named, "
                             "single or empty)",
                             in_quotes(fallback)));
  }
  return Error(
      ErrorCode::kNotFound,
      fmt::format("no config was set, no default was provided, and all "
                  "fallbacks failed (label the node; {})",
                  list_of(names)));
}

}  // namespace gpunode::config
