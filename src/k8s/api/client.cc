#include "k8s/api/client.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace gpunode::kube {
namespace {

constexpr std::string_view kMetadataOnly =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
    "application/json";
constexpr std::string_view kMetadataListOnly =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
    "application/json";

// An answer may be short of what is announced by this much time.
constexpr std::chrono::seconds kWatchSlack(30);

ErrorCode code_of(int status) {
  switch (status) {
    case 400:
    case 413:
    case 422:
      return ErrorCode::kInvalidArgument;
    case 401:
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 405:
    case 406:
    case 415:
      return ErrorCode::kUnsupported;
    case 409:
      return ErrorCode::kAlreadyExists;
    case 408:
    case 410:
    case 429:
      return ErrorCode::kUnavailable;
    default:
      return status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kInternal;
  }
}

/// On one line, and no longer than a person reads.
std::string short_line(std::string text) {
  constexpr std::size_t kMost = 500;
  if (text.size() > kMost) text = text.substr(0, kMost) + "...";
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7F) c = ' ';
  }
  return text;
}

std::optional<std::chrono::seconds> retry_after_of(
    const http::ClientResponse& response) {
  const std::string* text = response.header("retry-after");
  if (text == nullptr) return std::nullopt;
  int number = 0;
  const auto [end, error] =
      std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size() ||
      number < 0) {
    return std::nullopt;  // A date: our own waiting will do.
  }
  return std::chrono::seconds(number);
}

void add_query(std::string& query, std::string_view name,
               std::string_view value) {
  if (value.empty()) return;
  query += (query.empty() ? "?" : "&") + std::string(name) + "=" +
           escape_query(value);
}

std::string selection_query(const Selection& selection) {
  std::string query;
  add_query(query, "fieldSelector", selection.field_selector);
  add_query(query, "labelSelector", selection.label_selector);
  return query;
}

}  // namespace

Error error_of(std::string_view attempted, const Answer& answer) {
  const ApiStatus status = read_api_status(answer.body);
  std::string words = status.message.empty() ? answer.body : status.message;
  words = short_line(std::move(words));
  if (words.empty()) words = "no words";
  const std::string reason =
      status.reason.empty() ? "" : " " + short_line(status.reason);
  return {code_of(answer.status),
          fmt::format("{}: the API server says {}{}: {}", attempted,
                      answer.status, reason, words)};
}

/// One request, before it is known as whom.
struct Client::Call {
  std::string method;
  std::string target;
  std::string content_type;
  std::string accept = "application/json";
  std::string body;
  const http::PieceSink* sink = nullptr;  ///< For watches.
  std::chrono::milliseconds idle{};       ///< Of the sink.

  std::string name() const {
    return method + " " + target.substr(0, target.find('?'));
  }
};

Client::Client(Credentials& credentials, const http::Cancellation* cancellation,
               ClientOptions options)
    : credentials_(credentials),
      cancellation_(cancellation),
      options_(std::move(options)) {
  if (!options_.pause) {
    options_.pause = [cancellation](std::chrono::milliseconds time) {
      return http::pause(time, cancellation);
    };
  }
}

/// Whether what we know of server and self has changed.
Result<bool> Client::refresh(bool was_refused) {
  TRY(Access access, credentials_.access(was_refused));
  if (http_ && access == access_) return false;
  if (!http_ || access.server != access_.server || access.tls != access_.tls) {
    http_.emplace(access.server, access.tls, options_.limits);
  }
  access_ = std::move(access);
  return true;
}

Result<Answer> Client::ask_once(const Call& call) {
  http::ClientRequest request;
  request.method = call.method;
  request.target = call.target;
  request.body = call.body;
  request.is_repeatable = call.method != "POST";
  request.headers = {{"Accept", call.accept},
                     {"User-Agent", options_.user_agent}};
  if (!call.content_type.empty()) {
    request.headers.push_back({"Content-Type", call.content_type});
  }
  if (!access_.token.empty()) {
    request.headers.push_back({"Authorization", "Bearer " + access_.token});
  }
  auto response =
      call.sink == nullptr
          ? http_->call(request, cancellation_)
          : http_->stream(request, *call.sink, call.idle, cancellation_);
  if (!response) return std::move(response).error();
  Answer answer;
  answer.status = response->status;
  answer.retry_after = retry_after_of(*response);
  answer.body = std::move(response->body);
  return answer;
}

/// Asks; if the server does not know us, looks once for newer credentials.
Result<Answer> Client::ask_as_known(const Call& call) {
  TRY_VOID(refresh(false));
  TRY(Answer answer, ask_once(call));
  if (answer.status != 401) return answer;
  TRY(const bool is_news, refresh(true));
  if (!is_news) return answer;
  return ask_once(call);
}

Result<std::string> Client::ask(const Call& call) {
  for (unsigned attempt = 1;; ++attempt) {
    TRY(Answer answer, ask_as_known(call));
    if (answer.is_good()) return std::move(answer.body);
    const bool is_put_off = answer.status == 429 || answer.status == 503;
    if (!is_put_off || attempt >= options_.tries ||
        !options_.pause(retry_delay(options_.backoff, attempt,
                                    answer.retry_after, options_.chance()))) {
      return error_of(call.name(), answer);
    }
  }
}

