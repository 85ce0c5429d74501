#include "apps/gpunode/commands/cdi_inspect.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "apps/gpunode/commands/cdi_generate.h"
#include "apps/gpunode/commands/given_path.h"
#include "base/host/host_root.h"
#include "base/text/json_splice.h"
#include "container/cdi/registry.h"
#include "container/cdi/spec_order.h"
#include "container/cdi/spec_reader.h"
#include "container/cdi/tokens.h"

namespace gpunode::cli {
namespace {

Result<std::string> read_standard_input() {
  std::string bytes;
  std::array<char, 16384> chunk{};
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno("read standard input", errno);
    if (n == 0) return bytes;
    bytes.append(chunk.data(), static_cast<std::size_t>(n));
    if (bytes.size() > cdi::kSpecBytes) {
      return Error(ErrorCode::kCorrupt,
                   "standard input is too large for a CDI spec");
    }
  }
}

Result<std::string> read_input(const std::string& path) {
  if (path == "-") return read_standard_input();
  std::error_code error;
  const auto whole = std::filesystem::absolute(path, error);
  if (error) return Error::from_errno("read " + path, error.value());
  return host::HostRoot().read_file(whole.string(), cdi::kSpecBytes);
}

bool is_json(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos && text[start] == '{';
}

}  // namespace

Result<void> run_list(const ListRequest& request) {
  std::vector<std::string> directories = request.spec_directories;
  if (directories.empty()) {
    directories.assign(std::begin(cdi::kSpecDirectories),
                       std::end(cdi::kSpecDirectories));
  }
  for (std::string& directory : directories) {
    directory = given_path(directory, request.root);
  }
  const cdi::Registry registry =
      cdi::Registry::load(host::HostRoot(request.root), directories);
  std::string lines;
  for (const std::string& problem : registry.problems()) {
    if (request.as_json) {
      lines +=
          text::json_object({{"problem", text::json_string(problem)}}) + "\n";
    } else {
      warn(problem);
    }
  }
  const auto devices = registry.devices();
  for (const cdi::Registry::Listed& device : devices) {
    lines += request.as_json
                 ? text::json_object({{"name", text::json_string(device.name)},
                                      {"spec", text::json_string(device.path)}})
                 : device.name;
    lines += '\n';
  }
  if (!request.as_json) {
    inform(fmt::format("found {} CDI devices", devices.size()));
  }
  return print(lines);
}

Result<void> run_transform_root(const TransformRequest& request) {
  const bool is_of_container = request.relative_to == "container";
  if (!is_of_container && request.relative_to != "host") {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("invalid --relative-to value: {}; it is host or "
                             "container",
                             request.relative_to));
  }
  if (request.from.empty() || request.to.empty()) {
    return Error(ErrorCode::kInvalidArgument, "--from and --to are needed");
  }
  TRY(const std::string text, read_input(request.input));
  const std::string name =
      request.input == "-" ? "standard input" : request.input;
  TRY(cdi::Spec spec, cdi::read_spec(text, name));
  cdi::change_root(spec, {request.from, request.to, is_of_container});
  TRY(OutputForm form, output_form(request.output, ""));
  if (form.path.empty()) form.is_json = is_json(text);
  return write_spec(spec, form);
}

}  // namespace gpunode::cli
