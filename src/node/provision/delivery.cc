#include "node/provision/delivery.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/core/ascii.h"
#include "base/text/base64.h"
#include "base/text/node.h"

namespace gpunode::provision {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSpecPath = "/etc/gpunode/node.yaml";
constexpr const char* kFetched = "/usr/local/bin/gpunode";
constexpr const char* kInImage = "/usr/bin/gpunode";
constexpr const char* kDigestPath = "/etc/gpunode/program.sha256";
/// Where it lies until it is proved.
constexpr const char* kRaw = "/etc/gpunode/program";

bool is_fetched(const Delivery& delivery) {
  return !delivery.program_url.empty();
}

/// A URL goes into a unit, into YAML and JSON: no character that any of them
/// would take for its own.
bool is_plain_url(std::string_view url) {
  return std::ranges::all_of(url, [](char c) {
    return is_alphanumeric(c) ||
           std::string_view("-._~:/?&=+,@").find(c) != std::string_view::npos;
  });
}

/// As `sha256sum --check` reads it.
std::string digest_line(const Delivery& delivery) {
  return fmt::format("{}  {}\n", delivery.program_sha256, kRaw);
}

std::string yaml_text(std::string_view text) {
  return text::json_string(text);
}

}  // namespace

Result<void> check_delivery(const Delivery& delivery) {
  constexpr std::size_t kDigits = 64;
  const auto refuse = [](std::string words) {
    return Error(ErrorCode::kInvalidArgument, std::move(words));
  };
  if (is_fetched(delivery) && delivery.needs_runtime) {
    return refuse(
        "the file has `runtime`, which installs gpunode-runtime from beside "
        "gpunode, and a URL brings gpunode alone; next: have the package in "
        "the machines' image, or `runtime: {gpu: {mode: cdi}}`");
  }
  if (!is_fetched(delivery)) {
    if (delivery.program_sha256.empty()) return {};
    return refuse("a digest of no program; next: name its URL, too");
  }
  if (!delivery.program_url.starts_with("https://")) {
    return refuse(fmt::format(
        "{} is not https, and what machines run as root must come from where "
        "they think; next: serve it with a certificate",
        delivery.program_url));
  }
  if (!is_plain_url(delivery.program_url)) {
    return refuse(fmt::format(
        "{} has characters that a unit or YAML would take for its own; next: "
        "a plain address",
        delivery.program_url));
  }
  const bool is_digest =
      delivery.program_sha256.size() == kDigits &&
      std::ranges::all_of(delivery.program_sha256, [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'f');
      });
  if (!is_digest) {
    return refuse(
        "the program's digest must be 64 lower-case hex digits; next: "
        "sha256sum gpunode");
  }
  return {};
}

std::string first_boot_unit(const Delivery& delivery) {
  std::string fetch;
  std::string program =
      delivery.program_path.empty() ? kInImage : delivery.program_path;
  if (is_fetched(delivery)) {
    program = kFetched;
    fetch = fmt::format(
        "ExecStartPre=/usr/bin/curl --proto =https --proto-redir =https --fail "
        "--silent --show-error --location --retry 10 --retry-connrefused "
        "--max-time 600 --output {} -- {}\n"
        "ExecStartPre=/usr/bin/sha256sum --check --strict {}\n"
        "ExecStartPre=/usr/bin/install --mode=0755 {} {}\n",
        kRaw, delivery.program_url, kDigestPath, kRaw, kFetched);
  }
  return fmt::format(
      "[Unit]\n"
      "Description=Make this machine a GPU node\n"
      "Wants=network-online.target\n"
      "# A run that rebooted goes on first; what is left is nothing.\n"
      "After=network-online.target gpunode-resume.service\n"
      "ConditionPathExists=!{}\n"
      "\n"
      "[Service]\n"
      "Type=oneshot\n"
      "RemainAfterExit=yes\n"
      "TimeoutStartSec=infinity\n"
      "{}"
      "ExecStart={} apply --yes --file {}\n"
      "ExecStartPost=/usr/bin/install -D --mode=0644 /dev/null {}\n"
      "\n"
      "[Install]\n"
      "WantedBy=multi-user.target\n",
      kFirstBootStamp, fetch, program, kSpecPath, kFirstBootStamp);
}

