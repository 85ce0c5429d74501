#include "node/provision/steps/kubernetes/join_config.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/kubernetes_section.h"

namespace gpunode::provision {
namespace {

constexpr int kFirstV1beta3 = 22;
constexpr int kFirstV1beta4 = 31;

/// A scalar of YAML: JSON's form of a string is one. What the section reads
/// has no control characters and is not long; a path may have anything else.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string discovery_of(const JoinSpec& join) {
  if (!join.discovery_file.empty()) {
    std::string text = fmt::format("  file:\n    kubeConfigPath: {}\n",
                                   in_quotes(join.discovery_file));
    if (join.token.is_set()) {
      text += fmt::format("  tlsBootstrapToken: {}\n", in_quotes(kTokenPlace));
    }
    return text;
  }
  std::string text = fmt::format(
      "  bootstrapToken:\n    apiServerEndpoint: {}\n    token: {}\n",
      in_quotes(join.endpoint), in_quotes(kTokenPlace));
  if (join.trusts_any_ca) text += "    unsafeSkipCAVerification: true\n";
  if (!join.ca_cert_hashes.empty()) text += "    caCertHashes:\n";
  for (const std::string& hash : join.ca_cert_hashes) {
    text += fmt::format("    - {}\n", in_quotes(hash));
  }
  return text;
}

std::string taint_of(std::string_view taint) {
  const std::size_t colon = taint.rfind(':');
  const std::string_view rest = taint.substr(0, colon);
  const std::size_t equals = std::min(rest.find('='), rest.size());
  std::string text =
      fmt::format("  - key: {}\n", in_quotes(rest.substr(0, equals)));
  if (equals < rest.size()) {
    text += fmt::format("    value: {}\n", in_quotes(rest.substr(equals + 1)));
  }
  return text + fmt::format("    effect: {}\n", taint.substr(colon + 1));
}

/// Flags of the kubelet: a mapping, from v1beta4 on a list.
std::string arguments_of(const KubernetesSpec& spec, bool is_list) {
  std::vector<std::pair<std::string, std::string>> all;
  if (!spec.join.node_ip.empty())
    all.emplace_back("node-ip", spec.join.node_ip);
  if (!spec.labels.empty()) {
    all.emplace_back("node-labels",
                     fmt::format("{}", fmt::join(spec.labels, ",")));
  }
  if (all.empty()) return "";
  std::string text = "  kubeletExtraArgs:\n";
  for (const auto& [name, value] : all) {
    text += is_list ? fmt::format("  - name: {}\n    value: {}\n", name,
                                  in_quotes(value))
                    : fmt::format("    {}: {}\n", name, in_quotes(value));
  }
  return text;
}

}  // namespace

std::string join_configuration(const KubernetesSpec& spec,
                               const std::string& node) {
  const int minor = kubernetes_minor(spec.version);
  const bool is_v4 = minor >= kFirstV1beta4;
  const bool is_v2 = minor < kFirstV1beta3;
  const char* version = "v1beta3";
  if (is_v4) version = "v1beta4";
  if (is_v2) version = "v1beta2";
  std::string text = fmt::format(
      "apiVersion: kubeadm.k8s.io/{}\nkind: JoinConfiguration\ndiscovery:\n{}",
      version, discovery_of(spec.join));
  // Kubelets before 1.24 took a path, and a URL only later.
  text +=
      fmt::format("nodeRegistration:\n  name: {}\n  criSocket: {}{}\n",
                  in_quotes(node), is_v2 ? "" : "unix://", kContainerdSocket);
  if (!spec.taints.empty()) text += "  taints:\n";
  for (const std::string& taint : spec.taints) text += taint_of(taint);
  text += arguments_of(spec, is_v4);
  if (!spec.join.ignored_checks.empty()) text += "  ignorePreflightErrors:\n";
  for (const std::string& check : spec.join.ignored_checks) {
    text += fmt::format("  - {}\n", in_quotes(check));
  }
  return text;
}

}  // namespace gpunode::provision
