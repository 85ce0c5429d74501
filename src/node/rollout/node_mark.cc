#include "node/rollout/node_mark.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gpunode::rollout {
namespace {

using Json = nlohmann::ordered_json;

/// Annotations are not for novels: what a program said may be long.
constexpr std::size_t kMostWhy = 1000;

Json named(const NodeVersion& node) {
  Json metadata = Json::object();
  if (!node.uid.empty()) metadata["uid"] = node.uid;
  if (!node.resource_version.empty()) {
    metadata["resourceVersion"] = node.resource_version;
  }
  return {{"metadata", std::move(metadata)}};
}

std::optional<Phase> phase_of(std::string_view name) {
  for (const Phase phase :
       {Phase::kDraining, Phase::kBringing, Phase::kChecking}) {
    if (name == phase_name(phase)) return phase;
  }
  return std::nullopt;
}

/// What others wrote in it may be no UTF-8: it is shown as such, not refused.
std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string short_digest(std::string_view digest) {
  constexpr std::size_t kDigits = 16;
  return std::string(digest.substr(0, kDigits));
}

const char* phase_name(Phase phase) {
  switch (phase) {
    case Phase::kDraining:
      return "draining";
    case Phase::kBringing:
      return "bringing";
    case Phase::kChecking:
      break;
  }
  return "checking";
}

Result<NodeMark> read_mark(std::string_view annotation) {
  const auto bad = [&] {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("annotation {} is not what gpunode wrote; next: "
                             "look at the Node, and remove the annotation",
                             kRolloutAnnotation));
  };
  const Json json = Json::parse(annotation, nullptr, false);
  if (!json.is_object()) return bad();
  const auto text = [&](const char* key) -> std::string {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>()
                                                     : "";
  };
  NodeMark mark;
  const auto phase = phase_of(text("phase"));
  mark.digest = text("digest");
  mark.why = text("why");
  const auto cordoned = json.find("wasCordoned");
  const auto gpus = json.find("gpus");
  if (!phase || mark.digest.empty() || cordoned == json.end() ||
      !cordoned->is_boolean() || gpus == json.end() ||
      !gpus->is_number_unsigned()) {
    return bad();
  }
  mark.phase = *phase;
  mark.was_cordoned = cordoned->get<bool>();
  mark.gpus = gpus->get<std::uint64_t>();
  return mark;
}

std::string mark_text(const NodeMark& mark) {
  Json json = {{"phase", phase_name(mark.phase)},
               {"digest", mark.digest},
               {"wasCordoned", mark.was_cordoned},
               {"gpus", mark.gpus}};
  if (!mark.why.empty()) json["why"] = mark.why.substr(0, kMostWhy);
  return dumped(json);
}

std::string begin_patch(const NodeVersion& node, const NodeMark& mark) {
  Json patch = named(node);
  patch["metadata"]["annotations"][kRolloutAnnotation] = mark_text(mark);
  // Of another file's roll-out, perhaps.
  patch["metadata"]["labels"][kBringLabel] = nullptr;
  patch["spec"]["unschedulable"] = true;
  return dumped(patch);
}

std::string mark_patch(const NodeVersion& node, const NodeMark& mark) {
  Json patch = named(node);
  patch["metadata"]["annotations"][kRolloutAnnotation] = mark_text(mark);
  if (mark.phase != Phase::kDraining) {
    patch["metadata"]["labels"][kBringLabel] = short_digest(mark.digest);
  }
  // Whatever others did meanwhile: no work comes to a node that is changed.
  patch["spec"]["unschedulable"] = true;
  return dumped(patch);
}

std::string finish_patch(const NodeVersion& node, const NodeMark& mark) {
  Json patch = named(node);
  patch["metadata"]["annotations"][kRolloutAnnotation] = nullptr;
  patch["metadata"]["annotations"][kRolledOutAnnotation] = mark.digest;
  patch["metadata"]["labels"][kBringLabel] = nullptr;
  if (!mark.was_cordoned) patch["spec"]["unschedulable"] = nullptr;
  return dumped(patch);
}

}  // namespace gpunode::rollout
