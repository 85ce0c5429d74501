// A node's NodeFeature object, kept as wished on the API server.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "k8s/api/client.h"
#include "k8s/api/node_feature.h"

namespace gpunode::kube {

/// Which NodeFeature, and who owns it.
struct NodeFeaturePlace {
  std::string space;  ///< Its namespace, and the Pod's.
  std::string node;
  std::string pod;  ///< The Pod that writes; empty: nobody owns the object.
};

/// Reads and writes; one thread, the client's. The object is never removed
/// here: labels stay while an agent is replaced, and the garbage collector
/// takes it away with its owners.
class NodeFeatureKeeper {
 public:
  explicit NodeFeatureKeeper(NodeFeaturePlace place);

  /// kInvalidArgument for names that the API server cannot have.
  static Result<void> check(const NodeFeaturePlace& place);

  /// Makes the object have these labels: one read, and a write if it has not.
  /// Says whether it wrote. What others write in between is read anew, a few
  /// times. kUnsupported, with what to do, where Node Feature Discovery's CRD
  /// is not installed; otherwise as error_of.
  Result<bool> keep(Client& client, const MetaTexts& labels);

  /// Why the owners could not be found, with the right that it takes; empty:
  /// they are known. They are looked for again by the next keep().
  const std::string& owner_problem() const { return owner_problem_; }

  /// The rule that it takes, for messages.
  std::string needed_rule() const;

 private:
  enum class Outcome { kAsWished, kWritten, kRaced };

  Result<Outcome> change(Client& client, const std::string& found,
                         const NodeFeatureWish& wish);
  Result<Outcome> make(Client& client, const NodeFeatureWish& wish);
  void find_owners(Client& client);
  /// What to say of a POST that found no collection.
  Error not_made(Client& client, Error refusal) const;

  const NodeFeaturePlace place_;
  const ObjectKey key_;
  std::optional<std::vector<OwnerReference>> owners_;
  std::string owner_problem_;
};

}  // namespace gpunode::kube
