#include "node/provision/kubernetes_section.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "base/http/url.h"
#include "k8s/api/resource_path.h"

namespace gpunode::provision {
namespace {

// JoinConfiguration v1beta2 is of kubeadm 1.15; older ones are not known here.
constexpr int kOldestMinor = 15;
constexpr std::size_t kHashDigits = 64;
constexpr std::size_t kMostOfAName = 63;
constexpr std::string_view kHashKind = "sha256:";

bool is_lower_or_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z');
}

/// What names of labels and taints are, and their values if not empty:
/// apimachinery's IsQualifiedName and IsValidLabelValue.
bool is_name(std::string_view text) {
  const auto is_inner = [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= kMostOfAName &&
         is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         std::ranges::all_of(text, is_inner);
}

bool is_value(std::string_view text) {
  return text.empty() || is_name(text);
}

bool is_key(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_name(text);
  return kube::is_dns_subdomain(text.substr(0, slash)) &&
         is_name(text.substr(slash + 1));
}

bool is_of_domain(std::string_view prefix, std::string_view domain) {
  return prefix == domain ||
         (prefix.size() > domain.size() && prefix.ends_with(domain) &&
          prefix[prefix.size() - domain.size() - 1] == '.');
}

/// What the kubelet may say of its own Node: k8s.io/kubelet's
/// pkg/apis/well_known_labels.go. With any other label of these domains it
/// does not start, and the plugin NodeRestriction refuses it.
bool is_for_kubelets(std::string_view key) {
  constexpr auto kAllowed = std::to_array<std::string_view>({
      "beta.kubernetes.io/arch",
      "beta.kubernetes.io/instance-type",
      "beta.kubernetes.io/os",
      "failure-domain.beta.kubernetes.io/region",
      "failure-domain.beta.kubernetes.io/zone",
      "kubernetes.io/arch",
      "kubernetes.io/hostname",
      "kubernetes.io/os",
      "node.kubernetes.io/instance-type",
      "topology.kubernetes.io/region",
      "topology.kubernetes.io/zone",
  });
  const std::size_t slash = key.find('/');
  if (slash == std::string_view::npos) return true;
  const std::string_view prefix = key.substr(0, slash);
  if (!is_of_domain(prefix, "kubernetes.io") &&
      !is_of_domain(prefix, "k8s.io")) {
    return true;
  }
  return is_of_domain(prefix, "kubelet.kubernetes.io") ||
         is_of_domain(prefix, "node.kubernetes.io") ||
         std::ranges::find(kAllowed, key) != kAllowed.end();
}

void read_labels(SpecSection section, KubernetesSpec& kubernetes) {
  for (const auto& [key, value] : section.text_pairs()) {
    if (!is_key(key) || !is_value(value)) {
      section.complain(
          key,
          "it is no label; one is `nvidia.com/gpu.product: A10G`: letters, "
          "digits, \"-\", \"_\" and \".\", at most 63 of them");
    } else if (!is_for_kubelets(key)) {
      section.complain(
          key, fmt::format("a node may not give itself this label of "
                           "Kubernetes' own: the kubelet would not start; set "
                           "it with `kubectl label node NAME {}={}` once the "
                           "node has joined",
                           key, value));
    } else {
      kubernetes.labels.push_back(fmt::format("{}={}", key, value));
    }
  }
  std::ranges::sort(kubernetes.labels);
}

/// "key=value:Effect" or "key:Effect".
bool is_taint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view effect = text.substr(colon + 1);
  const std::string_view rest = text.substr(0, colon);
  const std::size_t equals = std::min(rest.find('='), rest.size());
  return is_key(rest.substr(0, equals)) &&
         is_value(rest.substr(std::min(equals + 1, rest.size()))) &&
         (effect == "NoSchedule" || effect == "PreferNoSchedule" ||
          effect == "NoExecute");
}

void read_taints(SpecSection& section, KubernetesSpec& kubernetes) {
  section.texts("taints", kubernetes.taints);
  for (const std::string& taint : kubernetes.taints) {
    if (is_taint(taint)) continue;
    section.complain("taints",
                     fmt::format("\"{}\" is no taint; one is "
                                 "\"nvidia.com/gpu=present:NoSchedule\", and "
                                 "its effect is NoSchedule, PreferNoSchedule "
                                 "or NoExecute",
                                 taint));
  }
  std::ranges::sort(kubernetes.taints);
}

constexpr const char* kWhereTokensGo =
    "a token does not belong into this file, which others may read and which "
    "is kept with the journal: put it into a file of root's with mode 0600 and "
    "say `tokenFrom: {file: /etc/gpunode/join-token}`, or say `env` or `exec`";

/// Whether a token stands anywhere in `word`, as in "--token=…" or in words for
/// a shell.
bool has_bootstrap_token(std::string_view word) {
  constexpr std::size_t kId = 6;
  constexpr std::size_t kSecret = 16;
  for (std::size_t dot = word.find('.'); dot != std::string_view::npos;
       dot = word.find('.', dot + 1)) {
    if (dot < kId ||
        !is_bootstrap_token(word.substr(dot - kId, kId + 1 + kSecret))) {
      continue;
    }
    // A longer word behind the dot is a name: "server.example…".
    const std::string_view rest = word.substr(dot + 1 + kSecret);
    if (rest.empty() || !is_lower_or_digit(rest.front())) return true;
  }
  return false;
}

void read_token_source(SpecSection section, SecretSource& token) {
  section.text("file", token.file);
  section.text("env", token.variable);
  section.texts("exec", token.command);
  const bool is_token_itself =
      is_bootstrap_token(token.file) || is_bootstrap_token(token.variable) ||
      std::ranges::any_of(token.command, has_bootstrap_token);
  const int ways = static_cast<int>(!token.file.empty()) +
                   static_cast<int>(!token.variable.empty()) +
                   static_cast<int>(!token.command.empty());
  const char* key = "exec";
  if (!token.variable.empty()) key = "env";
  if (!token.file.empty()) key = "file";
  if (is_token_itself) {
    section.complain(key, kWhereTokensGo);
    token = {};
  } else if (ways > 1) {
    section.complain(key, "one of `file`, `env` and `exec` is enough");
  } else if (!token.file.empty() && token.file.front() != '/') {
    section.complain("file", "the file of the token needs its absolute path");
  } else if (!token.command.empty() && !token.command[0].starts_with('/')) {
    section.complain("exec",
                     "the program that prints the token needs its absolute "
                     "path; no shell is asked");
  } else if (!std::ranges::all_of(token.variable, [](char c) {
               return is_alphanumeric(c) || c == '_';
             })) {
    section.complain("env", "it is no name of a variable");
  }
  section.finish();
}

void read_endpoint(SpecSection& section, JoinSpec& join) {
  section.text("endpoint", join.endpoint);
  if (join.endpoint.empty()) return;
  const auto url = http::parse_url("https://" + join.endpoint);
  // With a port: kubeadm wants it, and 443 is nobody's.
  const bool has_port =
      url && url->path.empty() && url->authority() == join.endpoint;
  if (!has_port) {
    section.complain("endpoint",
                     "it is no address of an API server; one is "
                     "\"10.0.0.10:6443\" or \"k8s.example:6443\", as `kubeadm "
                     "token create --print-join-command` shows it");
  }
}

void read_hashes(SpecSection& section, JoinSpec& join) {
  section.texts("caCertHashes", join.ca_cert_hashes);
  for (std::string& hash : join.ca_cert_hashes) {
    std::ranges::transform(hash, hash.begin(), to_lower);
    const std::string_view digits =
        std::string_view(hash).substr(std::min(hash.size(), kHashKind.size()));
    const bool is_hash = hash.starts_with(kHashKind) &&
                         digits.size() == kHashDigits &&
                         std::ranges::all_of(digits, [](char c) {
                           return is_digit(c) || (c >= 'a' && c <= 'f');
                         });
    if (is_hash) continue;
    section.complain(
        "caCertHashes",
        fmt::format("\"{}\" is no digest of a CA's key; one is \"sha256:\" and "
                    "64 hexadecimal digits, as `kubeadm token create "
                    "--print-join-command` shows it",
                    hash));
  }
}

bool is_address(const std::string& text) {
  in6_addr buffer{};
  return ::inet_pton(AF_INET, text.c_str(), &buffer) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), &buffer) == 1;
}

