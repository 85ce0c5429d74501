#include "agent/plugin/mps_daemon.h"

#include <charconv>
#include <string_view>

#include <fmt/format.h>

namespace gpunode::plugin {
namespace {

constexpr const char* kControlProgram = "/usr/bin/nvidia-cuda-mps-control";

Error not_healthy(ErrorCode code, std::string_view cause) {
  return {code,
          fmt::format("error waiting for MPS daemon: error checking MPS daemon "
                      "health: {} (start nvidia-cuda-mps-control with this "
                      "resource's CUDA_MPS_PIPE_DIRECTORY under --mps-root, or "
                      "configure sharing.timeSlicing instead of mps)",
                      cause)};
}

bool is_number(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string mps_pipe_directory(const std::string& resource_name) {
  return fmt::format("/mps/{}/pipe", resource_name);
}

Result<void> check_mps_daemon(host::CommandRunner& runner,
                              const host::HostRoot& driver_root,
                              const std::string& pipe_directory) {
  const Result<std::string> in_root = driver_root.resolve(kControlProgram);
  host::Command command;
  command.argv = {in_root ? *in_root : kControlProgram};
  command.env.push_back("CUDA_MPS_PIPE_DIRECTORY=" + pipe_directory);
  command.input = "get_default_active_thread_percentage\n";
  command.timeout = std::chrono::seconds(5);

  const Result<host::Completed> answer = runner.run(command);
  if (!answer) {
    return not_healthy(answer.error().code(),
                       fmt::format("failed to start NVIDIA MPS command: {}",
                                   answer.error().message()));
  }
  if (answer->status != 0 || !is_number(answer->out)) {
    return not_healthy(
        ErrorCode::kUnavailable,
        fmt::format("{} answers status {}: {}", pipe_directory, answer->status,
                    host::output_tail(answer->out + answer->err)));
  }
  return {};
}

}  // namespace gpunode::plugin
