// gpunode shares: what containers are held to, and changing it while they run.

#include <unistd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/given_path.h"
#include "apps/gpunode/commands/linux_host.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/commands/share_amount.h"
#include "apps/gpunode/commands/share_page.h"
#include "apps/gpunode/session.h"
#include "base/console/terminal.h"
#include "base/host/host_root.h"
#include "node/diagnose/agent_status.h"
#include "share/grants/grant_files.h"

namespace gpunode::cli {
namespace {

constexpr const char* kFooter = R"(
Lists the containers of this node that are held to a share of a GPU: limit,
what they hold, the most they have held, and how often they were refused; and
where GPUs' time is shared out, their part of it, what they used and how long
they waited for turns, since they have it. Names and times are the agent's to
know; without it, allocations and parts are listed. "unlimited"
is a container that no limit can hold, let run by onUnsupported: unlimited.

resize gives a container another limit while it runs: it counts from its next
allocation on, and what is held above it stays until it is freed; --compute
gives it another part of the GPU's time, from its next turn on, and --priority
says who goes first of those who want the GPU. CONTAINER is an allocation id of
the list, or a Pod's name, or namespace/name, if it has one such container. It
holds until the Pod ends or the node reboots; a share that is always larger is a
Pod's that asks for more, and a priority a Pod's of another PriorityClass
(sharing.shares.priority: pod).

Examples:
  gpunode shares
  gpunode shares --json
  gpunode shares resize training-0 24GiB
  gpunode shares resize training-0 --compute 25
  gpunode shares resize inference-0 --priority 1000
  kubectl exec AGENT-POD -c gpunode-agent -- gpunode shares

Exit code 0: it is told or done; 1: there is no such container, or its files
cannot be written (be root); 8: there is no Linux host at that root; 64: the
command line is wrong.)";

constexpr const char* kResizeFooter = R"(
SIZE is whole MiB or GiB. What is held above it stays until it is freed.
PERCENT is 1 to 100, with one decimal at most; the policy (fair, burst, hard)
stays. N is a whole number, negative ones too: of those who want the GPU the one
with the highest goes first, within a second from now; it counts in place of
the Pod's priority until --priority pod. One of the three has to be said. A
container that takes no turns (sharing.shares.compute: none) has neither part
nor priority.

Examples:
  gpunode shares resize training-0 24GiB
  gpunode shares resize team/training-0 24GiB --device GPU-UUID
  gpunode shares resize training-0 --compute 12.5
  gpunode shares resize inference-0 --priority 1000

Exit codes as those of `gpunode shares`.)";

