// A kubeconfig's words about one cluster and one user: values, no I/O but the
// reading of what they name.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/http/url.h"

namespace gpunode::kube {

/// A program that makes credentials (client.authentication.k8s.io).
struct ExecPlugin {
  std::string api_version;  ///< Its v1 or v1beta1, whole.
  std::string command;
  std::vector<std::string> args;
  std::vector<std::string> env;  ///< NAME=value, beside the caller's.
  std::string install_hint;
  bool wants_cluster = false;  ///< provideClusterInfo.
};

/// A text given in the file or by another file's path; the former counts.
struct TextOrFile {
  std::string text;
  std::string path;

  bool is_empty() const { return text.empty() && path.empty(); }
};

/// What the context in use says.
struct Kubeconfig {
  http::Url server;
  std::string server_text;  ///< As written.
  TextOrFile authority;
  std::string tls_server_name;
  bool is_insecure = false;
  std::string default_space;

  TextOrFile certificate;
  TextOrFile key;
  TextOrFile token;
  std::optional<ExecPlugin> exec;

  std::string directory;  ///< Of the file: what relative paths start from.
};

inline constexpr std::size_t kMaxKubeconfigBytes = std::size_t{1} << 20U;

/// Reads one kubeconfig. `path` is the file's, absolute, for messages and
/// relative paths; an empty `context` means current-context. What it asks for
/// and is not supported (auth-provider, passwords, impersonation, proxy-url) is
/// refused by name with kUnsupported; kNotFound for a context, cluster or user
/// that is not there; kCorrupt for what cannot be read. Secrets are not quoted.
Result<Kubeconfig> parse_kubeconfig(std::string_view text,
                                    const std::string& path,
                                    std::string_view context = "");

}  // namespace gpunode::kube
