// What an unquoted YAML scalar is: the YAML 1.1 rules as Kubernetes reads them.
//
// Facts from the behaviour of sigs.k8s.io/yaml (its fork of go-yaml v2): yes,
// no, on, off, y and n are booleans, 017 and 0o17 are fifteen, 1_000 is a
// thousand, 2.0 becomes 2 on the way through JSON, dates stay strings.
#pragma once

#include <string>
#include <string_view>

#include "base/text/node.h"

namespace gpunode::text {

struct ResolvedScalar {
  Node::Kind kind = Node::Kind::kString;
  std::string
      text;  ///< As Node::scalar; for an infinity "+Inf", for NaN "NaN".
  bool was_float = false;  ///< As Node::was_float.
};

ResolvedScalar resolve_scalar(std::string_view plain);

}  // namespace gpunode::text
