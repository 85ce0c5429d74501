#include "k8s/api/client.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/api/fixed_credentials.h"
#include "tests/doubles/apiserver/api_server_double.h"

namespace gpunode::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

const ObjectKey kNode{"", "gpu-1"};

class ClientTest : public testing::Test {
 protected:
  Client make(const http::Cancellation* cancellation = nullptr) {
    ClientOptions options;
    options.chance = [] { return 1.0; };
    options.pause = [this](milliseconds time) {
      pauses_.push_back(time);
      return true;
    };
    return {credentials_, cancellation, std::move(options)};
  }

  void SetUp() override {
    server_.put("/api/v1/nodes/gpu-1",
                R"({"kind":"Node","metadata":{"name":"gpu-1"}})");
  }

  ApiServerDouble server_;
  FixedCredentials credentials_{server_.port(), "secret"};
  std::vector<milliseconds> pauses_;
};

TEST_F(ClientTest, AsksAsWhoItIs) {
  Client client = make();
  ASSERT_TRUE(client.get(nodes(), kNode));
  EXPECT_THAT(server_.last_request(),
              AllOf(HasSubstr("\r\nAuthorization: Bearer secret\r\n"),
                    HasSubstr("\r\nUser-Agent: gpunode\r\n"),
                    HasSubstr("\r\nAccept: application/json\r\n")));
  ASSERT_TRUE(client.get(nodes(), kNode, Detail::kMetadata));
  EXPECT_THAT(server_.last_request(), HasSubstr("as=PartialObjectMetadata;"));
}

TEST_F(ClientTest, TellsWhatTheServerSays) {
  const std::pair<int, ErrorCode> cases[] = {
      {400, ErrorCode::kInvalidArgument}, {403, ErrorCode::kPermissionDenied},
      {404, ErrorCode::kNotFound},        {405, ErrorCode::kUnsupported},
      {409, ErrorCode::kAlreadyExists},   {410, ErrorCode::kUnavailable},
      {422, ErrorCode::kInvalidArgument}, {500, ErrorCode::kUnavailable},
      {504, ErrorCode::kUnavailable},     {301, ErrorCode::kInternal}};
  Client client = make();
  for (const auto& [status, code] : cases) {
    server_.refuse(status, "Reason", 1);
    const auto got = client.get(nodes(), kNode);
    ASSERT_FALSE(got) << status;
    EXPECT_EQ(got.error().code(), code) << status;
    EXPECT_EQ(got.error().message(),
              "GET /api/v1/nodes/gpu-1: the API server says " +
                  std::to_string(status) + " Reason: as the test wants");
  }
}

