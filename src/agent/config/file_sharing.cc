#include "agent/config/file_sharing.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "agent/config/resource_name.h"
#include "agent/config/setting_words.h"
#include "base/text/nearest.h"

namespace gpunode::config {
namespace {

using Kind = text::Node::Kind;

constexpr std::string_view kMapType = "map[string]json.RawMessage";
constexpr std::array<std::string_view, 3> kSectionKeys = {
    "renameByDefault", "failRequestsGreaterThanOne", "resources"};
// Of timeSlicing, with what is ours.
constexpr std::array<std::string_view, 5> kTimeSlicingKeys = {
    "renameByDefault", "failRequestsGreaterThanOne", "resources", "limits",
    "onUnsupported"};
constexpr std::array<std::string_view, 6> kSharesKeys = {
    "renameByDefault", "failRequestsGreaterThanOne",
    "resources",       "onUnsupported",
    "compute",         "priority"};
constexpr std::string_view kShares = "sharing.shares";
constexpr std::string_view kTimeSlicing = "sharing.timeSlicing";
constexpr std::array<std::string_view, 4> kItemKeys = {"name", "rename",
                                                       "devices", "replicas"};

/// Decodes one section; the members are what every step needs.
class SharingDecoder {
 public:
  SharingDecoder(const GoDecoder& decoder, GoPath path,
                 std::string_view section_name, std::vector<Warning>& warnings)
      : decoder_(decoder),
        path_(path),
        section_name_(section_name),
        warnings_(warnings) {}

  Result<FileSharing> section(const text::Entry& entry);

 private:
  Result<FileShare> item(const text::Node& node);
  Result<std::string> name(const text::Node& node);
  Result<DeviceSelection> devices(const text::Node& node);
  Result<DeviceSelection> device_list(const text::Node& node);
  Result<std::uint64_t> replicas(const text::Node& node);
  Result<HolderLimits> limits(const text::Node& node);
  Result<void> read_limits(const text::Node& node, FileSharing& sharing);
  Result<void> read_turns(const text::Node& node, FileSharing& sharing);
  Result<ComputePolicy> compute(const text::Node& node);
  Result<SharePriority> priority(const text::Node& node);
  std::span<const std::string_view> keys() const;
  void warn_of_unknown(const text::Node& node, std::string_view parent,
                       std::span<const std::string_view> names);
  void warn_of_float(const text::Node& node, std::string_view key);
  void warn_of_repeats(const FileSharing& sharing);

