#include "k8s/api/kubeconfig.h"

#include <array>

#include <fmt/format.h>

#include "base/text/base64.h"
#include "base/text/node.h"
#include "base/text/tree.h"
#include "base/text/yaml.h"

namespace gpunode::kube {
namespace {

using text::Node;

/// Reads parts of one file; errors begin with its name and the place.
class Decoder {
 public:
  explicit Decoder(std::string path) : path_(std::move(path)) {}

  Error fault(ErrorCode code, text::Mark mark, std::string_view words) const {
    return {code, fmt::format("{}: {}", text::at(path_, mark), words)};
  }

  /// The `body` of the entry of list `list` whose name is `name`.
  Result<const Node*> named(const Node& root, std::string_view list,
                            std::string_view body,
                            const std::string& name) const {
    const text::Entry* entries = root.find(list);
    if (entries != nullptr && entries->value.is(Node::Kind::kSequence)) {
      for (const Node& item : entries->value.items) {
        if (text::string_at(item, {"name"}) != name) continue;
        const text::Entry* found = item.find(body);
        if (found != nullptr && found->value.is(Node::Kind::kMapping)) {
          return &found->value;
        }
      }
    }
    return Error(ErrorCode::kNotFound,
                 fmt::format("{}: no {} {:?} in {}", path_, body, name, list));
  }

  /// The string at `key`; empty if there is none.
  Result<std::string> string(const Node& in, std::string_view key) const {
    const text::Entry* found = in.find(key);
    if (found == nullptr || found->value.is(Node::Kind::kNull)) {
      return std::string();
    }
    if (!found->value.is(Node::Kind::kString)) {
      return fault(ErrorCode::kCorrupt, found->value.mark,
                   fmt::format("{} must be a string", key));
    }
    return found->value.scalar;
  }

  Result<bool> boolean(const Node& in, std::string_view key) const {
    const text::Entry* found = in.find(key);
    if (found == nullptr || found->value.is(Node::Kind::kNull)) return false;
    if (!found->value.is(Node::Kind::kBool)) {
      return fault(ErrorCode::kCorrupt, found->value.mark,
                   fmt::format("{} must be true or false", key));
    }
    return found->value.is_true();
  }

  /// `key`-data, base64, or `key`, a path.
  Result<TextOrFile> data_or_file(const Node& in,
                                  const std::string& key) const {
    TextOrFile out;
    TRY(out.path, string(in, key));
    TRY(const std::string data, string(in, key + "-data"));
    const auto decoded = text::decode_base64(data);
    if (!decoded) {
      return fault(ErrorCode::kCorrupt, in.find(key + "-data")->value.mark,
                   key + "-data is not base64");
    }
    out.text = *decoded;
    return out;
  }

  /// Fails if one of `keys` is there, with something in it.
  template <std::size_t N>
  Result<void> refuse(const Node& in,
                      const std::array<std::string_view, N>& keys) const {
    for (const std::string_view key : keys) {
      const text::Entry* found = in.find(key);
      if (found == nullptr || found->value.is(Node::Kind::kNull) ||
          (found->value.is(Node::Kind::kString) &&
           found->value.scalar.empty())) {
        continue;
      }
      return fault(ErrorCode::kUnsupported, found->mark,
                   fmt::format("{} is not supported; next: use a token, client "
                               "certificate or exec plugin",
                               key));
    }
    return {};
  }

  Result<void> read_cluster(const Node& cluster, Kubeconfig& out) const {
    TRY_VOID(refuse(cluster, std::array<std::string_view, 1>{"proxy-url"}));
    TRY(out.server_text, string(cluster, "server"));
    auto url = http::parse_url(out.server_text);
    if (!url) return std::move(url).error().with_context(path_);
    out.server = *std::move(url);
    TRY(out.authority, data_or_file(cluster, "certificate-authority"));
    TRY(out.tls_server_name, string(cluster, "tls-server-name"));
    TRY(out.is_insecure, boolean(cluster, "insecure-skip-tls-verify"));
    if (out.is_insecure && !out.authority.is_empty()) {
      return fault(ErrorCode::kInvalidArgument, cluster.mark,
                   "certificate-authority and insecure-skip-tls-verify "
                   "contradict each other");
    }
    return {};
  }

