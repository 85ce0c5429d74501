#include "base/http/client.h"

#include <latch>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/http/scripted_server.h"

namespace gpunode::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kOk =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

Url url_of(const ScriptedServer& server) {
  Url url;
  url.is_tls = false;
  url.host = "127.0.0.1";
  url.port = server.port();
  return url;
}

Client client_of(const ScriptedServer& server, ClientLimits limits = {}) {
  return {url_of(server), {}, limits};
}

/// Answers every request with the same bytes, then ends the connection.
ScriptedServer::Script once(std::string answer) {
  return [answer = std::move(answer)](Peer& peer, int) {
    peer.receive();
    peer.send(answer);
  };
}

std::string failure(Result<ClientResponse> result) {
  if (result) return "no failure, status " + std::to_string(result->status);
  return result.error().message();
}

TEST(Client, AsksAgainOverTheSameConnection) {
  std::string first;
  ScriptedServer server([&](Peer& peer, int) {
    while (true) {
      const std::string request = peer.receive();
      if (request.empty()) return;
      if (first.empty()) first = request;
      peer.send(kOk);
    }
  });
  {
    Client client = client_of(server);
    for (int i = 0; i < 3; ++i) {
      const auto answer = client.call(
          {"GET", "/x?y=1", {{"Accept", "application/json"}}, ""}, nullptr);
      ASSERT_TRUE(answer) << answer.error().message();
      EXPECT_EQ(answer->status, 200);
      EXPECT_EQ(answer->body, "ok");
      EXPECT_EQ(*answer->header("content-length"), "2");
      EXPECT_EQ(answer->header("x"), nullptr);
    }
  }
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(first, "GET /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:" +
                       std::to_string(server.port()) +
                       "\r\nAccept: application/json\r\n\r\n");
}

TEST(Client, SendsABodyUnderThePathOfTheServer) {
  std::string request;
  ScriptedServer server([&](Peer& peer, int) {
    request = peer.receive();
    peer.send(kOk);
  });
  Url url = url_of(server);
  url.path = "/k8s/clusters/c-1";
  Client client(url, {});
  ASSERT_TRUE(client.call({"PATCH", "/api", {}, R"({"a":1})"}, nullptr));
  EXPECT_THAT(request, StartsWith("PATCH /k8s/clusters/c-1/api HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Content-Length: 7\r\n\r\n{\"a\":1}"));
}

TEST(Client, RepeatsWhatAnEndedConnectionDidNotTake) {
  // The first connection ends after the second request has come.
  ScriptedServer server([](Peer& peer, int number) {
    peer.receive();
    peer.send(kOk);
    if (number == 0) {
      peer.receive();
      return;
    }
    while (!peer.receive().empty()) peer.send(kOk);
  });
  Client client = client_of(server);
  ASSERT_TRUE(client.call({}, nullptr));
  const auto again = client.call({}, nullptr);
  EXPECT_TRUE(again) << again.error().message();
  client.close();
  EXPECT_EQ(server.connections(), 2);
}

TEST(Client, DoesNotRepeatWhatMayNotBe) {
  ScriptedServer server([](Peer& peer, int) {
    peer.receive();
    peer.send(kOk);
    peer.receive();
  });
  Client client = client_of(server);
  ASSERT_TRUE(client.call({}, nullptr));
  ClientRequest create{"POST", "/", {}, "{}"};
  create.is_repeatable = false;
  EXPECT_THAT(failure(client.call(create, nullptr)),
              HasSubstr("answer: the server ended the connection"));
  EXPECT_EQ(server.connections(), 1);
}

TEST(Client, DoesNotAskAServerTwiceThatIsSlow) {
  ScriptedServer server([](Peer& peer, int) {
    peer.receive();
    peer.send(kOk);
    peer.receive();
    peer.wait_for_end();
  });
  ClientLimits limits;
  limits.answer = milliseconds(50);
  Client client = client_of(server, limits);
  // The first may come late, too, on a busy machine.
  while (!client.call({}, nullptr)) client.close();
  const int before = server.connections();
  EXPECT_THAT(failure(client.call({}, nullptr)), HasSubstr("within 0.05 s"));
  EXPECT_EQ(server.connections(), before);
}

