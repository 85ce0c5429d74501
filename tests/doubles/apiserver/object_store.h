// The objects of the API server double, their versions and their history.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/text/tree.h"
#include "tests/doubles/apiserver/request.h"
#include "tests/doubles/apiserver/server_side_apply.h"

namespace gpunode::kube::apiserver {

/// What happened to one object.
struct Change {
  std::uint64_t version = 0;
  std::string type;  ///< "ADDED", "MODIFIED", "DELETED"
  std::string path;
  std::string json;  ///< The object after it.
};

/// Objects by path. One thread at a time.
class ObjectStore {
 public:
  // What clients ask for.
  Reply get(const std::string& path) const;
  /// In pages by `limit` and `continue`, all of the moment of the first.
  Reply list(const Request& request) const;
  Reply create(const Request& request);
  /// Refused as a conflict when the object has changed since it was read.
  Reply replace(const Request& request);
  /// A merge patch or, by its content type, an apply.
  Reply patch(const Request& request);
  Reply erase(const std::string& path);
  /// The Pod goes at once, as one that no kubelet runs; one that runs is held
  /// by a budget that selects it, or by more than one, and any by the end of
  /// its namespace.
  Reply evict(const Request& request);

  /// As somebody else changes it.
  void put(const std::string& path, text::Node tree);
  /// Its JSON without managedFields; empty if there is none.
  std::string object(const std::string& path) const;

  /// Whether what happened since `request`'s version is not known any more.
  bool is_expired(const Request& request) const;
  void forget_history();

  /// In order.
  const std::vector<Change>& changes() const { return changes_; }

 private:
  Reply apply(const Request& request, const text::Node& wanted);
  std::optional<Reply> obstacle_to(const std::string& path,
                                   const text::Node& pod) const;
  /// The conditions of an object, by a strategic merge patch.
  Reply patch_status(const Request& request, const text::Node& wanted);
  /// JSON by path of what `request` selects, as it was at `version`.
  std::map<std::string, std::string> selected_at(std::uint64_t version,
                                                 const Request& request) const;
  std::string store(const std::string& path, text::Node tree);

  std::uint64_t version_ = 100;
  std::uint64_t oldest_ = 0;
  std::map<std::string, OwnedObject> objects_;
  std::vector<Change> changes_;
};

}  // namespace gpunode::kube::apiserver