  Result<void> read_user(const Node& user, Kubeconfig& out) const {
    TRY_VOID(refuse(user, std::array<std::string_view, 7>{
                              "auth-provider", "username", "password", "as",
                              "as-groups", "as-uid", "as-user-extra"}));
    TRY(out.certificate, data_or_file(user, "client-certificate"));
    TRY(out.key, data_or_file(user, "client-key"));
    TRY(out.token.text, string(user, "token"));
    TRY(out.token.path, string(user, "tokenFile"));
    if (out.certificate.is_empty() != out.key.is_empty()) {
      return fault(ErrorCode::kInvalidArgument, user.mark,
                   "client-certificate and client-key go together");
    }
    const text::Entry* exec = user.find("exec");
    if (exec == nullptr || exec->value.is(Node::Kind::kNull)) return {};
    out.exec.emplace();
    return read_exec(exec->value, *out.exec);
  }

  Result<void> read_exec(const Node& exec, ExecPlugin& out) const {
    TRY(out.api_version, string(exec, "apiVersion"));
    if (out.api_version != "client.authentication.k8s.io/v1" &&
        out.api_version != "client.authentication.k8s.io/v1beta1") {
      return fault(ErrorCode::kUnsupported, exec.mark,
                   fmt::format("exec plugins of apiVersion {:?} are not "
                               "supported, those of "
                               "client.authentication.k8s.io/v1 and v1beta1 "
                               "are",
                               out.api_version));
    }
    TRY(out.command, string(exec, "command"));
    if (out.command.empty()) {
      return fault(ErrorCode::kCorrupt, exec.mark, "exec has no command");
    }
    TRY(const std::string mode, string(exec, "interactiveMode"));
    if (mode == "Always") {
      return fault(ErrorCode::kUnsupported, exec.mark,
                   "interactiveMode Always: there is nobody to talk to");
    }
    TRY(out.install_hint, string(exec, "installHint"));
    TRY(out.wants_cluster, boolean(exec, "provideClusterInfo"));
    return read_exec_lists(exec, out);
  }

  Result<void> read_exec_lists(const Node& exec, ExecPlugin& out) const {
    if (const text::Entry* args = exec.find("args")) {
      for (const Node& item : args->value.items) {
        if (!item.is(Node::Kind::kString)) {
          return fault(ErrorCode::kCorrupt, item.mark, "args must be strings");
        }
        out.args.push_back(item.scalar);
      }
    }
    if (const text::Entry* env = exec.find("env")) {
      for (const Node& item : env->value.items) {
        TRY(const std::string name, string(item, "name"));
        TRY(const std::string value, string(item, "value"));
        if (name.empty() || name.find('=') != std::string::npos) {
          return fault(ErrorCode::kCorrupt, item.mark,
                       "a variable of exec needs a name");
        }
        out.env.push_back(fmt::format("{}={}", name, value));
      }
    }
    return {};
  }

 private:
  std::string path_;
};

std::string directory_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

Result<Kubeconfig> parse_kubeconfig(std::string_view text,
                                    const std::string& path,
                                    std::string_view context) {
  if (!path.starts_with('/')) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: not an absolute path, which the files that a "
                             "kubeconfig names are relative to",
                             path));
  }
  text::YamlLimits limits;
  limits.bytes = kMaxKubeconfigBytes;
  TRY(const auto document, text::parse_yaml(text, path, limits));
  const Node& root = document.root;
  const Decoder decoder(path);
  if (!root.is(Node::Kind::kMapping)) {
    return Error(ErrorCode::kCorrupt, path + ": this is no kubeconfig");
  }
  std::string name(context);
  if (name.empty()) {
    TRY(name, decoder.string(root, "current-context"));
  }
  if (name.empty()) {
    return Error(ErrorCode::kNotFound,
                 path +
                     ": no current-context; next: kubectl config "
                     "use-context NAME, or name one");
  }
  TRY(const Node* chosen, decoder.named(root, "contexts", "context", name));
  Kubeconfig out;
  out.directory = directory_of(path);
  TRY(out.default_space, decoder.string(*chosen, "namespace"));
  TRY(const std::string cluster_name, decoder.string(*chosen, "cluster"));
  TRY(const Node* cluster,
      decoder.named(root, "clusters", "cluster", cluster_name));
  TRY_VOID(decoder.read_cluster(*cluster, out));
  TRY(const std::string user_name, decoder.string(*chosen, "user"));
  if (user_name.empty()) return out;
  TRY(const Node* user, decoder.named(root, "users", "user", user_name));
  TRY_VOID(decoder.read_user(*user, out));
  return out;
}

}  // namespace gpunode::kube