Result<std::string> Client::get(const ResourceType& type, const ObjectKey& key,
                                Detail detail) {
  Call call;
  call.method = "GET";
  TRY(call.target, object_path(type, key));
  if (detail == Detail::kMetadata) call.accept = kMetadataOnly;
  return ask(call);
}

Result<ObjectList> Client::list(const ResourceType& type,
                                const Selection& selection,
                                const std::string& resource_version,
                                const std::string& continuation) {
  Call call;
  call.method = "GET";
  TRY(call.target, collection_path(type, selection.space));
  std::string query = selection_query(selection);
  add_query(query, "limit", std::to_string(options_.page_size));
  add_query(query, "continue", continuation);
  if (continuation.empty()) {
    add_query(query, "resourceVersion", resource_version);
  }
  call.target += query;
  if (selection.detail == Detail::kMetadata) call.accept = kMetadataListOnly;
  TRY(const std::string body, ask(call));
  auto page = read_object_list(body);
  if (!page) return std::move(page).error().with_context(call.name());
  return page;
}

Result<std::string> Client::create(const ResourceType& type,
                                   const std::string& space,
                                   const std::string& json) {
  Call call;
  call.method = "POST";
  if (type.is_namespaced && space.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "create one of " + type.resource + ": in which namespace?");
  }
  TRY(call.target, collection_path(type, space));
  call.content_type = "application/json";
  call.body = json;
  return ask(call);
}

Result<std::string> Client::replace(const ResourceType& type,
                                    const ObjectKey& key,
                                    const std::string& json) {
  Call call;
  call.method = "PUT";
  TRY(call.target, object_path(type, key));
  call.content_type = "application/json";
  call.body = json;
  return ask(call);
}

Result<std::string> Client::merge_patch(const ResourceType& type,
                                        const ObjectKey& key,
                                        const std::string& json) {
  Call call;
  call.method = "PATCH";
  TRY(call.target, object_path(type, key));
  call.content_type = "application/merge-patch+json";
  call.body = json;
  return ask(call);
}

Result<std::string> Client::patch_status(const ResourceType& type,
                                         const ObjectKey& key,
                                         const std::string& json) {
  Call call;
  call.method = "PATCH";
  TRY(call.target, object_path(type, key));
  call.target += "/status";
  call.content_type = "application/strategic-merge-patch+json";
  call.body = json;
  return ask(call);
}

Result<std::string> Client::apply(const ResourceType& type,
                                  const ObjectKey& key, const std::string& json,
                                  const std::string& field_manager, bool force,
                                  Detail answer) {
  Call call;
  call.method = "PATCH";
  if (answer == Detail::kMetadata) call.accept = kMetadataOnly;
  TRY(call.target, object_path(type, key));
  std::string query;
  add_query(query, "fieldManager", field_manager);
  add_query(query, "force", force ? "true" : "");
  call.target += query;
  call.content_type = "application/apply-patch+yaml";
  call.body = json;
  return ask(call);
}

Result<Answer> Client::evict(const ObjectKey& pod, const std::string& json) {
  Call call;
  call.method = "POST";
  TRY(call.target, object_path(pods(), pod));
  call.target += "/eviction";
  call.content_type = "application/json";
  call.body = json;
  return ask_as_known(call);
}

Result<void> Client::remove(const ResourceType& type, const ObjectKey& key) {
  Call call;
  call.method = "DELETE";
  TRY(call.target, object_path(type, key));
  TRY_VOID(ask(call));
  return {};
}

Result<std::string> Client::get_path(const std::string& path) {
  Call call;
  call.method = "GET";
  call.target = path;
  return ask(call);
}

Result<bool> Client::has_resource(const ResourceType& type) {
  TRY(const std::string path, version_path(type));
  auto body = get_path(path);
  if (!body) {
    if (body.error().code() == ErrorCode::kNotFound) return false;
    return std::move(body).error();
  }
  return lists_resource(*body, type.resource);
}

Result<Answer> Client::watch(const ResourceType& type,
                             const Selection& selection,
                             const std::string& resource_version,
                             std::chrono::seconds lifetime,
                             const http::PieceSink& sink) {
  Call call;
  call.method = "GET";
  TRY(call.target, collection_path(type, selection.space));
  std::string query = selection_query(selection);
  add_query(query, "watch", "true");
  add_query(query, "allowWatchBookmarks", "true");
  add_query(query, "resourceVersion", resource_version);
  add_query(query, "timeoutSeconds", std::to_string(lifetime.count()));
  call.target += query;
  if (selection.detail == Detail::kMetadata) call.accept = kMetadataOnly;
  call.sink = &sink;
  call.idle = lifetime + kWatchSlack;
  return ask_as_known(call);
}

}  // namespace gpunode::kube
