// `gpunode runtime device-links`: device nodes, and the links systemd needs.
#pragma once

// NOLINTNEXTLINE(readability-identifier-naming): CLI11's own.
namespace CLI {
class App;
}

namespace gpunode::cli {

struct Session;

void add_runtime_device_links(CLI::App& runtime, Session& session);

}  // namespace gpunode::cli
