#include "k8s/api/exec_credential.h"

#include <fmt/format.h>

#include "base/text/base64.h"
#include "base/text/json_edit.h"
#include "base/text/tree.h"
#include "k8s/api/credentials.h"

namespace gpunode::kube {
namespace {

std::string variable(const std::vector<std::string>& environment,
                     const std::string& name) {
  const std::string prefix = name + "=";
  for (const std::string& entry : environment) {
    if (entry.starts_with(prefix)) return entry.substr(prefix.size());
  }
  return {};
}

/// As client-go: a bare name by PATH, a path from the kubeconfig's directory.
std::string find_command(const Kubeconfig& config,
                         const std::vector<std::string>& environment,
                         const host::HostRoot& root) {
  const std::string& command = config.exec->command;
  if (command.front() == '/') return command;
  if (command.find('/') != std::string::npos) {
    return config.directory + "/" + command;
  }
  std::string path = variable(environment, "PATH");
  if (path.empty()) path = "/usr/local/bin:/usr/bin:/bin";
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    std::string candidate = path.substr(begin, end - begin) + "/" + command;
    if (candidate.front() == '/' && candidate.size() > command.size() + 1 &&
        root.exists(candidate)) {
      return candidate;
    }
    begin = end + 1;
  }
  return {};
}

/// KUBERNETES_EXEC_INFO.
std::string exec_info(const Kubeconfig& config,
                      const std::string& authority_pem) {
  text::Node info = text::mapping_node();
  text::put_at(info, {"apiVersion"},
               text::string_node(config.exec->api_version));
  text::put_at(info, {"kind"}, text::string_node("ExecCredential"));
  text::put_at(info, {"spec", "interactive"}, text::bool_node(false));
  if (config.exec->wants_cluster) {
    const auto put = [&](const char* key, text::Node value) {
      text::put_at(info, {"spec", "cluster", key}, std::move(value));
    };
    put("server", text::string_node(config.server_text));
    if (!config.tls_server_name.empty()) {
      put("tls-server-name", text::string_node(config.tls_server_name));
    }
    if (config.is_insecure) {
      put("insecure-skip-tls-verify", text::bool_node(true));
    }
    if (!authority_pem.empty()) {
      put("certificate-authority-data",
          text::string_node(text::encode_base64(authority_pem)));
    }
  }
  return text::to_json(info);
}

std::string hint(const Kubeconfig& config) {
  const std::string& words = config.exec->install_hint;
  return words.empty() ? "" : "; " + words.substr(0, words.find('\n'));
}

}  // namespace

Result<ExecCredential> parse_exec_credential(std::string_view json,
                                             const std::string& api_version,
                                             const std::string& command) {
  const auto fault = [&](std::string_view words) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("exec plugin {}: {}", command, words));
  };
  auto read = text::read_json(json, command);
  if (!read) return fault("its output is no JSON");
  const text::Node root = text::tree_of(*read);
  if (text::string_at(root, {"kind"}) != "ExecCredential" ||
      text::string_at(root, {"apiVersion"}) != api_version) {
    return fault("its output is no ExecCredential of " + api_version);
  }
  ExecCredential out;
  const std::string token = text::string_at(root, {"status", "token"});
  out.certificate_pem =
      text::string_at(root, {"status", "clientCertificateData"});
  out.key_pem = text::string_at(root, {"status", "clientKeyData"});
  if (!token.empty()) {
    TRY(out.token, token_of(token, "exec plugin " + command));
  } else if (out.certificate_pem.empty()) {
    return fault("its output has neither token nor clientCertificateData");
  }
  if (out.certificate_pem.empty() != out.key_pem.empty()) {
    return fault("clientCertificateData and clientKeyData go together");
  }
  const std::string expires =
      text::string_at(root, {"status", "expirationTimestamp"});
  if (!expires.empty()) {
    auto time = parse_time(expires);
    if (!time)
      return std::move(time).error().with_context("exec plugin " + command);
    out.expires = *time;
  }
  return out;
}

Result<ExecCredential> run_exec_plugin(
    const Kubeconfig& config, const std::string& authority_pem,
    const std::vector<std::string>& environment, const host::HostRoot& root,
    host::CommandRunner& runner) {
  const ExecPlugin& plugin = *config.exec;
  host::Command command;
  const std::string program = find_command(config, environment, root);
  if (program.empty()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("exec plugin {}: not found in PATH{}",
                             plugin.command, hint(config)));
  }
  command.argv = {program};
  command.argv.insert(command.argv.end(), plugin.args.begin(),
                      plugin.args.end());
  command.env = plugin.env;
  for (const std::string& entry : environment) {
    const std::string name = entry.substr(0, entry.find('='));
    if (name != "KUBERNETES_EXEC_INFO" && variable(plugin.env, name).empty()) {
      command.env.push_back(entry);
    }
  }
  command.env.push_back("KUBERNETES_EXEC_INFO=" +
                        exec_info(config, authority_pem));
  auto ran = runner.run(command);
  if (!ran) {
    // The runner's words may end with what the program printed: a secret.
    return Error(
        ran.error().code(),
        fmt::format("exec plugin {}: could not be run to its end "
                    "within {} s{}",
                    program, command.timeout.count() / 1000, hint(config)));
  }
  if (ran->status != 0) {
    return Error(
        ErrorCode::kPermissionDenied,
        fmt::format("exec plugin {}: ended with {}: {}{}", program, ran->status,
                    host::output_tail(ran->err), hint(config)));
  }
  return parse_exec_credential(ran->out, plugin.api_version, program);
}

}  // namespace gpunode::kube
