// gpunode shares: what containers are held to, and changing it while they run.

#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/given_path.h"
#include "apps/gpunode/commands/linux_host.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/session.h"
#include "base/console/page.h"
#include "base/console/terminal.h"
#include "base/host/host_root.h"
#include "node/diagnose/agent_status.h"
#include "share/grants/grant_files.h"

namespace gpunode::cli {
namespace {

constexpr const char* kFooter = R"(
Lists the containers of this node that are held to a share of a GPU: limit,
what they hold, the most they have held, and how often they were refused.
Names are the agent's to know; without it, allocations are listed. "unlimited"
is a container that no limit can hold, let run by onUnsupported: unlimited.

resize gives a container another limit while it runs: it counts from its next
allocation on, and what is held above it stays until it is freed. CONTAINER is
an allocation id of the list, or a Pod's name, or namespace/name, if it has one
such container. It holds until the Pod ends or the node reboots; a share that
is always larger is a Pod's that asks for more.

Examples:
  gpunode shares
  gpunode shares --json
  gpunode shares resize training-0 24GiB

Exit code 0: it is told or done; 1: there is no such container, or its files
cannot be written (be root); 8: there is no Linux host at that root; 64: the
command line is wrong.)";

constexpr const char* kResizeFooter = R"(
SIZE is whole MiB or GiB. What is held above it stays until it is freed.

Examples:
  gpunode shares resize training-0 24GiB
  gpunode shares resize team/training-0 24GiB --device GPU-UUID

Exit codes as those of `gpunode shares`.)";

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
constexpr std::uint64_t kNoMore = ~std::uint64_t{0};

struct Options {
  std::string root = "/";
  std::string plugin_directory = "/var/lib/kubelet/device-plugins";
  bool as_json = false;
  bool is_plain = false;
  std::string container;
  std::string size;
  std::string device;
};

/// One allocation and its names, where the agent knows them.
struct Share {
  std::string allocation;
  std::string space;
  std::string pod;
  std::string container;
  share::GrantLook look;

  bool is_called(std::string_view name) const {
    return !name.empty() &&
           (name == allocation || name == pod || name == space + "/" + pod);
  }
};

/// "20GiB", "512MiB": whole, and not 0.
std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc()) return std::nullopt;
  const std::string_view word(unit, static_cast<std::size_t>(end - unit));
  const std::uint64_t each = word == "MiB" ? kMiB : word == "GiB" ? kGiB : 0;
  if (each == 0 || count == 0 || count > (std::uint64_t{1} << 50U) / each) {
    return std::nullopt;
  }
  return count * each;
}

std::string in_mib(std::uint64_t bytes) {
  return fmt::format("{} MiB", bytes / kMiB);
}

class SharesVerb {
 public:
  explicit SharesVerb(const Options& options)
      : options_(options),
        host_(options.root),
        files_(host_.outside(share::GrantFiles::kRoot)) {}

  Result<std::vector<Share>> list() const {
    TRY(const std::vector<std::string> ids, files_.list());
    const auto names = names_by_allocation();
    std::vector<Share> shares;
    for (const std::string& id : ids) {
      Share one;
      one.allocation = id;
      if (const auto known = names.find(id); known != names.end()) {
        one.space = known->second.pod_namespace;
        one.pod = known->second.pod;
        one.container = known->second.container;
      }
      auto look = files_.look(id);
      // Between the list and the look its Pod has ended.
      if (!look && look.error().code() == ErrorCode::kNotFound) continue;
      if (look) {
        one.look = *std::move(look);
      } else {
        one.look.problem = look.error().message();
      }
      shares.push_back(std::move(one));
    }
    return shares;
  }

  Result<std::string> resize() const {
    const auto bytes = parse_size(options_.size);
    if (!bytes) {
      return Error(
          ErrorCode::kInvalidArgument,
          fmt::format("'{}' is no size: write 20GiB or 512MiB", options_.size));
    }
    TRY(const std::vector<Share> shares, list());
    const Share* found = nullptr;
    for (const Share& one : shares) {
      if (!one.is_called(options_.container)) continue;
      if (found != nullptr) {
        return Error(
            ErrorCode::kInvalidArgument,
            fmt::format("'{}' are several: name the allocation, {} or "
                        "{} (gpunode shares lists them)",
                        options_.container, found->allocation, one.allocation));
      }
      found = &one;
    }
    if (found == nullptr) {
      return Error(ErrorCode::kNotFound,
                   fmt::format("nothing on this node is called '{}' and held "
                               "to a share; gpunode shares lists what is",
                               options_.container));
    }
    // What is damaged has no list of devices to choose from.
    if (found->look.devices.empty() && !found->look.problem.empty()) {
      return Error(ErrorCode::kCorrupt, found->look.problem);
    }
    std::string device = options_.device;
    if (device.empty() && found->look.devices.size() == 1) {
      device = found->look.devices.front().uuid;
    }
    if (device.empty()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} has shares of {} GPUs: say which by "
                               "--device UUID",
                               options_.container, found->look.devices.size()));
    }
    TRY_VOID(files_.set_limit(found->allocation, device, *bytes));
    return fmt::format("{} of {} is now {}\n", found->allocation, device,
                       in_mib(*bytes));
  }

 private:
  std::map<std::string, diagnose::AgentStatus::Holder> names_by_allocation()
      const {
    std::map<std::string, diagnose::AgentStatus::Holder> names;
    const auto document = diagnose::ask_agent(
        host_.outside(given_path(options_.plugin_directory, options_.root) +
                      "/gpunode/agent.sock"));
    if (!document) return names;
    const auto status = diagnose::parse_agent_status(*document);
    if (!status) return names;
    for (const auto& holder : status->holders) {
      names.emplace(holder.allocation, holder);
    }
    return names;
  }

  const Options& options_;
  host::HostRoot host_;
  share::GrantFiles files_;
};

