// nvidia-ctk config and config default.
#include <sys/stat.h>

#include <array>
#include <string>

#include "apps/gpunode/peer/command.h"
#include "apps/gpunode/peer/config_defaults.h"
#include "base/host/file.h"
#include "base/host/host_root.h"
#include "base/text/toml_edit.h"
#include "container/engines/config_file.h"

namespace gpunode::cli {
namespace {

using text::GoFlag;
using text::GoFlags;

const std::array<GoFlag, 5> kFlags = {{
    {.name = "config-file",
     .aliases = {"config", "c"},
     .usage = "The configuration to read; where the toolkit looks for it if "
              "not given"},
    {.name = "set",
     .kind = GoFlag::Kind::kList,
     .usage = "Set a key: key=value; a key alone turns a switch on"},
    {.name = "set-list-separator",
     .default_text = ":",
     .usage = "What parts the items of a list",
     .is_hidden = true},
    {.name = "in-place",
     .kind = GoFlag::Kind::kBool,
     .aliases = {"i"},
     .usage = "Change --config-file itself"},
    {.name = "output",
     .aliases = {"o"},
     .usage = "Where to write; standard output if not given"},
}};

const std::array<GoFlag, 1> kDefaultFlags = {{
    {.name = "output",
     .aliases = {"o"},
     .usage = "Where to write; standard output if not given"},
}};

std::string default_text() {
  return default_toolkit_config(host::HostRoot().exists("/sbin/ldconfig.real"));
}

Result<void> print_default(const GoFlags& flags, PeerContext&) {
  const std::string& output = flags.text("output");
  if (output.empty()) return print(default_text());
  constexpr mode_t kForAll = 0644;
  return host::write_file_atomic(output, default_text(), kForAll,
                                 host::Durability::kDurable);
}

Result<void> change(const GoFlags& flags, PeerContext& context) {
  const std::string path = flags.text("config-file").empty()
                               ? toolkit_config_path(context.session)
                               : flags.text("config-file");
  TRY(const auto present, engines::read_config(host::HostRoot(), path));
  auto editor =
      text::TomlEditor::open(present ? *present : default_text(), path);
  if (!editor) {
    return std::move(editor).error().with_context("unable to load config");
  }
  for (const std::string& written : flags.list("set")) {
    TRY(const auto option,
        parse_set_option(written, flags.text("set-list-separator")));
    if (option.is_removal) {
      TRY_VOID(editor->remove(option.path));
    } else {
      TRY_VOID(editor->set(option.path, option.value));
    }
  }
  const std::string output =
      flags.is_true("in-place") ? path : flags.text("output");
  if (output.empty()) return print(editor->text());
  return engines::write_config(host::HostRoot(), output, editor->text());
}

}  // namespace

PeerCommand config_command() {
  return {.name = "config",
          .usage = "Print or change the toolkit's configuration",
          .flags = kFlags,
          .run = change,
          .commands = {{.name = "default",
                        .usage = "Print the default configuration",
                        .flags = kDefaultFlags,
                        .run = print_default,
                        .aliases = {"create-default", "generate-default"}}}};
}

}  // namespace gpunode::cli
