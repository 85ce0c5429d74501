#include "tests/doubles/apiserver/api_server_double.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include <fmt/format.h>

#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::kube {
namespace {

using text::Node;

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool send_chunk(int socket, const std::string& bytes) {
  return send_all(socket,
                  fmt::format("{:x}\r\n", bytes.size()) + bytes + "\r\n");
}

/// RFC 7386.
void merge(Node& into, const Node& patch) {
  for (const text::Entry& entry : patch.entries) {
    if (entry.value.is(Node::Kind::kNull)) {
      text::erase_at(into, {entry.key});
    } else if (entry.value.is(Node::Kind::kMapping)) {
      if (into.find(entry.key) == nullptr) {
        text::put_at(into, {entry.key}, text::mapping_node());
      }
      for (text::Entry& own : into.entries) {
        if (own.key == entry.key) merge(own.value, entry.value);
      }
    } else {
      text::put_at(into, {entry.key}, entry.value);
    }
  }
}

std::string status_json(int code, const std::string& reason,
                        const std::string& message) {
  return fmt::format(
      R"({{"kind":"Status","apiVersion":"v1","status":"Failure","message":{},"reason":{},"code":{}}})",
      text::json_string(message), text::json_string(reason), code);
}

/// What nobody owns.
bool is_identity(const text::KeyPath& path) {
  static const std::array<text::KeyPath, 5> kPaths = {
      {{"apiVersion"},
       {"kind"},
       {"metadata", "name"},
       {"metadata", "namespace"},
       {"metadata", "uid"}}};
  return std::find(kPaths.begin(), kPaths.end(), path) != kPaths.end();
}

/// The names of discovery, by path.
std::string resources_at(const std::string& path) {
  if (path == "/api/v1") {
    return R"([{"name":"nodes"},{"name":"nodes/status"},{"name":"configmaps"}])";
  }
  if (path == "/apis/events.k8s.io/v1") return R"([{"name":"events"}])";
  return {};
}

}  // namespace

struct ApiServerDouble::Request {
  std::string method;
  std::string path;
  std::string query;
  std::string head;
  std::string body;

  std::string parameter(const std::string& name) const {
    const std::string all = "&" + query;
    const std::size_t at = all.find("&" + name + "=");
    if (at == std::string::npos) return {};
    const std::size_t begin = at + name.size() + 2;
    return all.substr(begin, all.find('&', begin) - begin);
  }

  /// Whether an object at `object` is of this collection and selected.
  bool selects(const std::string& object) const {
    if (!object.starts_with(path + "/") ||
        object.find('/', path.size() + 1) != std::string::npos) {
      return false;
    }
    const std::string selector = parameter("fieldSelector");
    return selector.empty() ||
           selector == "metadata.name%3D" + object.substr(path.size() + 1);
  }

  bool is_collection() const {
    return path.ends_with("/nodes") || path.ends_with("/configmaps") ||
           path.ends_with("/events");
  }
};

struct ApiServerDouble::Reply {
  int status = 200;
  std::string body;
  std::string headers;

  static Reply failure(int code, const std::string& reason,
                       const std::string& message) {
    return {code, status_json(code, reason, message), ""};
  }
};

ApiServerDouble::ApiServerDouble()
    : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_.get(), generic, size) != 0 ||
      ::listen(listener_.get(), 16) != 0 ||
      ::getsockname(listener_.get(), generic, &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread([this] { accept_clients(); });
}

ApiServerDouble::~ApiServerDouble() {
  {
    const MutexLock lock(mutex_);
    is_closing_ = true;
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    news_.notify_all();
  }
  ::shutdown(listener_.get(), SHUT_RDWR);
  accepting_.join();
  for (std::thread& thread : threads_) thread.join();
}

void ApiServerDouble::accept_clients() {
  for (;;) {
    const int socket =
        ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    const MutexLock lock(mutex_);
    if (is_closing_) {
      ::close(socket);
      return;
    }
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket] { serve(socket); });
  }
}

