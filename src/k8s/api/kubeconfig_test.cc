#include "k8s/api/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// A kubeconfig with these lines in its cluster and its user.
std::string with(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
         "contexts:\n- name: here\n  context: {cluster: c, user: u, "
         "namespace: gpu}\n"
         "clusters:\n- name: c\n  cluster:\n    server: https://api:6443\n" +
         cluster + "users:\n- name: u\n  user:\n    x: y\n" + user;
}

std::string refusal(const std::string& text) {
  const auto config = parse_kubeconfig(text, "/k/config");
  return config ? "no failure" : config.error().message();
}

TEST(Kubeconfig, SaysWhereAndAsWhom) {
  const auto config = parse_kubeconfig(
      with("    certificate-authority-data: UEVN\n    tls-server-name: kube\n",
           "    client-certificate: pki/me.crt\n    client-key-data: S0VZ\n"),
      "/k/config");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->server.authority(), "api:6443");
  EXPECT_EQ(config->authority.text, "PEM");
  EXPECT_EQ(config->tls_server_name, "kube");
  EXPECT_EQ(config->certificate.path, "pki/me.crt");
  EXPECT_EQ(config->key.text, "KEY");
  EXPECT_EQ(config->directory, "/k");
  EXPECT_EQ(config->default_space, "gpu");
  EXPECT_FALSE(config->exec);
}

TEST(Kubeconfig, ReadsAnExecPlugin) {
  const auto config = parse_kubeconfig(
      with("",
           "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n"
           "      command: aws\n      args: [eks, get-token]\n"
           "      env: [{name: A, value: b}]\n"
           "      installHint: install aws\n"
           "      interactiveMode: IfAvailable\n"
           "      provideClusterInfo: true\n"),
      "/k/config");
  ASSERT_TRUE(config) << config.error().message();
  ASSERT_TRUE(config->exec);
  EXPECT_EQ(config->exec->command, "aws");
  EXPECT_THAT(config->exec->args, ElementsAre("eks", "get-token"));
  EXPECT_THAT(config->exec->env, ElementsAre("A=b"));
  EXPECT_TRUE(config->exec->wants_cluster);
}

TEST(Kubeconfig, TakesTheContextThatIsNamed) {
  const std::string text =
      "contexts: [{name: a, context: {cluster: c}}]\n"
      "clusters: [{name: c, cluster: {server: 'http://x'}}]\n";
  EXPECT_TRUE(parse_kubeconfig(text, "/k", "a"));
  EXPECT_THAT(refusal(text), HasSubstr("no current-context"));
  EXPECT_EQ(parse_kubeconfig(text, "/k", "b").error().code(),
            ErrorCode::kNotFound);
}

TEST(Kubeconfig, RefusesByNameWhatItCannotDo) {
  const std::pair<std::string, std::string> users[] = {
      {"    auth-provider: {name: gcp}\n", "auth-provider is not supported"},
      {"    username: me\n", "username is not supported"},
      {"    password: secret\n", "password is not supported"},
      {"    as: admin\n", "as is not supported"},
      {"    exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: "
       "x}\n",
       "v1alpha1"},
      {"    exec: {apiVersion: client.authentication.k8s.io/v1, command: x, "
       "interactiveMode: Always}\n",
       "interactiveMode Always"},
      {"    exec: {apiVersion: client.authentication.k8s.io/v1}\n",
       "no command"},
      {"    client-key-data: '!secret!'\n", "client-key-data is not base64"},
      {"    client-key-data: S0VZ\n", "go together"},
      {"    token: [secret]\n", "token must be a string"},
  };
  for (const auto& [lines, words] : users) {
    EXPECT_THAT(refusal(with("", lines)), HasSubstr(words));
    EXPECT_THAT(refusal(with("", lines)), Not(HasSubstr("secret")));
    EXPECT_THAT(refusal(with("", lines)), HasSubstr("/k/config"));
  }
  const std::pair<std::string, std::string> clusters[] = {
      {"    proxy-url: http://p\n", "proxy-url is not supported"},
      {"    insecure-skip-tls-verify: true\n    certificate-authority: x\n",
       "contradict"},
      {"    insecure-skip-tls-verify: 'yes'\n", "true or false"},
  };
  for (const auto& [lines, words] : clusters) {
    EXPECT_THAT(refusal(with(lines, "")), HasSubstr(words));
  }
}

TEST(Kubeconfig, IsSomewhere) {
  const auto config = parse_kubeconfig("{}", "config");
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message(), HasSubstr("not an absolute path"));
}

TEST(Kubeconfig, RefusesWhatIsNone) {
  for (const char* text :
       {"", "[]", "x", "current-context: a\n", "a: b: c",
        "current-context: a\ncontexts: {}\n",
        "current-context: a\ncontexts: [{name: a}]\n",
        "current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\n"
        "clusters: [{name: c, cluster: {server: 'api'}}]\n"}) {
    EXPECT_NE(refusal(text), "no failure") << text;
  }
  EXPECT_FALSE(
      parse_kubeconfig(std::string(kMaxKubeconfigBytes + 1, ' '), "/k"));
}

}  // namespace
}  // namespace gpunode::kube
