// Keeps the turns of some containers on device 0 as the node's agent does, for
// bench/gpu_turns.py.
//
//   turn_keeper DIR LIBRARY POLICY PART...   lays a grant of the whole memory
//                                            for each part, above 0 and up to
//                                            1, in DIR/0, DIR/1 and so on, with
//                                            LIBRARY in it, and says "ready"
//
// Lines on its standard input: "part I PART", "policy fair|burst|hard",
// "priority I N". At its end it says, a line a grant: milliseconds of the GPU
// that were charged, turns, milliseconds that it wanted and had no turn,
// launches.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "bench/cuda_driver.h"
#include "share/grants/grant_files.h"
#include "share/turns/referee.h"

namespace {

namespace share = gpunode::share;
using gpunode::bench::check;
using gpunode::bench::give_up;
using gpunode::bench::uuid_of_first;

share::TurnPolicy policy_of(const std::string& word) {
  if (word == "fair") return share::TurnPolicy::kFair;
  if (word == "burst") return share::TurnPolicy::kBurst;
  if (word == "hard") return share::TurnPolicy::kHard;
  give_up("no policy is called '" + word + "'");
}

std::uint32_t thousandths_of(const std::string& word) {
  const double part = std::strtod(word.c_str(), nullptr);
  if (!(part > 0 && part <= 1)) give_up("'" + word + "' is no part");
  return std::max(1U, static_cast<std::uint32_t>(part * 1000 + 0.5));
}

void set_priority(const share::GrantFiles& files, std::size_t number,
                  const std::string& uuid, std::int32_t priority) {
  const auto set = files.set_priority(std::to_string(number), uuid,
                                      {priority, share::PrioritySource::kHand});
  if (!set) give_up(set.error().message());
}

double milliseconds(gpunode::Duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

int main(int count, char** argv) {
  if (count < 5) give_up("what it takes stands at the head of turn_keeper.cc");
  const std::filesystem::path directory = argv[1];
  const share::GrantFiles files(directory);
  const std::string uuid = uuid_of_first();
  std::size_t bytes = 0;
  check("cuDeviceTotalMem", DRIVER(cuDeviceTotalMem_v2)(&bytes, 0));
  std::vector<share::TimePart> parts;
  for (int at = 4; at < count; ++at) {
    parts.push_back({thousandths_of(argv[at]), policy_of(argv[3])});
    const std::string id = std::to_string(at - 4);
    const auto made = files.renew({id, {{uuid, bytes, parts.back()}}});
    if (!made) give_up(made.error().message());
    std::filesystem::copy_file(argv[2], directory / id / "libgpunode-cuda.so");
  }
  share::Referee referee(files);
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb;
    std::string word;
    std::size_t number = 0;
    std::int32_t priority = 0;
    words >> verb;
    if (verb == "part" && words >> number >> word && number < parts.size()) {
      parts[number].thousandths = thousandths_of(word);
    } else if (verb == "priority" && words >> number >> priority &&
               number < parts.size()) {
      set_priority(files, number, uuid, priority);
    } else if (verb == "policy" && words >> word) {
      for (share::TimePart& part : parts) part.policy = policy_of(word);
    } else {
      give_up("'" + line + "' is no line of those that it takes");
    }
    for (std::size_t at = 0; at < parts.size(); ++at) {
      const auto set = files.set_time(std::to_string(at), uuid, parts[at]);
      if (!set) give_up(set.error().message());
    }
    referee.refresh();
  }
  share::TurnUses uses = referee.uses();
  for (std::size_t at = 0; at < parts.size(); ++at) {
    const share::TurnUse& use = uses[{std::to_string(at), uuid}];
    std::printf("%.3f %llu %.3f %llu\n", milliseconds(use.used),
                static_cast<unsigned long long>(use.turns),
                milliseconds(use.waited),
                static_cast<unsigned long long>(use.sums.launches));
  }
  return 0;
}
