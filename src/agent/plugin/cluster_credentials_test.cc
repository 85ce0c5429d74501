#include "agent/plugin/cluster_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::plugin {
namespace {

using testing::HasSubstr;

TEST(ClusterCredentials, OutsideAPodAKubeconfigIsAskedFor) {
  const auto none = cluster_credentials("", {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(none.error().message(), HasSubstr("elsewhere give --kubeconfig"));
}

TEST(ClusterCredentials, AKubeconfigIsReadAtTheStart) {
  const host::HostTree tree;
  tree.file("config", R"({"current-context":"c",
    "contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}],
    "clusters":[{"name":"k","cluster":{"server":"http://127.0.0.1:7"}}],
    "users":[{"name":"u","user":{"token":"secret"}}]})");
  const auto made = cluster_credentials(tree.path("config"), {});
  ASSERT_TRUE(made) << made.error().message();
  const auto access = (*made)->access(false);
  ASSERT_TRUE(access) << access.error().message();
  EXPECT_EQ(access->token, "secret");
  EXPECT_EQ(access->server.port, 7);
  const auto missing = cluster_credentials(tree.path("none"), {});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message(), HasSubstr("none"));
}

TEST(ClusterCredentials, InAPodTheServiceAccountIsUsed) {
  EXPECT_TRUE(cluster_credentials("", {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"},
                                       {"KUBERNETES_SERVICE_PORT", "443"}}));
}

}  // namespace
}  // namespace gpunode::plugin
