// Catalogue: the Resources of this node, as configured for its GPUs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/plugin/answer_context.h"
#include "agent/plugin/offer.h"
#include "agent/plugin/resource_handler.h"
#include "agent/resource/problem.h"
#include "agent/resource/resource.h"
#include "agent/resource/resource_set.h"
#include "gpu/device/inventory.h"

namespace gpunode::plugin {

using Resources = std::vector<std::shared_ptr<const resource::Resource>>;

/// One thread at a time.
class Catalogue {
 public:
  /// From now on these. A problem is logged when it arises.
  void replace(resource::ResourceSet set, const device::Topology& topology,
               const std::shared_ptr<const AnswerContext>& context);
  /// No Resources until the next replace().
  void clear();

  const Resources& resources() const { return resources_; }
  const resource::Problems& problems() const { return problems_; }

  /// Names of the Resources that MPS shares.
  std::vector<std::string> shared_by_mps() const;

  /// Why nothing of a Resource may be handed out, if so.
  using Blocked =
      std::function<std::optional<std::string>(const resource::Resource&)>;

  /// What the kubelet should see. A Resource that is blocked keeps its socket
  /// and lists nothing: the node says zero, and running Pods keep what they
  /// have.
  std::vector<Offer> offers(const Blocked& blocked,
                            const IsHealthy& is_healthy) const;

 private:
  void take_problems(resource::Problems problems);

  Resources resources_;
  std::vector<std::shared_ptr<const ResourceHandler>> handlers_;  // Of each.
  resource::Problems problems_;
};

/// What is listed, with nothing in it, while there is no Resource.
std::vector<Offer> empty_offers(
    const config::Settings& settings,
    const std::shared_ptr<const AnswerContext>& context);

}  // namespace gpunode::plugin
