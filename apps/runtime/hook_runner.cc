// Runs one hook, for tests: what `gpunode-runtime hook` does, and nothing else.
#include <string>
#include <vector>

#include "apps/runtime/hook.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return gpunode::runtime::run_hook(arguments);
}
