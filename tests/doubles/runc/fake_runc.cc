// A low-level runtime that only says how it was called: the path it was run
// by, its arguments and one variable of its environment, a line each.
#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  for (int i = 0; i < argc; ++i) std::printf("%s\n", argv[i]);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread.
  const char* mark = std::getenv("FAKE_RUNC_MARK");
  if (mark != nullptr) std::printf("FAKE_RUNC_MARK=%s\n", mark);
  return argc > 1 && argv[argc - 1][0] == '7' ? 7 : 0;
}
