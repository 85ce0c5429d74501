#include "node/diagnose/status_json.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/text/json_reader.h"
#include "base/text/json_splice.h"
#include "base/text/node.h"
#include "node/diagnose/plan_look_text.h"

namespace gpunode::diagnose {
namespace {

using text::json_array;
using text::json_object;
using text::json_string;

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

std::string boolean(bool value) {
  return value ? "true" : "false";
}

std::string agent_member(bool answers, const std::string& problem) {
  return json_object(
      {{"answers", boolean(answers)}, {"problem", json_string(problem)}});
}

std::string finding_list(const Findings& findings) {
  std::vector<std::string> items;
  for (const Finding& one : findings) {
    items.push_back(json_object({{"check", json_string(one.check)},
                                 {"what", json_string(one.what)},
                                 {"next", json_string(one.next)}}));
  }
  return json_array(items);
}

std::string holders_of(const AgentStatus& status) {
  std::vector<std::string> items;
  for (const AgentStatus::Holder& one : status.holders) {
    std::vector<std::string> ids;
    for (const std::string& id : one.ids) ids.push_back(json_string(id));
    items.push_back(json_object({{"namespace", json_string(one.pod_namespace)},
                                 {"pod", json_string(one.pod)},
                                 {"uid", json_string(one.uid)},
                                 {"container", json_string(one.container)},
                                 {"resource", json_string(one.resource)},
                                 {"ids", json_array(ids)}}));
  }
  return json_object({{"source", json_string(status.holder_source)},
                      {"problem", json_string(status.holder_problem)},
                      {"items", json_array(items)}});
}

std::string gpus_of(const AgentStatus& status) {
  std::vector<std::string> items;
  for (const AgentStatus::Gpu& gpu : status.gpus) {
    std::vector<std::string> migs;
    for (const AgentStatus::Mig& mig : gpu.mig) {
      migs.push_back(json_object({{"uuid", json_string(mig.uuid)},
                                  {"index", number(mig.index)},
                                  {"profile", json_string(mig.profile)},
                                  {"memoryBytes", number(mig.memory_bytes)}}));
    }
    items.push_back(json_object({{"uuid", json_string(gpu.uuid)},
                                 {"index", number(gpu.index)},
                                 {"name", json_string(gpu.name)},
                                 {"memoryBytes", number(gpu.memory_bytes)},
                                 {"migEnabled", boolean(gpu.mig_enabled)},
                                 {"mig", json_array(migs)}}));
  }
  return json_array(items);
}

std::string resources_of(const AgentStatus& status) {
  std::vector<std::string> items;
  for (const AgentStatus::Resource& one : status.resources) {
    items.push_back(json_object({{"name", json_string(one.name)},
                                 {"capacity", number(one.capacity)},
                                 {"held", number(one.held)},
                                 {"free", number(one.free.value_or(0))}}));
  }
  return json_array(items);
}

std::string plugins_of(const HostLook& look) {
  std::vector<std::string> items;
  for (const Listener& one : look.plugins) {
    items.push_back(
        json_object({{"socket", json_string(one.socket)},
                     {"pid", number(static_cast<std::uint64_t>(one.pid))},
                     {"program", json_string(one.program)}}));
  }
  return json_array(items);
}

void add_plan(const PlanLook& plan,
              std::vector<std::pair<std::string_view, std::string>>& members) {
  if (plan.exists) members.emplace_back("node", plan_look_json(plan));
}

}  // namespace

Result<std::string> status_json(std::string_view document,
                                const AgentStatus& status, const PlanLook& plan,
                                const Findings& findings) {
  text::JsonReader reader(document, "the agent's status");
  text::JsonPlace object{text::JsonPlace::State::kObject, {}, {}};
  text::JsonSplice splice;
  // Passes what is before the object.
  if (const auto kind = reader.kind(); !kind) return kind.error();
  object.span.begin = reader.position();
  TRY_VOID(reader.enter_object());
  for (;;) {
    TRY(const std::optional<std::string> key, reader.next_key());
    if (!key) break;
    TRY(const text::JsonSpan value, reader.skip());
    object.items.push_back(value);
    if (*key == "holders") splice.replace(value, holders_of(status));
  }
  object.span.end = reader.position();
  std::vector<std::pair<std::string_view, std::string>> members = {
      {"agent", agent_member(true, "")}, {"findings", finding_list(findings)}};
  add_plan(plan, members);
  splice.add_members(object, members);
  return std::move(splice).apply(document);
}

std::string status_json(const HostLook& look, const Error& why,
                        const PlanLook& plan, const Findings& findings) {
  const AgentStatus& known = look.known;
  std::vector<std::pair<std::string_view, std::string>> members = {
      {"version", "1"},
      {"agent", agent_member(false, why.message())},
      {"driver", json_object({{"version", json_string(known.driver_version)}})},
      {"config", json_object({{"lastChoice", json_string(look.last_choice)}})},
      {"gpus", gpus_of(known)},
      {"resources", resources_of(known)},
      {"holders", holders_of(known)},
      {"kubeletListens", boolean(look.kubelet_listens)},
      {"plugins", plugins_of(look)},
      {"findings", finding_list(findings)}};
  add_plan(plan, members);
  return json_object(members) + "\n";
}

}  // namespace gpunode::diagnose
