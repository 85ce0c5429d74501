#include "k8s/api/kubeconfig_credentials.h"

namespace gpunode::kube {
namespace {

// A credential that ends within a call's time is not begun with.
constexpr std::chrono::seconds kSlack(10);

}  // namespace

Result<std::string> KubeconfigCredentials::text_of(
    const TextOrFile& source) const {
  if (!source.text.empty() || source.path.empty()) return source.text;
  const std::string path = source.path.front() == '/'
                               ? source.path
                               : config_.directory + "/" + source.path;
  return root_.read_file(path, kMaxSecretBytes);
}

Result<Access> KubeconfigCredentials::access(bool was_refused) {
  Access access;
  access.server = config_.server;
  access.default_space = config_.default_space;
  access.tls.server_name = config_.tls_server_name;
  access.tls.is_insecure = config_.is_insecure;
  TRY(access.tls.authorities_pem, text_of(config_.authority));
  if (!config_.authority.path.empty()) {
    TRY_VOID(refuse_no_authority(access.tls.authorities_pem,
                                 config_.authority.path));
  }
  TRY(access.tls.certificate_pem, text_of(config_.certificate));
  TRY(access.tls.key_pem, text_of(config_.key));
  // client-go's order: a token file counts before a token.
  if (!config_.token.path.empty()) {
    TRY(const std::string text, text_of({"", config_.token.path}));
    TRY(access.token, token_of(text, config_.token.path));
  } else if (!config_.token.text.empty()) {
    TRY(access.token, token_of(config_.token.text, "the kubeconfig's token"));
  }
  if (config_.exec) TRY_VOID(add_exec(access, was_refused));
  return access;
}

Result<void> KubeconfigCredentials::add_exec(Access& access, bool was_refused) {
  const bool is_due = !made_ || was_refused ||
                      (made_->expires && *made_->expires < now_() + kSlack);
  if (is_due) {
    made_.reset();
    TRY(made_, run_exec_plugin(config_, access.tls.authorities_pem,
                               environment_, root_, runner_));
  }
  if (!made_->token.empty()) access.token = made_->token;
  if (!made_->certificate_pem.empty()) {
    access.tls.certificate_pem = made_->certificate_pem;
    access.tls.key_pem = made_->key_pem;
  }
  return {};
}

}  // namespace gpunode::kube
