// What a gpu_load is asked for: its words, and the lines that it is told. What
// is asked wrongly ends the program, with words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/gpu_work.h"

namespace gpunode::bench {

struct LoadOptions {
  WorkShape shape;
  double burst = 0;
  double idle_us = 0;
  double seconds = 5;
  double streams = 1;
  double threads = 1;
  double buckets_ms = 0;
  bool is_unsynchronised = false;
  bool is_to_the_end = false;
};

/// Of the words that stand at the head of gpu_load.cc.
LoadOptions load_options(const std::vector<std::string_view>& words);

/// Of a line "go" or "go SECONDS".
double seconds_of(const std::string& line, const LoadOptions& options);

[[noreturn]] void refuse_line(const std::string& wanted,
                              const std::string& line);

}  // namespace gpunode::bench
