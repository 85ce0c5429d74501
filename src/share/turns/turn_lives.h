// What a container has had of Devices' time since its grant was made, over
// agents: kept beside the grant's other files (docs/formats/lives.md).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "share/grants/grant_files.h"

namespace gpunode::share {

/// On one Device.
struct TurnLife {
  Duration used{};    ///< As of TurnUse, these three.
  Duration waited{};  ///<
  std::uint64_t turns = 0;
  Duration seen{};         ///< For so long somebody has watched,
  Duration used_seen{};    ///< in which it had so much of the Device's time,
  std::uint32_t peak = 0;  ///< and in the busiest window, in thousandths.

  friend bool operator==(const TurnLife&, const TurnLife&) = default;
};

/// By Device.
using TurnLives = std::map<std::string, TurnLife>;

/// The file's text. `grant` is GrantLook::file.
std::string turn_lives_text(const TurnLives& lives, std::uint64_t grant);
/// kCorrupt: it is none. kNotFound: it is of another grant by the same name.
Result<TurnLives> parse_turn_lives(std::string_view text, std::uint64_t grant);

/// kNotFound: nobody has kept any of this grant.
Result<TurnLives> read_turn_lives(const GrantFiles& files,
                                  const std::string& id, std::uint64_t grant);
/// Whole or not at all, and root's alone; no container has it mounted.
/// kNotFound: there is no such grant any more.
Result<void> keep_turn_lives(const GrantFiles& files, const std::string& id,
                             std::uint64_t grant, const TurnLives& lives);

}  // namespace gpunode::share