void ApiServerDouble::serve(int socket) {
  std::string bytes;
  std::array<char, 4096> piece{};
  for (bool is_open = true; is_open;) {
    const std::size_t head_end = bytes.find("\r\n\r\n");
    std::size_t whole = std::string::npos;
    if (head_end != std::string::npos) {
      const std::size_t at = bytes.find("Content-Length: ");
      const std::size_t length =
          at < head_end ? std::strtoul(bytes.c_str() + at + 16, nullptr, 10)
                        : 0;
      whole = head_end + 4 + length;
    }
    if (bytes.size() < whole || whole == std::string::npos) {
      const ssize_t n = ::recv(socket, piece.data(), piece.size(), 0);
      if (n <= 0) break;
      bytes.append(piece.data(), static_cast<std::size_t>(n));
      continue;
    }
    Request request;
    request.head = bytes.substr(0, head_end + 2);
    request.body = bytes.substr(head_end + 4, whole - head_end - 4);
    bytes.erase(0, whole);
    const std::size_t space = request.head.find(' ');
    const std::size_t end = request.head.find(' ', space + 1);
    request.method = request.head.substr(0, space);
    const std::string target = request.head.substr(space + 1, end - space - 1);
    request.path = target.substr(0, target.find('?'));
    if (request.path.size() < target.size()) {
      request.query = target.substr(request.path.size() + 1);
    }
    is_open = answer(socket, request);
  }
  const MutexLock lock(mutex_);
  std::erase(sockets_, socket);
  ::close(socket);
}

bool ApiServerDouble::answer(int socket, const Request& request) {
  Reply reply;
  {
    const MutexLock lock(mutex_);
    requests_.push_back(request.method + " " + request.path +
                        (request.query.empty() ? "" : "?" + request.query));
    last_request_ = request.head + "\r\n" + request.body;
    news_.notify_all();
    if (is_silent_) {
      while (is_silent_ && !is_closing_) news_.wait(mutex_);
      return false;
    }
    reply = handle(request);
  }
  if (reply.status == 0) {
    watch(socket, request);
    return false;
  }
  return send_all(
      socket,
      fmt::format("HTTP/1.1 {} x\r\nContent-Type: "
                  "application/json\r\nContent-Length: {}\r\n{}"
                  "\r\n{}",
                  reply.status, reply.body.size(), reply.headers, reply.body));
}

/// Status 0: a watch, which goes on.
ApiServerDouble::Reply ApiServerDouble::handle(const Request& request) {
  if (fault_times_ > 0) {
    --fault_times_;
    Reply reply =
        Reply::failure(fault_status_, fault_reason_, "as the test wants");
    reply.headers = fault_headers_;
    return reply;
  }
  const bool is_known =
      token_.empty() || request.head.find("\r\nAuthorization: Bearer " +
                                          token_ + "\r\n") != std::string::npos;
  if (!is_known) return Reply::failure(401, "Unauthorized", "Unauthorized");
  if (request.method == "GET") return read(request);
  if (request.method == "POST") return create(request);
  if (request.method == "PATCH") return patch(request);
  if (request.method == "DELETE") return erase(request);
  return Reply::failure(405, "MethodNotAllowed", "not supported");
}

/// With managedFields, an entry each: what a manager owns by applying it.
/// Others leave no trace here, unlike on the real server.
std::string ApiServerDouble::shown(const Stored& stored) {
  Node tree = stored.tree;
  for (const auto& [path, owner] : stored.owners) {
    text::KeyPath fields;
    for (const std::string& key : path) fields.push_back("f:" + key);
    Node entry = text::mapping_node();
    text::put_at(entry, {"manager"}, text::string_node(owner));
    text::put_at(entry, {"operation"}, text::string_node("Apply"));
    text::put_at(entry, {"fieldsV1"}, text::mapping_node());
    fields.insert(fields.begin(), "fieldsV1");
    text::put_at(entry, fields, text::mapping_node());
    Node* list = nullptr;
    for (text::Entry& of_tree : tree.entries) {
      if (of_tree.key != "metadata") continue;
      if (of_tree.value.find("managedFields") == nullptr) {
        text::put_at(of_tree.value, {"managedFields"}, text::list_node({}));
      }
      for (text::Entry& of_meta : of_tree.value.entries) {
        if (of_meta.key == "managedFields") list = &of_meta.value;
      }
    }
    if (list != nullptr) list->items.push_back(std::move(entry));
  }
  return text::to_json(tree);
}

namespace {

// Of the collection at `path`, as typed clients such as NVIDIA's want it.
std::string_view list_type(std::string_view path) {
  if (path.ends_with("/nodes")) return R"("kind":"NodeList","apiVersion":"v1")";
  if (path.ends_with("/configmaps")) {
    return R"("kind":"ConfigMapList","apiVersion":"v1")";
  }
  return R"("kind":"List","apiVersion":"v1")";
}

}  // namespace

