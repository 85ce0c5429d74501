// Values as bytes and back, for caches on tmpfs: written and read by the same
// program, so there is no format to be kept. One list of fields serves both
// directions.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace gpunode::cdi {

/// Appends values to bytes.
class Packer {
 public:
  template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void value(const T& number) {
    std::array<char, sizeof(T)> raw{};
    std::memcpy(raw.data(), &number, sizeof number);
    bytes_.append(raw.data(), raw.size());
  }
  void value(const std::string& text) {
    value(static_cast<std::uint32_t>(text.size()));
    bytes_ += text;
  }
  template <class T, class Each>
  void list(const std::vector<T>& items, Each each) {
    value(static_cast<std::uint32_t>(items.size()));
    for (const T& item : items) each(*this, item);
  }

  std::string bytes() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Takes values off bytes. After the first that is not there every further one
/// is a zero or empty, and ok() is false.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void value(T& number) {
    number = T{};
    if (!has(sizeof number)) return;
    if constexpr (std::is_same_v<T, bool>) {
      number = rest_.front() != 0;
    } else {
      std::memcpy(&number, rest_.data(), sizeof number);
    }
    rest_.remove_prefix(sizeof number);
  }
  void value(std::string& text) {
    std::uint32_t size = 0;
    value(size);
    text.clear();
    if (!has(size)) return;
    text = rest_.substr(0, size);
    rest_.remove_prefix(size);
  }
  template <class T, class Each>
  void list(std::vector<T>& items, Each each) {
    std::uint32_t size = 0;
    value(size);
    items.clear();
    // Each takes a byte at least: no length makes us reserve what is not there.
    for (std::uint32_t i = 0; i < size && ok_ && !rest_.empty(); ++i) {
      each(*this, items.emplace_back());
    }
    if (items.size() != size) ok_ = false;
  }

  bool ok() const { return ok_; }
  bool is_done() const { return ok_ && rest_.empty(); }

 private:
  bool has(std::size_t size) {
    if (ok_ && rest_.size() >= size) return true;
    ok_ = false;
    return false;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace gpunode::cdi