TEST(Client, ReadsChunksAndInterimAnswers) {
  ScriptedServer server(
      once("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
           "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
  Client client = client_of(server);
  const auto answer = client.call({}, nullptr);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->body, "abcde");
  EXPECT_EQ(answer->header("link"), nullptr);
}

TEST(Client, ReadsABodyThatEndsWithTheConnection) {
  ScriptedServer server(once("HTTP/1.0 403 Forbidden\r\n\r\nno"));
  Client client = client_of(server);
  const auto answer = client.call({}, nullptr);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 403);
  EXPECT_EQ(answer->body, "no");
}

TEST(Client, TellsAnswersThatAreNone) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "without an answer"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "in the middle"},
      {"HTTP/1.1 200 OK\r\nContent-L", "in the middle"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
       "in the middle"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
       "not an HTTP answer"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
       "not an HTTP answer"},
      {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not an HTTP answer"},
      {"SSH-2.0-OpenSSH_9\r\n\r\n", "not an HTTP answer"},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n",
       "not an HTTP answer"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
           std::string(200'000, 'x'),
       "too long"},
  };
  for (const auto& [bytes, words] : cases) {
    ScriptedServer server(once(bytes));
    Client client = client_of(server);
    EXPECT_THAT(failure(client.call({}, nullptr)), HasSubstr(words))
        << bytes.substr(0, 60);
    EXPECT_FALSE(client.is_connected());
  }
}

TEST(Client, TakesNoMoreBodyThanItsLimit) {
  ClientLimits limits;
  limits.body_bytes = 1000;
  const std::string told =
      "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx";
  const std::string untold =
      "HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x');
  for (const std::string& bytes : {told, untold}) {
    ScriptedServer server(once(bytes));
    Client client = client_of(server, limits);
    EXPECT_THAT(failure(client.call({}, nullptr)),
                HasSubstr("more than 1000 bytes"));
  }
}

TEST(Client, EndlessInterimAnswersEnd) {
  ScriptedServer server([](Peer& peer, int) {
    peer.receive();
    while (peer.send("HTTP/1.1 102 Processing\r\n\r\n")) {
    }
  });
  Client client = client_of(server);
  EXPECT_THAT(failure(client.call({}, nullptr)), HasSubstr("1xx"));
}

TEST(Client, WaitsForAnAnswerNoLongerThanItsLimit) {
  ScriptedServer server([](Peer& peer, int) {
    peer.receive();
    peer.wait_for_end();
  });
  ClientLimits limits;
  limits.answer = milliseconds(50);
  Client client = client_of(server, limits);
  const auto answer = client.call({"GET", "/a?secret=1", {}, ""}, nullptr);
  EXPECT_EQ(failure(answer),
            "GET http://127.0.0.1:" + std::to_string(server.port()) +
                "/a: answer: no answer within 0.05 s");
  EXPECT_EQ(answer.error().code(), ErrorCode::kUnavailable);
}

TEST(Client, ADrippingAnswerHasTheSameLimit) {
  ScriptedServer server([](Peer& peer, int) {
    peer.receive();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    while (peer.send("x")) std::this_thread::yield();
  });
  ClientLimits limits;
  limits.answer = milliseconds(50);
  Client client = client_of(server, limits);
  EXPECT_THAT(failure(client.call({}, nullptr)), HasSubstr("within 0.05 s"));
}

TEST(Client, IsCancelledFromAnotherThread) {
  std::latch is_asked(1);
  ScriptedServer server([&](Peer& peer, int) {
    peer.receive();
    is_asked.count_down();
    peer.wait_for_end();
  });
  auto cancellation = Cancellation::make();
  ASSERT_TRUE(cancellation);
  std::thread canceller([&] {
    is_asked.wait();
    cancellation->cancel();
  });
  Client client = client_of(server);
  EXPECT_THAT(failure(client.call({}, &*cancellation)),
              HasSubstr("answer: cancelled"));
  canceller.join();
  EXPECT_TRUE(cancellation->is_cancelled());
  EXPECT_THAT(failure(client.call({}, &*cancellation)), HasSubstr("cancelled"));
}

