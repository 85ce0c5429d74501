#include "agent/config/file_config.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "agent/config/file_sharing.h"
#include "agent/config/go_json.h"
#include "agent/config/resource_name.h"
#include "base/text/go_text.h"
#include "base/text/yaml.h"

namespace gpunode::config {
namespace {

using Kind = text::Node::Kind;

constexpr std::string_view kFlagsPath = "Flags.flags.CommandLineFlags.";
constexpr std::string_view kPluginPath =
    "PluginCommandLineFlags.flags.CommandLineFlags.plugin.";
constexpr std::string_view kGfdPath =
    "GFDCommandLineFlags.flags.CommandLineFlags.gfd.";

// The options of either program whose field is directly in `parent`
// ("flags.plugin."): the file is one for all, and each reads what is its own.
std::vector<const OptionSpec*> options_in(std::string_view parent) {
  std::vector<const OptionSpec*> found;
  for (const Program program :
       {Program::kDevicePlugin, Program::kFeatureDiscovery}) {
    for (const OptionSpec& spec : option_table(program)) {
      const auto is_same = [&](const OptionSpec* other) {
        return other->option == spec.option;
      };
      if (spec.field.starts_with(parent) &&
          spec.field.find('.', parent.size()) == std::string_view::npos &&
          std::ranges::none_of(found, is_same)) {
        found.push_back(&spec);
      }
    }
  }
  return found;
}

std::string_view leaf_of(std::string_view field) {
  return field.substr(field.rfind('.') + 1);
}

/// One pass over a document. Stops at the error that Go would report: the
/// first in the byte order of keys.
class FileDecoder {
 public:
  FileDecoder(std::string_view file_name, std::vector<Warning>& warnings)
      : go_(file_name), warnings_(warnings) {}

  Result<FileConfig> decode(const text::Node& root);

 private:
  Result<void> section(std::string_view name, const text::Entry& entry);
  Result<void> flags(const text::Node& node);
  Result<void> flags_entry(const text::Entry& entry);
  Result<void> plugin(const text::Node& node);
  Result<void> gfd(const text::Node& node);
  Result<void> imex(const text::Node& node);
  Result<void> resources(const text::Entry& entry);
  Result<void> resource(const text::Node& node, GoPath path);
  Result<void> sharing(const text::Node& node);
  Result<void> version(const text::Node& node);

  Result<bool> option(std::span<const OptionSpec* const> candidates,
                      const text::Entry& entry, std::string_view path);
  Result<void> set(const OptionSpec& spec, const text::Entry& entry,
                   GoPath path);
  Result<std::vector<std::string>> strategies(const text::Node& node);
  Result<std::vector<std::int64_t>> numbers(const text::Node& node,
                                            GoPath path);
  Result<std::string> duration(const text::Node& node);
  std::string_view match(const text::Entry& entry,
                         std::span<const std::string_view> names);

