#include "container/oci/kubelet_record.h"

#include <cstdint>
#include <optional>

#include "base/text/base64.h"
#include "base/text/json_reader.h"

namespace gpunode::oci {
namespace {

using text::JsonReader;

Error not_a_response() {
  return {ErrorCode::kCorrupt,
          "the kubelet's record: not a ContainerAllocateResponse"};
}

/// The fields of one protobuf message.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  struct Field {
    std::uint64_t number = 0;
    std::string_view bytes;  ///< Of a length-delimited one, else empty.
  };

  /// Nothing at the end.
  Result<std::optional<Field>> next() {
    if (bytes_.empty()) return std::optional<Field>();
    TRY(const std::uint64_t tag, varint());
    Field field;
    field.number = tag >> 3U;
    std::size_t size = 0;
    switch (tag & 7U) {
      case 0:
        TRY_VOID(varint());
        return std::optional(field);
      case 1:
        size = 8;
        break;
      case 2: {
        TRY(size, varint());
        if (size > bytes_.size()) return not_a_response();
        field.bytes = bytes_.substr(0, size);
        break;
      }
      case 5:
        size = 4;
        break;
      default:
        return not_a_response();
    }
    if (size > bytes_.size()) return not_a_response();
    bytes_.remove_prefix(size);
    return std::optional(field);
  }

 private:
  Result<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80U) == 0) return value;
    }
    return not_a_response();
  }

  std::string_view bytes_;
};

/// Field 1 and 2 of a message, as strings: a map's entry, a mount, a name.
Result<std::pair<std::string, std::string>> read_pair(std::string_view bytes) {
  std::pair<std::string, std::string> pair;
  WireReader reader(bytes);
  for (;;) {
    TRY(const auto field, reader.next());
    if (!field) return pair;
    if (field->number == 1) pair.first = field->bytes;
    if (field->number == 2) pair.second = field->bytes;
  }
}

/// Goes into the member `name` of an object; calls `use` with its value to
/// read. Other members are passed.
template <class Use>
Result<void> with_members(JsonReader& reader, Use use) {
  TRY_VOID(reader.enter_object());
  for (;;) {
    TRY(const auto key, reader.next_key());
    if (!key) return {};
    TRY(const bool is_read, use(*key));
    if (!is_read) TRY_VOID(reader.skip());
  }
}

class RecordReader {
 public:
  RecordReader(std::string_view record, std::string_view file_name,
               std::string_view pod_uid, std::string_view container_name)
      : reader_(record, file_name),
        file_name_(file_name),
        pod_uid_(pod_uid),
        container_name_(container_name) {}

  Result<Grant> read() {
    const auto read_member = [&](const std::string& key) -> Result<bool> {
      if (key != "Data") return false;
      TRY_VOID(read_data());
      return true;
    };
    TRY_VOID(with_members(reader_, read_member));
    TRY_VOID(reader_.finish());
    if (!has_entries_) return unknown_form();
    return std::move(grant_);
  }

 private:
  Result<void> read_data() {
    return with_members(reader_, [&](const std::string& key) -> Result<bool> {
      if (key != "PodDeviceEntries") return false;
      has_entries_ = true;
      TRY(const text::JsonKind kind, reader_.kind());
      if (kind == text::JsonKind::kNull) return false;
      TRY_VOID(reader_.enter_array());
      for (;;) {
        TRY(const bool has_item, reader_.next_item());
        if (!has_item) return true;
        TRY_VOID(read_entry());
      }
    });
  }

  Result<void> read_entry() {
    std::string uid;
    std::string container;
    std::optional<std::string> response;
    const auto read_member = [&](const std::string& key) -> Result<bool> {
      if (key == "PodUID") {
        TRY(uid, reader_.string());
      } else if (key == "ContainerName") {
        TRY(container, reader_.string());
      } else if (key == "AllocResp") {
        TRY(const text::JsonKind kind, reader_.kind());
        if (kind == text::JsonKind::kNull) return false;
        TRY(response, reader_.string());
      } else {
        return false;
      }
      return true;
    };
    TRY_VOID(with_members(reader_, read_member));
    if (uid != pod_uid_ || container != container_name_) return {};
    if (!response) return unknown_form();
    const auto bytes = text::decode_base64(*response);
    if (!bytes) return not_a_response();
    return add_allocate_response(*bytes, grant_);
  }

  /// A form of another kubelet must not read as a grant of nothing.
  Error unknown_form() const {
    return {ErrorCode::kCorrupt,
            std::string(file_name_) +
                ": not the device manager's record as kubelets from 1.20 on "
                "write it; a newer gpunode may know this one's"};
  }

  JsonReader reader_;
  std::string_view file_name_;
  bool has_entries_ = false;
  std::string_view pod_uid_;
  std::string_view container_name_;
  Grant grant_;
};

}  // namespace

Result<void> add_allocate_response(std::string_view bytes, Grant& grant) {
  grant.is_empty = false;
  WireReader reader(bytes);
  for (;;) {
    TRY(const auto field, reader.next());
    if (!field) return {};
    if (field->number == 0 || field->number > 5) continue;
    TRY(auto pair, read_pair(field->bytes));
    switch (field->number) {
      case 1:
        grant.envs.push_back(std::move(pair));
        break;
      case 2:
        grant.mount_paths.push_back(std::move(pair.first));
        break;
      case 4:
        grant.annotations.push_back(std::move(pair));
        break;
      case 5:
        grant.cdi_devices.push_back(std::move(pair.first));
        break;
      default:
        break;
    }
  }
}

Result<Grant> find_grant(std::string_view record, std::string_view file_name,
                         std::string_view pod_uid,
                         std::string_view container_name) {
  return RecordReader(record, file_name, pod_uid, container_name).read();
}

}  // namespace gpunode::oci
