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

  /// The next `times` requests get `refusal`.
  void refuse(Reply refusal, unsigned times);

  /// What `request` gets instead of what it asks for, if so.
  std::optional<Reply> next(const Request& request);

 private:
  std::string token_;
  Reply refusal_;
  unsigned times_ = 0;
};

}  // namespace gpunode::kube::apiserver
