// A small API server for tests: objects, changes and faults on demand.
//
// Plain HTTP on a real socket. It knows Nodes, Pods and their eviction,
// ConfigMaps, Events, NodeFeatures and, by name, whatever else, replacing,
// merge patch, server-side apply with owners of fields, lists in pages, and
// watches; it checks no schema. tests/integration/api_contract_test.cc runs the
// same claims on it and on the real server, so that the two cannot drift apart.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/core/mutex.h"
#include "base/core/unique_fd.h"
#include "tests/doubles/apiserver/faults.h"
#include "tests/doubles/apiserver/object_store.h"
#include "tests/doubles/apiserver/request.h"
#include "tests/doubles/apiserver/watch_feed.h"

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

  /// The next `times` requests get `status`; `headers` are whole lines. With a
  /// `method` only requests of that one count.
  void refuse(int status, const std::string& reason, unsigned times,
              const std::string& headers = "", const std::string& method = "");

  /// Every request of that path, from now on, gets `status`.
  void refuse_at(const std::string& path, int status,
                 const std::string& reason);

  /// The next `times` evictions are put off by a budget that says `words`.
  void hold_evictions(unsigned times, const std::string& words);

  /// The next `times` requests end in a connection that is reset.
  void reset_connections(unsigned times);

  /// After `passed` more requests the next `times` are carried out, and their
  /// connections reset in place of an answer.
  void lose_answers(unsigned times, unsigned passed = 0);

  /// After `passed` more requests it is gone, until reset_connections(0): each
  /// connection is reset. The first that is, is carried out before, if wanted.
  void be_cut_off(unsigned passed, bool is_first_carried_out);

  /// Whether the CRD of Node Feature Discovery is installed. At first it is.
  void have_node_features(bool has);

  /// Watches and lists of versions until now get 410.
  void forget_history();

  using End = apiserver::WatchEnd;
  /// Ends the watches that run.
  void end_watches(End how);

  /// Sends bytes to the watches that run, as the next piece.
  void send_to_watches(const std::string& bytes);

  /// Requests are taken and not answered.
  void be_silent(bool is_silent);

  /// Connections are ended, and new ones as soon as they are made.
  void be_away(bool is_away);
  /// How many connections came meanwhile.
  std::size_t turned_away() const;

  /// "GET /api/v1/nodes?watch=true": all so far, in order.
  std::vector<std::string> requests() const;
  /// The whole head and body of the last one.
  std::string last_request() const;

  /// Returns when so many watches have begun in all.
  void wait_for_watches(unsigned count);
  /// Returns when so many requests have come in all.
  void wait_for_requests(std::size_t count);

 private:
  void accept_clients();
  void serve(int socket);
  bool answer(int socket, const apiserver::Request& request);
  /// Nothing: a watch, which goes on.
  std::optional<apiserver::Reply> route(const apiserver::Request& request)
      REQUIRES(mutex_);
  apiserver::Reply read(const apiserver::Request& request) REQUIRES(mutex_);
  void watch(int socket, const apiserver::Request& request);

  UniqueFd listener_;
  std::uint16_t port_ = 0;
  mutable Mutex mutex_;
  std::condition_variable_any news_;
  bool is_closing_ GUARDED_BY(mutex_) = false;
  bool is_silent_ GUARDED_BY(mutex_) = false;
  bool is_away_ GUARDED_BY(mutex_) = false;
  std::size_t turned_away_ GUARDED_BY(mutex_) = 0;
  apiserver::ObjectStore objects_ GUARDED_BY(mutex_);
  apiserver::WatchFeed feed_ GUARDED_BY(mutex_);
  apiserver::Faults faults_ GUARDED_BY(mutex_);
  std::vector<std::string> requests_ GUARDED_BY(mutex_);
  std::string last_request_ GUARDED_BY(mutex_);
  std::vector<int> sockets_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;  // Of the accepting thread's making.
  std::thread accepting_;
};

}  // namespace gpunode::kube
