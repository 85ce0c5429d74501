#include "node/provision/cluster_probe.h"

#include <algorithm>
#include <ctime>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/http/client.h"
#include "base/http/limit.h"
#include "base/http/resolver.h"
#include "base/http/stream.h"
#include "base/http/tls.h"
#include "base/http/url.h"
#include "base/text/json_edit.h"
#include "base/text/node.h"
#include "base/text/tree.h"
#include "base/text/yaml.h"
#include "k8s/api/resource_path.h"
#include "node/provision/kubernetes_section.h"

namespace gpunode::provision {
namespace {

using text::Node;

constexpr std::chrono::seconds kConnectTime{5};
constexpr std::chrono::seconds kAnswerTime{15};
/// Certificates that the controller manager signs hold from five minutes
/// before: a clock that is further behind finds its own not yet valid.
constexpr std::chrono::seconds kMostClockDifference{300};
constexpr int kOk = 200;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr int kNotFound = 404;

constexpr const char* kInfoPath =
    "/api/v1/namespaces/kube-public/configmaps/cluster-info";
constexpr const char* kNewToken =
    "next: on a control plane `kubeadm token create --print-join-command`";

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110); nothing for anything else.
std::optional<std::chrono::sys_seconds> http_date(const std::string& text) {
  std::tm parts{};
  const char* end =
      ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts)));
}

std::string minutes_words(std::chrono::seconds time) {
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(time);
  if (minutes.count() < 120) return fmt::format("{} minutes", minutes.count());
  return fmt::format("{} hours", minutes.count() / 60);
}

std::optional<Node> tree_of_answer(const http::ClientResponse& response) {
  const auto parsed = text::read_json(response.body, "the answer");
  if (!parsed) return std::nullopt;
  return text::tree_of(*parsed);
}

class Probe {
 public:
  Probe(const JoinQuestion& question, std::chrono::sys_seconds now)
      : question_(question), now_(now) {}

  Result<ClusterAnswer> ask() {
    TRY_VOID(find_server());
    TRY_VOID(connect());
    if (question_.discovered) {
      authority_ = question_.discovered->authority;
    } else {
      TRY_VOID(read_info());
    }
    answer_.endpoint = url_.authority();
    answer_.ca = ca_key();
    TRY_VOID(ask_version());
    TRY_VOID(ask_node());
    ask_kubelet_config();
    return std::move(answer_);
  }

 private:
  Result<void> find_server() {
    const std::string text = question_.discovered
                                 ? question_.discovered->server
                                 : "https://" + question_.endpoint;
    TRY(url_, http::parse_url(text));
    return question_.discovered ? check_discovered() : Result<void>();
  }

