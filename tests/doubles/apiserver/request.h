// One request that the API server double got, and what it replies.
#pragma once

#include <optional>
#include <string>

#include "base/text/node.h"

namespace gpunode::kube::apiserver {

struct Request {
  std::string method;
  std::string path;
  std::string query;
  std::string head;  ///< With the line end of its last line.
  std::string body;

  /// As it stands in the query; empty if it does not.
  std::string parameter(const std::string& name) const;

  /// Whether an object at `object` is of this collection and selected by name.
  bool selects(const std::string& object) const;

  /// Whether what the object says of itself is selected: its labels, and the
  /// node that a Pod is on. Only "key=value" and "key", with commas between.
  bool selects_content(const text::Node& object) const;

  bool is_collection() const;

  /// "GET /api/v1/nodes?watch=true"
  std::string line() const;
};

/// Takes one off the front of `bytes`; nothing while it is not whole.
std::optional<Request> take_request(std::string& bytes);

struct Reply {
  int status = 200;
  std::string body;
  std::string headers;  ///< Whole lines.

  static Reply failure(int code, const std::string& reason,
                       const std::string& message);

  std::string on_the_wire() const;
};

/// A Status object that says what went wrong.
std::string status_json(int code, const std::string& reason,
                        const std::string& message);

}  // namespace gpunode::kube::apiserver
