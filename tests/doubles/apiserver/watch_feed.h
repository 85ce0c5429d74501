// What the watches of the API server double are sent.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tests/doubles/apiserver/object_store.h"
#include "tests/doubles/apiserver/request.h"

namespace gpunode::kube::apiserver {

/// How a watch ends: as the server's time limit does, with the connection
/// reset, or with the news that its version is gone.
enum class WatchEnd { kInOrder, kReset, kGone };

/// Changes of the store, and what a test sends between them. One thread at a
/// time.
class WatchFeed {
 public:
  /// How far a watch has got.
  struct Place {
    std::size_t change = 0;
    std::size_t command = 0;
  };

  struct News {
    std::string bytes;
    std::optional<WatchEnd> end;  ///< Then the watch is over.
  };

  /// Where a watch from the version of `request` begins.
  Place begin(const Request& request, const ObjectStore& store);
  /// How many have begun in all.
  unsigned begun() const { return begun_; }

  /// To the watches that run.
  void send(const std::string& bytes) { commands_.push_back({{bytes, {}}}); }
  /// None of them gets what `store` has from then on.
  void end(WatchEnd how, const ObjectStore& store);

  bool has_news(const Place& place, const ObjectStore& store) const;
  /// What comes after `place`, which moves on.
  News take(Place& place, const Request& request,
            const ObjectStore& store) const;

 private:
  struct Command {
    News news;
    /// Changes that come before it.
    std::size_t changes = ~std::size_t{0};
  };

  std::vector<Command> commands_;
  unsigned begun_ = 0;
};

}  // namespace gpunode::kube::apiserver
