#include "tests/doubles/apiserver/object_store.h"

#include <cstdlib>
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

// Of the collection at `path`, as typed clients such as NVIDIA's want it.
std::string_view list_type(std::string_view path) {
  if (path.ends_with("/nodes")) return R"("kind":"NodeList","apiVersion":"v1")";
  if (path.ends_with("/configmaps")) {
    return R"("kind":"ConfigMapList","apiVersion":"v1")";
  }
  return R"("kind":"List","apiVersion":"v1")";
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

Reply ObjectStore::list(const Request& request) const {
  std::string items;
  for (const auto& [path, object] : objects_) {
    if (!request.selects(path)) continue;
    items += (items.empty() ? "" : ",") + text::to_json(object.tree);
  }
  return {200,
          fmt::format(
              R"({{{},"metadata":{{"resourceVersion":"{}"}},"items":[{}]}})",
              list_type(request.path), version_, items),
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

Reply ObjectStore::patch(const Request& request) {
  auto body = text::read_json(request.body, "body");
  if (!body) return Reply::failure(400, "BadRequest", body.error().message());
  const Node wanted = text::tree_of(*body);
  if (request.head.find("application/apply-patch+yaml") != std::string::npos) {
    return apply(request, wanted);
  }
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
