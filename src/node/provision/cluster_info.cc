#include "node/provision/cluster_info.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/digest/digest.h"
#include "base/http/certificate.h"
#include "base/text/base64.h"
#include "base/text/json_edit.h"
#include "base/text/node.h"
#include "base/text/tree.h"
#include "base/text/yaml.h"
#include "node/provision/kubernetes_section.h"

namespace gpunode::provision {
namespace {

using text::Node;

constexpr const char* kNewToken =
    "next: on a control plane `kubeadm token create --print-join-command`, and "
    "put the new token where spec.kubernetes.join.tokenFrom says";

/// base64url (RFC 4648, section 5) without padding.
std::string base64_url(std::string_view bytes) {
  std::string text = text::encode_base64(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

std::optional<std::string> from_base64_url(std::string_view text) {
  std::string ordinary(text);
  std::ranges::replace(ordinary, '-', '+');
  std::ranges::replace(ordinary, '_', '/');
  return text::decode_base64(ordinary);
}

/// The item of the list `list` with this name; the first for no name.
const Node* named(const Node& root, std::string_view list,
                  const std::string& name) {
  const text::Entry* entries = root.find(list);
  if (entries == nullptr || !entries->value.is(Node::Kind::kSequence)) {
    return nullptr;
  }
  for (const Node& item : entries->value.items) {
    if (name.empty() || text::string_at(item, {"name"}) == name) return &item;
  }
  return nullptr;
}

bool is_signature(std::string_view signature, std::string_view kubeconfig,
                  const BootstrapToken& token) {
  const std::size_t first = signature.find("..");
  if (first == std::string_view::npos) return false;
  const std::string header(signature.substr(0, first));
  const auto decoded = from_base64_url(header);
  if (!decoded) return false;
  const auto parsed = text::read_json(*decoded, "the signature's header");
  if (!parsed) return false;
  const Node tree = text::tree_of(*parsed);
  if (text::string_at(tree, {"alg"}) != "HS256" ||
      text::string_at(tree, {"kid"}) != token.id) {
    return false;
  }
  const std::string mac =
      digest::hmac_sha256(token.secret, header + "." + base64_url(kubeconfig));
  return base64_url(mac) == signature.substr(first + 2);
}

}  // namespace

Result<BootstrapToken> parse_bootstrap_token(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin =
      std::min(text.find_first_not_of(kBlank), text.size());
  text.remove_prefix(begin);
  text = text.substr(0, text.find_first_of(kBlank));
  if (!is_bootstrap_token(text)) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("it is no bootstrap token, which has 6 small "
                             "letters and digits, a dot and 16 more; {}",
                             kNewToken));
  }
  const std::size_t dot = text.find('.');
  return BootstrapToken{std::string(text.substr(0, dot)),
                        std::string(text.substr(dot + 1))};
}

Result<ClusterInfo> read_cluster_info(std::string_view kubeconfig,
                                      std::string_view shown) {
  TRY(const auto document, text::parse_yaml(kubeconfig, shown));
  const Node& root = document.root;
  std::string name;
  const std::string current = text::string_at(root, {"current-context"});
  if (!current.empty()) {
    const Node* context = named(root, "contexts", current);
    if (context != nullptr) {
      name = text::string_at(*context, {"context", "cluster"});
    }
  }
  const Node* cluster = named(root, "clusters", name);
  if (cluster == nullptr) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("{}: no cluster is in this kubeconfig", shown));
  }
  ClusterInfo info;
  info.server = text::string_at(*cluster, {"cluster", "server"});
  info.authority_path =
      text::string_at(*cluster, {"cluster", "certificate-authority"});
  const auto authority = text::decode_base64(
      text::string_at(*cluster, {"cluster", "certificate-authority-data"}));
  if (!authority) {
    return Error(
        ErrorCode::kCorrupt,
        fmt::format("{}: certificate-authority-data is not base64", shown));
  }
  info.authority = *authority;
  return info;
}

Result<std::string> verified_kubeconfig(std::string_view config_map_json,
                                        const BootstrapToken& token) {
  const auto parsed =
      text::read_json(std::string(config_map_json), "cluster-info");
  if (!parsed) return parsed.error();
  const Node tree = text::tree_of(*parsed);
  std::string kubeconfig = text::string_at(tree, {"data", "kubeconfig"});
  if (kubeconfig.empty()) {
    return Error(ErrorCode::kCorrupt,
                 "the ConfigMap cluster-info of kube-public has no kubeconfig "
                 "in it; next: `kubeadm init phase bootstrap-token` on a "
                 "control plane makes it");
  }
  const std::string signature =
      text::string_at(tree, {"data", "jws-kubeconfig-" + token.id});
  if (signature.empty()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("the cluster does not know the token {}: it has "
                             "expired, was deleted, or is another cluster's; "
                             "{}",
                             token.id, kNewToken));
  }
  if (!is_signature(signature, kubeconfig, token)) {
    return Error(
        ErrorCode::kPermissionDenied,
        fmt::format("what the API server shows is not signed by the token {}: "
                    "its second half is wrong, or this is not the cluster "
                    "that made it; compare it with `kubeadm token list` on a "
                    "control plane; {}",
                    token.id, kNewToken));
  }
  return kubeconfig;
}

std::vector<std::string> key_hashes(const std::string& pem) {
  std::vector<std::string> hashes;
  const auto certificates = http::read_certificates(pem);
  if (!certificates) return hashes;
  for (const http::Certificate& one : *certificates) {
    hashes.push_back("sha256:" + digest::sha256(one.public_key));
  }
  return hashes;
}

}  // namespace gpunode::provision
