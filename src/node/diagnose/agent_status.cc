#include "node/diagnose/agent_status.h"

#include <charconv>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/text/json_reader.h"

namespace gpunode::diagnose {
namespace {

using text::JsonReader;

Result<void> read(JsonReader& reader, std::string& into) {
  TRY(into, reader.string());
  return {};
}

Result<void> read(JsonReader& reader, std::uint64_t& into) {
  TRY(into, reader.whole_number());
  return {};
}

Result<void> read(JsonReader& reader, bool& into) {
  const std::size_t start = reader.position();
  TRY(const text::JsonKind kind, reader.kind());
  if (kind != text::JsonKind::kBool) {
    return reader.fault(start, "true or false was expected");
  }
  // "true" is shorter than "false".
  const std::size_t begin = reader.position();
  TRY(const text::JsonSpan span, reader.skip());
  into = span.end - begin == 4;
  return {};
}

/// A number that JSON can write.
Result<void> read(JsonReader& reader, double& into) {
  const std::size_t start = reader.position();
  TRY(const text::JsonKind kind, reader.kind());
  if (kind != text::JsonKind::kNumber) {
    return reader.fault(start, "a number was expected");
  }
  TRY(const text::JsonSpan span, reader.skip());
  const std::string_view digits = span.of(reader.text());
  // What no double can hold is left as it was.
  std::from_chars(digits.data(), digits.data() + digits.size(), into);
  return {};
}

using Known = std::optional<Result<void>>;

/// Calls `use` with each key; it reads the value, or answers nothing for a key
/// it does not know.
Result<void> members(JsonReader& reader,
                     const std::function<Known(const std::string&)>& use) {
  TRY_VOID(reader.enter_object());
  for (;;) {
    TRY(const std::optional<std::string> key, reader.next_key());
    if (!key) return {};
    const Known known = use(*key);
    if (!known) {
      TRY(const text::JsonSpan unknown, reader.skip());
      static_cast<void>(unknown);
    } else if (!*known) {
      return known->error();
    }
  }
}

// What is in an array below is read by a function of its own.
Result<void> read(JsonReader& reader, AgentStatus::Mig& mig);
Result<void> read(JsonReader& reader, AgentStatus::Gpu& gpu);
Result<void> read(JsonReader& reader, AgentStatus::Unhealthy& one);
Result<void> read(JsonReader& reader, AgentStatus::Resource& one);
Result<void> read(JsonReader& reader, AgentStatus::LeftOut& one);
Result<void> read(JsonReader& reader, AgentStatus::Device& one);
Result<void> read(JsonReader& reader, AgentStatus::Compute& one);
Result<void> read(JsonReader& reader, AgentStatus::Holder& one);

template <class Item>
Result<void> read(JsonReader& reader, std::vector<Item>& into) {
  TRY_VOID(reader.enter_array());
  for (;;) {
    TRY(const bool has_item, reader.next_item());
    if (!has_item) return {};
    TRY_VOID(read(reader, into.emplace_back()));
  }
}

Result<void> read(JsonReader& reader, AgentStatus::Mig& mig) {
  return members(reader, [&](const std::string& key) -> Known {
    if (key == "uuid") return read(reader, mig.uuid);
    if (key == "index") return read(reader, mig.index);
    if (key == "profile") return read(reader, mig.profile);
    if (key == "memoryBytes") return read(reader, mig.memory_bytes);
    return std::nullopt;
  });
}

Result<void> read(JsonReader& reader, AgentStatus::Gpu& gpu) {
  return members(reader, [&](const std::string& key) -> Known {
    if (key == "uuid") return read(reader, gpu.uuid);
    if (key == "index") return read(reader, gpu.index);
    if (key == "name") return read(reader, gpu.name);
    if (key == "memoryBytes") return read(reader, gpu.memory_bytes);
    if (key == "migEnabled") return read(reader, gpu.mig_enabled);
    if (key == "mig") return read(reader, gpu.mig);
    return std::nullopt;
  });
}

Result<void> read(JsonReader& reader, AgentStatus::Unhealthy& one) {
  return members(reader, [&](const std::string& key) -> Known {
    if (key == "uuid") return read(reader, one.uuid);
    if (key == "reason") return read(reader, one.reason);
    if (key == "seconds") return read(reader, one.seconds);
    return std::nullopt;
  });
}

Result<void> read(JsonReader& reader, AgentStatus::Device& one) {
  return members(reader, [&](const std::string& key) -> Known {
    if (key == "uuid") return read(reader, one.uuid);
    if (key == "gpu") return read(reader, one.gpu);
    if (key == "replicas") return read(reader, one.replicas);
    if (key == "held") return read(reader, one.held);
    if (key == "free") return read(reader, one.free);
    return std::nullopt;
  });
}

Known read_life(const std::string& key, JsonReader& reader,
                AgentStatus::Compute& one) {
  if (key == "observedSeconds") return read(reader, one.observed_seconds);
  if (key == "meanPart") return read(reader, one.mean_part);
  if (key == "peakPart") return read(reader, one.peak_part);
  return std::nullopt;
}

Result<void> read(JsonReader& reader, AgentStatus::Compute& one) {
  return members(reader, [&](const std::string& key) -> Known {
    if (key == "device") return read(reader, one.device);
    if (key == "part") return read(reader, one.part);
    if (key == "policy") return read(reader, one.policy);
    if (key == "gpuSeconds") return read(reader, one.gpu_seconds);
    if (key == "throttledSeconds") return read(reader, one.throttled_seconds);
    if (key == "turns") return read(reader, one.turns);
    if (key == "launches") return read(reader, one.launches);
    if (key == "persistent") return read(reader, one.is_persistent);
    return read_life(key, reader, one);
  });
}

Result<void> read(JsonReader& reader, AgentStatus::Holder& one) {
  return members(reader, [&](const std::string& key) -> Known {
    if (key == "namespace") return read(reader, one.pod_namespace);
    if (key == "pod") return read(reader, one.pod);
    if (key == "uid") return read(reader, one.uid);
    if (key == "container") return read(reader, one.container);
    if (key == "allocation") return read(reader, one.allocation);
    if (key == "resource") return read(reader, one.resource);
    if (key == "ids") return read(reader, one.ids);
    if (key == "compute") return read(reader, one.compute);
    return std::nullopt;
  });
}

Result<void> read(JsonReader& reader, AgentStatus::Resource& one) {
  return members(reader, [&](const std::string& key) -> Known {
    if (key == "name") return read(reader, one.name);
    if (key == "registered") return read(reader, one.is_registered);
    if (key == "sharing") return read(reader, one.sharing);
    if (key == "capacity") return read(reader, one.capacity);
    if (key == "allocatable") return read(reader, one.allocatable);
    if (key == "held") return read(reader, one.held);
    if (key == "free") return read(reader, one.free.emplace());
    if (key == "devices") return read(reader, one.devices);
    return std::nullopt;
  });
}

Result<void> read(JsonReader& reader, AgentStatus::LeftOut& one) {
  return members(reader, [&](const std::string& key) -> Known {
    if (key == "resource") return read(reader, one.resource);
    if (key == "reason") return read(reader, one.reason);
    return std::nullopt;
  });
}

Result<void> read_driver(JsonReader& reader, AgentStatus& status) {
  return members(reader, [&](const std::string& key) -> Known {
    if (key == "version") return read(reader, status.driver_version);
    if (key == "answers") return read(reader, status.driver_answers);
    return std::nullopt;
  });
}

Result<void> read_config(JsonReader& reader, AgentStatus& status) {
  return members(reader, [&](const std::string& key) -> Known {
    if (key == "origin") return read(reader, status.config_origin);
    if (key == "file") return read(reader, status.config_file);
    if (key == "name") return read(reader, status.config_name);
    if (key == "migStrategy") return read(reader, status.mig_strategy);
    if (key == "warnings") return read(reader, status.config_warnings);
    if (key == "reloadProblem") return read(reader, status.reload_problem);
    return std::nullopt;
  });
}

Result<void> read_labels(JsonReader& reader, AgentStatus& status) {
  return members(reader, [&](const std::string& key) -> Known {
    if (key == "problem") return read(reader, status.label_problem);
    return std::nullopt;
  });
}

Result<void> read_holders(JsonReader& reader, AgentStatus& status) {
  return members(reader, [&](const std::string& key) -> Known {
    if (key == "source") return read(reader, status.holder_source);
    if (key == "problem") return read(reader, status.holder_problem);
    if (key == "items") return read(reader, status.holders);
    return std::nullopt;
  });
}

}  // namespace

Result<AgentStatus> parse_agent_status(std::string_view document) {
  JsonReader reader(document, "the agent's status");
  AgentStatus status;
  std::uint64_t version = 0;
  TRY_VOID(members(reader, [&](const std::string& key) -> Known {
    if (key == "version") return read(reader, version);
    if (key == "driver") return read_driver(reader, status);
    if (key == "config") return read_config(reader, status);
    if (key == "labels") return read_labels(reader, status);
    if (key == "gpus") return read(reader, status.gpus);
    if (key == "unhealthy") return read(reader, status.unhealthy);
    if (key == "resources") return read(reader, status.resources);
    if (key == "holders") return read_holders(reader, status);
    if (key == "leftOut") return read(reader, status.left_out);
    if (key == "notReady") return read(reader, status.not_ready);
    return std::nullopt;
  }));
  TRY_VOID(reader.finish());
  if (version != 1) {
    return Error(ErrorCode::kUnsupported,
                 "the agent's status is of version " + std::to_string(version) +
                     ", this gpunode reads version 1; use the gpunode of the "
                     "agent's release");
  }
  return status;
}

}  // namespace gpunode::diagnose
