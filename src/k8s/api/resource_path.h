// Where an object of the API server is: names from outside, made into paths.
//
// A name that reached a URL unchecked could name another object. Nothing but
// these functions makes paths, and they take RFC 1123 names alone.
#pragma once

#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::kube {

/// A kind of object, as paths write it.
struct ResourceType {
  std::string group;     ///< Empty for the core group.
  std::string version;   ///< "v1", "v1alpha1".
  std::string resource;  ///< Plural, lower case: "nodes".
  bool is_namespaced = true;

  friend bool operator==(const ResourceType&, const ResourceType&) = default;
};

ResourceType nodes();
ResourceType pods();
ResourceType config_maps();
ResourceType events();         ///< events.k8s.io/v1.
ResourceType node_features();  ///< nfd.k8s-sigs.io/v1alpha1.

struct ObjectKey {
  std::string space;  ///< The namespace; empty for what has none.
  std::string name;
};

/// RFC 1123: at most 63 of a-z, 0-9 and "-", none of them "-" at an end.
bool is_dns_label(std::string_view text);

/// Labels with dots between, at most 253 characters.
bool is_dns_subdomain(std::string_view text);

/// "/api/v1/namespaces/x/configmaps". For a namespaced type an empty `space`
/// means all. kInvalidArgument names what is no name.
Result<std::string> collection_path(const ResourceType& type,
                                    std::string_view space);

/// "/api/v1/nodes/gpu-1".
Result<std::string> object_path(const ResourceType& type, const ObjectKey& key);

/// "/apis/apps/v1": what discovery asks about.
Result<std::string> version_path(const ResourceType& type);

/// `value` for a query: all but RFC 3986's unreserved characters escaped.
std::string escape_query(std::string_view value);

}  // namespace gpunode::kube
