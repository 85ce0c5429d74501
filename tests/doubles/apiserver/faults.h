// What goes wrong at the API server double, because a test wants it.
#pragma once

#include <map>
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

  /// Every request of that path, from now on.
  void refuse_at(const std::string& path, Reply refusal) {
    refused_[path] = std::move(refusal);
  }

  /// What becomes of a request's connection.
  enum class Fate {
    kAnswered,
    kLost,   ///< It is carried out, and then the connection is reset.
    kReset,  ///< The connection is reset.
  };

  /// After `passed` more requests `lost` are lost, and then `resets` reset.
  void cut(unsigned passed, unsigned lost, unsigned resets) {
    passed_ = passed;
    lost_ = lost;
    resets_ = resets;
  }
  Fate next_fate();

  /// Whether the CRD of Node Feature Discovery is installed.
  void have_node_features(bool has) { has_node_features_ = has; }

  /// The next `times` evictions get 429 as of a PodDisruptionBudget that says
  /// `words`.
  void hold_evictions(unsigned times, const std::string& words);

  /// What `request` gets instead of what it asks for, if so.
  std::optional<Reply> next(const Request& request);

 private:
  std::string token_;
  std::map<std::string, Reply> refused_;  ///< By path.
  Reply refusal_;
  std::string method_;  ///< Empty: any.
  unsigned times_ = 0;
  unsigned passed_ = 0;
  unsigned lost_ = 0;
  unsigned resets_ = 0;
  unsigned held_ = 0;
  std::string held_words_;
  bool has_node_features_ = true;
};

}  // namespace gpunode::kube::apiserver
