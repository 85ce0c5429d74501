#include "apps/gpunode/commands/cdi_refresh.h"

#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "base/host/host_file.h"
#include "base/host/host_root.h"
#include "container/cdi/inventory_cache.h"
#include "container/cdi/spec_reader.h"
#include "container/cdi/tokens.h"

namespace gpunode::cli {
namespace {

using Names = std::set<std::string>;

Names names_of(const cdi::Spec& spec) {
  Names names;
  for (const cdi::Device& device : spec.devices) {
    names.insert(spec.kind + "=" + device.name);
  }
  return names;
}

/// The spec that is there now, if it can be read.
std::optional<cdi::Spec> read_old(const host::HostRoot& host,
                                  const std::string& path) {
  const auto text = host.read_file(path, cdi::kSpecBytes);
  if (!text) return std::nullopt;
  auto spec = cdi::read_spec(*text, host.outside(path));
  if (!spec) {
    warn(fmt::format("replacing a spec that is not valid: {}",
                     spec.error().message()));
    return std::nullopt;
  }
  return *std::move(spec);
}

std::string describe_change(const Names& before, const Names& after) {
  std::string lines;
  for (const std::string& name : before) {
    if (!after.contains(name)) lines += fmt::format("- {}\n", name);
  }
  for (const std::string& name : after) {
    if (!before.contains(name)) lines += fmt::format("+ {}\n", name);
  }
  return lines;
}

/// The driver is gone: so is what it offered.
Result<void> withdraw(const std::optional<cdi::Spec>& old,
                      const std::string& kind, const host::HostRoot& host,
                      const std::string& spec_path,
                      const std::string& cache_path, const Error& why) {
  TRY_VOID(host::remove_host_file(host::HostRoot(), cache_path));
  if (!old) {
    inform(fmt::format("nothing to offer: {}", why.message()));
    return {};
  }
  if (old->kind != kind) {
    inform(fmt::format("nothing to offer: {}; {} is of {} and stays",
                       why.message(), host.outside(spec_path), old->kind));
    return {};
  }
  TRY_VOID(host::remove_host_file(host, spec_path));
  inform(fmt::format("removed {}: {}", host.outside(spec_path), why.message()));
  return print(describe_change(names_of(*old), {}));
}

}  // namespace

Result<void> run_refresh(const GenerateRequest& request,
                         const std::string& cache_path,
                         host::CommandRunner& runner) {
  if (request.output == "-") {
    return Error(ErrorCode::kInvalidArgument,
                 "refresh keeps a file: to see a spec, use gpunode cdi "
                 "generate");
  }
  // A spec of the host's own place is the host's; one that is named is ours.
  const host::HostRoot host(request.output.empty() ? request.root : "/");
  const std::string wanted = request.output.empty()
                                 ? std::string(kRefreshedSpec)
                                 : std::filesystem::absolute(request.output)
                                       .lexically_normal()
                                       .string();
  TRY(const OutputForm form, output_form(wanted, request.format));
  TRY(const GeneratePlan plan, plan_generate(request));
  for (const std::string& warning : plan.warnings) warn(warning);
  const std::optional<cdi::Spec> old = read_old(host, form.path);
  const timespec begun = cdi::look_begins();
  const auto found = discover(plan, runner);
  const auto spec = found ? cdi::generate(*found, plan.options)
                          : Result<cdi::Spec>(Error(found.error()));
  if (!spec) {
    if (spec.error().code() != ErrorCode::kNotFound) return Error(spec.error());
    const std::string klass =
        plan.options.klass.empty()
            ? std::string(cdi::default_class(plan.options.mode))
            : plan.options.klass;
    return withdraw(old, plan.options.vendor + "/" + klass, host, form.path,
                    cache_path, spec.error());
  }
  for (const std::string& problem : problems_of(*found)) warn(problem);
  TRY_VOID(cdi::store_findings(cache_path, plan.source, *found, begun));
  if (old && *old == *spec) {
    inform(fmt::format("{} is up to date", host.outside(form.path)));
    return {};
  }
  // Not on /run only: --output may name any place, and so may the host's links.
  TRY_VOID(host::replace_host_file(
      host, form.path, spec_text(*spec, form.is_json),
      {.mode = 0644, .durability = host::Durability::kDurable}));
  inform(fmt::format("wrote {} for driver {}", host.outside(form.path),
                     found->driver.version));
  return print(
      describe_change(old ? names_of(*old) : Names(), names_of(*spec)));
}

}  // namespace gpunode::cli
