#include "base/http/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::http {
namespace {

using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kGetHealth = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string kGetAndClose =
    "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// A client of the server under test, never waiting either.
class Client {
 public:
  explicit Client(const std::string& address)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons(static_cast<std::uint16_t>(
        std::stoi(address.substr(address.rfind(':') + 1))));
    EXPECT_EQ(
        ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&in), sizeof in),
        0);
  }

  /// Sends what the socket takes.
  std::size_t send(const std::string& text) const {
    const ssize_t n = ::send(socket_.get(), text.data(), text.size(),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? 0 : static_cast<std::size_t>(n);
  }

  void receive() {
    std::array<char, 65536> chunk{};
    for (;;) {
      const ssize_t n =
          ::recv(socket_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        is_over_ = true;
        was_reset_ = n < 0;
        return;
      }
      received_.append(chunk.data(), static_cast<std::size_t>(n));
    }
  }

  void end_sending() const { ::shutdown(socket_.get(), SHUT_WR); }
  int fd() const { return socket_.get(); }
  const std::string& received() const { return received_; }
  bool is_over() const { return is_over_; }
  bool was_reset() const { return was_reset_; }

 private:
  UniqueFd socket_;
  std::string received_;
  bool is_over_ = false;
  bool was_reset_ = false;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() : server_(*Server::listen("127.0.0.1:0", clock_)) {
    server_.serve("/healthz", [this] {
      ++health_checks_;
      return Response{200, "text/plain", "ok\n"};
    });
    server_.serve("/readyz", [] {
      return Response{503, "text/plain", "no driver\n"};
    });
    server_.serve("/big", [] {
      return Response{200, "text/plain", std::string(8U << 20U, 'b')};
    });
  }

  Client connect() const { return Client(server_.address()); }

  /// Turns the server's loop until `done`; false after ten seconds in which
  /// nothing happened.
  template <class Done>
  bool turn_until(Client& client, Done done) {
    for (;;) {
      client.receive();
      if (done()) return true;
      std::array<pollfd, 2> entries = {
          {{server_.fd(), POLLIN, 0},
           {client.is_over() ? -1 : client.fd(), POLLIN, 0}}};
      if (::poll(entries.data(), entries.size(), 10000) == 0) return false;
      server_.step();
    }
  }

  bool turn_until_over(Client& client) {
    return turn_until(client, [&] { return client.is_over(); });
  }

  /// The whole of what the server says to one request on a connection.
  std::string talk(const std::string& text) {
    Client client = connect();
    client.send(text);
    EXPECT_TRUE(turn_until_over(client));
    EXPECT_FALSE(client.was_reset());
    return client.received();
  }

  /// Lets the server do all that it can do now.
  void settle() {
    pollfd entry{server_.fd(), POLLIN, 0};
    while (::poll(&entry, 1, 0) == 1) server_.step();
  }

  FakeClock clock_;
  Server server_;
  int health_checks_ = 0;
};

TEST_F(ServerTest, ServesAPage) {
  EXPECT_EQ(talk(kGetAndClose),
            "HTTP/1.1 200 OK\r\n"
            "Content-Type: text/plain\r\n"
            "Content-Length: 3\r\n"
            "Cache-Control: no-store\r\n"
            "Connection: close\r\n"
            "\r\n"
            "ok\n");
}

