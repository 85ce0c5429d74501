#include "k8s/api/resource_path.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::kube {
namespace {

bool is_label_char(char c) {
  return is_lower(c) || is_digit(c) || c == '-';
}

Error refused(std::string_view what, std::string_view text) {
  constexpr std::size_t kMostQuoted = 80;
  return {ErrorCode::kInvalidArgument,
          fmt::format("{} {:?} is not one: lower-case letters, digits, '-' and "
                      "'.' (RFC 1123)",
                      what, text.substr(0, kMostQuoted))};
}

}  // namespace

ResourceType nodes() {
  return {"", "v1", "nodes", false};
}
ResourceType pods() {
  return {"", "v1", "pods", true};
}
ResourceType config_maps() {
  return {"", "v1", "configmaps", true};
}
ResourceType events() {
  return {"events.k8s.io", "v1", "events", true};
}
ResourceType node_features() {
  return {"nfd.k8s-sigs.io", "v1alpha1", "nodefeatures", true};
}

bool is_dns_label(std::string_view text) {
  constexpr std::size_t kMost = 63;
  return !text.empty() && text.size() <= kMost && text.front() != '-' &&
         text.back() != '-' &&
         std::all_of(text.begin(), text.end(), is_label_char);
}

bool is_dns_subdomain(std::string_view text) {
  constexpr std::size_t kMost = 253;
  if (text.empty() || text.size() > kMost) return false;
  for (;;) {
    const std::size_t dot = text.find('.');
    // Kubernetes bounds the whole, not each label of it.
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.front() == '-' || label.back() == '-' ||
        !std::all_of(label.begin(), label.end(), is_label_char)) {
      return false;
    }
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

Result<std::string> version_path(const ResourceType& type) {
  if (!is_dns_label(type.version)) {
    return refused("API version", type.version);
  }
  if (type.group.empty()) return "/api/" + type.version;
  if (!is_dns_subdomain(type.group)) return refused("API group", type.group);
  return "/apis/" + type.group + "/" + type.version;
}

Result<std::string> collection_path(const ResourceType& type,
                                    std::string_view space) {
  TRY(std::string path, version_path(type));
  if (!is_dns_label(type.resource)) {
    return refused("resource", type.resource);
  }
  if (type.is_namespaced && !space.empty()) {
    if (!is_dns_label(space)) return refused("namespace", space);
    path += "/namespaces/" + std::string(space);
  }
  return path + "/" + type.resource;
}

Result<std::string> object_path(const ResourceType& type,
                                const ObjectKey& key) {
  if (type.is_namespaced && key.space.empty()) {
    return refused("namespace", key.space);
  }
  if (!is_dns_subdomain(key.name)) {
    return refused("the name of one of " + type.resource, key.name);
  }
  TRY(const std::string path, collection_path(type, key.space));
  return path + "/" + key.name;
}

std::string escape_query(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool is_plain =
        is_label_char(c) || is_upper(c) || c == '.' || c == '_' || c == '~';
    if (is_plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace gpunode::kube