ApiServerDouble::Reply ApiServerDouble::read(const Request& request) {
  if (const std::string resources = resources_at(request.path);
      !resources.empty()) {
    return {200, R"({"kind":"APIResourceList","resources":)" + resources + "}",
            ""};
  }
  if (!request.is_collection()) {
    const auto found = objects_.find(request.path);
    if (found == objects_.end()) {
      return Reply::failure(404, "NotFound", request.path + " not found");
    }
    return {200, shown(found->second), ""};
  }
  const std::string version = request.parameter("resourceVersion");
  const bool is_old = !version.empty() && version != "0" &&
                      std::strtoull(version.c_str(), nullptr, 10) < oldest_;
  if (is_old) {
    return Reply::failure(410, "Expired", "too old resource version");
  }
  if (request.parameter("watch") == "true") return {0, "", ""};
  std::string items;
  for (const auto& [path, stored] : objects_) {
    if (!request.selects(path)) continue;
    items += (items.empty() ? "" : ",") + text::to_json(stored.tree);
  }
  return {200,
          fmt::format(
              R"({{{},"metadata":{{"resourceVersion":"{}"}},"items":[{}]}})",
              list_type(request.path), version_, items),
          ""};
}

std::string ApiServerDouble::store(const std::string& path, Node tree) {
  ++version_;
  const bool is_new = objects_.find(path) == objects_.end();
  text::put_at(tree, {"metadata", "resourceVersion"},
               text::string_node(std::to_string(version_)));
  std::string json = text::to_json(tree);
  objects_[path].tree = std::move(tree);
  changes_.push_back({version_, is_new ? "ADDED" : "MODIFIED", path, json});
  news_.notify_all();
  return json;
}

ApiServerDouble::Reply ApiServerDouble::create(const Request& request) {
  auto body = text::read_json(request.body, "body");
  if (!body) return Reply::failure(400, "BadRequest", body.error().message());
  Node tree = text::tree_of(*body);
  const std::string name = text::string_at(tree, {"metadata", "name"});
  if (name.empty()) {
    return Reply::failure(422, "Invalid", "metadata.name: Required value");
  }
  const std::string path = request.path + "/" + name;
  if (objects_.contains(path)) {
    return Reply::failure(409, "AlreadyExists", name + " already exists");
  }
  return {201, store(path, std::move(tree)), ""};
}

ApiServerDouble::Reply ApiServerDouble::patch(const Request& request) {
  auto body = text::read_json(request.body, "body");
  if (!body) return Reply::failure(400, "BadRequest", body.error().message());
  const Node wanted = text::tree_of(*body);
  if (request.head.find("application/apply-patch+yaml") != std::string::npos) {
    return apply(request, wanted);
  }
  const auto found = objects_.find(request.path);
  if (found == objects_.end()) {
    return Reply::failure(404, "NotFound", request.path + " not found");
  }
  Node tree = found->second.tree;
  merge(tree, wanted);
  return {200, store(request.path, std::move(tree)), ""};
}

ApiServerDouble::Reply ApiServerDouble::apply(const Request& request,
                                              const Node& wanted) {
  const std::string manager = request.parameter("fieldManager");
  if (manager.empty()) {
    return Reply::failure(400, "BadRequest", "fieldManager is required");
  }
  const std::string uid = text::string_at(wanted, {"metadata", "uid"});
  if (!uid.empty() && (!objects_.contains(request.path) ||
                       uid != text::string_at(objects_[request.path].tree,
                                              {"metadata", "uid"}))) {
    return Reply::failure(409, "Conflict", "uid mismatch");
  }
  Stored next = objects_.contains(request.path) ? objects_[request.path]
                                                : Stored{wanted, {}};
  const auto leaves = text::tree_changes(text::mapping_node(), wanted);
  std::map<text::KeyPath, std::string> owners;
  for (const auto& [field, owner] : next.owners) {
    if (owner != manager) owners[field] = owner;
  }
  for (const text::TreeChange& leaf : leaves) {
    if (is_identity(leaf.path)) continue;
    const Node* now = text::find_at(next.tree, leaf.path);
    const bool is_same = now != nullptr && text::same_tree(*now, *leaf.after);
    const auto owner = owners.find(leaf.path);
    if (owner != owners.end() && !is_same &&
        request.parameter("force") != "true") {
      return Reply::failure(
          409, "Conflict",
          fmt::format("Apply failed with 1 conflict: conflict "
                      "with {:?}: .{}",
                      owner->second, text::path_text(leaf.path)));
    }
    owners[leaf.path] = manager;
    text::put_at(next.tree, leaf.path, *leaf.after);
  }
  // What this manager owned and does not name any more goes.
  for (const text::TreeChange& leaf :
       text::tree_changes(text::mapping_node(), next.tree)) {
    const auto owner = next.owners.find(leaf.path);
    if (owner != next.owners.end() && owner->second == manager &&
        !owners.contains(owner->first)) {
      text::erase_at(next.tree, leaf.path);
    }
  }
  const bool is_new = !objects_.contains(request.path);
  store(request.path, std::move(next.tree));
  objects_[request.path].owners = std::move(owners);
  return {is_new ? 201 : 200, shown(objects_[request.path]), ""};
}

