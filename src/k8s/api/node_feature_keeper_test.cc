#include "k8s/api/node_feature_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/api/fixed_credentials.h"
#include "tests/doubles/apiserver/api_server_double.h"

namespace gpunode::kube {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kAll =
    "/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/ns1/nodefeatures";
const std::string kPath = std::string(kAll) + "/nvidia-features-for-n1";
constexpr const char* kPod = "/api/v1/namespaces/ns1/pods/p1";
const MetaTexts kFour = {{"nvidia.com/gpu.count", "4"}};
const MetaTexts kEight = {{"nvidia.com/gpu.count", "8"}};

class NodeFeatureKeeperTest : public testing::Test {
 protected:
  NodeFeatureKeeperTest() : client_(credentials_, nullptr, options()) {
    server_.put(kPod, R"({"kind":"Pod","metadata":{"name":"p1","uid":"pu",
      "ownerReferences":[{"apiVersion":"apps/v1","kind":"DaemonSet",
      "name":"ds1","uid":"du"}]}})");
  }

  static ClientOptions options() {
    ClientOptions options;
    options.tries = 1;
    return options;
  }

  bool keep(const MetaTexts& labels) {
    auto kept = keeper_->keep(client_, labels);
    EXPECT_TRUE(kept) << kept.error().message();
    return kept && *kept;
  }
  Error refused(const MetaTexts& labels) {
    auto kept = keeper_->keep(client_, labels);
    EXPECT_FALSE(kept);
    return kept ? Error(ErrorCode::kInternal, "it was kept")
                : std::move(kept).error();
  }
  std::vector<std::string> news() {
    auto all = server_.requests();
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(told_));
    told_ += all.size();
    return all;
  }

  ApiServerDouble server_;
  FixedCredentials credentials_{server_.port()};
  Client client_;
  std::optional<NodeFeatureKeeper> keeper_{std::in_place,
                                           NodeFeaturePlace{"ns1", "n1", "p1"}};
  std::size_t told_ = 0;
};

TEST_F(NodeFeatureKeeperTest, MakesChangesAndLeavesBe) {
  EXPECT_TRUE(keep(kFour));
  EXPECT_THAT(news(), ElementsAre(std::string("GET ") + kPod, "GET " + kPath,
                                  std::string("POST ") + kAll));
  EXPECT_THAT(server_.object(kPath),
              AllOf(HasSubstr(R"("labels":{"nvidia.com/gpu.count":"4"})"),
                    HasSubstr(R"("kind":"DaemonSet","name":"ds1")"),
                    HasSubstr(R"("kind":"Pod","name":"p1")")));
  EXPECT_FALSE(keep(kFour));
  EXPECT_THAT(news(), ElementsAre("GET " + kPath));
  EXPECT_TRUE(keep(kEight));
  EXPECT_THAT(news(), ElementsAre("GET " + kPath, "PUT " + kPath));
  EXPECT_THAT(server_.object(kPath),
              HasSubstr(R"("labels":{"nvidia.com/gpu.count":"8"})"));
}

TEST_F(NodeFeatureKeeperTest, WithoutAPodNobodyOwnsIt) {
  keeper_.emplace(NodeFeaturePlace{"ns1", "n1", ""});
  EXPECT_TRUE(keep(kFour));
  EXPECT_THAT(server_.object(kPath), Not(HasSubstr("ownerReferences")));
  EXPECT_EQ(keeper_->owner_problem(), "");
}

TEST_F(NodeFeatureKeeperTest, OwnersThatCannotBeReadAreSaidAndLookedForAgain) {
  server_.refuse(403, "Forbidden", 1);
  EXPECT_TRUE(keep(kFour));
  EXPECT_THAT(
      keeper_->owner_problem(),
      AllOf(StartsWith("Failed to resolve owner references: "),
            HasSubstr("in namespace ns1, the Role rule {apiGroups: [\"\"], "
                      "resources: [pods], verbs: [get]}")));
  EXPECT_THAT(server_.object(kPath), Not(HasSubstr("ownerReferences")));
  EXPECT_TRUE(keep(kFour));
  EXPECT_EQ(keeper_->owner_problem(), "");
  EXPECT_THAT(server_.object(kPath), HasSubstr("ownerReferences"));
}