  /// The token goes to who the file names: to nobody in clear text, and to
  /// nobody whom any of the host's public CAs would do for.
  Result<void> check_discovered() const {
    constexpr const char* kNext =
        "next: make the file anew on a control plane: `kubectl -n kube-public "
        "get configmap cluster-info -o jsonpath='{.data.kubeconfig}'`";
    if (!url_.is_tls) {
      return Error(
          ErrorCode::kPermissionDenied,
          fmt::format("the server of spec.kubernetes.join.discoveryFile is "
                      "http://{}: the token would go there in clear text, and "
                      "anybody on the way could be the cluster; {}",
                      url_.authority(), kNext));
    }
    if (!key_hashes(question_.discovered->authority).empty()) return {};
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("spec.kubernetes.join.discoveryFile has no CA of "
                             "the cluster for {} (certificate-authority-data, "
                             "or a file that certificate-authority names): "
                             "whoever has a certificate of any public CA would "
                             "be given the token; {}",
                             url_.authority(), kNext));
  }

  /// Name and connection, each told by itself.
  Result<void> connect() const {
    const auto limit = http::Limit::after(kConnectTime, nullptr);
    const auto addresses = http::resolve(url_.host, url_.port, limit);
    if (!addresses) {
      return Error(
          ErrorCode::kUnavailable,
          fmt::format("the cluster's name {} is not found: {}; next: is "
                      "spec.kubernetes.join.endpoint right, and does `getent "
                      "hosts {}` on this host know it?",
                      url_.host, addresses.error().message(), url_.host));
    }
    const auto socket = http::connect_tcp(
        url_.host, url_.port, http::Limit::after(kConnectTime, nullptr));
    if (!socket) {
      return Error(
          ErrorCode::kUnavailable,
          fmt::format("the API server does not answer at {}: {}; next: does "
                      "it run, and do firewalls and security groups let this "
                      "host reach its port? `curl -k https://{}/healthz`",
                      url_.authority(), socket.error().message(),
                      url_.authority()));
    }
    return {};
  }

  Result<http::ClientResponse> get(const std::string& target,
                                   const http::TlsOptions& tls,
                                   bool is_known) const {
    http::ClientLimits limits;
    // A control plane that is busy is slow to shake hands, too.
    limits.connect = kAnswerTime;
    limits.answer = kAnswerTime;
    http::Client client(url_, tls, limits);
    http::ClientRequest request;
    request.target = url_.path + target;
    request.headers = {{"Accept", "application/json"},
                       {"User-Agent", "gpunode"}};
    if (is_known && question_.token) {
      request.headers.push_back(
          {"Authorization", "Bearer " + question_.token->text()});
    }
    return client.call(request, nullptr);
  }

  Result<http::ClientResponse> get_known(const std::string& target) const {
    http::TlsOptions tls;
    tls.authorities_pem = authority_;
    return get(target, tls, true);
  }

  Result<void> check_clock(const http::ClientResponse& response) const {
    const std::string* text = response.header("date");
    if (text == nullptr) return {};
    const auto theirs = http_date(*text);
    if (!theirs) return {};
    const auto ahead = now_ - *theirs;
    if (std::chrono::abs(ahead) <= kMostClockDifference) return {};
    const bool is_ahead = ahead.count() > 0;
    return Error(
        ErrorCode::kUnavailable,
        fmt::format("this host's clock is {} {} the API server's, so that "
                    "certificates are taken for {}; next: set it, with "
                    "`timedatectl set-ntp true` or `chronyc makestep`, and "
                    "look at both with `date -u`",
                    minutes_words(std::chrono::abs(ahead)),
                    is_ahead ? "ahead of" : "behind",
                    is_ahead ? "expired" : "not yet valid"));
  }

  /// cluster-info, which anybody may read and nobody may forge.
  Result<void> read_info() {
    http::TlsOptions anybody;
    anybody.is_insecure = true;  // What it says is signed by the token.
    const auto response = get(kInfoPath, anybody, false);
    if (!response) {
      if (response.error().message().find("no answer within") !=
          std::string::npos) {
        return Error(
            ErrorCode::kUnavailable,
            fmt::format("{} takes connections and says nothing: {}; next: is "
                        "the API server overloaded, or a proxy or load "
                        "balancer without a backend there? `curl -k "
                        "https://{}/readyz?verbose`; it may pass by itself",
                        url_.authority(), response.error().message(),
                        url_.authority()));
      }
      return Error(
          ErrorCode::kUnavailable,
          fmt::format("{} answers, and not as an API server: {}; next: is the "
                      "port of spec.kubernetes.join.endpoint right, and no "
                      "proxy or load balancer without a backend there?",
                      url_.authority(), response.error().message()));
    }
    TRY_VOID(check_clock(*response));
    if (response->status != kOk) return no_info(response->status);
    if (!question_.token) return {};
    TRY(const std::string kubeconfig,
        verified_kubeconfig(response->body, *question_.token));
    TRY(const ClusterInfo info, read_cluster_info(kubeconfig, "cluster-info"));
    authority_ = info.authority;
    return check_authority();
  }

  Error no_info(int status) const {
    if (status == kUnauthorized || status == kForbidden) {
      return {ErrorCode::kPermissionDenied,
              fmt::format("the API server at {} does not show cluster-info to "
                          "anybody ({}), so that no token can be proven; "
                          "next: `kubeadm init phase bootstrap-token` on a "
                          "control plane allows it, or say `discoveryFile`",
                          url_.authority(), status)};
    }
    if (status == kNotFound) {
      return {ErrorCode::kUnsupported,
              fmt::format("the cluster at {} has no cluster-info: it was not "
                          "made by kubeadm; next: `kubeadm init phase "
                          "bootstrap-token` on a control plane makes it, or "
                          "say `discoveryFile`",
                          url_.authority())};
    }
    return {ErrorCode::kUnavailable,
            fmt::format("the API server at {} says {} when asked for "
                        "cluster-info; next: is the control plane well? "
                        "`curl -k https://{}/readyz?verbose`",
                        url_.authority(), status, url_.authority())};
  }

  /// The digest that the file pins; of one that it does not, the first.
  std::string ca_key() const {
    const auto hashes = key_hashes(authority_);
    for (const std::string& hash : hashes) {
      const auto& pinned = question_.ca_cert_hashes;
      if (std::ranges::find(pinned, hash) != pinned.end()) return hash;
    }
    return hashes.empty() ? "" : hashes.front();
  }

  Result<void> check_authority() const {
    if (question_.trusts_any_ca) return {};
    const auto hashes = key_hashes(authority_);
    const bool is_known =
        std::ranges::any_of(hashes, [&](const std::string& hash) {
          return std::ranges::find(question_.ca_cert_hashes, hash) !=
                 question_.ca_cert_hashes.end();
        });
    if (is_known) return {};
    return Error(
        ErrorCode::kPermissionDenied,
        fmt::format("the CA of the cluster at {} is none of "
                    "spec.kubernetes.join.caCertHashes: its key is {}; this "
                    "is another cluster, or its CA was renewed; next: compare "
                    "it with `kubeadm token create --print-join-command` on a "
                    "control plane that you trust",
                    url_.authority(),
                    hashes.empty()
                        ? "missing"
                        : fmt::format("{}", fmt::join(hashes, ", "))));
  }

  /// By the CA and with the token: certificate, token and version.
  Result<void> ask_version() {
    const auto response = get_known("/version");
    if (!response) return no_trust(response.error());
    TRY_VOID(check_clock(*response));
    if (response->status == kUnauthorized) {
      return Error(
          ErrorCode::kPermissionDenied,
          fmt::format("the API server does not take the token {}: it has "
                      "expired, was deleted, or may not be used for "
                      "authentication; {}",
                      question_.token ? question_.token->id : "(none)",
                      kNewToken));
    }
    if (response->status != kOk) return {};  // Hidden: no reason to stop.
    const auto tree = tree_of_answer(*response);
    if (!tree) return {};
    std::string version = text::string_at(*tree, {"gitVersion"});
    if (version.starts_with('v')) version.erase(0, 1);
    version.erase(std::min(version.find_first_of("-+"), version.size()));
    answer_.version = version;
    const std::string skew = skew_words(kubernetes_minor(question_.version),
                                        kubernetes_minor(version));
    if (skew.empty()) return {};
    return Error(ErrorCode::kUnsupported,
                 fmt::format("kubelet {} does not go with the cluster's {}: "
                             "{}; next: say `version: \"1.{}\"` in "
                             "spec.kubernetes",
                             question_.version, version, skew,
                             kubernetes_minor(version)));
  }

  Error no_trust(const Error& error) const {
    if (error.code() != ErrorCode::kPermissionDenied) {
      return {ErrorCode::kUnavailable,
              fmt::format("the API server at {} stopped answering: {}; it may "
                          "pass by itself",
                          url_.authority(), error.message())};
    }
    return {ErrorCode::kPermissionDenied,
            fmt::format("the certificate of the API server at {} is not good: "
                        "{}; next: the endpoint must be one of the names that "
                        "the certificate has (`openssl s_client -connect {} "
                        "</dev/null | openssl x509 -noout -text`), and both "
                        "clocks right",
                        url_.authority(), error.message(), url_.authority())};
  }

  /// A node that is up keeps its name. As kubeadm does.
  Result<void> ask_node() const {
    if (!question_.token) return {};
    TRY(const std::string path,
        kube::object_path(kube::nodes(), {"", question_.node}));
    const auto response = get_known(path);
    if (!response || response->status != kOk) return {};
    const auto tree = tree_of_answer(*response);
    if (!tree || !is_ready(*tree)) return {};
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("the cluster has a Node {} already, and it is Ready: "
                    "another host has this name; next: give this host a name "
                    "of its own with `hostnamectl set-hostname NAME`, or, if "
                    "that Node is an old one of this host, `kubectl delete "
                    "node {}`",
                    question_.node, question_.node));
  }

  static bool is_ready(const Node& node) {
    const Node* conditions = text::find_at(node, {"status", "conditions"});
    if (conditions == nullptr) return false;
    return std::ranges::any_of(conditions->items, [](const Node& one) {
      return text::string_at(one, {"type"}) == "Ready" &&
             text::string_at(one, {"status"}) == "True";
    });
  }

  /// Which cgroup driver the cluster's kubelets have: kubeadm's ConfigMap, by
  /// its name of now and by that before 1.24. What is not told is not known.
  void ask_kubelet_config() {
    if (!question_.token) return;
    constexpr const char* kMaps =
        "/api/v1/namespaces/kube-system/configmaps/kubelet-config";
    const std::string older =
        fmt::format("{}-1.{}", kMaps, kubernetes_minor(question_.version));
    for (const std::string& path : {std::string(kMaps), older}) {
      const auto response = get_known(path);
      if (!response || response->status != kOk) continue;
      const auto tree = tree_of_answer(*response);
      if (!tree) return;
      const auto config = text::parse_yaml(
          text::string_at(*tree, {"data", "kubelet"}), "kubelet-config");
      if (!config) return;
      answer_.cgroup_driver = text::string_at(config->root, {"cgroupDriver"});
      return;
    }
  }

  const JoinQuestion& question_;
  std::chrono::sys_seconds now_;
  http::Url url_;
  std::string authority_;
  ClusterAnswer answer_;
};

}  // namespace

std::string skew_words(int kubelet, int server) {
  if (kubelet < 0 || server < 0) return "";
  if (kubelet > server) {
    return "a kubelet may not be newer than the API server";
  }
  // Three from API servers of 1.28 on, two before.
  constexpr int kFirstOfThree = 28;
  const int most = server >= kFirstOfThree ? 3 : 2;
  if (server - kubelet <= most) return "";
  return fmt::format("it may be at most {} minor versions older", most);
}

Result<ClusterAnswer> ask_cluster(const JoinQuestion& question,
                                  std::chrono::sys_seconds now) {
  return Probe(question, now).ask();
}

}  // namespace gpunode::provision
