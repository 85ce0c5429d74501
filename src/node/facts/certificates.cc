#include "node/facts/certificates.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "base/http/certificate.h"
#include "base/text/base64.h"
#include "base/text/tree.h"
#include "base/text/yaml.h"
#include "node/facts/host_text.h"

namespace gpunode::facts {
namespace {

constexpr std::size_t kLimitBytes = std::size_t{1} << 20U;
/// More in one directory is nobody's control plane.
constexpr std::size_t kMostFiles = 256;

constexpr const char* kKubeletPki = "/var/lib/kubelet/pki/";
constexpr const char* kClusterPki = "/etc/kubernetes/pki/";
constexpr const char* kEtcdPki = "/etc/kubernetes/pki/etcd/";
constexpr const char* kKubeconfigs = "/etc/kubernetes/";

class Reading {
 public:
  explicit Reading(const host::HostRoot& host) : host_(host) {}

  void file(const std::string& path) {
    if (const auto text = text_of(path)) certificate(*text, path, "");
  }

  void kubeconfig(const std::string& path) {
    const auto text = text_of(path);
    if (!text) return;
    const auto document = text::parse_yaml(*text, path);
    if (!document) return failed(path, "", "this is no YAML");
    const text::Node* const users = text::find_at(document->root, {"users"});
    if (users == nullptr) return;
    for (const text::Node& user : users->items) {
      // Only what is in it: a file that it names is looked at where it lies.
      const std::string data =
          text::string_at(user, {"user", "client-certificate-data"});
      if (data.empty()) continue;
      const std::string name = text::string_at(user, {"name"});
      const auto pem = text::decode_base64(data);
      if (!pem) {
        failed(path, name, "its certificate is no base64");
      } else {
        certificate(*pem, path, name);
      }
    }
  }

  std::vector<std::string> files_in(const std::string& directory,
                                    std::string_view ending) const {
    std::vector<std::string> paths;
    const auto names = host_.list_directory(directory);
    if (!names) return paths;
    for (const std::string& name : *names) {
      if (name.ends_with(ending) && paths.size() < kMostFiles) {
        paths.push_back(directory + name);
      }
    }
    return paths;
  }

  std::vector<CertificateFacts> take() { return std::move(found_); }

 private:
  /// Nothing: it is not there, or the failure is noted.
  std::optional<std::string> text_of(const std::string& path) {
    auto text = host_.read_file(path, kLimitBytes);
    if (text) return *std::move(text);
    if (text.error().code() != ErrorCode::kNotFound) {
      failed(path, "", cause_of(host_, path, text.error()));
    }
    return std::nullopt;
  }

  void certificate(std::string_view pem, const std::string& path,
                   const std::string& user) {
    const auto all = http::read_certificates(pem);
    if (!all) return failed(path, user, all.error().message());
    const auto by_end = [](const auto& a, const auto& b) {
      return a.not_after < b.not_after;
    };
    const http::Certificate& one = all->front().is_authority
                                       ? *std::ranges::max_element(*all, by_end)
                                       : all->front();
    found_.push_back(
        {path, user, one.common_name, one.not_before, one.not_after, ""});
  }

  void failed(const std::string& path, const std::string& user,
              std::string why) {
    found_.push_back({path, user, "", {}, {}, std::move(why)});
  }

  const host::HostRoot& host_;
  std::vector<CertificateFacts> found_;
};

}  // namespace

std::vector<CertificateFacts> read_certificates(const host::HostRoot& host) {
  Reading reading(host);
  const std::string pki = kKubeletPki;
  reading.file(pki + "kubelet-client-current.pem");
  // With serverTLSBootstrap it serves by the former, and the latter is left
  // over from before.
  const std::string rotated = pki + "kubelet-server-current.pem";
  reading.file(host.exists(rotated) ? rotated : pki + "kubelet.crt");
  for (const char* directory : {kClusterPki, kEtcdPki}) {
    for (const std::string& path : reading.files_in(directory, ".crt")) {
      reading.file(path);
    }
  }
  for (const std::string& path : reading.files_in(kKubeconfigs, ".conf")) {
    reading.kubeconfig(path);
  }
  return reading.take();
}

}  // namespace gpunode::facts