std::string json_of(const std::vector<Share>& shares) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Share& one : shares) {
    nlohmann::ordered_json devices = nlohmann::ordered_json::array();
    for (const share::DeviceHeld& held : one.look.devices) {
      nlohmann::ordered_json kinds;
      for (std::size_t kind = 0; kind < share::kMemoryKinds; ++kind) {
        if (!share::is_of_sum(static_cast<share::MemoryKind>(kind))) continue;
        kinds[share::name_of(static_cast<share::MemoryKind>(kind))] =
            held.use.held[kind];
      }
      devices.push_back({{"uuid", held.uuid},
                         {"limitBytes", held.limit},
                         {"usedBytes", held.use.total},
                         {"usedByKind", kinds},
                         {"importedBytes", held.use.imported()},
                         {"unaccountedBytes", held.unaccounted},
                         {"peakBytes", held.use.peak},
                         {"refusals", held.use.refusals}});
    }
    list.push_back({{"allocation", one.allocation},
                    {"namespace", one.space},
                    {"pod", one.pod},
                    {"container", one.container},
                    {"processes", one.look.slots.size()},
                    {"problem", one.look.problem},
                    {"unlimited", one.look.why_unlimited},
                    {"devices", devices}});
  }
  // What a container wrote is in none of these but as numbers.
  return nlohmann::ordered_json{{"version", 1}, {"shares", list}}.dump(2) +
         "\n";
}

std::string text_of(const std::vector<Share>& shares,
                    const console::Terminal& terminal) {
  console::Page page;
  if (shares.empty()) {
    page.line(0, "No container of this node is held to a share of a GPU.");
  }
  for (const Share& one : shares) {
    page.line(0,
              one.pod.empty()
                  ? one.allocation
                  : fmt::format("{}/{} {}  ({})", one.space, one.pod,
                                one.container, one.allocation),
              console::Style::kHeading);
    for (const share::DeviceHeld& held : one.look.devices) {
      // What a container says may be anything.
      const std::uint64_t used = held.use.total > kNoMore - held.unaccounted
                                     ? kNoMore
                                     : held.use.total + held.unaccounted;
      page.line(2,
                fmt::format("{}: {} of {}, at most {}; {} processes, {} "
                            "requests refused",
                            held.uuid, in_mib(used), in_mib(held.limit),
                            in_mib(held.use.peak), one.look.slots.size(),
                            held.use.refusals),
                held.use.refusals > 0 ? console::Style::kWarning
                                      : console::Style::kPlain);
      if (held.use.imported() > 0) {
        page.line(4, fmt::format("and {} that others made and pay for",
                                 in_mib(held.use.imported())));
      }
    }
    if (!one.look.why_unlimited.empty()) {
      page.line(2, "unlimited: " + one.look.why_unlimited,
                console::Style::kWarning);
    }
    if (!one.look.problem.empty()) {
      page.line(2, one.look.problem, console::Style::kBad);
    }
  }
  return page.render(terminal);
}

/// Where nothing is held to a share, there is at least a host.
Result<void> find_shares(const Options& options) {
  const host::HostRoot host(options.root);
  if (host.exists(share::GrantFiles::kRoot)) return {};
  return find_linux_host(host);
}

void run_list(const Options& options, Session& session) {
  if (const auto found = find_shares(options); !found) {
    return session.fail(found.error(), ExitCode::kUnsupportedHost);
  }
  const auto shares = SharesVerb(options).list();
  if (!shares) return session.fail(shares.error());
  const auto printed = print(
      options.as_json ? json_of(*shares)
                      : text_of(*shares, console::look_at(STDOUT_FILENO,
                                                          session.environment,
                                                          !options.is_plain)));
  if (!printed) session.fail(printed.error());
}

void run_resize(const Options& options, Session& session) {
  if (const auto found = find_shares(options); !found) {
    return session.fail(found.error(), ExitCode::kUnsupportedHost);
  }
  const auto done = SharesVerb(options).resize();
  if (!done) {
    return session.fail(done.error(),
                        done.error().code() == ErrorCode::kInvalidArgument
                            ? ExitCode::kUsage
                            : ExitCode::kError);
  }
  const auto printed = print(*done);
  if (!printed) session.fail(printed.error());
}

}  // namespace

void add_shares(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "shares", "Say what containers are held to, and change it");
  const auto options = std::make_shared<Options>();
  verb->add_option("--root", options->root, "Of the host mounted here")
      ->capture_default_str();
  verb->add_option("--plugin-directory", options->plugin_directory,
                   "Where the agent listens, in gpunode/agent.sock")
      ->capture_default_str();
  verb->add_flag("--json", options->as_json,
                 "One JSON object (docs/sharing.md)");
  add_no_color(*verb, options->is_plain);
  verb->footer(kFooter);
  CLI::App* resize =
      verb->add_subcommand("resize", "Give a running container another limit");
  resize
      ->add_option("container", options->container,
                   "Allocation id, Pod, or namespace/Pod")
      ->required();
  resize->add_option("size", options->size, "20GiB, 512MiB")->required();
  resize->add_option("--device", options->device,
                     "UUID, if it has shares of several GPUs");
  resize->footer(kResizeFooter);
  resize->callback([options, &session] { run_resize(*options, session); });
  verb->callback([options, verb, &session] {
    if (verb->get_subcommands().empty()) run_list(*options, session);
  });
}

}  // namespace gpunode::cli
