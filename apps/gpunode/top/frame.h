// One frame of `gpunode top`.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "apps/gpunode/top/snapshot.h"
#include "apps/gpunode/top/view.h"
#include "base/console/live_area.h"

namespace gpunode::top {

using Line = console::LiveArea::Line;

/// Room for a frame; 0: any. Of a frame of any height no line is for keys.
struct Room {
  std::size_t width = 0;
  std::size_t height = 0;
};

/// Pure. Printable ASCII, whoever wrote the names; no line is wider than the
/// room, and there are never more than fit.
std::vector<Line> draw(const Snapshot& snapshot, const View& view, Room room);

/// What containers have used at most, against what they may: who asks for more
/// than he needs comes first.
std::vector<Line> draw_history(const Snapshot& snapshot, const View& view,
                               std::size_t width);

/// "512 MiB", "12.5 GiB".
std::string size_text(std::uint64_t bytes);

}  // namespace gpunode::top