ApiServerDouble::Reply ApiServerDouble::erase(const Request& request) {
  const auto found = objects_.find(request.path);
  if (found == objects_.end()) {
    return Reply::failure(404, "NotFound", request.path + " not found");
  }
  Node tree = std::move(found->second.tree);
  objects_.erase(found);
  text::put_at(tree, {"metadata", "resourceVersion"},
               text::string_node(std::to_string(++version_)));
  changes_.push_back({version_, "DELETED", request.path, text::to_json(tree)});
  news_.notify_all();
  return {200, R"({"kind":"Status","status":"Success"})", ""};
}

void ApiServerDouble::watch(int socket, const Request& request) {
  const auto from =
      std::strtoull(request.parameter("resourceVersion").c_str(), nullptr, 10);
  std::size_t change = 0;
  std::size_t command = 0;
  if (!send_all(socket,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                "Transfer-Encoding: chunked\r\n\r\n")) {
    return;
  }
  {
    const MutexLock lock(mutex_);
    while (change < changes_.size() && changes_[change].version <= from) {
      ++change;
    }
    command = commands_.size();
    ++watches_;
    news_.notify_all();
  }
  while (send_news(socket, request, change, command)) {
  }
}

/// Waits for something to send and sends it. False when the watch is over.
bool ApiServerDouble::send_news(int socket, const Request& request,
                                std::size_t& change, std::size_t& command) {
  std::string bytes;
  Command due;
  {
    const MutexLock lock(mutex_);
    while (!is_closing_ && change == changes_.size() &&
           command == commands_.size()) {
      news_.wait(mutex_);
    }
    if (is_closing_) return false;
    for (; change < changes_.size(); ++change) {
      const Change& next = changes_[change];
      if (!request.selects(next.path)) continue;
      bytes += fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", next.type,
                           next.json);
    }
    if (command < commands_.size()) due = commands_[command++];
  }
  if (due.how == End::kGone) {
    bytes += R"({"type":"ERROR","object":)" +
             status_json(410, "Expired", "too old resource version") + "}\n";
  }
  bytes += due.bytes;
  if (!bytes.empty() && !send_chunk(socket, bytes)) return false;
  if (!due.is_end) return true;
  if (due.how == End::kReset) {
    const linger at_once{1, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  } else {
    send_all(socket, "0\r\n\r\n");
  }
  return false;
}

void ApiServerDouble::put(const std::string& path, const std::string& json) {
  auto value = text::read_json(json, "the test's object");
  if (!value) std::abort();
  const MutexLock lock(mutex_);
  store(path, text::tree_of(*value));
}

void ApiServerDouble::remove(const std::string& path) {
  Request request;
  request.path = path;
  const MutexLock lock(mutex_);
  erase(request);
}

std::string ApiServerDouble::object(const std::string& path) const {
  const MutexLock lock(mutex_);
  const auto found = objects_.find(path);
  return found == objects_.end() ? "" : text::to_json(found->second.tree);
}

void ApiServerDouble::require_token(const std::string& token) {
  const MutexLock lock(mutex_);
  token_ = token;
}

void ApiServerDouble::refuse(int status, const std::string& reason,
                             unsigned times, const std::string& headers) {
  const MutexLock lock(mutex_);
  fault_status_ = status;
  fault_reason_ = reason;
  fault_times_ = times;
  fault_headers_ = headers;
}

void ApiServerDouble::forget_history() {
  const MutexLock lock(mutex_);
  oldest_ = ++version_;
}

void ApiServerDouble::end_watches(End how) {
  const MutexLock lock(mutex_);
  commands_.push_back({true, how, ""});
  news_.notify_all();
}

void ApiServerDouble::send_to_watches(const std::string& bytes) {
  const MutexLock lock(mutex_);
  commands_.push_back({false, End::kInOrder, bytes});
  news_.notify_all();
}

void ApiServerDouble::be_silent(bool is_silent) {
  const MutexLock lock(mutex_);
  is_silent_ = is_silent;
  news_.notify_all();
}

std::vector<std::string> ApiServerDouble::requests() const {
  const MutexLock lock(mutex_);
  return requests_;
}

std::string ApiServerDouble::last_request() const {
  const MutexLock lock(mutex_);
  return last_request_;
}

void ApiServerDouble::wait_for_watches(unsigned count) {
  const MutexLock lock(mutex_);
  while (watches_ < count) news_.wait(mutex_);
}

void ApiServerDouble::wait_for_requests(std::size_t count) {
  const MutexLock lock(mutex_);
  while (requests_.size() < count) news_.wait(mutex_);
}

}  // namespace gpunode::kube
