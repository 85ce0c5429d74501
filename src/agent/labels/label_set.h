// LabelSet: labels of a node, and what Kubernetes takes as their values.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace gpunode::labels {

/// Key to value, by key.
using LabelSet = std::map<std::string, std::string, std::less<>>;

/// Empty, or at most 63 of [A-Za-z0-9-_.] that begin and end with a letter or
/// digit.
bool is_valid_value(std::string_view text);

/// A value made of `text`, by NVIDIA's rule: what no label value may contain is
/// dropped, blanks become one dash. Then by ours, since the API server refuses
/// anything else: no [-_.] at either end, and cut to 63 with `suffix`, which
/// stays whole. `suffix` is "" or begins with a dash, and is valid otherwise.
std::string value_of(std::string_view text, std::string_view suffix = {});

/// A line "key=value" each, by key: NFD's feature file.
std::string to_feature_file(const LabelSet& labels);

}  // namespace gpunode::labels