  GoDecoder go_;
  std::vector<Warning>& warnings_;
  FileConfig config_;
};

// Go takes a key in any letter case; we say so.
std::string_view FileDecoder::match(const text::Entry& entry,
                                    std::span<const std::string_view> names) {
  const std::string_view name = match_field(entry.key, names);
  if (!name.empty() && name != entry.key) {
    warnings_.push_back(
        {entry.mark, fmt::format("key '{}' is read as '{}'", entry.key, name),
         fmt::format("write '{}'", name)});
  }
  return name;
}

Result<FileConfig> FileDecoder::decode(const text::Node& root) {
  static constexpr std::array<std::string_view, 5> kSections = {
      "flags", "imex", "resources", "sharing", "version"};
  TRY_VOID(go_.mapping(root, "Config", "v1.Config"));
  for (const text::Entry* entry : sorted_entries(root)) {
    const std::string_view name = match(*entry, kSections);
    if (name.empty()) {
      warnings_.push_back(unknown_key(*entry, "", kSections));
      continue;
    }
    TRY_VOID(section(name, *entry));
  }
  return std::move(config_);
}

Result<void> FileDecoder::section(std::string_view name,
                                  const text::Entry& entry) {
  if (name == "flags") return flags(entry.value);
  if (name == "imex") return imex(entry.value);
  if (name == "resources") return resources(entry);
  if (name == "sharing") return sharing(entry.value);
  return version(entry.value);
}

// The only text into which the peer's YAML step turns numbers and booleans.
Result<void> FileDecoder::version(const text::Node& node) {
  const bool is_coerced =
      node.is(Kind::kBool) || node.is(Kind::kInteger) || node.is(Kind::kFloat);
  if (is_coerced) {
    config_.version = node.scalar;
  } else {
    TRY(config_.version, go_.string(node, "Config.version"));
  }
  config_.version_mark = node.mark;
  return {};
}

Result<void> FileDecoder::flags(const text::Node& node) {
  TRY_VOID(go_.mapping(node, "Config.flags", "v1.Flags"));
  for (const text::Entry* entry : sorted_entries(node)) {
    TRY_VOID(flags_entry(*entry));
  }
  return {};
}

Result<void> FileDecoder::flags_entry(const text::Entry& entry) {
  static const std::vector<const OptionSpec*> kOptions = options_in("flags.");
  std::vector<std::string_view> names = {"plugin", "gfd"};
  for (const OptionSpec* spec : kOptions) names.push_back(leaf_of(spec->field));
  const std::string_view name = match(entry, names);
  if (name == "plugin") return plugin(entry.value);
  if (name == "gfd") return gfd(entry.value);
  TRY(const bool is_known, option(kOptions, entry, kFlagsPath));
  if (!is_known) warnings_.push_back(unknown_key(entry, "flags", names));
  return {};
}

Result<void> FileDecoder::plugin(const text::Node& node) {
  static const std::vector<const OptionSpec*> kOptions =
      options_in("flags.plugin.");
  TRY_VOID(go_.mapping(node, "Flags.flags.CommandLineFlags.plugin",
                       "v1.PluginCommandLineFlags"));
  std::vector<std::string_view> names;
  for (const OptionSpec* spec : kOptions) names.push_back(leaf_of(spec->field));
  for (const text::Entry* entry : sorted_entries(node)) {
    match(*entry, names);
    TRY(const bool known, option(kOptions, *entry, kPluginPath));
    if (!known) warnings_.push_back(unknown_key(*entry, "flags.plugin", names));
  }
  return {};
}

Result<void> FileDecoder::gfd(const text::Node& node) {
  static const std::vector<const OptionSpec*> kOptions =
      options_in("flags.gfd.");
  TRY_VOID(go_.mapping(node, "Flags.flags.CommandLineFlags.gfd",
                       "v1.GFDCommandLineFlags"));
  std::vector<std::string_view> names;
  for (const OptionSpec* spec : kOptions) names.push_back(leaf_of(spec->field));
  for (const text::Entry* entry : sorted_entries(node)) {
    match(*entry, names);
    TRY(const bool known, option(kOptions, *entry, kGfdPath));
    if (!known) warnings_.push_back(unknown_key(*entry, "flags.gfd", names));
  }
  return {};
}

Result<void> FileDecoder::imex(const text::Node& node) {
  static const std::vector<const OptionSpec*> kOptions = options_in("imex.");
  TRY_VOID(go_.mapping(node, "Config.imex", "v1.Imex"));
  std::vector<std::string_view> names;
  for (const OptionSpec* spec : kOptions) names.push_back(leaf_of(spec->field));
  for (const text::Entry* entry : sorted_entries(node)) {
    match(*entry, names);
    TRY(const bool known, option(kOptions, *entry, "Imex.imex."));
    if (!known) warnings_.push_back(unknown_key(*entry, "imex", names));
  }
  return {};
}

Result<bool> FileDecoder::option(std::span<const OptionSpec* const> candidates,
                                 const text::Entry& entry,
                                 std::string_view path) {
  std::vector<std::string_view> names;
  names.reserve(candidates.size());
  for (const OptionSpec* spec : candidates) {
    names.push_back(leaf_of(spec->field));
  }
  const std::string_view name = match_field(entry.key, names);
  if (name.empty()) return false;
  const auto at_name = std::ranges::find(names, name) - names.begin();
  const OptionSpec& spec = *candidates[static_cast<std::size_t>(at_name)];
  TRY_VOID(set(spec, entry, std::string(path) + std::string(name)));
  return true;
}

Result<void> FileDecoder::set(const OptionSpec& spec, const text::Entry& entry,
                              GoPath path) {
  auto& slot = config_.options[static_cast<std::size_t>(spec.option)];
  const text::Node& node = entry.value;
  // A null leaves a pointer unset, and even unsets it; so does Go.
  if (node.is(Kind::kNull)) {
    slot.reset();
    return {};
  }
  FileValue given;
  given.mark = node.mark;
  switch (spec.type) {
    case OptionType::kBool: {
      TRY(given.value, go_.boolean(node, path, false));
      break;
    }
    case OptionType::kText:
    case OptionType::kNumber:
    case OptionType::kInteger: {  // None of these has a field.
      TRY(given.value, go_.string(node, path));
      break;
    }
    case OptionType::kDuration: {
      TRY(given.value, duration(node));
      break;
    }
    case OptionType::kTextList: {
      TRY(given.value, strategies(node));
      break;
    }
    case OptionType::kIntList: {
      TRY(given.value, numbers(node, path));
      break;
    }
  }
  slot = std::move(given);
  return {};
}

// One string is one strategy here: it is not split at commas.
Result<std::vector<std::string>> FileDecoder::strategies(
    const text::Node& node) {
  std::vector<std::string> found;
  const auto is_text = [](const text::Node& n) { return n.is(Kind::kString); };
  if (node.is(Kind::kString)) {
    found.push_back(node.scalar);
    return found;
  }
  if (!node.is(Kind::kSequence) || !std::ranges::all_of(node.items, is_text)) {
    return go_.fail("invalid deviceListStrategy: " + text::to_json(node), node,
                    "give one strategy or a list of them");
  }
  for (const text::Node& item : node.items) found.push_back(item.scalar);
  if (found.empty()) {
    warnings_.push_back({node.mark,
                         "deviceListStrategy is empty: no container will be "
                         "told its devices",
                         "write [envvar]"});
  }
  return found;
}

Result<std::vector<std::int64_t>> FileDecoder::numbers(const text::Node& node,
                                                       GoPath path) {
  TRY_VOID(go_.sequence(node, path, "[]int"));
  std::vector<std::int64_t> found;
  for (const text::Node& item : node.items) {
    TRY(const std::int64_t number, go_.integer(item, path));
    found.push_back(number);
  }
  return found;
}

// A number is of nanoseconds, as Go's durations are.
Result<std::string> FileDecoder::duration(const text::Node& node) {
  constexpr std::string_view kAdvice = "write a duration like 60s, or infinite";
  if (node.is(Kind::kInteger) || node.is(Kind::kFloat)) {
    constexpr double kMost = 9.2e18;
    double count = 0;
    const std::string& digits = node.scalar;
    std::from_chars(digits.data(), digits.data() + digits.size(), count);
    if (count > -kMost && count < kMost) {
      return fmt::format("{}ns", static_cast<std::int64_t>(count));
    }
  }
  if (!node.is(Kind::kString)) {
    return go_.fail("invalid duration", node, kAdvice);
  }
  if (node.scalar == "infinite") return node.scalar;
  const auto parsed = text::parse_go_duration(node.scalar);
  if (parsed) return node.scalar;
  return go_.fail(parsed.error().message(), node, kAdvice);
}

Result<void> FileDecoder::resources(const text::Entry& entry) {
  static constexpr std::array<std::string_view, 2> kNames = {"gpus", "mig"};
  TRY_VOID(go_.mapping(entry.value, "Config.resources", "v1.Resources"));
  for (const text::Entry* list : sorted_entries(entry.value)) {
    const std::string_view name = match(*list, kNames);
    if (name.empty()) {
      warnings_.push_back(unknown_key(*list, "resources", kNames));
      continue;
    }
    const std::string path = "Resources.resources." + std::string(name);
    TRY_VOID(go_.sequence(list->value, path, "[]v1.Resource"));
    for (const text::Node& item : list->value.items) {
      TRY_VOID(resource(item, path));
    }
    if (!list->value.items.empty()) config_.resources_mark = entry.mark;
  }
  return {};
}

Result<void> FileDecoder::resource(const text::Node& node, GoPath path) {
  static constexpr std::array<std::string_view, 2> kNames = {"pattern", "name"};
  TRY_VOID(go_.mapping(node, path, "map[string]json.RawMessage"));
  for (const text::Entry& entry : node.entries) {
    if (std::ranges::find(kNames, entry.key) == kNames.end()) {
      warnings_.push_back(unknown_key(entry, "resources", kNames));
    }
  }
  const text::Entry* pattern = node.find("pattern");
  const text::Entry* name = node.find("name");
  if (pattern == nullptr) {
    return go_.fail("resources must have a 'pattern' field set", node,
                    "add \"pattern: '*'\"");
  }
  if (name == nullptr) {
    return go_.fail("resources must have a 'name' field set", node,
                    "add \"name: gpu\"");
  }
  TRY_VOID(go_.string(pattern->value, path, "v1.ResourcePattern"));
  TRY(const std::string written, go_.string(name->value, path));
  const auto parsed = parse_resource_name(written);
  if (parsed) return {};
  return go_.fail(parsed.error().message(), name->value,
                  "give a name like nvidia.com/gpu or gpu");
}

Result<void> FileDecoder::sharing(const text::Node& node) {
  static constexpr std::array<std::string_view, 3> kNames = {"timeSlicing",
                                                             "mps", "shares"};
  TRY_VOID(go_.mapping(node, "Config.sharing", "v1.Sharing"));
  for (const text::Entry* entry : sorted_entries(node)) {
    const std::string_view name = match(*entry, kNames);
    if (name.empty()) {
      warnings_.push_back(unknown_key(*entry, "sharing", kNames));
      continue;
    }
    auto& slot = name == "mps"      ? config_.mps
                 : name == "shares" ? config_.shares
                                    : config_.time_slicing;
    // `mps` is a pointer in Go and may be null, `timeSlicing` is a value.
    if (name != "timeSlicing" && entry->value.is(Kind::kNull)) {
      slot.reset();
      continue;
    }
    TRY(slot, decode_sharing(go_, *entry,
                             name == "mps"      ? "Sharing.sharing.mps"
                             : name == "shares" ? "Sharing.sharing.shares"
                                                : "Sharing.sharing.timeSlicing",
                             warnings_));
  }
  return {};
}

void warn_of_document(const text::YamlDocument& document,
                      std::vector<Warning>& warnings) {
  for (const text::DuplicateKey& twice : document.duplicates) {
    warnings.push_back(
        {twice.second,
         fmt::format("key '{}' is written twice (first at line {}); the last "
                     "value is used",
                     twice.key, twice.first.line),
         "keep one of them"});
  }
  if (document.second_document.line != 0) {
    warnings.push_back({document.second_document,
                        "what follows the first document is not read",
                        "remove it"});
  }
}

Error with_prefix(std::string_view prefix, const Error& error) {
  return {error.code(), std::string(prefix) + error.message()};
}

/// Files that people have beside this one, whose keys would all be passed over
/// with a warning and leave a configuration of nothing.
Result<void> refuse_other_kinds(const text::Node& root,
                                const std::string& name) {
  if (!root.is(Kind::kMapping)) return {};
  const text::Entry* kind = root.find("kind");
  if (kind != nullptr && kind->value.scalar == "GPUNode") {
    return at_place("this is a GPUNode file, not a configuration of the agent",
                    name, kind->mark,
                    "`gpunode device-plugin --as config` prints the one that "
                    "is in it");
  }
  const text::Entry* config = root.find("config");
  if (config != nullptr && config->value.is(Kind::kMapping) &&
      config->value.find("map") != nullptr) {
    return at_place("these are values of a helm chart, not a configuration",
                    name, config->mark,
                    "a configuration is what one name of config.map has");
  }
  return {};
}

}  // namespace

Result<FileConfig> decode_file(const ConfigText& file,
                               std::vector<Warning>& warnings) {
  text::YamlLimits limits;
  limits.bytes = kMaxConfigBytes;
  auto document = text::parse_yaml(file.text, file.name, limits);
  if (!document) {
    return with_prefix("unmarshal error: error converting YAML to JSON: ",
                       document.error());
  }
  warn_of_document(*document, warnings);
  TRY_VOID(refuse_other_kinds(document->root, file.name));
  auto config = FileDecoder(file.name, warnings).decode(document->root);
  if (!config) {
    return with_prefix(
        "unmarshal error: error unmarshaling JSON: while decoding JSON: ",
        config.error());
  }
  if (!config->version.empty() && config->version != "v1") {
    return at_place("unknown version: " + config->version, file.name,
                    config->version_mark, "write \"version: v1\"");
  }
  return config;
}

}  // namespace gpunode::config
