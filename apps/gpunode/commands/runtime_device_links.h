// `gpunode runtime device-links`: device nodes, and the links systemd needs.
#pragma once

namespace CLI {
class App;
}

namespace gpunode::cli {

struct Session;

void add_runtime_device_links(CLI::App& runtime, Session& session);

}  // namespace gpunode::cli
