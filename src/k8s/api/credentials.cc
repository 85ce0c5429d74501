#include "k8s/api/credentials.h"

#include <algorithm>

#include <fmt/format.h>

namespace gpunode::kube {
namespace {

constexpr std::string_view kDirectory =
    "/var/run/secrets/kubernetes.io/serviceaccount/";

std::string file(std::string_view name) {
  return std::string(kDirectory).append(name);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

Result<void> refuse_no_authority(std::string_view pem, std::string_view file) {
  if (pem.find("-----BEGIN") != std::string_view::npos) return {};
  return Error(ErrorCode::kCorrupt,
               fmt::format("{}: no certificate of an authority in it", file));
}

Result<std::string> token_of(std::string_view text, std::string_view file) {
  const std::string_view token = trimmed(text);
  const bool is_good =
      !token.empty() && std::all_of(token.begin(), token.end(),
                                    [](char c) { return c > ' ' && c < 0x7F; });
  if (!is_good) {
    return Error(ErrorCode::kCorrupt,
                 std::string(file) + ": this is no bearer token");
  }
  return std::string(token);
}

Result<Access> InClusterCredentials::access(bool /*was_refused*/) {
  if (host_.empty() || port_.empty()) {
    return Error(ErrorCode::kNotFound,
                 "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not "
                 "set: this is no Pod; next: give a kubeconfig");
  }
  Access access;
  const bool is_v6 = host_.find(':') != std::string::npos;
  const std::string host = is_v6 ? "[" + host_ + "]" : host_;
  TRY(access.server, http::parse_url("https://" + host + ":" + port_));
  TRY(const std::string token, root_.read_file(file("token"), kMaxSecretBytes));
  TRY(access.token, token_of(token, file("token")));
  TRY(access.tls.authorities_pem,
      root_.read_file(file("ca.crt"), kMaxSecretBytes));
  TRY_VOID(refuse_no_authority(access.tls.authorities_pem, file("ca.crt")));
  // Not every Pod has it.
  if (auto space = root_.read_file(file("namespace"), kMaxSecretBytes)) {
    access.default_space = trimmed(*space);
  }
  return access;
}

}  // namespace gpunode::kube
