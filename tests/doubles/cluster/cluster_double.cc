#include "tests/doubles/cluster/cluster_double.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/digest/digest.h"
#include "base/http/certificate.h"
#include "base/text/base64.h"

namespace gpunode::kube {
namespace {

using nlohmann::json;

std::string base64_url(const std::string& bytes) {
  std::string text = text::encode_base64(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.erase(std::find(text.begin(), text.end(), '='), text.end());
  return text;
}

std::string status_body(int code) {
  return json{{"kind", "Status"}, {"code", code}, {"message", "as the test"}}
      .dump();
}

}  // namespace

ClusterDouble::ClusterDouble(ClusterManner manner)
    : manner_(std::move(manner)), authority_("kubernetes") {
  const http::IssuedCertificate issued =
      authority_.issue(manner_.certificate_names);
  const http::ServerTls tls{issued.certificate_pem, issued.key_pem, ""};
  server_ = std::make_unique<http::ScriptedServer>(
      [this](http::Peer& peer, int /*number*/) { serve(peer); }, &tls);
  port_ = server_->port();
}

std::string ClusterDouble::endpoint() const {
  return fmt::format("127.0.0.1:{}", port_.load());
}

std::string ClusterDouble::ca_hash() const {
  const auto read = http::read_certificates(ca_pem());
  return "sha256:" + digest::sha256(read->front().public_key);
}

std::string ClusterDouble::kubeconfig() const {
  return fmt::format(
      "apiVersion: v1\nclusters:\n- cluster:\n    "
      "certificate-authority-data: {}\n    server: https://{}\n  name: \"\"\n"
      "contexts: null\ncurrent-context: \"\"\nkind: Config\npreferences: {{}}\n"
      "users: null\n",
      text::encode_base64(ca_pem()), endpoint());
}

std::string ClusterDouble::cluster_info() const {
  json map{{"kind", "ConfigMap"}, {"data", {{"kubeconfig", kubeconfig()}}}};
  if (!manner_.has_signature) return map.dump();
  const std::string id = manner_.token.substr(0, manner_.token.find('.'));
  const std::string secret = manner_.signing_secret.empty()
                                 ? manner_.token.substr(id.size() + 1)
                                 : manner_.signing_secret;
  const std::string header =
      base64_url(fmt::format(R"({{"alg":"HS256","kid":"{}"}})", id));
  const std::string mac =
      digest::hmac_sha256(secret, header + "." + base64_url(kubeconfig()));
  map["data"]["jws-kubeconfig-" + id] = header + ".." + base64_url(mac);
  return map.dump();
}

std::string ClusterDouble::answer(const std::string& path,
                                  bool is_known) const {
  int status = 200;
  std::string body;
  if (path == "/api/v1/namespaces/kube-public/configmaps/cluster-info") {
    status = manner_.info_status;
    body = status == 200 ? cluster_info() : status_body(status);
  } else if (!is_known) {
    status = 401;
    body = status_body(status);
  } else if (path == "/version") {
    body = json{{"gitVersion", manner_.version}}.dump();
  } else if (!manner_.ready_node.empty() &&
             path == "/api/v1/nodes/" + manner_.ready_node) {
    body = json{{"kind", "Node"},
                {"status",
                 {{"conditions",
                   {{{"type", "MemoryPressure"}, {"status", "False"}},
                    {{"type", "Ready"}, {"status", "True"}}}}}}}
               .dump();
  } else if (!manner_.cgroup_driver.empty() &&
             path ==
                 "/api/v1/namespaces/kube-system/configmaps/"
                 "kubelet-config-1.25") {
    body = json{{"data",
                 {{"kubelet", "kind: KubeletConfiguration\ncgroupDriver: " +
                                  manner_.cgroup_driver + "\n"}}}}
               .dump();
  } else {
    status = 404;
    body = status_body(status);
  }
  const auto now = std::chrono::system_clock::now() +
                   std::chrono::seconds(manner_.clock_offset);
  return fmt::format(
      "HTTP/1.1 {} As it is\r\nContent-Type: application/json\r\nDate: "
      "{:%a, %d %b %Y %H:%M:%S} GMT\r\nContent-Length: {}\r\n\r\n{}",
      status, fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
      body.size(), body);
}

void ClusterDouble::serve(http::Peer& peer) {
  for (std::string request = peer.receive(); !request.empty();
       request = peer.receive()) {
    const std::size_t begin = request.find(' ') + 1;
    const std::string path =
        request.substr(begin, request.find(' ', begin) - begin);
    const bool shows_token =
        request.find("Bearer " + manner_.token + "\r\n") != std::string::npos;
    {
      const MutexLock lock(mutex_);
      requests_.push_back("GET " + path + (shows_token ? " known" : ""));
    }
    if (!peer.send(answer(path, shows_token && manner_.takes_token))) return;
  }
}

std::vector<std::string> ClusterDouble::requests() const {
  const MutexLock lock(mutex_);
  return requests_;
}

}  // namespace gpunode::kube
