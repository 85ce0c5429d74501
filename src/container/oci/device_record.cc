#include "container/oci/device_record.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/text/json_reader.h"

namespace gpunode::oci {
namespace {

using text::JsonKind;
using text::JsonReader;

/// Calls `use` with each key, whose value it reads or says that it did not.
Result<void> members(
    JsonReader& reader,
    const std::function<Result<bool>(const std::string&)>& use) {
  TRY(const JsonKind kind, reader.kind());
  if (kind == JsonKind::kNull) {
    TRY_VOID(reader.skip());
    return {};
  }
  TRY_VOID(reader.enter_object());
  for (;;) {
    TRY(const auto key, reader.next_key());
    if (!key) return {};
    TRY(const bool is_read, use(*key));
    if (!is_read) TRY_VOID(reader.skip());
  }
}

Result<void> items(JsonReader& reader,
                   const std::function<Result<void>()>& use) {
  TRY(const JsonKind kind, reader.kind());
  if (kind == JsonKind::kNull) {
    TRY_VOID(reader.skip());
    return {};
  }
  TRY_VOID(reader.enter_array());
  for (;;) {
    TRY(const bool has_item, reader.next_item());
    if (!has_item) return {};
    TRY_VOID(use());
  }
}

Result<void> read_ids(JsonReader& reader, std::vector<std::string>& into) {
  return items(reader, [&]() -> Result<void> {
    TRY(into.emplace_back(), reader.string());
    return {};
  });
}

/// {"0": [ids]} by NUMA node, or [ids] before 1.20.
Result<void> read_devices(JsonReader& reader, std::vector<std::string>& into) {
  TRY(const JsonKind kind, reader.kind());
  if (kind == JsonKind::kArray) return read_ids(reader, into);
  return members(reader, [&](const std::string&) -> Result<bool> {
    TRY_VOID(read_ids(reader, into));
    return true;
  });
}

Result<void> read_entry(JsonReader& reader, DeviceRecord& record) {
  DeviceRecord::Holding one;
  const auto read_member = [&](const std::string& key) -> Result<bool> {
    if (key == "PodUID") {
      TRY(one.pod_uid, reader.string());
    } else if (key == "ContainerName") {
      TRY(one.container, reader.string());
    } else if (key == "ResourceName") {
      TRY(one.resource, reader.string());
    } else if (key == "DeviceIDs") {
      TRY_VOID(read_devices(reader, one.ids));
    } else {
      return false;
    }
    return true;
  };
  TRY_VOID(members(reader, read_member));
  std::sort(one.ids.begin(), one.ids.end());
  if (!one.ids.empty()) record.holdings.push_back(std::move(one));
  return {};
}

Result<void> read_registered(JsonReader& reader, DeviceRecord& record) {
  return members(reader, [&](const std::string& key) -> Result<bool> {
    DeviceRecord::Resource one{key, {}};
    TRY_VOID(read_ids(reader, one.ids));
    std::sort(one.ids.begin(), one.ids.end());
    record.resources.push_back(std::move(one));
    return true;
  });
}

}  // namespace

Result<DeviceRecord> read_device_record(std::string_view record,
                                        std::string_view file_name) {
  JsonReader reader(record, file_name);
  DeviceRecord read;
  bool has_entries = false;
  const auto read_one = [&] { return read_entry(reader, read); };
  const auto read_data = [&](const std::string& key) -> Result<bool> {
    if (key == "PodDeviceEntries") {
      has_entries = true;
      TRY_VOID(items(reader, read_one));
    } else if (key == "RegisteredDevices") {
      TRY_VOID(read_registered(reader, read));
    } else {
      return false;
    }
    return true;
  };
  const auto read_member = [&](const std::string& key) -> Result<bool> {
    if (key != "Data") return false;
    TRY_VOID(members(reader, read_data));
    return true;
  };
  TRY_VOID(members(reader, read_member));
  TRY_VOID(reader.finish());
  if (!has_entries) {
    return Error(ErrorCode::kCorrupt,
                 std::string(file_name) +
                     ": not the device manager's record as this gpunode knows "
                     "it; a newer one may");
  }
  std::sort(read.resources.begin(), read.resources.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return read;
}

}  // namespace gpunode::oci
