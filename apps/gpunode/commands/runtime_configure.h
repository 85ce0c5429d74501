// `gpunode runtime configure`: a GPU runtime in an engine's configuration.
#pragma once

// NOLINTNEXTLINE(readability-identifier-naming): CLI11's own.
namespace CLI {
class App;
}

namespace gpunode::cli {

struct Session;

void add_runtime_configure(CLI::App& runtime, Session& session);

}  // namespace gpunode::cli