  const GoDecoder& decoder_;
  GoPath path_;
  std::string_view section_name_;
  std::vector<Warning>& warnings_;
};

void SharingDecoder::warn_of_unknown(const text::Node& node,
                                     std::string_view parent,
                                     std::span<const std::string_view> names) {
  for (const text::Entry& entry : node.entries) {
    if (std::ranges::find(names, entry.key) == names.end()) {
      warnings_.push_back(unknown_key(entry, parent, names));
    }
  }
}

void SharingDecoder::warn_of_float(const text::Node& node,
                                   std::string_view key) {
  if (!node.was_float) return;
  warnings_.push_back({node.mark,
                       fmt::format("'{}' is not written as a whole number; it "
                                   "is read as {}",
                                   key, node.scalar),
                       fmt::format("write {}", node.scalar)});
}

void SharingDecoder::warn_of_repeats(const FileSharing& sharing) {
  std::map<std::string, text::Mark> seen;
  for (const FileShare& share : sharing.resources) {
    const auto [first, fresh] = seen.try_emplace(share.name, share.mark);
    if (fresh) continue;
    warnings_.push_back(
        {share.mark,
         fmt::format("{} is listed again under {} (first at line {}); the last "
                     "entry is used",
                     share.name, section_name_, first->second.line),
         "keep one of them"});
  }
}

Result<FileSharing> SharingDecoder::section(const text::Entry& entry) {
  const text::Node& node = entry.value;
  TRY_VOID(decoder_.mapping(node, path_, kMapType));
  warn_of_unknown(node, section_name_, keys());
  FileSharing sharing;
  sharing.mark = entry.mark;
  if (const auto* rename = node.find("renameByDefault")) {
    TRY(sharing.rename_by_default,
        decoder_.boolean(rename->value, path_, false));
  }
  const auto* fail = node.find("failRequestsGreaterThanOne");
  if (fail != nullptr && !fail->value.is(Kind::kNull)) {
    TRY(sharing.fail_requests_greater_than_one,
        decoder_.boolean(fail->value, path_, false));
  }
  TRY_VOID(read_limits(node, sharing));
  if (section_name_ == kShares) TRY_VOID(read_turns(node, sharing));
  const auto* resources = node.find("resources");
  if (resources != nullptr) {
    TRY_VOID(
        decoder_.sequence(resources->value, path_, "[]v1.ReplicatedResource"));
  }
  if (resources == nullptr || resources->value.items.empty()) {
    return at_place("no resources specified", decoder_.file_name(), entry.mark,
                    fmt::format("list at least one resource under {}.resources,"
                                " or remove the section",
                                section_name_));
  }
  for (const text::Node& each : resources->value.items) {
    TRY(FileShare share, item(each));
    sharing.resources.push_back(std::move(share));
  }
  warn_of_repeats(sharing);
  return sharing;
}

std::span<const std::string_view> SharingDecoder::keys() const {
  if (section_name_ == kTimeSlicing) return kTimeSlicingKeys;
  if (section_name_ == kShares) return kSharesKeys;
  return kSectionKeys;
}

/// What is ours: `limits` of timeSlicing, `onUnsupported` of what limits.
Result<void> SharingDecoder::read_limits(const text::Node& node,
                                         FileSharing& sharing) {
  const bool is_time_slicing = section_name_ == kTimeSlicing;
  const auto* written = node.find("limits");
  if (is_time_slicing && written != nullptr) {
    TRY(sharing.limits, limits(written->value));
  }
  written = node.find("onUnsupported");
  if (written == nullptr || !(is_time_slicing || section_name_ == kShares)) {
    return {};
  }
  TRY(const std::string word, decoder_.string(written->value, path_));
  if (word == "unlimited") {
    sharing.on_unsupported = OnUnsupported::kUnlimited;
  } else if (word != "refuse") {
    return decoder_.fail(fmt::format("unknown onUnsupported '{}'", word),
                         written->value, "write refuse or unlimited");
  }
  if (is_time_slicing && sharing.limits == HolderLimits::kNone) {
    warnings_.push_back(
        {written->mark,
         "onUnsupported means nothing in sharing.timeSlicing without limits",
         "write \"limits: memory\" beside it, or remove it"});
  }
  return {};
}

/// How time is given, and to whom first: of shares alone.
Result<void> SharingDecoder::read_turns(const text::Node& node,
                                        FileSharing& sharing) {
  if (const auto* written = node.find("compute")) {
    TRY(sharing.compute, compute(written->value));
  }
  const auto* written = node.find("priority");
  if (written == nullptr) return {};
  TRY(sharing.priority, priority(written->value));
  if (sharing.compute == ComputePolicy::kNone &&
      sharing.priority != SharePriority::kNone) {
    warnings_.push_back(
        {written->mark,
         "priority means nothing in sharing.shares with compute: none, for "
         "nobody takes turns",
         "write another compute (fair, burst, hard), or remove it"});
  }
  return {};
}

Result<SharePriority> SharingDecoder::priority(const text::Node& node) {
  TRY(const std::string word, decoder_.string(node, path_));
  if (const SharePriority* priority = look_up(kSharePriorities, word)) {
    return *priority;
  }
  return decoder_.fail(fmt::format("unknown priority '{}'", word), node,
                       "write none or pod (a container's number is its Pod's "
                       "PriorityClass)");
}

Result<ComputePolicy> SharingDecoder::compute(const text::Node& node) {
  TRY(const std::string word, decoder_.string(node, path_));
  if (const ComputePolicy* policy = look_up(kComputePolicies, word)) {
    return *policy;
  }
  return decoder_.fail(fmt::format("unknown compute '{}'", word), node,
                       "write fair, burst, hard or none");
}

Result<FileShare> SharingDecoder::item(const text::Node& node) {
  TRY_VOID(decoder_.mapping(node, path_, kMapType));
  warn_of_unknown(node, fmt::format("{}.resources", section_name_), kItemKeys);
  FileShare share;
  share.mark = node.mark;
  const text::Entry* written = node.find("name");
  if (written == nullptr) {
    return decoder_.fail("no resource name specified", node,
                         "add \"name: nvidia.com/gpu\"");
  }
  TRY(share.name, name(written->value));
  if (written = node.find("devices"); written != nullptr) {
    TRY(share.devices, devices(written->value));
    share.devices_mark = written->mark;
  }
  written = node.find("replicas");
  if (written == nullptr) {
    return decoder_.fail("no replicas specified", node,
                         "add \"replicas: N\" with N of 2 or more");
  }
  TRY(share.replicas, replicas(written->value));
  if (written = node.find("rename"); written != nullptr) {
    TRY(share.rename, name(written->value));
    share.rename_mark = written->mark;
  }
  return share;
}

Result<HolderLimits> SharingDecoder::limits(const text::Node& node) {
  TRY(const std::string word, decoder_.string(node, path_));
  if (const HolderLimits* limits = look_up(kHolderLimits, word)) {
    return *limits;
  }
  return decoder_.fail(fmt::format("unknown limits '{}'", word), node,
                       "write none, memory or memory+compute");
}

Result<std::string> SharingDecoder::name(const text::Node& node) {
  TRY(const std::string written, decoder_.string(node, path_));
  auto parsed = parse_resource_name(written);
  if (parsed) return parsed;
  return decoder_.fail(parsed.error().message(), node,
                       "give a name like nvidia.com/gpu or gpu");
}

Result<std::uint64_t> SharingDecoder::replicas(const text::Node& node) {
  TRY(const std::int64_t count, decoder_.integer(node, path_));
  if (count < 2) {
    return decoder_.fail(
        "number of replicas must be >= 2", node,
        fmt::format("replicas is {}; give 2 or more, or remove the entry",
                    count));
  }
  if (static_cast<std::uint64_t>(count) > kMaxReplicas) {
    return decoder_.fail(
        fmt::format("number of replicas must be <= {}", kMaxReplicas), node,
        fmt::format("replicas is {}; the kubelet reads a device list of at "
                    "most 4 MiB",
                    count));
  }
  if (section_name_ == kShares &&
      static_cast<std::uint64_t>(count) > kMostShares) {
    return decoder_.fail(
        fmt::format("number of shares must be <= {}", kMostShares), node,
        fmt::format("replicas is {}; a share of a GPU is a hundredth of it, "
                    "or more",
                    count));
  }
  warn_of_float(node, "replicas");
  return static_cast<std::uint64_t>(count);
}

Result<DeviceSelection> SharingDecoder::devices(const text::Node& node) {
  constexpr std::string_view kAdvice =
      "give all, a count, or a list of GPU indices and UUIDs";
  if (node.is(Kind::kString) || node.is(Kind::kNull)) {
    if (node.scalar == "all") return DeviceSelection{AllDevices{}};
    return decoder_.fail(
        fmt::format("devices set as '{}' but the only valid string input is "
                    "'all'",
                    node.scalar),
        node, kAdvice);
  }
  if (node.is(Kind::kInteger)) {
    if (const auto count = decoder_.integer(node, path_)) {
      if (*count > 0) {
        warn_of_float(node, "devices");
        return DeviceSelection{DeviceCount{static_cast<std::uint64_t>(*count)}};
      }
      return decoder_.fail(fmt::format("devices set as '{}' but a count of "
                                       "devices must be > 0",
                                       *count),
                           node, kAdvice);
    }
  }
  if (node.is(Kind::kSequence)) return device_list(node);
  return decoder_.fail(
      "unrecognized type for devices spec: " + text::to_json(node), node,
      kAdvice);
}

Result<DeviceSelection> SharingDecoder::device_list(const text::Node& node) {
  DeviceRefs refs;
  for (const text::Node& item : node.items) {
    // The peer decodes null into the index 0.
    const bool index = item.is(Kind::kInteger) && is_device_ref(item.scalar);
    const bool word = item.is(Kind::kString) && is_device_ref(item.scalar);
    if (index || word) {
      refs.values.push_back(item.scalar);
    } else if (item.is(Kind::kNull)) {
      refs.values.emplace_back("0");
    } else {
      return decoder_.fail(
          fmt::format("unsupported type for device in devices list: {}, string",
                      item.is(Kind::kString) ? item.scalar : ""),
          item,
          "give a GPU index (0), a MIG index (\"0:1\"), GPU-<uuid> or "
          "MIG-<uuid>");
    }
  }
  return DeviceSelection{std::move(refs)};
}

}  // namespace

Result<FileSharing> decode_sharing(const GoDecoder& decoder,
                                   const text::Entry& section, GoPath path,
                                   std::vector<Warning>& warnings) {
  const std::string_view name = path.substr(path.find('.') + 1);
  return SharingDecoder(decoder, path, name, warnings).section(section);
}

Warning unknown_key(const text::Entry& entry, std::string_view parent,
                    std::span<const std::string_view> names) {
  const std::string_view near = text::nearest_name(entry.key, names);
  const std::string where = parent.empty() ? "" : fmt::format(" in {}", parent);
  return {entry.mark,
          fmt::format("unknown key '{}'{} is ignored", entry.key, where),
          near.empty() ? "" : fmt::format("did you mean '{}'?", near)};
}

}  // namespace gpunode::config
