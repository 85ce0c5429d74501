// A library beside libcuda that shows that it was loaded: it makes the file
// that GPUNODE_SIBLING_MARK names.
#include <cstdio>
#include <cstdlib>

[[gnu::constructor]] static void leave_a_mark() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): programs that load it have a thread.
  const char* path = std::getenv("GPUNODE_SIBLING_MARK");
  std::FILE* mark = path == nullptr ? nullptr : std::fopen(path, "w");
  if (mark != nullptr) static_cast<void>(std::fclose(mark));
}
