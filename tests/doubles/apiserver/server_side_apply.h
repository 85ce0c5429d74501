// Server-side apply as the double does it: owners of leaves, one each.
#pragma once

#include <map>
#include <string>

#include "base/text/tree.h"

namespace gpunode::kube::apiserver {

struct OwnedObject {
  text::Node tree;
  std::map<text::KeyPath, std::string> owners;  ///< Leaf → who applied it.
};

struct Applied {
  std::string conflict;  ///< In the real server's words; empty: none.
  OwnedObject object;    ///< After it; means nothing with a conflict.
};

/// Makes the leaves of `wanted` those of `manager`; what it owned before and
/// does not name any more goes. `takes_all`: others' leaves are taken instead
/// of being a conflict.
Applied apply_as(const std::string& manager, const text::Node& wanted,
                 OwnedObject object, bool takes_all);

/// With managedFields, an entry each: what a manager owns by applying it.
/// Others leave no trace here, unlike on the real server.
text::Node with_managed_fields(const OwnedObject& object);

}  // namespace gpunode::kube::apiserver
