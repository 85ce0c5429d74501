#include "tests/doubles/apiserver/watch_feed.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

namespace gpunode::kube::apiserver {

WatchFeed::Place WatchFeed::begin(const Request& request,
                                  const ObjectStore& store) {
  const auto from =
      std::strtoull(request.parameter("resourceVersion").c_str(), nullptr, 10);
  Place place{0, commands_.size()};
  while (place.change < store.changes().size() &&
         store.changes()[place.change].version <= from) {
    ++place.change;
  }
  ++begun_;
  return place;
}

void WatchFeed::end(WatchEnd how, const ObjectStore& store) {
  News news{"", how};
  if (how == WatchEnd::kGone) {
    news.bytes = R"({"type":"ERROR","object":)" +
                 status_json(410, "Expired", "too old resource version") +
                 "}\n";
  }
  commands_.push_back({news, store.changes().size()});
}

bool WatchFeed::has_news(const Place& place, const ObjectStore& store) const {
  return place.change < store.changes().size() ||
         place.command < commands_.size();
}

WatchFeed::News WatchFeed::take(Place& place, const Request& request,
                                const ObjectStore& store) const {
  News news;
  const bool has_command = place.command < commands_.size();
  const std::size_t last = std::min(
      store.changes().size(),
      has_command ? commands_[place.command].changes : store.changes().size());
  for (; place.change < last; ++place.change) {
    const Change& next = store.changes()[place.change];
    if (!request.selects(next.path)) continue;
    news.bytes += fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", next.type,
                              next.json);
  }
  if (has_command) {
    const News& command = commands_[place.command++].news;
    news.bytes += command.bytes;
    news.end = command.end;
  }
  return news;
}

}  // namespace gpunode::kube::apiserver