TEST(Client, HandsOverPiecesAsTheyCome) {
  std::latch has_first(1);
  ScriptedServer server([&](Peer& peer, int) {
    peer.receive();
    peer.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    has_first.wait();
    peer.send("3\r\ntwo\r\n0\r\n\r\n");
    peer.receive();
  });
  Client client = client_of(server);
  std::string received;
  const auto answer = client.stream(
      {},
      [&](std::string_view piece) {
        if (received.empty()) has_first.count_down();
        received += piece;
        return true;
      },
      seconds(30), nullptr);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(received, "onetwo");
  EXPECT_EQ(answer->body, "");
  EXPECT_TRUE(client.is_connected());
}

TEST(Client, AStreamEndsWithSilenceOrWhenItsTakerSaysSo) {
  ScriptedServer server([](Peer& peer, int) {
    peer.receive();
    peer.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    peer.wait_for_end();
  });
  Client client = client_of(server);
  const auto more = [](std::string_view) { return true; };
  EXPECT_THAT(failure(client.stream({}, more, milliseconds(50), nullptr)),
              HasSubstr("answer: no answer within 0.05 s"));
  const auto enough = [](std::string_view) { return false; };
  const auto answer = client.stream({}, enough, seconds(30), nullptr);
  EXPECT_TRUE(answer) << answer.error().message();
  EXPECT_FALSE(client.is_connected());
}

TEST(Client, AStreamThatDoesNotBeginHasTheLimitOfACall) {
  ScriptedServer server([](Peer& peer, int) {
    peer.receive();
    peer.wait_for_end();
  });
  ClientLimits limits;
  limits.answer = milliseconds(50);
  Client client = client_of(server, limits);
  const auto more = [](std::string_view) { return true; };
  EXPECT_THAT(failure(client.stream({}, more, std::chrono::hours(1), nullptr)),
              HasSubstr("answer: no answer within 0.05 s"));
}

TEST(Client, ARefusedStreamKeepsItsWords) {
  ScriptedServer server(
      once("HTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\nlate"));
  Client client = client_of(server);
  bool has_piece = false;
  const auto answer = client.stream(
      {}, [&](std::string_view) { return has_piece = true; }, seconds(30),
      nullptr);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 410);
  EXPECT_EQ(answer->body, "late");
  EXPECT_FALSE(has_piece);
}

TEST(Client, TellsARefusedConnection) {
  Url url;
  {
    ScriptedServer gone([](Peer&, int) {});
    url = url_of(gone);
  }
  Client client(url, {});
  const auto answer = client.call({}, nullptr);
  EXPECT_THAT(failure(answer), HasSubstr("connect to " + url.authority() +
                                         ": connection refused"));
  EXPECT_EQ(answer.error().code(), ErrorCode::kUnavailable);
}

TEST(Client, TellsAReset) {
  ScriptedServer server([](Peer& peer, int) {
    peer.receive();
    peer.reset();
  });
  Client client = client_of(server);
  EXPECT_THAT(failure(client.call({}, nullptr)),
              HasSubstr("answer: receive: connection reset by peer"));
}

TEST(Client, LetsNoInputEndALine) {
  ScriptedServer server(once(std::string(kOk)));
  Client client = client_of(server);
  const ClientRequest cases[] = {
      {"GET /\r\nX:", "/", {}, ""},
      {"GET", "/a b", {}, ""},
      {"GET", "/a\r\nX: y", {}, ""},
      {"GET", "a", {}, ""},
      {"GET", "/", {{"A:", "b"}}, ""},
      {"GET", "/", {{"Authorization", "Bearer x\ny"}}, ""},
      {"GET", "/", {{"Authorization", std::string("Bearer x\0y", 10)}}, ""},
  };
  for (const ClientRequest& request : cases) {
    const auto answer = client.call(request, nullptr);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(answer.error().message(), testing::Not(HasSubstr("Bearer")));
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST(Client, FindsNamesInEtcHosts) {
  ScriptedServer server(once(std::string(kOk)));
  Url url = url_of(server);
  url.host = "localhost";
  Client client(url, {});
  const auto answer = client.call({}, nullptr);
  EXPECT_TRUE(answer) << answer.error().message();
}

}  // namespace
}  // namespace gpunode::http
