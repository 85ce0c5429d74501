#include "tests/doubles/apiserver/object_store.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text/json_edit.h"

namespace gpunode::kube::apiserver {
namespace {

using text::Node;

/// RFC 7386.
void merge(Node& into, const Node& patch) {
  for (const text::Entry& entry : patch.entries) {
    if (entry.value.is(Node::Kind::kNull)) {
      text::erase_at(into, {entry.key});
    } else if (entry.value.is(Node::Kind::kMapping)) {
      if (into.find(entry.key) == nullptr) {
        text::put_at(into, {entry.key}, text::mapping_node());
      }
      for (text::Entry& own : into.entries) {
        if (own.key == entry.key) merge(own.value, entry.value);
      }
    } else {
      text::put_at(into, {entry.key}, entry.value);
    }
  }
}

/// Items of `patch` take the place of those of their `type`, as Kubernetes
/// merges conditions; new ones go behind.
void merge_conditions(Node& into, const Node& patch) {
  into.kind = Node::Kind::kSequence;
  for (const Node& wanted : patch.items) {
    const std::string type = text::string_at(wanted, {"type"});
    Node* found = nullptr;
    for (Node& own : into.items) {
      if (text::string_at(own, {"type"}) == type) found = &own;
    }
    if (found == nullptr) {
      into.items.push_back(wanted);
    } else {
      merge(*found, wanted);
    }
  }
}

constexpr std::string_view kStatus = "/status";
constexpr std::string_view kEviction = "/eviction";

// Of the collection at `path`, as typed clients such as NVIDIA's want it.
std::string_view list_type(std::string_view path) {
  if (path.ends_with("/nodes")) return R"("kind":"NodeList","apiVersion":"v1")";
  if (path.ends_with("/configmaps")) {
    return R"("kind":"ConfigMapList","apiVersion":"v1")";
  }
  return R"("kind":"List","apiVersion":"v1")";
}

/// Where a page of a list begins, and the moment that the list is of.
struct Page {
  std::uint64_t version = 0;
  std::size_t start = 0;
};

std::string token_of(const Page& page) {
  return fmt::format("{}.{}", page.version, page.start);
}

/// Above 0.
std::optional<std::size_t> number_of(const std::string& text) {
  char* end = nullptr;
  const std::size_t number = std::strtoull(text.c_str(), &end, 10);
  if (number == 0 || *end != '\0') return std::nullopt;
  return number;
}

std::optional<Page> page_of(const std::string& token) {
  const std::size_t dot = token.find('.');
  const auto version = number_of(token.substr(0, dot));
  const auto start =
      number_of(dot == std::string::npos ? "" : token.substr(dot + 1));
  if (!version || !start) return std::nullopt;
  return Page{*version, *start};
}

/// Whether all of the budget's matchLabels are the Pod's.
bool is_selected_by(const Node& budget, const Node& pod) {
  const Node* const wanted =
      text::find_at(budget, {"spec", "selector", "matchLabels"});
  if (wanted == nullptr) return false;
  return std::ranges::all_of(wanted->entries, [&](const auto& entry) {
    return text::string_at(pod, {"metadata", "labels", entry.key}) ==
           entry.value.scalar;
  });
}

Reply not_found(const std::string& path) {
  return Reply::failure(404, "NotFound", path + " not found");
}

}  // namespace

Reply ObjectStore::get(const std::string& path) const {
  const auto found = objects_.find(path);
  if (found == objects_.end()) return not_found(path);
  return {200, text::to_json(with_managed_fields(found->second)), ""};
}

std::map<std::string, std::string> ObjectStore::selected_at(
    std::uint64_t version, const Request& request) const {
  std::map<std::string, std::string> selected;
  for (const Change& change : changes_) {
    if (change.version > version) break;
    if (!request.selects(change.path)) continue;
    if (change.type == "DELETED") {
      selected.erase(change.path);
    } else {
      selected[change.path] = change.json;
    }
  }
  std::erase_if(selected, [&](const auto& one) {
    const auto read = text::read_json(one.second, "object");
    return !read || !request.selects_content(text::tree_of(*read));
  });
  return selected;
}

Reply ObjectStore::list(const Request& request) const {
  Page page{version_, 0};
  if (const std::string token = request.parameter("continue"); !token.empty()) {
    const auto continued = page_of(token);
    if (!continued) {
      return Reply::failure(400, "BadRequest",
                            "continue key is not valid: " + token);
    }
    page = *continued;
    if (page.version < oldest_) {
      return Reply::failure(410, "Expired",
                            "The provided continue parameter is too old");
    }
  }
  const auto selected = selected_at(page.version, request);
  // The cacher, which answers for version 0, passes over the limit.
  std::size_t limit = selected.size();
  if (request.parameter("resourceVersion") != "0") {
    limit = number_of(request.parameter("limit")).value_or(limit);
  }
  std::string items;
  std::size_t position = 0;
  for (const auto& [path, json] : selected) {
    if (position >= page.start && position < page.start + limit) {
      items += (items.empty() ? "" : ",") + json;
    }
    ++position;
  }
  page.start += limit;
  const std::string more =
      page.start < selected.size()
          ? fmt::format(R"(,"continue":"{}")", token_of(page))
          : "";
  return {200,
          fmt::format(
              R"({{{},"metadata":{{"resourceVersion":"{}"{}}},"items":[{}]}})",
              list_type(request.path), page.version, more, items),
          ""};
}

std::string ObjectStore::store(const std::string& path, Node tree) {
  ++version_;
  const bool is_new = !objects_.contains(path);
  text::put_at(tree, {"metadata", "resourceVersion"},
               text::string_node(std::to_string(version_)));
  std::string json = text::to_json(tree);
  objects_[path].tree = std::move(tree);
  changes_.push_back({version_, is_new ? "ADDED" : "MODIFIED", path, json});
  return json;
}

Reply ObjectStore::create(const Request& request) {
  auto body = text::read_json(request.body, "body");
  if (!body) return Reply::failure(400, "BadRequest", body.error().message());
  Node tree = text::tree_of(*body);
  const std::string name = text::string_at(tree, {"metadata", "name"});
  if (name.empty()) {
    return Reply::failure(422, "Invalid", "metadata.name: Required value");
  }
  const std::string path = request.path + "/" + name;
  if (objects_.contains(path)) {
    return Reply::failure(409, "AlreadyExists", name + " already exists");
  }
  return {201, store(path, std::move(tree)), ""};
}

Reply ObjectStore::replace(const Request& request) {
  auto body = text::read_json(request.body, "body");
  if (!body) return Reply::failure(400, "BadRequest", body.error().message());
  Node tree = text::tree_of(*body);
  const auto found = objects_.find(request.path);
  if (found == objects_.end()) {
    // As the real one: a uid that is not there is another than the wished one.
    const bool has_uid = !text::string_at(tree, {"metadata", "uid"}).empty();
    return has_uid ? Reply::failure(409, "Conflict", "uid mismatch")
                   : not_found(request.path);
  }
  const text::KeyPath version_path = {"metadata", "resourceVersion"};
  const std::string version = text::string_at(tree, version_path);
  const bool is_custom = request.path.starts_with("/apis/nfd.");
  if (version.empty() && is_custom) {
    return Reply::failure(422, "Invalid",
                          "metadata.resourceVersion: Invalid value: 0x0: must "
                          "be specified for an update");
  }
  if (!version.empty() &&
      version != text::string_at(found->second.tree, version_path)) {
    return Reply::failure(409, "Conflict",
                          "the object has been modified; please apply your "
                          "changes to the latest version and try again");
  }
  text::erase_at(tree, {"metadata", "managedFields"});
  return {200, store(request.path, std::move(tree)), ""};
}

Reply ObjectStore::patch(const Request& request) {
  auto body = text::read_json(request.body, "body");
  if (!body) return Reply::failure(400, "BadRequest", body.error().message());
  const Node wanted = text::tree_of(*body);
  if (request.head.find("application/apply-patch+yaml") != std::string::npos) {
    return apply(request, wanted);
  }
  if (request.path.ends_with(kStatus)) return patch_status(request, wanted);
  const auto found = objects_.find(request.path);
  if (found == objects_.end()) return not_found(request.path);
  Node tree = found->second.tree;
  // Named in a patch, these two are preconditions.
  for (const char* key : {"uid", "resourceVersion"}) {
    const std::string named = text::string_at(wanted, {"metadata", key});
    if (!named.empty() && named != text::string_at(tree, {"metadata", key})) {
      return Reply::failure(409, "Conflict",
                            fmt::format("{} is not {}", key, named));
    }
  }
  merge(tree, wanted);
  // What was applied and is something else now is nobody's.
  for (const text::TreeChange& one :
       text::tree_changes(found->second.tree, tree)) {
    found->second.owners.erase(one.path);
  }
  store(request.path, std::move(tree));
  return get(request.path);
}

Reply ObjectStore::patch_status(const Request& request, const Node& wanted) {
  const std::string path =
      request.path.substr(0, request.path.size() - kStatus.size());
  const auto found = objects_.find(path);
  if (found == objects_.end()) return not_found(path);
  if (request.head.find("application/strategic-merge-patch+json") ==
      std::string::npos) {
    return Reply::failure(415, "UnsupportedMediaType",
                          "the double merges a status strategically only");
  }
  const text::KeyPath conditions = {"status", "conditions"};
  Node tree = found->second.tree;
  if (const std::string phase = text::string_at(wanted, {"status", "phase"});
      !phase.empty()) {
    text::put_at(tree, {"status", "phase"}, text::string_node(phase));
  }
  Node merged;
  if (const Node* const now = text::find_at(tree, conditions)) merged = *now;
  if (const Node* const patch = text::find_at(wanted, conditions)) {
    merge_conditions(merged, *patch);
    text::put_at(tree, conditions, std::move(merged));
  }
  store(path, std::move(tree));
  return get(path);
}

Reply ObjectStore::apply(const Request& request, const Node& wanted) {
  const std::string manager = request.parameter("fieldManager");
  if (manager.empty()) {
    return Reply::failure(400, "BadRequest", "fieldManager is required");
  }
  const auto now = objects_.find(request.path);
  const bool is_new = now == objects_.end();
  const text::KeyPath uid_path = {"metadata", "uid"};
  const std::string uid = text::string_at(wanted, uid_path);
  if (!uid.empty() &&
      (is_new || uid != text::string_at(now->second.tree, uid_path))) {
    return Reply::failure(409, "Conflict", "uid mismatch");
  }
  Applied applied =
      apply_as(manager, wanted, is_new ? OwnedObject{wanted, {}} : now->second,
               request.parameter("force") == "true");
  if (!applied.conflict.empty()) {
    return Reply::failure(409, "Conflict", applied.conflict);
  }
  store(request.path, std::move(applied.object.tree));
  objects_[request.path].owners = std::move(applied.object.owners);
  Reply reply = get(request.path);
  if (is_new) reply.status = 201;
  return reply;
}

std::optional<Reply> ObjectStore::obstacle_to(const std::string& path,
                                              const Node& pod) const {
  // "/api/v1/namespaces/NAME/pods/POD"
  const std::string space = path.substr(0, path.rfind("/pods/"));
  const std::string name = space.substr(space.rfind('/') + 1);
  const auto its_space = objects_.find(space);
  if (its_space != objects_.end() &&
      text::string_at(its_space->second.tree, {"status", "phase"}) ==
          "Terminating") {
    return Reply{
        403,
        R"({"kind":"Status","status":"Failure","message":"unable to create )"
        R"(new content in namespace because it is being terminated",)"
        R"("reason":"Forbidden","details":{"causes":[{"reason":)"
        R"("NamespaceTerminating","message":"namespace is being terminated",)"
        R"("field":"metadata.namespace"}]},"code":403})",
        ""};
  }
  const bool runs = text::string_at(pod, {"status", "phase"}) == "Running";
  std::size_t budgets = 0;
  for (const auto& [other, object] : objects_) {
    const bool is_budget =
        other.starts_with("/apis/policy/") &&
        other.find("/namespaces/" + name + "/poddisruptionbudgets/") !=
            std::string::npos;
    if (is_budget && is_selected_by(object.tree, pod)) ++budgets;
  }
  if (!runs || budgets == 0) return std::nullopt;
  if (budgets > 1) {
    return Reply::failure(500, "",
                          "This pod has more than one PodDisruptionBudget, "
                          "which the eviction subresource does not support.");
  }
  // Nobody looks after budgets here, so no Pod may go by any.
  Reply held = Reply::failure(429, "TooManyRequests",
                              "Cannot evict pod as it would violate the pod's "
                              "disruption budget.");
  return held;
}

