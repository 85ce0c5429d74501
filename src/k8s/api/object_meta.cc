#include "k8s/api/object_meta.h"

#include <functional>
#include <limits>

#include "base/text/json_reader.h"

namespace gpunode::kube {
namespace {

using text::JsonKind;
using text::JsonReader;

constexpr std::string_view kSource = "the API server's answer";

/// Calls `use` with each member's key; what it does not read is passed.
Result<void> for_members(
    JsonReader& reader,
    const std::function<Result<bool>(const std::string&)>& use) {
  TRY(const JsonKind kind, reader.kind());
  if (kind == JsonKind::kNull) {
    TRY_VOID(reader.skip());
    return {};
  }
  TRY_VOID(reader.enter_object());
  for (;;) {
    TRY(const auto key, reader.next_key());
    if (!key.has_value()) return {};
    TRY(const bool is_read, use(key.value()));
    if (!is_read) TRY_VOID(reader.skip());
  }
}

/// A string; null is the empty one.
Result<bool> read_string(JsonReader& reader, std::string& into) {
  TRY(const JsonKind kind, reader.kind());
  if (kind == JsonKind::kNull) return false;
  TRY(into, reader.string());
  return true;
}

Result<bool> read_strings(JsonReader& reader,
                          std::map<std::string, std::string>& into) {
  TRY_VOID(for_members(reader, [&](const std::string& key) {
    return read_string(reader, into[key]);
  }));
  return true;
}

Result<bool> read_meta(JsonReader& reader, ObjectMeta& out) {
  TRY_VOID(for_members(reader, [&](const std::string& key) -> Result<bool> {
    if (key == "name") return read_string(reader, out.name);
    if (key == "namespace") return read_string(reader, out.space);
    if (key == "uid") return read_string(reader, out.uid);
    if (key == "resourceVersion") {
      return read_string(reader, out.resource_version);
    }
    if (key == "labels") return read_strings(reader, out.labels);
    if (key == "annotations") return read_strings(reader, out.annotations);
    return false;
  }));
  return true;
}

Result<bool> read_list_meta(JsonReader& reader, ObjectList& out) {
  TRY_VOID(for_members(reader, [&](const std::string& key) -> Result<bool> {
    if (key == "resourceVersion") {
      return read_string(reader, out.resource_version);
    }
    if (key == "continue") return read_string(reader, out.continuation);
    return false;
  }));
  return true;
}

/// Calls `use` with the place of each item; null is Go's empty list.
template <class Use>
Result<bool> for_items(JsonReader& reader, Use use) {
  TRY(const JsonKind kind, reader.kind());
  if (kind == JsonKind::kNull) return false;
  TRY_VOID(reader.enter_array());
  for (;;) {
    TRY(const bool has_more, reader.next_item());
    if (!has_more) return true;
    TRY(const text::JsonSpan span, reader.skip());
    TRY_VOID(use(span));
  }
}

/// The string member `name` of an object; empty if there is none.
Result<std::string> member_string(std::string_view json,
                                  std::string_view name) {
  std::string out;
  JsonReader reader(json, kSource);
  TRY_VOID(for_members(reader, [&](const std::string& key) -> Result<bool> {
    if (key != name) return false;
    return read_string(reader, out);
  }));
  return out;
}

Result<bool> read_number(JsonReader& reader, int& into) {
  TRY(const JsonKind kind, reader.kind());
  if (kind != JsonKind::kNumber) return false;
  TRY(const std::size_t number, reader.whole_number());
  if (number <= static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    into = static_cast<int>(number);
  }
  return true;
}

Result<bool> read_details(JsonReader& reader, ApiStatus& status) {
  TRY_VOID(for_members(reader, [&](const std::string& key) -> Result<bool> {
    if (key != "retryAfterSeconds") return false;
    return read_number(reader, status.retry_after_seconds);
  }));
  return true;
}

Result<ApiStatus> read_status(std::string_view json) {
  ApiStatus status;
  bool is_status = false;
  JsonReader reader(json, kSource);
  TRY_VOID(for_members(reader, [&](const std::string& key) -> Result<bool> {
    if (key == "kind") {
      std::string kind;
      TRY(const bool is_read, read_string(reader, kind));
      is_status = kind == "Status";
      return is_read;
    }
    if (key == "code") return read_number(reader, status.code);
    if (key == "reason") return read_string(reader, status.reason);
    if (key == "message") return read_string(reader, status.message);
    return key == "details" ? read_details(reader, status) : false;
  }));
  if (!is_status) return ApiStatus{};
  return status;
}

}  // namespace

Result<ObjectMeta> read_object_meta(std::string_view json) {
  ObjectMeta out;
  JsonReader reader(json, kSource);
  TRY_VOID(for_members(reader, [&](const std::string& key) -> Result<bool> {
    if (key != "metadata") return false;
    return read_meta(reader, out);
  }));
  TRY_VOID(reader.finish());
  return out;
}

Result<ObjectList> read_object_list(std::string_view json) {
  ObjectList out;
  JsonReader reader(json, kSource);
  TRY_VOID(for_members(reader, [&](const std::string& key) -> Result<bool> {
    if (key == "metadata") return read_list_meta(reader, out);
    if (key != "items") return false;
    return for_items(reader, [&](text::JsonSpan span) -> Result<void> {
      out.objects.emplace_back(span.of(json));
      return {};
    });
  }));
  TRY_VOID(reader.finish());
  if (out.resource_version.empty() && out.continuation.empty()) {
    return Error(ErrorCode::kCorrupt,
                 std::string(kSource) + ": a list without resourceVersion");
  }
  return out;
}

Result<bool> lists_resource(std::string_view json, std::string_view name) {
  bool is_found = false;
  JsonReader reader(json, kSource);
  TRY_VOID(for_members(reader, [&](const std::string& key) -> Result<bool> {
    if (key != "resources") return false;
    return for_items(reader, [&](text::JsonSpan span) -> Result<void> {
      TRY(const std::string own, member_string(span.of(json), "name"));
      is_found = is_found || own == name;
      return {};
    });
  }));
  return is_found;
}

Result<WatchLine> read_watch_line(std::string_view json) {
  WatchLine out;
  JsonReader reader(json, "the watch");
  TRY_VOID(for_members(reader, [&](const std::string& key) -> Result<bool> {
    if (key == "type") return read_string(reader, out.type);
    if (key != "object") return false;
    TRY(const auto span, reader.skip());
    out.object = span.of(json);
    return true;
  }));
  TRY_VOID(reader.finish());
  if (out.type.empty() || out.object.empty()) {
    return Error(ErrorCode::kCorrupt,
                 "the watch: a line without type or object");
  }
  return out;
}

ApiStatus read_api_status(std::string_view json) {
  auto status = read_status(json);
  return status ? *std::move(status) : ApiStatus{};
}

}  // namespace gpunode::kube
