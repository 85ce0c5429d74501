// A small API server for tests: objects, changes and faults on demand.
//
// Plain HTTP on a real socket. It knows Nodes, ConfigMaps and Events, merge
// patch, server-side apply with owners of fields, and watches; it checks no
// schema. tests/integration/api_contract_test.cc runs the same claims on it and
// on the real server, so that the two cannot drift apart.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/core/mutex.h"
#include "base/core/unique_fd.h"
#include "base/text/tree.h"

namespace gpunode::kube {

/// Any thread. Ends every connection when destroyed.
class ApiServerDouble {
 public:
  ApiServerDouble();
  ~ApiServerDouble();
  ApiServerDouble(const ApiServerDouble&) = delete;
  ApiServerDouble& operator=(const ApiServerDouble&) = delete;

  std::uint16_t port() const { return port_; }

  // Objects, as somebody else changes them. `path` is one object's.
  void put(const std::string& path, const std::string& json);
  void remove(const std::string& path);
  /// Its JSON; empty if there is none.
  std::string object(const std::string& path) const;

  /// Everybody else gets 401. Empty: everybody is welcome.
  void require_token(const std::string& token);

  /// The next `times` requests get `status`; `headers` are whole lines.
  void refuse(int status, const std::string& reason, unsigned times,
              const std::string& headers = "");

  /// Watches and lists of versions until now get 410.
  void forget_history();

  enum class End { kInOrder, kReset, kGone };
  /// Ends the watches that run.
  void end_watches(End how);

  /// Sends bytes to the watches that run, as the next piece.
  void send_to_watches(const std::string& bytes);

  /// Requests are taken and not answered.
  void be_silent(bool is_silent);

  /// "GET /api/v1/nodes?watch=true": all so far, in order.
  std::vector<std::string> requests() const;
  /// The whole head and body of the last one.
  std::string last_request() const;

  /// Returns when so many watches have begun in all.
  void wait_for_watches(unsigned count);
  /// Returns when so many requests have come in all.
  void wait_for_requests(std::size_t count);

 private:
  struct Request;
  struct Reply;
  struct Change {
    std::uint64_t version = 0;
    std::string type;
    std::string path;
    std::string json;
  };
  struct Command {
    bool is_end = false;
    End how = End::kInOrder;
    std::string bytes;
  };
  struct Stored {
    text::Node tree;
    std::map<text::KeyPath, std::string> owners;  // Of leaves; one each.
  };

  void accept_clients();
  void serve(int socket);
  bool answer(int socket, const Request& request);
  Reply handle(const Request& request) REQUIRES(mutex_);
  Reply read(const Request& request) REQUIRES(mutex_);
  Reply create(const Request& request) REQUIRES(mutex_);
  Reply patch(const Request& request) REQUIRES(mutex_);
  Reply apply(const Request& request, const text::Node& wanted)
      REQUIRES(mutex_);
  Reply erase(const Request& request) REQUIRES(mutex_);
  static std::string shown(const Stored& stored);
  std::string store(const std::string& path, text::Node tree) REQUIRES(mutex_);
  void watch(int socket, const Request& request);
  bool send_news(int socket, const Request& request, std::size_t& change,
                 std::size_t& command);

  UniqueFd listener_;
  std::uint16_t port_ = 0;
  mutable Mutex mutex_;
  std::condition_variable_any news_;
  bool is_closing_ GUARDED_BY(mutex_) = false;
  bool is_silent_ GUARDED_BY(mutex_) = false;
  std::uint64_t version_ GUARDED_BY(mutex_) = 100;
  std::uint64_t oldest_ GUARDED_BY(mutex_) = 0;
  std::string token_ GUARDED_BY(mutex_);
  int fault_status_ GUARDED_BY(mutex_) = 0;
  unsigned fault_times_ GUARDED_BY(mutex_) = 0;
  std::string fault_reason_ GUARDED_BY(mutex_);
  std::string fault_headers_ GUARDED_BY(mutex_);
  std::map<std::string, Stored> objects_ GUARDED_BY(mutex_);
  std::vector<Change> changes_ GUARDED_BY(mutex_);
  std::vector<Command> commands_ GUARDED_BY(mutex_);
  std::vector<std::string> requests_ GUARDED_BY(mutex_);
  std::string last_request_ GUARDED_BY(mutex_);
  unsigned watches_ GUARDED_BY(mutex_) = 0;
  std::vector<int> sockets_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;  // Of the accepting thread's making.
  std::thread accepting_;
};

}  // namespace gpunode::kube
