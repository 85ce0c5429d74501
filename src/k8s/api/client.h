// The API server's objects: read, made, changed, watched.
//
// Blocks (base/http/client.h), so it lives on a thread of its own; a watch
// takes a client for itself. Objects are JSON texts both ways: who needs three
// fields reads three fields (object_meta.h).
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/http/cancellation.h"
#include "base/http/client.h"
#include "k8s/api/backoff.h"
#include "k8s/api/credentials.h"
#include "k8s/api/object_meta.h"
#include "k8s/api/resource_path.h"

namespace gpunode::kube {

/// How much of an object is asked for. kMetadata is a twentieth of a Node.
enum class Detail { kWhole, kMetadata };

/// Which objects, of a collection. Both are selectors in Kubernetes' words.
struct Selection {
  std::string space;           ///< Empty: of every namespace, or of none.
  std::string field_selector;  ///< "metadata.name=gpu-1".
  std::string label_selector;
  Detail detail = Detail::kWhole;
};

/// What the server said, whatever it is.
struct Answer {
  int status = 0;
  std::string body;
  std::optional<std::chrono::seconds> retry_after;

  bool is_good() const { return status / 100 == 2; }
};

/// The answer as an Error: a code to branch on, and the server's own words
/// behind `attempted`. 404 is kNotFound; 409 kAlreadyExists (a conflict too);
/// 401 and 403 kPermissionDenied; 400 and 422 kInvalidArgument; 405, 406 and
/// 415 kUnsupported; 408, 410, 429 and 5xx kUnavailable.
Error error_of(std::string_view attempted, const Answer& answer);

struct ClientOptions {
  std::string user_agent = "gpunode";
  /// Tries of a call that the server puts off (429, 503), the first included.
  unsigned tries = 3;
  BackoffRules backoff;
  http::ClientLimits limits;
  /// The most objects of one page of a list.
  unsigned page_size = 500;
  Chance chance = system_chance();
  /// Waits and says true, or false when called off. Default: by cancellation.
  std::function<bool(std::chrono::milliseconds)> pause;
};

class Client {
 public:
  /// `credentials` and `cancellation` outlive it; the latter may be null and
  /// ends every call for good.
  Client(Credentials& credentials, const http::Cancellation* cancellation,
         ClientOptions options = {});

  Result<std::string> get(const ResourceType& type, const ObjectKey& key,
                          Detail detail = Detail::kWhole);

  /// One page, of at most `page_size`; `continuation` is the page before's.
  /// All pages are of the moment of the first. kUnavailable (410) if the server
  /// does not know that any more: begin anew. Without a continuation,
  /// `resource_version` "0" means what the server has at hand: all of it in one
  /// page (apiserver's cacher passes over the limit then), so for a selection
  /// that is small, as of one name.
  Result<ObjectList> list(const ResourceType& type, const Selection& selection,
                          const std::string& resource_version = "",
                          const std::string& continuation = "");

  Result<std::string> create(const ResourceType& type, const std::string& space,
                             const std::string& json);

  /// PUT: the object is `json` from then on. With metadata.resourceVersion in
  /// it (custom resources must have one) kAlreadyExists if it has changed
  /// since.
  Result<std::string> replace(const ResourceType& type, const ObjectKey& key,
                              const std::string& json);

  /// RFC 7386: what `json` has is set, its nulls are taken away.
  Result<std::string> merge_patch(const ResourceType& type,
                                  const ObjectKey& key,
                                  const std::string& json);

  /// Of the status alone, as a strategic merge patch: lists that have keys
  /// (conditions: their type) are merged by them. For types that the server
  /// itself knows.
  Result<std::string> patch_status(const ResourceType& type,
                                   const ObjectKey& key,
                                   const std::string& json);

  /// Server-side apply: makes the object, or changes what `field_manager` owns
  /// of it. `force` takes fields over from others; without it they are a
  /// conflict, kAlreadyExists, that names their owners.
  Result<std::string> apply(const ResourceType& type, const ObjectKey& key,
                            const std::string& json,
                            const std::string& field_manager, bool force,
                            Detail answer = Detail::kWhole);

  /// POST of eviction.h's `json` to the Pod; not tried again here, since "not
  /// now" is an answer (judge_eviction).
  Result<Answer> evict(const ObjectKey& pod, const std::string& json);

  /// kNotFound if it was not there.
  Result<void> remove(const ResourceType& type, const ObjectKey& key);

  /// GET of a path of the server's own, such as "/version".
  Result<std::string> get_path(const std::string& path);

  /// Whether the server knows this type (discovery), without trying it.
  Result<bool> has_resource(const ResourceType& type);

  /// Changes after `resource_version`, as lines of JSON to `sink` in pieces
  /// that end anywhere. Returns when the server ends it, after at most
  /// `lifetime`, or with a status that is not 2xx. Not tried again here.
  Result<Answer> watch(const ResourceType& type, const Selection& selection,
                       const std::string& resource_version,
                       std::chrono::seconds lifetime,
                       const http::PieceSink& sink);

  const http::Cancellation* cancellation() const { return cancellation_; }

 private:
  struct Call;

  Result<std::string> ask(const Call& call);
  Result<Answer> ask_as_known(const Call& call);
  Result<Answer> ask_once(const Call& call);
  Result<bool> refresh(bool was_refused);

  Credentials& credentials_;
  const http::Cancellation* cancellation_;
  ClientOptions options_;
  Access access_;
  std::optional<http::Client> http_;
};

}  // namespace gpunode::kube