TEST_F(ClientTest, AnswersThatAreNoStatusAreCutShort) {
  const Error error = error_of(
      "GET /x", {502, "<html>\n" + std::string(10'000, 'x'), std::nullopt});
  EXPECT_THAT(error.message(),
              HasSubstr("GET /x: the API server says 502: <html> xxx"));
  EXPECT_LT(error.message().size(), 600U);
  EXPECT_THAT(error_of("GET /x", {500, "", std::nullopt}).message(),
              HasSubstr("500: no words"));
}

TEST_F(ClientTest, LooksOnceForNewCredentials) {
  server_.require_token("rotated");
  credentials_.next_token = "rotated";
  Client client = make();
  const auto got = client.get(nodes(), kNode);
  EXPECT_TRUE(got) << got.error().message();
  EXPECT_THAT(server_.requests(), SizeIs(2));
  server_.require_token("unknown");
  const auto refused = client.get(nodes(), kNode);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), Not(HasSubstr("rotated")));
  EXPECT_THAT(server_.requests(), SizeIs(3));  // Nothing new to try with.
}

TEST_F(ClientTest, IsPutOffForAsLongAsTheServerSays) {
  server_.refuse(429, "TooManyRequests", 2, "Retry-After: 7\r\n");
  Client client = make();
  const auto got = client.get(nodes(), kNode);
  EXPECT_TRUE(got) << got.error().message();
  EXPECT_THAT(pauses_, ElementsAre(seconds(9), seconds(11)));
  server_.refuse(503, "ServiceUnavailable", 9);
  EXPECT_EQ(client.get(nodes(), kNode).error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(pauses_, SizeIs(4));
}

TEST_F(ClientTest, MadeNamesNeverReachTheServer) {
  Client client = make();
  EXPECT_FALSE(client.get(nodes(), {"", "../secrets/x"}));
  EXPECT_FALSE(client.merge_patch(nodes(), {"", "a?b"}, "{}"));
  EXPECT_FALSE(client.replace(node_features(), {"", "a"}, "{}"));
  EXPECT_FALSE(client.apply(nodes(), {"", "A"}, "{}", "m", false));
  EXPECT_FALSE(client.remove(nodes(), {"", ""}));
  EXPECT_FALSE(client.create(config_maps(), "", "{}"));
  EXPECT_FALSE(client.list(config_maps(), {"x/y", "", "", Detail::kWhole}));
  EXPECT_THAT(server_.requests(), SizeIs(0));
}

TEST_F(ClientTest, ListsWhatIsSelected) {
  server_.put("/api/v1/nodes/gpu-2",
              R"({"kind":"Node","metadata":{"name":"gpu-2"}})");
  Client client = make();
  EXPECT_THAT(client.list(nodes(), {})->objects, SizeIs(2));
  Selection one;
  one.field_selector = "metadata.name=gpu-2";
  const auto list = client.list(nodes(), one, "0");
  ASSERT_TRUE(list) << list.error().message();
  EXPECT_THAT(list->objects, ElementsAre(HasSubstr(R"("name":"gpu-2")")));
  EXPECT_EQ(server_.requests().back(),
            "GET /api/v1/nodes?fieldSelector=metadata.name%3Dgpu-2&limit=500&"
            "resourceVersion=0");
}

TEST_F(ClientTest, APageOfAForgottenMomentIsUnavailable) {
  server_.put("/api/v1/nodes/gpu-2",
              R"({"kind":"Node","metadata":{"name":"gpu-2"}})");
  ClientOptions options;
  options.page_size = 1;
  Client client(credentials_, nullptr, options);
  const auto first = client.list(nodes(), {});
  ASSERT_TRUE(first) << first.error().message();
  server_.forget_history();
  const auto second = client.list(nodes(), {}, "", first->continuation);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(second.error().message(), HasSubstr("410 Expired"));
}

TEST_F(ClientTest, AListThatIsNoneIsTold) {
  Client client = make();
  const auto list = client.list({"", "v1", "nodes/gpu-1", false}, {});
  EXPECT_FALSE(list);
  // An object where a list should be.
  EXPECT_FALSE(client.list(nodes(), {"", "", "", Detail::kWhole}, "abc")
                   ->objects.empty());
}

TEST_F(ClientTest, DiscoversWhatTheServerKnows) {
  Client client = make();
  EXPECT_TRUE(*client.has_resource(events()));
  EXPECT_TRUE(*client.has_resource(nodes()));
  EXPECT_TRUE(*client.has_resource(node_features()));
  server_.have_node_features(false);
  EXPECT_FALSE(*client.has_resource(node_features()));
  EXPECT_FALSE(*client.has_resource({"", "v1", "gods", true}));
  server_.refuse(403, "Forbidden", 1);
  EXPECT_FALSE(client.has_resource(events()));
}

TEST_F(ClientTest, ASilentServerIsLeftWhenCancelled) {
  auto cancellation = http::Cancellation::make();
  ASSERT_TRUE(cancellation);
  server_.be_silent(true);
  Client client = make(&*cancellation);
  std::thread canceller([&] {
    server_.wait_for_requests(1);
    cancellation->cancel();
  });
  const auto got = client.get(nodes(), kNode);
  canceller.join();
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().message(), HasSubstr("cancelled"));
}

}  // namespace
}  // namespace gpunode::kube
