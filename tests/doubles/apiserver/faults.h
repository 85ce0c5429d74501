// What goes wrong at the API server double, because a test wants it.
#pragma once

#include <optional>
#include <string>

#include "tests/doubles/apiserver/request.h"

namespace gpunode::kube::apiserver {

/// One thread at a time.
class Faults {
 public:
  /// Everybody else gets 401. Empty: everybody is welcome.
  void require_token(const std::string& token) { token_ = token; }

  /// The next `times` requests of `method`, or of any, get `refusal`.
  void refuse(Reply refusal, unsigned times, const std::string& method);

  /// The next `times` requests end in a reset connection.
  void reset(unsigned times) { resets_ = times; }
  /// Whether this one does.
  bool next_is_reset() { return resets_ > 0 && resets_-- > 0; }

  /// Whether the CRD of Node Feature Discovery is installed.
  void have_node_features(bool has) { has_node_features_ = has; }

  /// The next `times` evictions get 429 as of a PodDisruptionBudget that says
  /// `words`.
  void hold_evictions(unsigned times, const std::string& words);

  /// What `request` gets instead of what it asks for, if so.
  std::optional<Reply> next(const Request& request);

 private:
  std::string token_;
  Reply refusal_;
  std::string method_;  ///< Empty: any.
  unsigned times_ = 0;
  unsigned resets_ = 0;
  unsigned held_ = 0;
  std::string held_words_;
  bool has_node_features_ = true;
};

}  // namespace gpunode::kube::apiserver
