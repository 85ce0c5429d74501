#include "apps/gpunode/commands/consent.h"

#include <cstdio>
#include <string>

namespace gpunode::cli {

bool says_yes() {
  std::fputs("Do it? Type yes: ", stdout);
  std::fflush(stdout);
  std::string answer;
  for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) {
    answer += static_cast<char>(c);
  }
  return answer == "yes";
}

}  // namespace gpunode::cli