void read_rest(SpecSection& section, JoinSpec& join) {
  section.text("discoveryFile", join.discovery_file);
  if (!join.discovery_file.empty() && join.discovery_file.front() != '/') {
    section.complain("discoveryFile", "the file needs its absolute path");
  }
  section.text("nodeIP", join.node_ip);
  const std::size_t comma =
      std::min(join.node_ip.find(','), join.node_ip.size());
  const bool is_good = is_address(join.node_ip.substr(0, comma)) &&
                       (comma == join.node_ip.size() ||
                        is_address(join.node_ip.substr(comma + 1)));
  if (!join.node_ip.empty() && !is_good) {
    section.complain("nodeIP",
                     fmt::format("\"{}\" is no address of this host, nor one "
                                 "of IPv4 and one of IPv6 with a comma between",
                                 join.node_ip));
  }
  section.texts("ignorePreflight", join.ignored_checks);
  for (const std::string& check : join.ignored_checks) {
    const bool is_plain =
        !check.empty() && std::ranges::all_of(check, [](char c) {
          return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
        });
    if (is_plain) continue;
    section.complain("ignorePreflight",
                     fmt::format("\"{}\" is no check of kubeadm's; one is "
                                 "\"NumCPU\"",
                                 check));
  }
}

void read_join(SpecSection section, JoinSpec& join) {
  join.is_wanted = true;
  section.choice<bool>("mode", join.is_wanted, {{"kubeadm", true}});
  read_endpoint(section, join);
  if (section.later("token")) section.complain("token", kWhereTokensGo);
  section.section("tokenFrom", [&](SpecSection inner) {
    read_token_source(std::move(inner), join.token);
  });
  read_hashes(section, join);
  section.boolean("unsafeSkipCAVerification", join.trusts_any_ca);
  read_rest(section, join);
  section.finish();
}