std::string cloud_config(const Delivery& delivery) {
  const auto file = [](std::string_view path, std::string_view mode,
                       std::string_view content) {
    return fmt::format(
        "  - path: {}\n    owner: \"root:root\"\n    permissions: \"{}\"\n"
        "    encoding: b64\n    content: {}\n",
        path, mode, text::encode_base64(content));
  };
  std::string text = "#cloud-config\nwrite_files:\n";
  text += file(kSpecPath, "0600", delivery.spec);
  text += file(kFirstUnitPath, "0644", first_boot_unit(delivery));
  if (is_fetched(delivery)) {
    text += file(kDigestPath, "0644", digest_line(delivery));
  }
  text += fmt::format(
      "runcmd:\n"
      "  - [systemctl, daemon-reload]\n"
      "  # cloud-init does not wait for it: journalctl -fu gpunode-first\n"
      "  - [systemctl, enable, --now, --no-block, {}]\n",
      kFirstUnit);
  return text;
}

std::string ignition_config(const Delivery& delivery) {
  Json files = Json::array();
  const auto add = [&](const char* path, int mode, std::string_view content) {
    files.push_back(
        {{"path", path},
         {"mode", mode},
         {"overwrite", true},
         {"contents",
          {{"source", "data:;base64," + text::encode_base64(content)}}}});
  };
  add(kSpecPath, 0600, delivery.spec);
  if (is_fetched(delivery)) add(kDigestPath, 0644, digest_line(delivery));
  const Json config = {
      {"ignition", {{"version", "3.3.0"}}},
      {"storage", {{"files", std::move(files)}}},
      {"systemd",
       {{"units", Json::array({{{"name", kFirstUnit},
                                {"enabled", true},
                                {"contents", first_boot_unit(delivery)}}})}}}};
  return config.dump() + "\n";
}

std::string ansible_playbook(const Delivery& delivery) {
  std::string text = fmt::format(
      "# ansible-playbook -i HOSTS this.yaml\n"
      "- name: Make GPU nodes\n"
      "  hosts: all\n"
      "  become: true\n"
      "  gather_facts: false\n"
      "  serial: 1\n"
      "  tasks:\n"
      "    - name: A place for the file\n"
      "      ansible.builtin.file:\n"
      "        path: /etc/gpunode\n"
      "        state: directory\n"
      "        mode: \"0755\"\n"
      "    - name: What the node is to be\n"
      "      ansible.builtin.copy:\n"
      "        dest: {}\n"
      "        mode: \"0600\"\n"
      "        content: !unsafe {}\n",
      kSpecPath, yaml_text(delivery.spec));
  const char* program = kInImage;
  if (is_fetched(delivery)) {
    program = kFetched;
    text += fmt::format(
        "    - name: The program\n"
        "      ansible.builtin.get_url:\n"
        "        url: {}\n"
        "        dest: {}\n"
        "        checksum: \"sha256:{}\"\n"
        "        mode: \"0755\"\n",
        yaml_text(delivery.program_url), kFetched, delivery.program_sha256);
  }
  text += fmt::format(
      "    # 0: as it should be; 4: it reboots, or is to be rebooted, and goes "
      "on by itself.\n"
      "    - name: Apply it\n"
      "      ansible.builtin.command:\n"
      "        argv: [{0}, apply, --yes, --file, {1}]\n"
      "      register: applied\n"
      "      changed_when: applied.stdout is not search('(^|[^0-9])0 to "
      "change')\n"
      "      failed_when: applied.rc not in [0, 4]\n"
      "    - name: It reboots\n"
      "      ansible.builtin.wait_for_connection:\n"
      "        delay: 60\n"
      "        timeout: 1800\n"
      "      when: applied.rc == 4\n"
      "    - name: Nothing is left to do\n"
      "      ansible.builtin.command:\n"
      "        argv: [{0}, plan, --file, {1}]\n"
      "      register: left\n"
      "      until: left.rc == 0\n"
      "      retries: 60\n"
      "      delay: 30\n"
      "      changed_when: false\n"
      "      when: applied.rc == 4\n",
      program, kSpecPath);
  return text;
}

}  // namespace gpunode::provision
