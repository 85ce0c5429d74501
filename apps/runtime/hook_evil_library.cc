// For tests: what an image would like to have loaded on the host.
#include <cstdio>
#include <cstdlib>

namespace {

__attribute__((constructor)) void do_evil() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): before main there is one thread.
  const char* const marker = std::getenv("EVIL_MARKER");
  if (marker == nullptr) return;
  if (std::FILE* const file = std::fopen(marker, "w")) std::fclose(file);
}

}  // namespace