TEST_F(ServerTest, APageThatIsNotThereYetComesWhenItIs) {
  std::optional<Response> page;
  int asked = 0;
  server_.serve("/slow", [&] {
    ++asked;
    return page;
  });
  Client first = connect();
  Client second = connect();
  first.send("GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  second.send("GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  settle();
  EXPECT_EQ(asked, 2);
  // Others are served meanwhile, and a look too early does no harm.
  EXPECT_THAT(talk(kGetAndClose), EndsWith("ok\n"));
  server_.resume();
  EXPECT_EQ(asked, 4);
  page = Response{200, "text/plain", "at last\n"};
  server_.resume();
  ASSERT_TRUE(turn_until_over(first));
  ASSERT_TRUE(turn_until_over(second));
  EXPECT_THAT(first.received(), EndsWith("\r\n\r\nat last\n"));
  EXPECT_THAT(second.received(), EndsWith("\r\n\r\nat last\n"));
  EXPECT_EQ(asked, 6);
}

TEST_F(ServerTest, AClientThatWaitsTooLongIsLetGo) {
  server_.serve("/never", [] { return std::optional<Response>(); });
  Client client = connect();
  client.send("GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
  settle();
  clock_.advance(seconds(11));
  server_.step();
  client.receive();
  EXPECT_TRUE(client.is_over());
  server_.resume();  // Nobody is left to be answered.
}

TEST_F(ServerTest, AClientThatGoesWhileItWaitsIsForgotten) {
  int asked = 0;
  server_.serve("/slow", [&] {
    ++asked;
    return std::optional<Response>();
  });
  {
    Client client = connect();
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\nmore");
    settle();
    EXPECT_EQ(asked, 1);
    // Bytes of the client's do not turn the loop while it waits.
    client.send("GET / HTTP/1.1");
    pollfd entry{server_.fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&entry, 1, 0), 0);
  }
  EXPECT_THAT(talk(kGetAndClose), EndsWith("ok\n"));
}

TEST_F(ServerTest, GivesTheStatusOfThePage) {
  const std::string text = talk("GET /readyz HTTP/1.0\r\n\r\n");
  EXPECT_THAT(text, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(text, EndsWith("\r\n\r\nno driver\n"));
}

TEST_F(ServerTest, AnswersHeadWithoutABody) {
  const std::string text = talk("HEAD /healthz HTTP/1.0\r\n\r\n");
  EXPECT_THAT(text, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(text, EndsWith("\r\n\r\n"));
}

TEST_F(ServerTest, RefusesInTheProtocolsWords) {
  EXPECT_THAT(talk("GET /healthz/ HTTP/1.0\r\n\r\n"),
              StartsWith("HTTP/1.1 404 Not Found\r\n"));
  const std::string post = talk(
      "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_THAT(post, StartsWith("HTTP/1.1 405 Method Not Allowed\r\n"));
  EXPECT_THAT(post, HasSubstr("Allow: GET, HEAD\r\n"));
  EXPECT_THAT(talk("nonsense\r\n\r\n"),
              StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_THAT(talk("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
              StartsWith("HTTP/1.1 505 "));
  EXPECT_EQ(health_checks_, 0);
}

TEST_F(ServerTest, AnswersHugeHeadsWithoutResettingTheConnection) {
  // More than is read: what is left unread must not cost the client the answer.
  EXPECT_THAT(talk("GET / HTTP/1.1\r\nA: " + std::string(60000, 'x')),
              StartsWith("HTTP/1.1 431 "));
}

TEST_F(ServerTest, TakesARequestByteByByte) {
  Client client = connect();
  for (const char c : kGetAndClose) {
    ASSERT_EQ(client.send(std::string(1, c)), 1U);
    settle();
  }
  ASSERT_TRUE(turn_until_over(client));
  EXPECT_THAT(client.received(), EndsWith("ok\n"));
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  const std::string text =
      talk(kGetHealth + "GET /a HTTP/1.1\r\nHost: x\r\n\r\n" + kGetHealth +
           kGetAndClose + kGetHealth);
  std::string codes;
  for (std::size_t at = text.find("HTTP/1.1 "); at != std::string::npos;
       at = text.find("HTTP/1.1 ", at + 1)) {
    codes += text.substr(at + 9, 3) + " ";
  }
  EXPECT_EQ(codes, "200 404 200 200 ");  // Nothing after the close.
  EXPECT_EQ(health_checks_, 3);
}

TEST_F(ServerTest, KeepsAConnectionForTheNextRequest) {
  Client client = connect();
  for (int i = 1; i <= 3; ++i) {
    client.send(kGetHealth);
    const std::size_t before = client.received().size();
    ASSERT_TRUE(
        turn_until(client, [&] { return client.received().size() > before; }));
    EXPECT_THAT(client.received(), EndsWith("ok\n"));
    EXPECT_EQ(health_checks_, i);
  }
  EXPECT_FALSE(client.is_over());
}

TEST_F(ServerTest, AnswersAClientThatHasEndedItsSide) {
  Client client = connect();
  client.send(kGetHealth);
  client.end_sending();
  ASSERT_TRUE(turn_until_over(client));
  EXPECT_THAT(client.received(), EndsWith("ok\n"));
}

TEST_F(ServerTest, SendsLargePagesWhole) {
  Client client = connect();
  client.send("GET /big HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(turn_until_over(client));
  const std::string& text = client.received();
  EXPECT_EQ(text.size() - text.find("\r\n\r\n") - 4, 8U << 20U);
}

TEST_F(ServerTest, ServesOthersWhileOneDoesNotReadItsAnswer) {
  Client deaf = connect();
  deaf.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  settle();
  EXPECT_THAT(talk(kGetAndClose), EndsWith("ok\n"));
  clock_.advance(seconds(11));
  server_.step();
  ASSERT_TRUE(turn_until_over(deaf));
  EXPECT_LT(deaf.received().size(), 8U << 20U);
}

TEST_F(ServerTest, EndsConnectionsThatTakeTooLong) {
  Client silent = connect();
  Client slow = connect();
  slow.send("GET /healthz HT");
  settle();
  clock_.advance(seconds(9));
  slow.send("T");  // A little more does not buy more time.
  settle();
  silent.receive();
  slow.receive();
  EXPECT_FALSE(silent.is_over() || slow.is_over());
  clock_.advance(seconds(2));
  server_.step();
  EXPECT_TRUE(turn_until_over(silent));
  EXPECT_TRUE(turn_until_over(slow));
  EXPECT_EQ(slow.received(), "");
}

TEST_F(ServerTest, LetsIdleConnectionsLiveBetweenTwoScrapes) {
  Client client = connect();
  client.send(kGetHealth);
  settle();
  clock_.advance(seconds(60));
  server_.step();
  client.send(kGetHealth);
  settle();
  client.receive();
  EXPECT_FALSE(client.is_over());
  EXPECT_EQ(health_checks_, 2);
  clock_.advance(seconds(91));
  server_.step();
  EXPECT_TRUE(turn_until_over(client));
}

TEST_F(ServerTest, WakesItsOwnerForTimeouts) {
  // With the real clock: the descriptor alone must bring step() about.
  const SystemClock clock;
  Server server = *Server::listen("127.0.0.1:0", clock);
  Client client(server.address());
  client.send(kGetAndClose);  // 404, then a farewell of two seconds.
  pollfd entry{server.fd(), POLLIN, 0};
  while (!client.is_over()) {
    ASSERT_EQ(::poll(&entry, 1, 10000), 1);
    server.step();
    client.receive();
  }
  // The client keeps its side open; nothing but the timer can end the wait.
  ASSERT_EQ(::poll(&entry, 1, 10000), 1);
  server.step();
  client.send("x");  // To a closed connection: reset.
  pollfd reset{client.fd(), 0, 0};
  ASSERT_EQ(::poll(&reset, 1, 10000), 1);
  EXPECT_NE(reset.revents & POLLHUP, 0);
}

TEST_F(ServerTest, StaysOpenToProbesBehindManySilentClients) {
  std::deque<Client> silent;
  for (int i = 0; i < 100; ++i) {
    silent.emplace_back(server_.address());
    if (i % 2 == 0) silent.back().send("GET /");
    settle();
  }
  EXPECT_THAT(talk(kGetAndClose), EndsWith("ok\n"));
  int open = 0;
  for (Client& client : silent) {
    client.receive();
    if (!client.is_over()) ++open;
  }
  EXPECT_LE(open, static_cast<int>(Server::kMaxConnections));
  EXPECT_GT(open, 0);
}

TEST_F(ServerTest, TurnsQuietWhenDescriptorsRunOutAndRecovers) {
  Client client = connect();
  client.send(kGetAndClose);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;  // What is open stays open.
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  server_.step();
  server_.step();
  pollfd entry{server_.fd(), POLLIN, 0};
  // poll(2) itself minds the limit.
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(::poll(&entry, 1, 0), 0);  // Else the owner's loop would spin.
  clock_.advance(seconds(1));
  server_.step();
  ASSERT_TRUE(turn_until_over(client));
  EXPECT_THAT(client.received(), EndsWith("ok\n"));
}

}  // namespace
}  // namespace gpunode::http
