#include "node/provision/node_meta_change.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "k8s/api/client.h"
#include "k8s/api/kubeconfig.h"
#include "k8s/api/kubeconfig_credentials.h"
#include "k8s/api/resource_path.h"
#include "node/provision/steps/kubernetes/node_identity.h"

namespace gpunode::provision {
namespace {

using Json = nlohmann::ordered_json;

/// The whole object; kCorrupt for what is none.
Result<Json> object_of(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    return Error(ErrorCode::kCorrupt, "what came as the Node is no object");
  }
  return json;
}

/// The member at `path`; null if any part of it is missing or no object.
Json part_of(const Json& whole, std::initializer_list<const char*> path) {
  const Json* at = &whole;
  for (const char* key : path) {
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &at->at(key);
  }
  return *at;
}

std::string text_of(const Json& object, const char* key) {
  const Json value = part_of(object, {key});
  return value.is_string() ? value.get<std::string>() : "";
}

std::pair<std::string, std::string> halves(const std::string& label) {
  const std::size_t equals = std::min(label.find('='), label.size());
  return {label.substr(0, equals),
          label.substr(std::min(equals + 1, label.size()))};
}

/// A taint as text and as the API has it.
struct Taint {
  std::string key;
  std::string value;
  std::string effect;

  std::string name() const { return key + ":" + effect; }
  std::string text() const {
    return key + (value.empty() ? "" : "=" + value) + ":" + effect;
  }
};

Taint taint_of(const std::string& text) {
  const std::size_t colon = std::min(text.rfind(':'), text.size());
  const auto [key, value] = halves(text.substr(0, colon));
  return {key, value, text.substr(std::min(colon + 1, text.size()))};
}

Taint taint_of(const Json& json) {
  return {text_of(json, "key"), text_of(json, "value"),
          text_of(json, "effect")};
}

Json taints_of(const Json& node) {
  Json taints = part_of(node, {"spec", "taints"});
  return taints.is_array() ? taints : Json::array();
}

std::optional<Taint> find_taint(const Json& taints, const std::string& name) {
  for (const Json& one : taints) {
    Taint taint = taint_of(one);
    if (taint.name() == name) return taint;
  }
  return std::nullopt;
}

/// What somebody with the right to it would type.
std::string kubectl_words(const SetNodeMeta& action, bool taints) {
  std::vector<std::string> changes = taints ? action.taints : action.labels;
  for (const std::string& gone :
       taints ? action.removed_taints : action.removed_labels) {
    changes.push_back(gone + "-");
  }
  return fmt::format("kubectl {} node {} --overwrite {}",
                     taints ? "taint" : "label", action.node,
                     fmt::join(changes, " "));
}

Error told(Error error, const SetNodeMeta& action, bool taints) {
  if (error.code() == ErrorCode::kPermissionDenied) {
    return {ErrorCode::kPermissionDenied,
            fmt::format("the cluster lets no kubelet change {} of its Node "
                        "({}); next: type this with an admin's kubeconfig, "
                        "then apply again: `{}`",
                        taints ? "the taints" : "these labels", error.message(),
                        kubectl_words(action, taints))};
  }
  if (error.code() == ErrorCode::kNotFound) {
    return {ErrorCode::kNotFound,
            fmt::format("the cluster has no Node {}; next: does the kubelet "
                        "run (`systemctl status kubelet`), and is that its "
                        "name (`kubectl get nodes`)?",
                        action.node)};
  }
  return error;
}

/// A client as the kubelet, with what it needs to live.
class KubeletClient {
 public:
  static Result<std::unique_ptr<KubeletClient>> make(
      const host::HostRoot& host, host::CommandRunner& runner,
      std::function<kube::WallTime()> now) {
    TRY(const std::string text,
        host.read_file(kKubeletConf, kube::kMaxKubeconfigBytes));
    TRY(kube::Kubeconfig config, kube::parse_kubeconfig(text, kKubeletConf));
    return std::make_unique<KubeletClient>(kube::KubeconfigCredentials(
        std::move(config), host, runner, {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
        std::move(now)));
  }

  explicit KubeletClient(kube::KubeconfigCredentials credentials)
      : credentials_(std::move(credentials)),
        client_(credentials_, nullptr, {}) {}

  kube::Client& get() { return client_; }

  /// That its files are there. Else kUnavailable: kNotFound is the Node's.
  Result<void> check() {
    auto access = credentials_.access(false);
    if (access) return {};
    return Error(ErrorCode::kUnavailable,
                 "the kubelet's credentials: " + access.error().message());
  }

 private:
  kube::KubeconfigCredentials credentials_;
  kube::Client client_;
};

}  // namespace

Result<SetNodeMeta> inverse_meta(const std::string& node,
                                 const SetNodeMeta& action) {
  TRY(const Json json, object_of(node));
  const Json labels = part_of(json, {"metadata", "labels"});
  const Json taints = taints_of(json);
  SetNodeMeta back;
  back.node = action.node;
  const auto keep_label = [&](const std::string& key, bool comes) {
    if (labels.is_object() && labels.contains(key)) {
      back.labels.push_back(key + "=" + text_of(labels, key.c_str()));
    } else if (comes) {
      back.removed_labels.push_back(key);
    }
  };
  for (const std::string& label : action.labels) {
    keep_label(halves(label).first, true);
  }
  for (const std::string& key : action.removed_labels) keep_label(key, false);
  const auto keep_taint = [&](const std::string& name, bool comes) {
    if (const auto taint = find_taint(taints, name)) {
      back.taints.push_back(taint->text());
    } else if (comes) {
      back.removed_taints.push_back(name);
    }
  };
  for (const std::string& taint : action.taints) {
    keep_taint(taint_of(taint).name(), true);
  }
  for (const std::string& name : action.removed_taints) {
    keep_taint(name, false);
  }
  return back;
}

Result<std::string> label_patch(const std::string& node,
                                const SetNodeMeta& action) {
  TRY(const Json json, object_of(node));
  const Json labels = part_of(json, {"metadata", "labels"});
  Json changes = Json::object();
  for (const std::string& label : action.labels) {
    const auto [key, value] = halves(label);
    const bool is_so = labels.is_object() && labels.contains(key) &&
                       text_of(labels, key.c_str()) == value;
    if (!is_so) changes[key] = value;
  }
  for (const std::string& key : action.removed_labels) {
    if (labels.is_object() && labels.contains(key)) changes[key] = nullptr;
  }
  if (changes.empty()) return std::string();
  Json patch;
  patch["metadata"]["labels"] = std::move(changes);
  return patch.dump();
}

Result<std::string> taint_patch(const std::string& node,
                                const SetNodeMeta& action) {
  TRY(const Json json, object_of(node));
  const Json before = taints_of(json);
  Json after = Json::array();
  bool is_changed = false;
  for (const Json& one : before) {
    const std::string name = taint_of(one).name();
    const bool goes = std::ranges::find(action.removed_taints, name) !=
                      action.removed_taints.end();
    const auto ours = std::ranges::find_if(
        action.taints,
        [&](const std::string& text) { return taint_of(text).name() == name; });
    const bool differs =
        ours != action.taints.end() && *ours != taint_of(one).text();
    if (goes || differs) {
      is_changed = true;
    } else {
      after.push_back(one);
    }
  }
  for (const std::string& text : action.taints) {
    const Taint taint = taint_of(text);
    if (find_taint(after, taint.name())) continue;
    is_changed = true;
    Json json_taint;
    json_taint["key"] = taint.key;
    if (!taint.value.empty()) json_taint["value"] = taint.value;
    json_taint["effect"] = taint.effect;
    after.push_back(std::move(json_taint));
  }
  if (!is_changed) return std::string();
  Json patch;
  const std::string version =
      text_of(part_of(json, {"metadata"}), "resourceVersion");
  if (!version.empty()) patch["metadata"]["resourceVersion"] = version;
  patch["spec"]["taints"] = std::move(after);
  return patch.dump();
}

Result<SetNodeMeta> NodeMetaChange::inverse_of(const SetNodeMeta& action) {
  TRY(const auto kubelet, KubeletClient::make(host_, runner_, now_));
  auto node = kubelet->get().get(kube::nodes(), {"", action.node});
  if (!node) return told(std::move(node).error(), action, false);
  return inverse_meta(*node, action);
}

Result<void> NodeMetaChange::make(const SetNodeMeta& action) {
  TRY(const auto kubelet, KubeletClient::make(host_, runner_, now_));
  TRY_VOID(kubelet->check());
  kube::Client& client = kubelet->get();
  const kube::ObjectKey key{"", action.node};
  auto node = client.get(kube::nodes(), key);
  // inverse_of() has found it: it went since, and what it had went with it.
  if (!node && node.error().code() == ErrorCode::kNotFound) return {};
  if (!node) return told(std::move(node).error(), action, false);
  TRY(const std::string labels, label_patch(*node, action));
  if (!labels.empty()) {
    node = client.merge_patch(kube::nodes(), key, labels);
    if (!node) return told(std::move(node).error(), action, false);
  }
  // A Node changes often: its version is of this moment, or it is read anew.
  constexpr int kTries = 5;
  for (int left = kTries;; --left) {
    TRY(const std::string taints, taint_patch(*node, action));
    if (taints.empty()) return {};
    auto patched = client.merge_patch(kube::nodes(), key, taints);
    if (patched) return {};
    const bool was_changed =
        patched.error().code() == ErrorCode::kAlreadyExists && left > 1;
    if (!was_changed) return told(std::move(patched).error(), action, true);
    node = client.get(kube::nodes(), key);
    if (!node) return told(std::move(node).error(), action, false);
  }
}

}  // namespace gpunode::provision