TEST_F(NodeFeatureKeeperTest, AConflictIsReadAnew) {
  EXPECT_TRUE(keep(kFour));
  server_.refuse(409, "Conflict", 2, "", "PUT");
  news();
  EXPECT_TRUE(keep(kEight));
  EXPECT_THAT(news(),
              ElementsAre("GET " + kPath, "PUT " + kPath, "GET " + kPath,
                          "PUT " + kPath, "GET " + kPath, "PUT " + kPath));
  server_.refuse(409, "Conflict", 9, "", "PUT");
  EXPECT_EQ(refused(kFour).code(), ErrorCode::kAlreadyExists);
}

TEST_F(NodeFeatureKeeperTest, OneThatAppearsOrGoesMeanwhileIsReadAnew) {
  server_.refuse(409, "AlreadyExists", 1, "", "POST");
  EXPECT_TRUE(keep(kFour));
  server_.refuse(404, "NotFound", 1, "", "PUT");
  EXPECT_TRUE(keep(kEight));
  EXPECT_THAT(server_.object(kPath), HasSubstr(R"("8")"));
}

TEST_F(NodeFeatureKeeperTest, WithoutTheCrdItSaysWhatToInstall) {
  server_.have_node_features(false);
  const Error error = refused(kFour);
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(error.message(), HasSubstr("CRD is not installed; install Node"));
  server_.have_node_features(true);
  EXPECT_TRUE(keep(kFour));
}

TEST_F(NodeFeatureKeeperTest, ANamespaceThatIsNotThereIsNoMissingCrd) {
  server_.refuse(404, "NotFound", 1, "", "POST");
  const Error error = refused(kFour);
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_THAT(error.message(), StartsWith("failed to create NodeFeature object "
                                          "\"nvidia-features-for-n1\": POST "));
}

TEST_F(NodeFeatureKeeperTest, RefusalsAreTold) {
  const std::vector<std::pair<int, ErrorCode>> cases = {
      {401, ErrorCode::kPermissionDenied},
      {403, ErrorCode::kPermissionDenied},
      {422, ErrorCode::kInvalidArgument},
      {500, ErrorCode::kUnavailable}};
  for (const auto& [status, code] : cases) {
    server_.refuse(status, "Reason", 9, "", "POST");
    EXPECT_EQ(refused(kFour).code(), code) << status;
    server_.refuse(status, "Reason", 9);
    const Error error = refused(kFour);
    EXPECT_EQ(error.code(), code) << status;
    EXPECT_THAT(error.message(),
                StartsWith("failed to get NodeFeature object: GET "));
    server_.refuse(0, "", 0);
  }
  EXPECT_THAT(keeper_->needed_rule(),
              HasSubstr("resources: [nodefeatures], verbs: [get, create, "
                        "update]} in namespace ns1"));
}

TEST_F(NodeFeatureKeeperTest, AConnectionThatIsResetIsAFailureNotAnEnd) {
  EXPECT_TRUE(keep(kFour));
  server_.reset_connections(9);
  EXPECT_EQ(refused(kEight).code(), ErrorCode::kUnavailable);
  server_.reset_connections(0);
  EXPECT_TRUE(keep(kEight));
}

TEST_F(NodeFeatureKeeperTest, NamesThatNoObjectCanHaveAreRefused) {
  EXPECT_TRUE(NodeFeatureKeeper::check({"ns1", "n1", "p1"}));
  EXPECT_TRUE(NodeFeatureKeeper::check({"ns1", "n1", ""}));
  EXPECT_FALSE(NodeFeatureKeeper::check({"", "n1", ""}));
  EXPECT_FALSE(NodeFeatureKeeper::check({"ns1/../x", "n1", ""}));
  EXPECT_FALSE(NodeFeatureKeeper::check({"ns1", "../n1", ""}));
  EXPECT_FALSE(NodeFeatureKeeper::check({"ns1", "n1", "../p1"}));
}

}  // namespace
}  // namespace gpunode::kube