/// What is wrong with `join`, one sentence each.
std::vector<std::string> faults_of(const JoinSpec& join) {
  std::vector<std::string> faults;
  if (!join.discovery_file.empty()) {
    if (!join.endpoint.empty() || !join.ca_cert_hashes.empty() ||
        join.trusts_any_ca) {
      faults.emplace_back(
          "`discoveryFile` says endpoint and CA, so `endpoint`, "
          "`caCertHashes` and `unsafeSkipCAVerification` do not go with it");
    }
    return faults;
  }
  if (join.endpoint.empty()) {
    faults.emplace_back(
        "`endpoint` is missing; `kubeadm token create --print-join-command` "
        "on a control plane shows it");
  }
  if (!join.token.is_set()) {
    faults.emplace_back(
        "`tokenFrom` is missing: where the bootstrap token is, `file`, `env` "
        "or `exec`");
  }
  if (join.ca_cert_hashes.empty() && !join.trusts_any_ca) {
    faults.emplace_back(
        "`caCertHashes` is missing, without which any machine that knows the "
        "token could be the cluster; `kubeadm token create "
        "--print-join-command` shows it");
  }
  if (!join.ca_cert_hashes.empty() && join.trusts_any_ca) {
    faults.emplace_back(
        "`caCertHashes` and `unsafeSkipCAVerification: true` contradict each "
        "other");
  }
  return faults;
}

}  // namespace

bool is_bootstrap_token(std::string_view text) {
  constexpr std::size_t kId = 6;
  constexpr std::size_t kSecret = 16;
  return text.size() == kId + 1 + kSecret && text[kId] == '.' &&
         std::ranges::all_of(text.substr(0, kId), is_lower_or_digit) &&
         std::ranges::all_of(text.substr(kId + 1), is_lower_or_digit);
}

int kubernetes_minor(std::string_view version) {
  constexpr std::string_view kMajor = "1.";
  if (!version.starts_with(kMajor)) return -1;
  version.remove_prefix(kMajor.size());
  const auto number_of = [](std::string_view text) {
    int number = -1;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    const bool is_good = error == std::errc{} && rest == end && number >= 0;
    return is_good ? number : -1;
  };
  const std::size_t dot = std::min(version.find('.'), version.size());
  const int minor = number_of(version.substr(0, dot));
  if (dot == version.size()) return minor;
  return number_of(version.substr(dot + 1)) < 0 ? -1 : minor;
}

void read_kubernetes(SpecSection section, KubernetesSpec& kubernetes) {
  kubernetes.is_wanted = true;
  section.text("version", kubernetes.version);
  if (kubernetes.version.starts_with('v')) kubernetes.version.erase(0, 1);
  if (!kubernetes.version.empty() &&
      kubernetes_minor(kubernetes.version) < kOldestMinor) {
    section.complain("version",
                     fmt::format("\"{}\" is no version of Kubernetes from 1.15 "
                                 "on; one is \"1.25\" or \"1.25.16\"",
                                 kubernetes.version));
  }
  section.choice<KubernetesSource>(
      "source", kubernetes.source,
      {{"pkgs.k8s.io", KubernetesSource::kCommunity},
       {"distribution", KubernetesSource::kDistribution},
       {"preinstalled", KubernetesSource::kPreinstalled}});
  section.section("join", [&](SpecSection inner) {
    read_join(std::move(inner), kubernetes.join);
  });
  section.section("labels", [&](SpecSection inner) {
    read_labels(std::move(inner), kubernetes);
  });
  read_taints(section, kubernetes);
  section.finish();
}

void check_kubernetes(const KubernetesSpec& kubernetes,
                      const std::string& file_name,
                      std::vector<std::string>& problems) {
  if (!kubernetes.is_wanted) return;
  const bool installs = kubernetes.source != KubernetesSource::kPreinstalled;
  if (kubernetes.version.empty() && (installs || kubernetes.join.is_wanted)) {
    problems.push_back(
        fmt::format("{}: spec.kubernetes: `version` is missing: the minor "
                    "version of the cluster, such as \"1.25\"",
                    file_name));
  }
  if (!kubernetes.join.is_wanted) return;
  for (const std::string& fault : faults_of(kubernetes.join)) {
    problems.push_back(
        fmt::format("{}: spec.kubernetes.join: {}", file_name, fault));
  }
}

}  // namespace gpunode::provision
