// What every object of the API has, read out of its JSON without the rest.
//
// A Node is tens of kilobytes of which a few labels matter: the reader passes
// over everything else and keeps nothing of it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::kube {

struct ObjectMeta {
  std::string name;
  std::string space;  ///< The namespace; empty for what has none.
  std::string uid;
  std::string resource_version;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
};

/// Of one object. kCorrupt if it is none.
Result<ObjectMeta> read_object_meta(std::string_view json);

/// A page of a list.
struct ObjectList {
  std::string resource_version;
  std::string continuation;          ///< Empty on the last page.
  std::vector<std::string> objects;  ///< Each as JSON.
};

Result<ObjectList> read_object_list(std::string_view json);

/// One line of a watch: {"type":"ADDED","object":{...}}.
struct WatchLine {
  std::string type;
  std::string object;  ///< As JSON.
};

Result<WatchLine> read_watch_line(std::string_view json);

/// The parts of a Status, which is what the API server says instead of an
/// object.
struct ApiStatus {
  int code = 0;
  std::string reason;   ///< "Expired".
  std::string message;  ///< For people.
  int retry_after_seconds = 0;
};

/// Whether an APIResourceList has a resource of this name.
Result<bool> lists_resource(std::string_view json, std::string_view name);

/// Any text that is no Status gives an empty one.
ApiStatus read_api_status(std::string_view json);

}  // namespace gpunode::kube