struct Options {
  std::string root = "/";
  std::string plugin_directory = "/var/lib/kubelet/device-plugins";
  bool as_json = false;
  bool is_plain = false;
  std::string container;
  std::string size;     ///< Empty: it stays.
  std::string percent;  ///< Of the GPU's time, likewise.
  std::string priority;
  std::string device;
};

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
        one.compute = known->second.compute;
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
    TRY(const Wish wish, wish_of(options_));
    TRY(const std::vector<Share> shares, list());
    TRY(const Share* const found, find(shares));
    TRY(const share::DeviceHeld* const held, device_of(*found));
    const bool is_of_turns = wish.thousandths || wish.priority;
    if (is_of_turns && held->time.thousandths == 0) {
      return Error(
          ErrorCode::kUnsupported,
          fmt::format("{} takes no turns on {}: it is held to memory alone, as "
                      "with sharing.shares.compute: none or with timeSlicing; "
                      "nothing was changed. Under fair, burst or hard it gets "
                      "a part from the agent, which can be changed then "
                      "(docs/sharing.md), and takes turns by its priority",
                      options_.container, held->uuid));
    }
    std::string told;
    if (wish.bytes) {
      TRY_VOID(files_.set_limit(found->allocation, held->uuid, *wish.bytes));
      told += fmt::format("{} of {} is now {} MiB\n", found->allocation,
                          held->uuid, *wish.bytes >> 20U);
    }
    if (wish.thousandths) {
      TRY_VOID(files_.set_time(found->allocation, held->uuid,
                               {*wish.thousandths, held->time.policy}));
      told += fmt::format("{} of {} now has {} of its time ({})\n",
                          found->allocation, held->uuid,
                          percent_text(*wish.thousandths),
                          share::name_of(held->time.policy));
      told += too_much(shares, *found, held->uuid, *wish.thousandths);
    }
    if (wish.priority) {
      TRY_VOID(
          files_.set_priority(found->allocation, held->uuid, *wish.priority));
      told += fmt::format("{} of {} now has {}\n", found->allocation,
                          held->uuid, priority_words(*wish.priority));
    }
    return told;
  }

 private:
  struct Wish {
    std::optional<std::uint64_t> bytes;
    std::optional<std::uint32_t> thousandths;
    std::optional<share::TurnPriority> priority;
  };

  static std::string priority_words(share::TurnPriority priority) {
    if (priority.source == share::PrioritySource::kHand) {
      return fmt::format("priority {}", priority.value);
    }
    return "its Pod's priority where sharing.shares.priority is pod, else 0";
  }

  /// All of it is read before anything is changed.
  static Result<Wish> wish_of(const Options& options) {
    Wish wish;
    if (options.size.empty() && options.percent.empty() &&
        options.priority.empty()) {
      return Error(ErrorCode::kInvalidArgument,
                   "nothing to change: say a SIZE, --compute PERCENT or "
                   "--priority N, or several of them");
    }
    if (!options.size.empty()) {
      wish.bytes = parse_size(options.size);
      if (!wish.bytes) {
        return Error(ErrorCode::kInvalidArgument,
                     fmt::format("'{}' is no size: write 20GiB or 512MiB",
                                 options.size));
      }
    }
    if (!options.percent.empty()) {
      wish.thousandths = parse_percent(options.percent);
      if (!wish.thousandths) {
        return Error(
            ErrorCode::kInvalidArgument,
            fmt::format("'{}' is no part of a GPU's time: write 1 to 100, "
                        "whole or with one decimal, as 25 or 12.5",
                        options.percent));
      }
    }
    if (!options.priority.empty()) {
      wish.priority = parse_priority(options.priority);
      if (!wish.priority) {
        return Error(
            ErrorCode::kInvalidArgument,
            fmt::format("'{}' is no priority: write a whole number from "
                        "-2147483648 to 2147483647, or pod",
                        options.priority));
      }
    }
    return wish;
  }

  Result<const Share*> find(const std::vector<Share>& shares) const {
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
    return found;
  }

  Result<const share::DeviceHeld*> device_of(const Share& found) const {
    const std::vector<share::DeviceHeld>& devices = found.look.devices;
    // What is damaged has no list of devices to choose from.
    if (devices.empty() && !found.look.problem.empty()) {
      return Error(ErrorCode::kCorrupt, found.look.problem);
    }
    if (options_.device.empty() && devices.size() == 1) {
      return &devices.front();
    }
    if (options_.device.empty()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} has shares of {} GPUs: say which by "
                               "--device UUID",
                               options_.container, devices.size()));
    }
    for (const share::DeviceHeld& one : devices) {
      if (one.uuid == options_.device) return &one;
    }
    return Error(ErrorCode::kNotFound,
                 fmt::format("{} has no share of {}; gpunode shares tells of "
                             "which GPUs it has",
                             options_.container, options_.device));
  }

  /// Words where parts of a Device come to more than it, now that `changed`
  /// has another.
  static std::string too_much(const std::vector<Share>& shares,
                              const Share& changed, const std::string& uuid,
                              std::uint32_t thousandths) {
    constexpr std::uint64_t kWhole = 1000;
    std::uint64_t sum = thousandths;
    for (const Share& one : shares) {
      for (const share::DeviceHeld& held : one.look.devices) {
        if (held.uuid != uuid || &one == &changed) continue;
        sum += held.time.thousandths;
      }
    }
    if (sum <= kWhole) return {};
    return fmt::format(
        "The parts of {} come to {}: when all want it, each "
        "gets less than its part\n",
        uuid, percent_text(sum));
  }

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
  const auto printed =
      print(options.as_json
                ? json_of(*shares)
                : page_of(*shares).render(console::look_at(
                      STDOUT_FILENO, session.environment, !options.is_plain)));
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
  resize->add_option("size", options->size, "Of memory: 20GiB, 512MiB");
  resize
      ->add_option("--compute", options->percent,
                   "Part of the GPU's time, 1 to 100")
      ->type_name("PERCENT");
  resize
      ->add_option("--priority", options->priority,
                   "Who goes first: the highest; pod: as its Pod's is")
      ->type_name("N");
  resize->add_option("--device", options->device,
                     "UUID, if it has shares of several GPUs");
  resize->footer(kResizeFooter);
  resize->callback([options, &session] { run_resize(*options, session); });
  verb->callback([options, verb, &session] {
    if (verb->get_subcommands().empty()) run_list(*options, session);
  });
}

}  // namespace gpunode::cli
