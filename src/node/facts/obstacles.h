// What stands between a host and a GPU node, as far as facts tell. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "node/facts/host_facts.h"

namespace gpunode::facts {

struct Obstacle {
  std::string id;      ///< "container", "no-gpu": for programs.
  std::string words;   ///< What is so, and why it matters.
  std::string remedy;  ///< What a person does next.
  /// No node can be made of this host as it is. Otherwise gpunode deals with
  /// it, and a person may want to know.
  bool blocks = false;

  friend bool operator==(const Obstacle&, const Obstacle&) = default;
};

/// Whether NVIDIA maintains a driver for processors of that kind (uname -m).
bool has_maintained_driver(std::string_view machine);

/// The blocking ones first.
std::vector<Obstacle> find_obstacles(const HostFacts& facts);

}  // namespace gpunode::facts