Reply ObjectStore::evict(const Request& request) {
  auto body = text::read_json(request.body, "body");
  if (!body) return Reply::failure(400, "BadRequest", body.error().message());
  const Node eviction = text::tree_of(*body);
  const std::string path =
      request.path.substr(0, request.path.size() - kEviction.size());
  const auto found = objects_.find(path);
  if (found == objects_.end()) return not_found(path);
  const std::string uid =
      text::string_at(eviction, {"deleteOptions", "preconditions", "uid"});
  if (!uid.empty() &&
      uid != text::string_at(found->second.tree, {"metadata", "uid"})) {
    return Reply::failure(409, "Conflict",
                          "the UID in the precondition is not "
                          "that of the record");
  }
  if (auto refusal = obstacle_to(path, found->second.tree)) return *refusal;
  erase(path);
  return {201, R"({"kind":"Status","status":"Success","code":201})", ""};
}

Reply ObjectStore::erase(const std::string& path) {
  const auto found = objects_.find(path);
  if (found == objects_.end()) return not_found(path);
  Node tree = std::move(found->second.tree);
  objects_.erase(found);
  text::put_at(tree, {"metadata", "resourceVersion"},
               text::string_node(std::to_string(++version_)));
  changes_.push_back({version_, "DELETED", path, text::to_json(tree)});
  return {200, R"({"kind":"Status","status":"Success"})", ""};
}

void ObjectStore::put(const std::string& path, Node tree) {
  store(path, std::move(tree));
}

std::string ObjectStore::object(const std::string& path) const {
  const auto found = objects_.find(path);
  return found == objects_.end() ? "" : text::to_json(found->second.tree);
}

bool ObjectStore::is_expired(const Request& request) const {
  const std::string version = request.parameter("resourceVersion");
  return !version.empty() && version != "0" &&
         std::strtoull(version.c_str(), nullptr, 10) < oldest_;
}

void ObjectStore::forget_history() {
  oldest_ = ++version_;
}

}  // namespace gpunode::kube::apiserver
