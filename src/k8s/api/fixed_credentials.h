// For tests: a server on this machine and a token that may change.
#pragma once

#include <cstdint>
#include <string>

#include "k8s/api/credentials.h"

namespace gpunode::kube {

/// After a refusal it gives `next_token`.
class FixedCredentials final : public Credentials {
 public:
  explicit FixedCredentials(std::uint16_t port, std::string token = "")
      : next_token(token), token_(std::move(token)), port_(port) {}

  Result<Access> access(bool was_refused) override {
    if (was_refused) token_ = next_token;
    Access access;
    access.server.is_tls = false;
    access.server.host = "127.0.0.1";
    access.server.port = port_;
    access.token = token_;
    return access;
  }

  std::string next_token;

 private:
  std::string token_;
  std::uint16_t port_;
};

}  // namespace gpunode::kube
