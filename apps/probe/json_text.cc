#include "apps/probe/json_text.h"

namespace gpunode::probe {

void print_json_text(const char* text, std::FILE* out) {
  std::fputc('"', out);
  for (; *text != '\0'; ++text) {
    const auto byte = static_cast<unsigned char>(*text);
    if (byte < 0x20) {
      std::fprintf(out, "\\u%04x", static_cast<unsigned>(byte));
      continue;
    }
    if (byte == '"' || byte == '\\') std::fputc('\\', out);
    std::fputc(byte, out);
  }
  std::fputc('"', out);
}

void print_json_result(int code, const char* text, std::FILE* out) {
  std::fprintf(out, R"({"code":%d,"text":)", code);
  print_json_text(text, out);
  std::fputc('}', out);
}

}  // namespace gpunode::probe
