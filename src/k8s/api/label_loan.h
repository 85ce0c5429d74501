// Labels of a Node that are somebody else's, changed for a while.
//
// Pure. Some labels are switches: an operator reads them and acts. Whoever
// turns such a switch must be able to turn it back, also after a crash, an
// upgrade or the loss of this process; so what stood there is remembered on the
// Node itself, in an annotation that the same write makes. Neither depends on
// who owns which field: what is written is a merge patch that names the version
// of the Node which was read, so nothing that came in between is lost.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "k8s/api/node_meta.h"
#include "k8s/api/resource_path.h"

namespace gpunode::kube {

struct LabelLoan {
  /// Switches to turn while they are there; one that is missing is not made.
  std::vector<std::string> labels;
  std::string value;       ///< What they are turned to.
  std::string annotation;  ///< Where what stood there is remembered.
  /// A value that begins so is another's work in progress, who will write the
  /// switch again at its end: waited for. Empty: there is no such thing.
  std::string busy_prefix;
  /// True: what is remembered is put back and `labels` is not looked at.
  bool is_giving_back = false;
  /// A type of the API that comes with whoever makes the switches, so that a
  /// Node without them may yet get them; nothing: not to be told.
  std::optional<ResourceType> maker = std::nullopt;

  friend bool operator==(const LabelLoan&, const LabelLoan&) = default;
};

struct LoanPlan {
  /// For Client::merge_patch; nothing: the Node is as wished, or busy.
  std::optional<std::string> patch;
  std::vector<std::string> changes;  ///< What the patch does, in words.
  std::vector<std::string> waiting;  ///< What is busy or left, in words.
  bool is_busy = false;              ///< Look again soon.
  bool has_switches = false;         ///< One of `labels` is on the Node.
};

/// Never makes the same change twice, whenever it is called again: a label that
/// has `value` before it was lent is not ours to give back, and one that
/// somebody has set to something else since stays as they set it.
LoanPlan plan_loan(const NodeMeta& node, const LabelLoan& loan);

/// What a loan's annotation remembers: label to the value that stood there.
/// Nothing for a text that no loan wrote.
std::optional<MetaTexts> remembered_labels(std::string_view annotation);

}  // namespace gpunode::kube
